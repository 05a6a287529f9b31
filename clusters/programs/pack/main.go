// Command pack compiles the programs for epi's images, for Linux on one architecture, and writes them to the place from
// which a build of epi with the tag epi_packed embeds them.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/podidentity/epi/clusters/programs"
)

func main() {
	arch := flag.String("arch", "amd64", "architecture: amd64 or arm64")
	to := flag.String("to", "clusters/programs", "folder of the archive")
	flag.Parse()
	if err := pack(context.Background(), *arch, *to); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(ctx context.Context, arch, to string) error {
	if arch != "amd64" && arch != "arm64" {
		return fmt.Errorf("architecture %q: not amd64 or arm64", arch)
	}
	work, err := os.MkdirTemp("", "epi-pack-")
	if err != nil {
		return err
	}
	arguments := []string{"build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w", "-o", work + string(filepath.Separator)}
	for _, name := range programs.Names() {
		arguments = append(arguments, "./cmd/"+name)
	}
	compile := exec.CommandContext(ctx, "go", arguments...)
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	compile.Stdout, compile.Stderr = os.Stdout, os.Stderr
	var archive bytes.Buffer
	err = compile.Run()
	if err == nil {
		err = programs.Pack(&archive, work)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "packed_"+arch+".tar.zst"), archive.Bytes(), 0o644)
	}
	return errors.Join(err, os.RemoveAll(work))
}
