// Command publish pushes the images of a release to a registry: the emulator, the agent, the webhook and the probe. Each is
// for Linux on all architectures, made from the archives of the command pack. The registry's credentials are those of
// docker login.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/podidentity/epi/clusters/images"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/clusters/programs"
)

// architectures that a release has images for.
func architectures() []string { return []string{"amd64", "arm64"} }

func main() {
	from := flag.String("from", "clusters/programs", "folder of the archives")
	repository := flag.String("repository", "", "prefix of the images' names, such as ghcr.io/podidentity")
	tag := flag.String("tag", "", "tag of the images, such as v1.2.3")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := publish(ctx, *from, *repository, *tag, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
}

// publish prints a line for each image: its name and digest.
func publish(ctx context.Context, from, repository, tag string, to io.Writer) (err error) {
	if repository == "" || tag == "" {
		return errors.New("--repository and --tag are needed")
	}
	work, err := os.MkdirTemp("", "epi-publish-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	for _, architecture := range architectures() {
		archive, err := os.ReadFile(filepath.Join(from, "packed_"+architecture+".tar.zst"))
		if err != nil {
			return fmt.Errorf("%w: go run ./clusters/programs/pack --arch %s writes it", err, architecture)
		}
		folder := filepath.Join(work, architecture)
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
		if err := programs.Unpack(archive, folder); err != nil {
			return err
		}
	}
	for _, program := range kind.Programs() {
		var list []*images.Image
		for _, architecture := range architectures() {
			program.Architecture = architecture
			image, err := images.Build(filepath.Join(work, architecture), program)
			if err != nil {
				return err
			}
			list = append(list, image)
		}
		ref := repository + "/" + program.Name + ":" + tag
		digest, err := images.PushIndex(ctx, list, ref, remote.WithAuthFromKeychain(authn.DefaultKeychain))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(to, "%s@%s\n", ref, digest); err != nil {
			return err
		}
	}
	return nil
}
