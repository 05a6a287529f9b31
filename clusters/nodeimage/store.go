package nodeimage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/podidentity/epi/clusters/internal/command"
)

// storeConfig configures containerd with only what it needs to receive images.
const storeConfig = `version = 3
disabled_plugins = [
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.restart",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.overlayfs",
  "io.containerd.snapshotter.v1.zfs",
]
`

// fillStore fills containerd's own store in the folder root with the images of the OCI image layout in the tar file images.
// It runs containerd itself, as a child that sees no containers of this machine. So the store has the form that the node's
// containerd expects.
func fillStore(ctx context.Context, bin, root, images string) error {
	// A socket's path has a short limit (unix(7)), and the caller's folder may be deep.
	run, err := os.MkdirTemp("", "epi-store-")
	if err != nil {
		return fmt.Errorf("fill image store of the node: %w", err)
	}
	defer func() { _ = os.RemoveAll(run) }() // temporary files, outside anything that is kept
	config := filepath.Join(run, "config.toml")
	if err := os.WriteFile(config, []byte(storeConfig), 0o600); err != nil {
		return fmt.Errorf("fill image store of the node: %w", err)
	}
	socket := filepath.Join(run, "containerd.sock")

	serving, stop := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		server := command.New(filepath.Join(bin, "containerd"), "--config", config, "--root", root,
			"--state", filepath.Join(run, "state"), "--address", socket, "--log-level", "warn")
		ended <- server.Run(serving)
	}()
	importErr := importImages(ctx, bin, socket, images, ended)
	done := errors.New("images are imported")
	stop(done)
	if importErr != nil {
		// If containerd itself has ended, its last output says more.
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, done) {
				importErr = fmt.Errorf("%w\n%w", importErr, err)
			}
		case <-time.After(20 * time.Second):
		}
		return fmt.Errorf("fill image store of the node: %w", importErr)
	}
	// Its database is complete only after it has ended.
	if err := <-ended; err != nil && !errors.Is(err, done) {
		return fmt.Errorf("fill image store of the node: %w", err)
	}
	return nil
}

func importImages(ctx context.Context, bin, socket, images string, ended chan error) error {
	ctr := func(args ...string) *command.Command {
		return command.New(filepath.Join(bin, "ctr"), append([]string{"--address", socket, "--namespace", "k8s.io"}, args...)...)
	}
	const wait = 20 * time.Second
	for begun := time.Now(); ; {
		_, err := ctr("version").Output(ctx)
		if err == nil {
			break
		}
		if time.Since(begun) > wait {
			return fmt.Errorf("containerd did not answer within %v: %w", wait, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case early := <-ended:
			ended <- early
			return errors.New("containerd ended early")
		case <-time.After(100 * time.Millisecond):
		}
	}
	// The images are not unpacked, as in kind's own node image, because a node's file system is another one.
	if _, err := ctr("images", "import", "--local", "--no-unpack", images).Output(ctx); err != nil {
		return fmt.Errorf("import images: %w", err)
	}
	return nil
}

// writeStore writes the node's third layer: the images' content and the database of their names from the containerd store
// in the folder root. A node makes the rest itself.
func writeStore(l *layer, root string) error {
	for _, part := range []string{"io.containerd.content.v1.content", "io.containerd.metadata.v1.bolt"} {
		if err := writeFolder(l, filepath.Join(root, part), "var/lib/containerd/"+part); err != nil {
			return fmt.Errorf("copy image store of the node: %w", err)
		}
	}
	return nil
}

// writeLayout writes an OCI image layout, which is a folder, as the tar file for `ctr images import`.
func writeLayout(l *layer, dir string) error {
	if err := writeFolder(l, dir, ""); err != nil {
		return fmt.Errorf("pack images of pods: %w", err)
	}
	return nil
}

// writeFolder writes the folder dir of this machine and the files below it under the name target.
func writeFolder(l *layer, dir, target string) error {
	return filepath.WalkDir(dir, func(file string, info fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		name = path.Join(target, filepath.ToSlash(name))
		switch {
		case info.IsDir():
			l.folder(name, 0o755)
		case info.Type().IsRegular():
			l.copy(name, 0o644, file)
		}
		return l.err
	})
}
