package nodeimage

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// podImages are the images of kubeadm, by the last element of their names: their command and their layers. All have the
// same layer of Kubernetes, so a node stores and unpacks it once.
var podImages = map[string]struct {
	entrypoint string
	layers     []string
}{
	"coredns":                 {"/usr/local/bin/coredns", []string{"coredns"}},
	"etcd":                    {"/usr/local/bin/etcd", []string{"etcd"}},
	"kube-apiserver":          {"", []string{"kubernetes"}},
	"kube-controller-manager": {"", []string{"kubernetes"}},
	"kube-proxy":              {"", []string{"packetfilter", "kubernetes"}},
	"kube-scheduler":          {"", []string{"kubernetes"}},
	"pause":                   {"/usr/local/bin/pause", []string{"pause"}},
}

// writePodLayer writes the layer of the given name.
func writePodLayer(l *layer, name, bin string, debian *rootfs) error {
	switch name {
	case "packetfilter":
		return writePacketFilter(l, debian)
	case "kubernetes":
		for _, program := range []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"} {
			l.link("usr/local/bin/"+program, "kubernetes")
		}
	}
	l.copy("usr/local/bin/"+name, 0o755, filepath.Join(bin, name))
	return nil
}

// writePacketFilter writes the programs of kube-proxy: iptables (its nf_tables variant), nft and conntrack, with their
// libraries and extensions.
func writePacketFilter(l *layer, debian *rootfs) error {
	programs := []string{"usr/sbin/xtables-nft-multi", "usr/sbin/nft", "usr/sbin/conntrack"}
	for _, name := range debian.names {
		if strings.HasSuffix(path.Dir(name), "/xtables") && path.Ext(name) == ".so" {
			programs = append(programs, name)
		}
	}
	names, err := debian.closure(programs...)
	if err != nil {
		return fmt.Errorf("collect what kube-proxy runs: %w", err)
	}
	// The path of the dynamic loader goes through these links or folders.
	for _, merged := range []string{"bin", "sbin", "lib", "lib64"} {
		if _, ok := debian.entries[merged]; ok {
			l.entry(debian, merged)
		}
	}
	for _, name := range names {
		l.entry(debian, name)
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		for _, verb := range []string{"", "-save", "-restore"} {
			l.link("usr/sbin/"+family+verb, "xtables-nft-multi")
		}
	}
	l.folder("run", 0o755) // iptables' lock
	return nil
}

// writePodImages writes the images of the given names, such as "registry.k8s.io/etcd:3.6.8-0", to an OCI image layout in
// the folder dir. It makes their layers in the folder work.
func writePodImages(dir, work, bin string, debian *rootfs, names []string) error {
	target, err := layout.Write(dir, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return fmt.Errorf("write images of pods: %w", err)
	}
	layers := map[string]v1.Layer{}
	for _, name := range names {
		base, _, _ := strings.Cut(path.Base(name), ":")
		recipe, known := podImages[base]
		if !known {
			return fmt.Errorf("kubeadm asks for the image %s, which there is no recipe for", name)
		}
		var parts []v1.Layer
		for _, part := range recipe.layers {
			if layers[part] == nil {
				if layers[part], err = podLayer(filepath.Join(work, part+".tar"), part, bin, debian); err != nil {
					return fmt.Errorf("build image %s: %w", name, err)
				}
			}
			parts = append(parts, layers[part])
		}
		if err := appendPodImage(target, name, recipe.entrypoint, parts); err != nil {
			return fmt.Errorf("build image %s: %w", name, err)
		}
	}
	return nil
}

// podLayer writes the layer to file and returns it. It is compressed, because each node of a cluster copies it.
func podLayer(file, name, bin string, debian *rootfs) (v1.Layer, error) {
	if err := writeLayer(file, func(l *layer) error { return writePodLayer(l, name, bin, debian) }); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return os.Open(file) },
		tarball.WithMediaType(types.OCILayerZStd), tarball.WithCompression(compression.ZStd),
		tarball.WithCompressionLevel(1), tarball.WithCompressedCaching)
}

func appendPodImage(target layout.Path, name, entrypoint string, layers []v1.Layer) error {
	image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layers...)
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	config.Config.WorkingDir = "/"
	if entrypoint != "" {
		config.Config.Entrypoint = []string{entrypoint}
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	return target.AppendImage(image, layout.WithAnnotations(map[string]string{"io.containerd.image.name": name}))
}
