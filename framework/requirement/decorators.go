package requirement

import (
	"fmt"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"

	"github.com/podidentity/epi/clusters"
)

// needsPrefix begins a label set with the needs of a spec, so that specs can be filtered by them.
const needsPrefix = "needs:"

// slowPrefix begins a label set with the duration of a spec that a usual run leaves out.
const slowPrefix = "slow:"

// clientPrefix begins a label set with the AWS client of a spec.
const clientPrefix = "client:"

// Covers says which requirements a spec decides. It panics while the tree of specs is built if the catalogue lacks an ID,
// because a verdict about an unknown requirement would never be noticed.
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

// Needs says what the environment must be able to do for a spec. Elsewhere the spec is reported as not supported, with this
// as the reason.
func Needs(capabilities ...clusters.Capability) ginkgo.Labels {
	var labels ginkgo.Labels
	for _, capability := range capabilities {
		labels = append(labels, needsPrefix+string(capability))
	}
	return labels
}

// OfLabels reads the labels of Covers and Needs.
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

// ForClient names the AWS client that a spec is about.
func ForClient(name string) ginkgo.Labels { return ginkgo.Labels{clientPrefix + name} }

// ClientOf reads the label of ForClient; "" for a spec without one.
func ClientOf(labels []string) string {
	for _, label := range labels {
		if name, ok := strings.CutPrefix(label, clientPrefix); ok {
			return name
		}
	}
	return ""
}

// Slow says that a spec takes minutes by its nature, for example because it waits for the kubelet to rotate a token. It
// runs only if slow specs are requested, before the others. Otherwise it is reported as skipped.
func Slow(takes time.Duration) []any {
	return []any{ginkgo.Label(slowPrefix + takes.String()), ginkgo.SpecPriority(takes / time.Second)}
}

// HowSlow reads the label of Slow.
func HowSlow(labels []string) (takes time.Duration, slow bool) {
	for _, label := range labels {
		if text, ok := strings.CutPrefix(label, slowPrefix); ok {
			takes, err := time.ParseDuration(text)
			return takes, err == nil
		}
	}
	return 0, false
}
