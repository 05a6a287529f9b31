package requirement

import (
	"fmt"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"

	"github.com/podidentity/epi/clusters"
)

// needsPrefix makes a label set of what a spec needs: it can be filtered by.
const needsPrefix = "needs:"

// slowPrefix makes a label set of how long a spec takes that a usual run leaves out.
const slowPrefix = "slow:"

// clientPrefix makes a label set of the AWS client that a spec is about.
const clientPrefix = "client:"

// Covers says which requirements a spec decides. It panics, while the tree of specs is built, on an
// ID that the catalogue lacks: a verdict about nothing would never be noticed.
func Covers(ids ...string) ginkgo.Labels {
	if len(ids) == 0 {
		panic("requirement.Covers: no requirement named")
	}
	for _, id := range ids {
		if _, ok := Lookup(id); !ok {
			panic(fmt.Sprintf("requirement.Covers: the catalogue has no requirement %q", id))
		}
	}
	return ginkgo.Labels(ids)
}

// Needs says what the environment must be able to do for a spec to decide anything; elsewhere the
// spec is reported as not supported, with this as the reason.
func Needs(capabilities ...clusters.Capability) ginkgo.Labels {
	var labels ginkgo.Labels
	for _, capability := range capabilities {
		labels = append(labels, needsPrefix+string(capability))
	}
	return labels
}

// OfLabels reads what Covers and Needs put into the labels of a spec.
func OfLabels(labels []string) (ids []string, needs []clusters.Capability) {
	for _, label := range labels {
		if capability, ok := strings.CutPrefix(label, needsPrefix); ok {
			needs = append(needs, clusters.Capability(capability))
		} else if _, ok := Lookup(label); ok {
			ids = append(ids, label)
		}
	}
	return ids, needs
}

// ForClient says which AWS client, by its name, a spec is about.
func ForClient(name string) ginkgo.Labels { return ginkgo.Labels{clientPrefix + name} }

// ClientOf reads what ForClient put into the labels of a spec; "" for a spec that is about none.
func ClientOf(labels []string) string {
	for _, label := range labels {
		if name, ok := strings.CutPrefix(label, clientPrefix); ok {
			return name
		}
	}
	return ""
}

// Slow says that a spec takes minutes by its nature, such as waiting for the kubelet to rotate a
// token: it runs only where slow specs are asked for, before the others, and is reported as skipped
// elsewhere.
func Slow(takes time.Duration) []any {
	return []any{ginkgo.Label(slowPrefix + takes.String()), ginkgo.SpecPriority(takes / time.Second)}
}

// HowSlow reads what Slow put into the labels of a spec.
func HowSlow(labels []string) (takes time.Duration, slow bool) {
	for _, label := range labels {
		if text, ok := strings.CutPrefix(label, slowPrefix); ok {
			takes, err := time.ParseDuration(text)
			return takes, err == nil
		}
	}
	return 0, false
}
