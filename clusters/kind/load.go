package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/images"
)

// ImageError says that an image cannot be loaded because of its content, or because it does not exist. The environment is
// not at fault.
type ImageError struct {
	Image string
	Err   error
	// Remedy says what the user can do about it, if anything.
	Remedy string
}

func (e *ImageError) Error() string { return fmt.Sprintf("get image %s: %v", e.Image, e.Err) }

func (e *ImageError) Unwrap() error { return e.Err }

// imageSource is a container engine that may have the user's image.
type imageSource struct {
	name   string
	engine containerEngine
}

// Load loads a user's image onto all nodes of an environment and returns the names under which pods use it. The image is in
// the user's container engine, in the engine of the nodes, or in an archive of docker save or of an OCI layout. scratch is
// an empty folder for temporary files.
func (p *Provider) Load(ctx context.Context, env *clusters.Environment, image, scratch string, progress clusters.Progress) ([]string, error) {
	reached, err := p.reach(ctx, env)
	if err != nil {
		return nil, err
	}
	loadable, err := getLoadable(ctx, reached.engine, image, scratch, progress)
	if err != nil {
		return nil, err
	}
	if err := loadEverywhere(ctx, reached.nodes, loadable, progress); err != nil {
		return nil, environmentError("load image "+image, err)
	}
	return loadable.Refs, nil
}

// getLoadable gets the image from an archive, from the user's container engine, or from the engine of the nodes.
func getLoadable(ctx context.Context, found *engine.Engine, image, scratch string, progress clusters.Progress) (*images.Loadable, error) {
	var sources []imageSource
	if users, err := engine.Users(ctx); err == nil {
		sources = append(sources, imageSource{users.String(), clientOf(users)})
	}
	if found.Private {
		sources = append(sources, imageSource{found.String(), clientOf(found)})
	}
	task := progress.Start("Image " + image)
	loadable, err := findLoadable(ctx, sources, image, scratch, task)
	task.End(err)
	return loadable, err
}

// findLoadable gets the image from an archive, or otherwise from the first engine that has it.
func findLoadable(ctx context.Context, sources []imageSource, image, scratch string, task clusters.Task) (*images.Loadable, error) {
	refused := func(err error, remedy string) error {
		return &ImageError{Image: image, Err: err, Remedy: remedy}
	}
	info, err := os.Stat(image)
	switch {
	case err == nil && info.IsDir():
		return nil, refused(errors.New("it is a folder"), "give an archive of docker save, or pack an OCI layout: tar --create --file image.tar --directory "+image+" .")
	case err == nil && !info.Mode().IsRegular():
		return nil, refused(errors.New("it is no regular file"), "write the archive to a file first")
	case err == nil:
		loadable, err := images.OpenLoadable(image, filepath.Join(scratch, "layout"))
		if err != nil {
			return nil, refused(err, "write one with: docker save NAME --output FILE.tar")
		}
		return loadable, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, refused(err, "")
	case isPath(image):
		return nil, refused(errors.New("there is no such file"), "write one with: docker save NAME --output "+image)
	}
	var asked []string
	for _, source := range sources {
		if _, err := source.engine.Output(ctx, "image", "inspect", "--format", "{{.Id}}", image); err != nil {
			asked = append(asked, source.name)
			continue
		}
		task.Detail("saving it from %s", source.name)
		file := filepath.Join(scratch, "image.tar")
		if _, err := source.engine.Output(ctx, "save", "--output", file, image); err != nil {
			return nil, refused(err, "")
		}
		loadable, err := images.OpenLoadable(file, filepath.Join(scratch, "layout"))
		if err != nil {
			return nil, refused(err, "")
		}
		return loadable, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if len(asked) == 0 {
		return nil, refused(errors.New("no container engine answers, and there is no such file"), "give an archive: docker save NAME --output FILE.tar where it was built")
	}
	return nil, refused(fmt.Errorf("%s: no such image, and no file of that name", strings.Join(asked, " and ")),
		fmt.Sprintf("build or pull it first, such as: docker pull %s", image))
}

// isPath says whether a text can only be the path of a file.
func isPath(image string) bool {
	for _, prefix := range []string{"/", "./", "../", "~"} {
		if strings.HasPrefix(image, prefix) {
			return true
		}
	}
	for _, suffix := range []string{".tar", ".tar.gz", ".tgz"} {
		if strings.HasSuffix(image, suffix) {
			return true
		}
	}
	return false
}

// loadEverywhere loads an archive onto all nodes at the same time.
func loadEverywhere(ctx context.Context, list []nodes.Node, loadable *images.Loadable, progress clusters.Progress) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range list {
		group.Go(func() error {
			task := progress.Start("Node " + node.String())
			err := func() error {
				archive, err := loadable.Open()
				if err != nil {
					return err
				}
				return errors.Join(loadStream(ctx, node, archive, task), archive.Close())
			}()
			task.End(err)
			if err != nil {
				return fmt.Errorf("load on node %s: %w", node, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// loadStream loads an archive onto a node, and reports how much it has read.
func loadStream(ctx context.Context, node nodes.Node, archive io.Reader, task clusters.Task) error {
	return nodeutils.LoadImageArchive(node, &counter{ctx: ctx, from: archive, task: task})
}

// counter reports how much was read, and ends the reads when the context ends.
type counter struct {
	ctx  context.Context //nolint:containedctx // a Reader's method has no context
	from io.Reader
	task clusters.Task
	read atomic.Int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	n, err := c.from.Read(p)
	c.task.Detail("%d MiB", c.read.Add(int64(n))>>20)
	return n, err
}
