package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters/images"
	"github.com/podidentity/epi/clusters/kind"
)

func (a *app) imagesCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "images --file FILE",
		Short: "Write the images of agent, webhook, emulator and probe to an archive",
		Long: `Images writes the reference agent and webhook, the emulator and the probe as one
archive of container images and prints their names. The same programs give the same
archive, byte by byte. The command needs no container engine.`,
		Example: `  epi images --file images.tar && docker load --input images.tar
  kind load image-archive images.tar`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError("flag --file: no file given")
			}
			steps := a.newSteps(nil)
			dir, err := a.binaries(cmd.Context(), steps)
			steps.Close()
			if err != nil {
				return err
			}
			var list []*images.Image
			for _, program := range kind.Programs() {
				image, err := images.Build(dir, program)
				if err != nil {
					return err
				}
				list = append(list, image)
			}
			archive, err := os.Create(file)
			if err != nil {
				return usageError("write images: %w", err)
			}
			if err := errors.Join(images.Archive(archive, list...), archive.Close()); err != nil {
				return errors.Join(err, os.Remove(file))
			}
			for _, image := range list {
				if _, err := fmt.Fprintln(a.out, image.Ref); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "archive to write")
	return cmd
}
