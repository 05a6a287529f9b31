package nodeimage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// keepInNode says which files of Debian's root file system are in the node image. It leaves out what kind's base image
// removes (images/base/Dockerfile of sigs.k8s.io/kind), which are units without use or with bad effects in a container, and
// files that each container makes anew.
func keepInNode(name string) bool {
	unit, isUnit := strings.CutPrefix(strings.TrimPrefix(name, "usr/"), "lib/systemd/system/")
	if !isUnit {
		unit, isUnit = strings.CutPrefix(name, "etc/systemd/system/")
		if isUnit && strings.Contains(unit, ".wants/") {
			return false
		}
	}
	if isUnit {
		folder, wanted := path.Split(unit)
		if wanted == "" {
			return true
		}
		switch folder {
		case "multi-user.target.wants/", "local-fs.target.wants/", "basic.target.wants/":
			return false
		case "sockets.target.wants/":
			return !strings.Contains(wanted, "udev") && !strings.Contains(wanted, "initctl")
		case "sysinit.target.wants/":
			return wanted != "systemd-tmpfiles-setup.service"
		}
		return true
	}
	switch name {
	case "etc/machine-id", "etc/hostname", "etc/resolv.conf", "etc/hosts":
		return false
	}
	for _, folder := range []string{"dev/", "proc/", "sys/", "run/", "tmp/", "var/cache/apt/", "var/lib/apt/lists/", "var/log/"} {
		if strings.HasPrefix(name, folder) {
			return false
		}
	}
	return true
}

// writeSystem writes the node's first layer: Debian.
func writeSystem(l *layer, debian *rootfs) error {
	for _, name := range debian.names {
		if keepInNode(name) {
			l.entry(debian, name)
		}
	}
	return nil
}

// nodeFiles are the sources of the node's second layer.
type nodeFiles struct {
	// kind is the folder images/base/files of kind's module.
	kind string
	// bin is the folder of the compiled programs.
	bin string
	// runtimeWrapper is the path of epi-runc.
	runtimeWrapper string
	version        string
	// pause is the name of the image for pod sandboxes.
	pause string
	// containerSpec is the OCI specification that containerd uses by default, as `ctr oci spec` prints it.
	containerSpec []byte
}

// writeNode writes the node's second layer: kind's files, containerd and Kubernetes.
func writeNode(l *layer, files nodeFiles) error {
	if err := writeKindFiles(l, files); err != nil {
		return err
	}
	spec, err := containerSpec(files.containerSpec)
	if err != nil {
		return err
	}
	l.text("etc/containerd/cri-base.json", 0o644, string(spec))
	for _, unit := range []string{"containerd", "kubelet", "undo-mount-hacks"} {
		l.link("etc/systemd/system/multi-user.target.wants/"+unit+".service", "/etc/systemd/system/"+unit+".service")
	}
	// The service would register formats with the kernel, for the whole machine.
	l.link("etc/systemd/system/systemd-binfmt.service", "/dev/null")
	l.text("etc/systemd/journald.conf.d/10-container.conf", 0o644, "[Journal]\nReadKMsg=no\n")
	l.folder("etc/kubernetes/manifests", 0o755)
	for _, empty := range []string{"dev", "proc", "sys", "run"} {
		l.folder(empty, 0o755)
	}
	l.folder("tmp", 0o1777)
	l.folder("var/log", 0o755)

	for _, program := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
		l.copy("usr/local/bin/"+program, 0o755, filepath.Join(files.bin, program))
	}
	for _, plugin := range []string{"host-local", "loopback", "portmap", "ptp"} {
		l.copy("opt/cni/bin/"+plugin, 0o755, filepath.Join(files.bin, plugin))
	}
	// It precedes Debian's runc in every path: a privileged pod, such as kube-proxy's, must start also on a machine that
	// lacks a capability.
	l.copy("usr/local/sbin/runc", 0o755, files.runtimeWrapper)
	l.copy("usr/local/bin/kubernetes", 0o755, filepath.Join(files.bin, "kubernetes"))
	for _, program := range []string{"kubeadm", "kubectl", "kubelet"} {
		l.link("usr/bin/"+program, "../local/bin/kubernetes")
	}

	l.text("kind/version", 0o644, files.version)
	l.text("kind/manifests/default-cni.yaml", 0o644, noDefaultNetwork)
	l.text("kind/manifests/default-storage.yaml", 0o644, storageClass)
	return nil
}

// noDefaultNetwork replaces the manifest of kind's own network plugin, whose image is available only from a registry.
const noDefaultNetwork = `# This node image has no network plugin of its own: use disableDefaultCNI.
apiVersion: v1
kind: ConfigMap
metadata:
  name: no-default-network
  namespace: kube-system
data:
  reason: the node image was built without a registry; set networking.disableDefaultCNI
`

// storageClass makes claims stay pending. kind's own would need an image that is not available.
const storageClass = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations:
    storageclass.kubernetes.io/is-default-class: "true"
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
`

var sandboxImage = regexp.MustCompile(`(?m)^(\s*sandbox_image = ).*$`)

// writeKindFiles copies the files that kind's Dockerfile copies, with its modes, and sets the name of the sandbox image.
func writeKindFiles(l *layer, files nodeFiles) error {
	err := filepath.WalkDir(files.kind, func(file string, info fs.DirEntry, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		name, err := filepath.Rel(files.kind, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		mode := int64(0o644)
		if strings.HasPrefix(name, "usr/local/bin/") || strings.HasPrefix(name, "kind/bin/") {
			mode = 0o755
		}
		if name != "etc/containerd/config.toml" {
			l.copy(name, mode, file)
			return nil
		}
		config, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !sandboxImage.Match(config) {
			return fmt.Errorf("%s names no sandbox_image", file)
		}
		l.text(name, mode, sandboxImage.ReplaceAllString(string(config), `${1}"`+files.pause+`"`))
		return nil
	})
	if err != nil {
		return fmt.Errorf("copy kind's node files: %w", err)
	}
	return nil
}

// containerSpec turns containerd's default specification into that of kind's nodes, with kind's hook for files that differ
// between nodes, and without resource limits.
func containerSpec(data []byte) ([]byte, error) {
	var spec map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // a 64-bit limit does not fit into a float
	if err := decoder.Decode(&spec); err != nil {
		return nil, fmt.Errorf("decode containerd's container specification: %w", err)
	}
	process, ok := spec["process"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("decode containerd's container specification: it has no process")
	}
	delete(process, "rlimits")
	spec["hooks"] = map[string]any{
		"createContainer": []any{map[string]any{"path": "/kind/bin/mount-product-files.sh"}},
	}
	return json.MarshalIndent(spec, "", "  ")
}
