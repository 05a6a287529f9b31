package kind

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/podidentity/epi/clusters/addons"
)

// resolverConfigFile is on the nodes. kubelet gives it to pods that use their node's name servers, among them cluster DNS.
// The node's own programs keep the node's configuration.
const resolverConfigFile = "/etc/epi/resolv.conf"

// writeResolverConfig writes the resolv.conf(5) with the emulator's address to dir, and returns the file.
func writeResolverConfig(dir, emulatorIP string) (string, error) {
	file := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+emulatorIP+"\n"), 0o644); err != nil { //nolint:gosec // pods read it
		return "", fmt.Errorf("write configuration of the resolver: %w", err)
	}
	return file, nil
}

// resolveBy makes the nodes' pods resolve names by a file of this machine.
func resolveBy(config *v1alpha4.Cluster, file string) {
	config.KubeadmConfigPatches = append(config.KubeadmConfigPatches, "kind: KubeletConfiguration\nresolvConf: "+resolverConfigFile+"\n")
	for n := range config.Nodes {
		node := &config.Nodes[n]
		node.ExtraMounts = append(node.ExtraMounts, v1alpha4.Mount{HostPath: file, ContainerPath: resolverConfigFile, Readonly: true})
	}
}

// redirectAWS redirects unchanged pods to the emulator, if the spec asks for it.
func (c *creation) redirectAWS(ctx context.Context) error {
	if !c.spec.RedirectAWS {
		return nil
	}
	task := c.progress.Start("Redirection of AWS")
	err := func() error {
		authority, err := fileIn(ctx, c.engine, emulatorName(c.spec.Name), emulatorCA)
		if err != nil {
			return err
		}
		installer, err := addons.New(c.kube)
		if err != nil {
			return err
		}
		if err := installer.InstallRedirect(ctx, addons.Redirect{Endpoint: c.podEndpoint(), CA: authority}); err != nil {
			return err
		}
		return installer.WaitDNS(ctx, task)
	}()
	task.End(err)
	return err
}
