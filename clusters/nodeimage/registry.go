package nodeimage

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/podidentity/epi/clusters"
)

// reachTimeout is how long a registry may take to answer. Building takes minutes, so waiting some seconds for a slow
// registry is worth it.
const reachTimeout = 5 * time.Second

// pull pulls the image that kind publishes into the engine. It returns an image without a name if there is none for the
// pin, or if the registry cannot be reached.
func pull(ctx context.Context, options Options, p pin, task clusters.Task) (Image, error) {
	if p.published == "" {
		return Image{}, nil
	}
	image := Image{Ref: p.published, Version: p.publishedVersion, Origin: Registry}
	if has, err := options.Engine.HasImage(ctx, p.published); err != nil {
		return Image{}, err
	} else if has {
		return image, nil
	}
	task.Detail("asking the registry for %s", p.published)
	if err := Reachable(ctx, p.published); err != nil {
		if ctx.Err() != nil {
			return Image{}, err
		}
		task.Detail("no registry in reach: building the image")
		return Image{}, nil
	}
	task.Detail("pulling %s", p.published)
	get := options.Engine.Command("pull", p.published)
	get.OnLine = func(line string) { task.Detail("pulling: %s", line) }
	if err := get.Run(ctx); err != nil {
		if ctx.Err() != nil {
			return Image{}, err
		}
		// The engine may reach the registry in another way than this process. If it cannot, the image is built.
		task.Detail("%s cannot pull: building the image", options.Engine)
		return Image{}, nil
	}
	return image, nil
}

// Published returns the name of the image that kind publishes for the default version.
func Published() string { return pins[0].published }

// Reachable says within seconds whether the image's registry answers for it, with the credentials of the user's own Docker
// configuration.
func Reachable(ctx context.Context, image string) error {
	ref, err := name.ParseReference(image)
	if err != nil {
		return fmt.Errorf("ask registry for %s: %w", image, err)
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	transport := remote.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	_, err = remote.Head(ref, remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}))
	if err != nil {
		return fmt.Errorf("ask registry for %s: %w", image, err)
	}
	return nil
}
