package nodeimage

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"
)

// TestKeepInNode: each row is a line of kind's images/base/Dockerfile, or a file that a container makes anew.
func TestKeepInNode(t *testing.T) {
	for name, want := range map[string]bool{
		"usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service":     false,
		"usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup-dev.service": true,
		"usr/lib/systemd/system/sysinit.target.wants":                                    true,
		"lib/systemd/system/multi-user.target.wants/getty.target":                        false,
		"etc/systemd/system/timers.target.wants/apt-daily.timer":                         false,
		"etc/systemd/system/multi-user.target.wants/remote-fs.target":                    false,
		"usr/lib/systemd/system/local-fs.target.wants/tmp.mount":                         false,
		"usr/lib/systemd/system/sockets.target.wants/systemd-udevd-control.socket":       false,
		"usr/lib/systemd/system/sockets.target.wants/systemd-initctl.socket":             false,
		"usr/lib/systemd/system/sockets.target.wants/systemd-journald.socket":            true,
		"usr/lib/systemd/system/basic.target.wants/x.service":                            false,
		"usr/lib/systemd/system/getty.target":                                            true,
		"usr/lib/systemd/systemd":                                                        true,
		"etc/machine-id":                                                                 false,
		"etc/resolv.conf":                                                                false,
		"etc/hosts":                                                                      false,
		"etc/passwd":                                                                     true,
		"dev/null":                                                                       false,
		"dev":                                                                            true,
		"var/cache/apt/pkgcache.bin":                                                     false,
		"var/lib/dpkg/status":                                                            true,
		"usr/sbin/nft":                                                                   true,
	} {
		if got := keepInNode(name); got != want {
			t.Errorf("%s: kept %v, want %v", name, got, want)
		}
	}
}

// kindFiles is kind's own folder of node files, from the module that epi requires.
func kindFiles(t *testing.T) string {
	t.Helper()
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kind").Output()
	if err != nil {
		t.Fatalf("find kind's module: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(output)), "images", "base", "files")
}

// programs makes a folder with an empty program of each name.
func programs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("program "+name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var nodePrograms = []string{"containerd", "containerd-shim-runc-v2", "ctr", "host-local", "loopback", "portmap", "ptp",
	"kubernetes", "etcd", "coredns", "pause", "epi-runc"}

func TestWriteNode(t *testing.T) {
	bin := programs(t, nodePrograms...)
	var buffer bytes.Buffer
	l := newLayer(&buffer)
	err := writeNode(l, nodeFiles{
		kind: kindFiles(t), bin: bin, runtimeWrapper: filepath.Join(bin, "epi-runc"), version: "v1.2.3",
		pause:         "registry.k8s.io/pause:9.9",
		containerSpec: []byte(`{"ociVersion":"1.2.0","process":{"args":["sh"],"rlimits":[{"type":"RLIMIT_NOFILE"}]},"linux":{"x":18446744073709551615}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, entries, contents := list(t, buffer.Bytes())
	for file, mode := range map[string]int64{
		"usr/local/bin/entrypoint": 0o755, "kind/bin/mount-product-files.sh": 0o755, "etc/systemd/system/kubelet.service": 0o644,
		"usr/local/sbin/runc": 0o755, "opt/cni/bin/ptp": 0o755, "usr/local/bin/containerd": 0o755,
	} {
		if entries[file].Mode != mode {
			t.Errorf("%s has mode %o, want %o", file, entries[file].Mode, mode)
		}
	}
	if contents["usr/local/sbin/runc"] != "program epi-runc" {
		t.Errorf("runc is %q", contents["usr/local/sbin/runc"])
	}
	for file, target := range map[string]string{
		"usr/bin/kubelet": "../local/bin/kubernetes", "usr/bin/kubectl": "../local/bin/kubernetes",
		"etc/systemd/system/multi-user.target.wants/containerd.service": "/etc/systemd/system/containerd.service",
		"etc/systemd/system/systemd-binfmt.service":                     "/dev/null",
	} {
		if entries[file].Typeflag != tar.TypeSymlink || entries[file].Linkname != target {
			t.Errorf("%s leads to %q, want %q", file, entries[file].Linkname, target)
		}
	}
	config := contents["etc/containerd/config.toml"]
	if !strings.Contains(config, `sandbox_image = "registry.k8s.io/pause:9.9"`) || strings.Count(config, "registry.k8s.io/pause") != 1 {
		t.Errorf("containerd's sandbox image is not the one that is there:\n%s", config)
	}
	if contents["kind/version"] != "v1.2.3" {
		t.Errorf("version %q", contents["kind/version"])
	}
	var spec struct {
		Process map[string]any
		Linux   map[string]json.Number
		Hooks   struct{ CreateContainer []struct{ Path string } }
	}
	if err := json.Unmarshal([]byte(contents["etc/containerd/cri-base.json"]), &spec); err != nil {
		t.Fatal(err)
	}
	if spec.Process["rlimits"] != nil || spec.Process["args"] == nil || spec.Linux["x"] != "18446744073709551615" {
		t.Errorf("container specification %+v", spec)
	}
	if len(spec.Hooks.CreateContainer) != 1 || entries[strings.TrimPrefix(spec.Hooks.CreateContainer[0].Path, "/")].Mode != 0o755 {
		t.Errorf("hook %+v is no program of the node", spec.Hooks)
	}
}

func TestContainerSpecRefusesWhatIsNone(t *testing.T) {
	for _, broken := range []string{"", "null", "{}", `{"process":3}`} {
		if spec, err := containerSpec([]byte(broken)); err == nil {
			t.Errorf("%q gives %s", broken, spec)
		}
	}
}

// TestPodImagesOfKubeadm: `kubeadm config images list` of v1.36.3 printed these.
func TestPodImagesOfKubeadm(t *testing.T) {
	names := []string{
		"registry.k8s.io/kube-apiserver:v1.36.3", "registry.k8s.io/kube-controller-manager:v1.36.3",
		"registry.k8s.io/kube-scheduler:v1.36.3", "registry.k8s.io/coredns/coredns:v1.14.2",
		"registry.k8s.io/pause:3.10.2", "registry.k8s.io/etcd:3.6.8-0",
	}
	bin, work := programs(t, nodePrograms...), t.TempDir()
	dir := filepath.Join(work, "images")
	if err := writePodImages(dir, work, bin, nil, names); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	got := map[string]v1.Hash{}
	for _, manifest := range index.Manifests {
		got[manifest.Annotations["io.containerd.image.name"]] = manifest.Digest
	}
	for _, name := range names {
		if got[name].Hex == "" {
			t.Errorf("%s is not there", name)
		}
	}
	if got[names[0]] != got[names[1]] {
		t.Error("the programs of Kubernetes are stored more than once")
	}
	if pause := pauseImage(names); pause != names[4] {
		t.Errorf("sandbox image %q", pause)
	}
	err = writePodImages(filepath.Join(work, "other"), work, bin, nil, []string{"registry.k8s.io/new-thing:v1"})
	if err == nil || !strings.Contains(err.Error(), "new-thing") {
		t.Errorf("an image without a recipe: %v", err)
	}
}

func storedLayers(t *testing.T) []v1.Layer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "layer.tar")
	err := writeLayer(file, func(l *layer) error {
		l.text("kind/version", 0o644, "v1.2.3")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := newStoredLayer(file)
	if err != nil {
		t.Fatal(err)
	}
	return []v1.Layer{stored}
}

func TestArchiveIsAnImage(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "image.tar.zst")
	const ref = "localhost/epi-node:v1.2.3-abc"
	if err := writeArchive(t.Context(), ref, file, storedLayers(t)); err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	reader, err := zstd.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	plain := filepath.Join(dir, "image.tar")
	out, err := os.Create(plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.WriteTo(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(plain, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(config.Config.Entrypoint, " "); got != "/usr/local/bin/entrypoint /sbin/init" || config.Config.StopSignal != "SIGRTMIN+3" {
		t.Errorf("entrypoint %q, stop signal %q", got, config.Config.StopSignal)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("layers %v, %v", layers, err)
	}
	if diffID, err := layers[0].DiffID(); err != nil || diffID != config.RootFS.DiffIDs[0] {
		t.Errorf("layer is %v, %v; the configuration says %v", diffID, err, config.RootFS.DiffIDs)
	}
}

func TestArchiveIsWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	err := writeArchive(ctx, "localhost/epi-node:x", filepath.Join(dir, "image.tar.zst"), storedLayers(t))
	if !errors.Is(err, stopped) {
		t.Errorf("error %v, want %v", err, stopped)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}
