package kind

import (
	"context"
	"fmt"
	"strings"

	"github.com/podidentity/epi/clusters/images"
)

const (
	emulatorPort        = "4566"
	emulatorControlPort = "4567"
)

// emulator is the container that is AWS: beside the nodes on their network, one hop away.
type emulator struct {
	// ip is its address on the environment's network.
	ip string
	// endpoint and control are its published addresses on this machine's loopback.
	endpoint, control string
}

// secrets are the credentials of one environment, made anew for each.
type secrets struct {
	accessKeyID, secretAccessKey string
	// controlToken opens the emulator's control API; syncToken may only watch associations.
	controlToken, syncToken string
}

func emulatorName(environment string) string { return environment + "-emulator" }

// startEmulator runs the emulator's container.
func startEmulator(ctx context.Context, engine containerEngine, environment string, hopLimit int, image *images.Image, s secrets) (*emulator, error) {
	name := emulatorName(environment)
	// A variable without a value is passed on from the environment of the engine's client: the
	// secrets appear on no command line.
	engine = engine.With(
		"EPI_EMULATOR_ACCESS_KEY_ID="+s.accessKeyID,
		"EPI_EMULATOR_SECRET_ACCESS_KEY="+s.secretAccessKey,
		"EPI_EMULATOR_CONTROL_TOKEN="+s.controlToken,
		"EPI_EMULATOR_SYNC_TOKEN="+s.syncToken,
	)
	_, err := engine.Output(ctx, "run", "--detach", "--name", name, "--hostname", name,
		"--label", environmentLabel+"="+environment,
		"--network", networkName(environment),
		"--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "NET_BIND_SERVICE",
		"--publish", "127.0.0.1::"+emulatorPort, "--publish", "127.0.0.1::"+emulatorControlPort,
		"--env", "EPI_EMULATOR_ACCESS_KEY_ID", "--env", "EPI_EMULATOR_SECRET_ACCESS_KEY",
		"--env", "EPI_EMULATOR_CONTROL_TOKEN", "--env", "EPI_EMULATOR_SYNC_TOKEN",
		image.Ref, "serve",
		"--listen", ":"+emulatorPort, "--control-listen", ":"+emulatorControlPort,
		"--imds-listen", metadataAddress+":80", "--imds-hop-limit", fmt.Sprint(hopLimit),
		"--region", region, "--account", accountID, "--node-role", nodeRole)
	if err != nil {
		return nil, fmt.Errorf("start AWS emulator: %w", err)
	}
	ip, err := engine.Output(ctx, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
	if err != nil {
		return nil, fmt.Errorf("read address of AWS emulator: %w", err)
	}
	started := &emulator{ip: strings.TrimSpace(ip)}
	for port, target := range map[string]*string{emulatorPort: &started.endpoint, emulatorControlPort: &started.control} {
		published, err := engine.Output(ctx, "port", name, port+"/tcp")
		if err != nil {
			return nil, fmt.Errorf("read published port %s of AWS emulator: %w", port, err)
		}
		*target = "http://" + strings.TrimSpace(published)
	}
	return started, nil
}

// removeContainers removes the containers of the environment that are not kind's; none is no error.
func removeContainers(ctx context.Context, engine containerEngine, environment string) error {
	ids, err := engine.Output(ctx, "ps", "--all", "--quiet", "--filter", "label="+environmentLabel+"="+environment)
	if err != nil {
		return fmt.Errorf("list containers of %s: %w", environment, err)
	}
	if list := strings.Fields(ids); len(list) > 0 {
		if _, err := engine.Output(ctx, append([]string{"rm", "--force", "--volumes"}, list...)...); err != nil {
			return fmt.Errorf("remove containers of %s: %w", environment, err)
		}
	}
	return nil
}
