package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/addons"
	"github.com/podidentity/epi/clusters/images"
)

// agentLink is the link with the agent's addresses. It has the name that the EKS agent uses.
const agentLink = "pod-id-link0"

// prepareGiven makes an archive of the user's image for a role; nil if there is none.
func (c *creation) prepareGiven(ctx context.Context, role string, given clusters.Given) (*images.Given, error) {
	if given.Image == "" {
		return nil, nil
	}
	task := c.progress.Start(fmt.Sprintf("Image of the %s: %s", role, given.Image))
	image, err := archiveGiven(ctx, c.engine, given.Image, filepath.Join(c.dir, role+".tar"))
	if err != nil {
		err = noImage(role, given.Image, c.found.Name, err)
	}
	task.End(err)
	return image, err
}

// noImage is the error for a user's image that cannot be found.
func noImage(role, image, engine string, err error) error {
	return &clusters.EnvironmentError{
		Doing: fmt.Sprintf("get image %s of the %s", image, role), Err: err,
		Remedy: fmt.Sprintf("give an image that %s has or can pull, or an archive that docker save wrote", engine),
	}
}

// archiveGiven saves the engine's image to file, unless it is an archive already.
func archiveGiven(ctx context.Context, engine containerEngine, image, file string) (*images.Given, error) {
	if info, err := os.Stat(image); err == nil && info.Mode().IsRegular() {
		return images.OpenArchive(image)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if strings.HasSuffix(image, ".tar") {
		return nil, fmt.Errorf("%w: %s", fs.ErrNotExist, image)
	}
	if _, err := engine.Output(ctx, "image", "inspect", "--format", "{{.Id}}", image); err != nil {
		// The engine pulls the image and not the nodes, because the engine has the user's logins.
		if _, err := engine.Output(ctx, "pull", "--quiet", image); err != nil {
			return nil, err
		}
	}
	if _, err := engine.Output(ctx, "save", "--output", file, image); err != nil {
		return nil, err
	}
	return images.OpenArchive(file)
}

// loadGiven loads the user's images onto a node. It removes nothing: the archives are in the environment's folder, or are
// the user's own.
func (c *creation) loadGiven(node nodes.Node) error {
	for _, image := range []*images.Given{c.agent, c.webhook} {
		if image == nil {
			continue
		}
		if err := loadArchive(node, image); err != nil {
			return err
		}
	}
	return nil
}

// loadArchive loads one of the user's images onto a node.
func loadArchive(node nodes.Node, image *images.Given) error {
	archive, err := image.Open()
	if err != nil {
		return err
	}
	if err := errors.Join(nodeutils.LoadImageArchive(node, archive), archive.Close()); err != nil {
		return fmt.Errorf("load image %s on node %s: %w", image.Ref, node, err)
	}
	return nil
}

// addon is the program to install for a role: epi's, or the user's.
func (c *creation) addon(program string, given clusters.Given, image *images.Given) addons.Subject {
	if image == nil {
		args := given.Args
		if c.spec.Compat != "" {
			args = append([]string{"--compat=" + string(c.spec.Compat)}, args...)
		}
		return addons.Subject{Image: c.images[program].Ref, Layout: clusters.LayoutEntrypoint, Args: args, Env: given.Env}
	}
	return addons.Subject{Image: image.Ref, Layout: layoutOf(given.Layout, image), Args: given.Args, Env: given.Env}
}

func layoutOf(asked clusters.Layout, image *images.Given) clusters.Layout {
	switch {
	case asked != "" && asked != clusters.LayoutAuto:
		return asked
	case len(image.Entrypoint) == 0:
		return clusters.LayoutEKS
	default:
		return clusters.LayoutEntrypoint
	}
}

// makeAgentLink makes the agent's link where the kernel has no links of type dummy, which the EKS agent would create. The
// agent uses an existing link. A bridge without ports works as well.
func makeAgentLink(ctx context.Context, list []nodes.Node) error {
	for _, node := range list {
		if onNode(ctx, node, "ip", "link", "add", agentLink, "type", "dummy") == nil {
			continue
		}
		if err := onNode(ctx, node, "ip", "link", "add", agentLink, "type", "bridge"); err != nil {
			return fmt.Errorf("make link %s, for the agent, on node %s: %w", agentLink, node, err)
		}
	}
	return nil
}
