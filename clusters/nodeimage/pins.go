package nodeimage

import (
	"embed"
	"fmt"
	"strings"
)

// kindVersion is the version of kind whose published images and node files are used. A test checks that it is the one in
// epi's go.mod.
const kindVersion = "v0.33.0"

// pin is a version of Kubernetes that epi knows how to build.
type pin struct {
	version string
	// published is the image of the same minor version that kind publishes for this version of kind (its release notes),
	// with its digest. publishedVersion is the Kubernetes version in it.
	published, publishedVersion string
}

// pins lists the versions, the default first. The modules of each are pinned in _node.
var pins = []pin{
	{
		version:          "v1.36.3",
		published:        "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
		publishedVersion: "v1.36.4",
	},
}

// sources are the modules of a node. go.mod and go.sum have the Kubernetes version in their names, because a file go.mod
// here would end epi's own module.
//
//go:embed all:_node
var sources embed.FS

// Versions returns the Kubernetes versions that Ensure supports, the default first.
func Versions() []string {
	var list []string
	for _, p := range pins {
		list = append(list, p.version)
	}
	return list
}

// pinOf returns the pin of a version; of the default for "".
func pinOf(version string) (pin, error) {
	if version == "" {
		p := pins[0]
		return p, nil
	}
	for _, p := range pins {
		if p.version == version {
			// A version that is named gets exactly that version, and not a later patch.
			if p.publishedVersion != version {
				p.published, p.publishedVersion = "", ""
			}
			return p, nil
		}
	}
	return pin{}, fmt.Errorf("kubernetes version %q is not pinned: choose %s", version, strings.Join(Versions(), " or "))
}
