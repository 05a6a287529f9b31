// Package clients has the specs of AWS clients (SDK): the client matrix. They run for each version of
// each SDK in clusters/clients that was chosen for the environment.
package clients

import (
	. "github.com/onsi/ginkgo/v2"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clients"
	. "github.com/podidentity/epi/framework/requirement"
)

const account = "reader"

// client is what a spec has to know of a client while the tree of specs is built.
type client struct {
	clients.Client
	// first is the first of its SDK's versions.
	first bool
}

// about describes specs of the client at or above its floor.
func (c client) about(specs func()) {
	Describe("AWS client "+c.Name, ForClient(c.Name), Needs(clusters.ClientCapability(c.Name)), specs)
}

// holds says whether the client has to hold a requirement. It leaves out those that it is known not to hold.
func (c client) holds(id string) bool { return c.Limits[id] == "" }

// each calls supported for each client that may be at or above its floor, and old for each that may be below. For Debian's
// versions only the environment knows which.
func each(supported, old func(client)) {
	folder := ""
	for _, listed := range clients.All() {
		c := client{Client: listed, first: listed.Folder != folder}
		folder = listed.Folder
		unknown := c.Version == "" && c.Kind == clients.Debian
		tooOld := c.Version != "" && c.TooOld(c.Version)
		if unknown || !tooOld {
			supported(c)
		}
		if unknown || tooOld {
			old(c)
		}
	}
}

func init() { each(specs, oldSpecs) }

// specs of a client at or above its floor.
func specs(c client) {
	c.about(func() {
		sessionSpecs(c)
		endpointSpecs(c)
	})
}
