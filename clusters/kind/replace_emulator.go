package kind

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
)

// timeoutEmulator is how long the emulator may take to answer after its start.
const timeoutEmulator = 30 * time.Second

// replaceEmulator replaces the emulator's program in its container by file and restarts the container. Ports, addresses,
// the data about the cluster and every record stay.
func (r *Replacer) replaceEmulator(ctx context.Context, file string, task clusters.Task) error {
	if r.env.Control == nil {
		return errors.New("the environment has no emulator")
	}
	name := emulatorName(r.env.Name)
	wanted, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if same, err := r.emulatorIs(ctx, name, wanted); err != nil || same {
		return err
	}
	before, err := addressOf(ctx, r.engine, name)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		doing string
		args  []string
	}{
		{"stop AWS emulator", []string{"stop", "-t", "5", name}},
		{"copy program into AWS emulator", []string{"cp", file, name + ":/" + emulatorProgram}},
		{"start AWS emulator", []string{"start", name}},
	} {
		task.Detail("%s", step.doing)
		if _, err := r.engine.Output(ctx, step.args...); err != nil {
			return fmt.Errorf("%s: %w", step.doing, err)
		}
	}
	after, err := addressOf(ctx, r.engine, name)
	if err != nil {
		return err
	}
	if after != before {
		return fmt.Errorf("the AWS emulator had the address %s and now has %s, where the nodes do not look for it", before, after)
	}
	if err := control.New(r.env.Control.URL, r.env.Control.Token).WaitHealthy(ctx, timeoutEmulator); err != nil {
		logs, _ := r.engine.Output(ctx, "logs", "--tail", "20", name)
		return fmt.Errorf("%w; its last lines:\n%s", err, logs)
	}
	return nil
}

// emulatorIs says whether the program in the container is the wanted one.
func (r *Replacer) emulatorIs(ctx context.Context, container string, wanted []byte) (bool, error) {
	runs, err := fileIn(ctx, r.engine, container, "/"+emulatorProgram)
	return bytes.Equal(runs, wanted), err
}

// fileIn reads a file in a container.
func fileIn(ctx context.Context, engine containerEngine, container, file string) ([]byte, error) {
	archive, err := engine.Output(ctx, "cp", container+":"+file, "-")
	if err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", file, container, err)
	}
	reader := tar.NewReader(strings.NewReader(archive))
	if _, err := reader.Next(); err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", file, container, err)
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", file, container, err)
	}
	return content, nil
}

func addressOf(ctx context.Context, engine containerEngine, container string) (string, error) {
	ip, err := engine.Output(ctx, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)
	if err != nil {
		return "", fmt.Errorf("read address of AWS emulator: %w", err)
	}
	return strings.TrimSpace(ip), nil
}
