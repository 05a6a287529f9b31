package kind

import (
	"context"
	"fmt"
	"net"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/images"
)

const (
	emulatorPort        = "4566"
	emulatorControlPort = "4567"
	// emulatorState is in the container. It survives a restart and is removed with the container.
	emulatorState = "/state/aws.db"
	emulatorCA    = "/state/ca.pem"
)

// emulator is the container with the emulated AWS. It is on the nodes' network, one hop away.
type emulator struct {
	// ip is its address on the environment's network.
	ip string
	// endpoint and control are its published addresses on this machine's loopback.
	endpoint, control string
}

// secrets are the credentials of one environment. Each environment has new ones.
type secrets struct {
	accessKeyID, secretAccessKey string
	// controlToken authorises the emulator's whole control API. syncToken may only watch associations.
	controlToken, syncToken string
}

// freePorts finds free TCP ports on loopback.
func freePorts(ctx context.Context, count int) ([]string, error) {
	var ports []string
	for range count {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		// Each is held until all are found, so that they differ.
		defer func() { _ = listener.Close() }()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

func emulatorName(environment string) string { return environment + "-emulator" }

// serveArgs are the emulator's arguments in an environment.
func serveArgs(spec clusters.Spec) []string {
	args := []string{"--region", region, "--imds-hop-limit", fmt.Sprint(spec.IMDSHopLimit)}
	if spec.RedirectAWS {
		args = append(args, hostArgs()...)
	}
	return args
}

// hostArgs make the emulator serve AWS's own host names, and answer DNS questions for them with its address.
func hostArgs() []string {
	return []string{"--hosts-listen", ":443", "--tls-ca-file", emulatorCA, "--dns-listen", ":53"}
}

// startEmulator runs the emulator's container with additional arguments.
func startEmulator(ctx context.Context, engine containerEngine, environment string, image *images.Image, s secrets, more []string) (*emulator, error) {
	name := emulatorName(environment)
	// A variable without a value is taken from the environment of the engine's client, so the secrets are on no command
	// line.
	engine = engine.With(
		"EPI_EMULATOR_ACCESS_KEY_ID="+s.accessKeyID,
		"EPI_EMULATOR_SECRET_ACCESS_KEY="+s.secretAccessKey,
		"EPI_EMULATOR_CONTROL_TOKEN="+s.controlToken,
		"EPI_EMULATOR_SYNC_TOKEN="+s.syncToken,
	)
	published, err := freePorts(ctx, 2)
	if err != nil {
		return nil, fmt.Errorf("find ports for AWS emulator: %w", err)
	}
	args := []string{"run", "--detach", "--name", name, "--hostname", name,
		"--label", environmentLabel + "=" + environment,
		"--network", networkName(environment),
		"--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "NET_BIND_SERVICE",
		// Ports that epi chooses stay the same when the container is restarted. The engine's own choice would not.
		"--publish", "127.0.0.1:" + published[0] + ":" + emulatorPort, "--publish", "127.0.0.1:" + published[1] + ":" + emulatorControlPort,
		"--env", "EPI_EMULATOR_ACCESS_KEY_ID", "--env", "EPI_EMULATOR_SECRET_ACCESS_KEY",
		"--env", "EPI_EMULATOR_CONTROL_TOKEN", "--env", "EPI_EMULATOR_SYNC_TOKEN",
		image.Ref, "serve",
		"--listen", ":" + emulatorPort, "--control-listen", ":" + emulatorControlPort,
		"--imds-listen", metadataAddress + ":80",
		"--account", accountID, "--member-account", memberAccountID, "--node-role", nodeRole,
		"--state", emulatorState,
	}
	if _, err := engine.Output(ctx, append(args, more...)...); err != nil {
		return nil, fmt.Errorf("start AWS emulator: %w", err)
	}
	ip, err := addressOf(ctx, engine, name)
	if err != nil {
		return nil, err
	}
	return &emulator{
		ip: ip, endpoint: "http://127.0.0.1:" + published[0], control: "http://127.0.0.1:" + published[1],
	}, nil
}
