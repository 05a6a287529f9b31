package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	probeImage = "localhost/epi-engine-check"
	// probeTimeout is long, because a busy machine is slow.
	probeTimeout = time.Minute
)

// probe starts a privileged container of the static program wrapper, with the options of nodes, and removes it and its
// image. It needs no registry.
func (e *Engine) probe(ctx context.Context, wrapper string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	archive, err := probeArchive(wrapper)
	if err != nil {
		return fmt.Errorf("try a privileged container: %w", err)
	}
	load := e.Command("import", "-", fmt.Sprintf("%s:%d", probeImage, os.Getpid()))
	load.Stdin = bytes.NewReader(archive)
	image, err := load.Output(ctx)
	if err != nil {
		return fmt.Errorf("try a privileged container: %w", err)
	}
	image = lastField(image)
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
		defer cancel()
		if _, removeErr := e.Output(cleanup, "rmi", "--force", image); removeErr != nil {
			err = errors.Join(err, fmt.Errorf("remove image of the trial: %w", removeErr))
		}
	}()
	if _, err := e.Output(ctx, "run", "--rm", "--privileged", "--network", "none", image, "/epi-runc", "true"); err != nil {
		return fmt.Errorf("try a privileged container: %w", err)
	}
	return nil
}

func probeArchive(wrapper string) ([]byte, error) {
	program, err := os.ReadFile(wrapper)
	if err != nil {
		return nil, fmt.Errorf("read epi-runc: %w", err)
	}
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	if err := archive.WriteHeader(&tar.Header{Name: "epi-runc", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return nil, err
	}
	if _, err := archive.Write(program); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

// lastField returns the image's ID, which is at the end of an import's output. podman prints more before it.
func lastField(text string) string {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return ""
	}
	return fields[len(fields)-1]
}
