package kind

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clientimage"
	"github.com/podidentity/epi/clusters/clients"
	"github.com/podidentity/epi/clusters/images"
)

// clientImages are the images of AWS clients, which are built while the cluster comes up.
type clientImages struct {
	cancel context.CancelFunc
	done   chan struct{}
	// made and err are set when done is closed.
	made []clientimage.Made
	err  error
}

// prepareClients starts to build the images.
func (c *creation) prepareClients(ctx context.Context) error {
	chosen, err := clients.Select(c.spec.Clients)
	if err != nil {
		return fmt.Errorf("choose AWS clients: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	c.clients = &clientImages{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.clients.done)
		options := clientimage.Options{Dirs: c.dirs, Binaries: c.spec.Binaries, Clients: chosen}
		c.clients.made, c.clients.err = clientimage.Ensure(ctx, options, c.progress)
	}()
	return nil
}

// stop ends the build if it still runs.
func (i *clientImages) stop() {
	i.cancel()
	<-i.done
}

// loadClients waits for the images and loads them onto the nodes.
func (c *creation) loadClients(ctx context.Context) error {
	<-c.clients.done // it ends with ctx too
	if c.clients.err != nil {
		return c.clients.err
	}
	list, _ := imagesOf(c.clients.made)
	if len(list) == 0 {
		return nil
	}
	task := c.progress.Start("AWS clients on the nodes")
	nodes, err := newKindProvider(c.found, c.spec.Name, taskLogger{task: task}).ListInternalNodes(c.spec.Name)
	if err == nil {
		group, _ := errgroup.WithContext(ctx)
		for _, node := range nodes {
			group.Go(func() error { return loadOnNode(node, list...) })
		}
		err = group.Wait()
	}
	task.End(err)
	return err
}

// imagesOf are the images of clients, with their names.
func imagesOf(made []clientimage.Made) (list []*images.Image, refs []string) {
	for _, one := range made {
		for _, image := range []*images.Image{one.Image, one.CommandImage} {
			if image != nil {
				list, refs = append(list, image), append(refs, image.Ref)
			}
		}
	}
	return list, refs
}

// addTo records the clients in the environment.
func (i *clientImages) addTo(env *clusters.Environment) {
	for _, made := range i.made {
		client := clusters.Client{
			Name: made.Name, SDK: made.SDK, Version: made.Version, Floor: made.Floor, Source: made.Source,
			Program: made.Program, Limits: made.Limits, Missing: made.Missing,
		}
		if made.Image != nil {
			client.Image, client.Digest = made.Image.Ref, made.Image.Digest
		}
		if made.CommandImage != nil {
			client.CommandImage = made.CommandImage.Ref
		}
		client.TooOld = made.Missing == "" && made.TooOld(made.Version)
		switch {
		case made.Missing != "":
		case client.TooOld:
			env.Capabilities = append(env.Capabilities, clusters.OldClientCapability(made.Name))
		case made.Kind != clients.Probe: // the probe is in every environment
			env.Capabilities = append(env.Capabilities, clusters.ClientCapability(made.Name))
		}
		env.Clients = append(env.Clients, client)
	}
}
