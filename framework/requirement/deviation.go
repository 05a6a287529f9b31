package requirement

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Deviation is a requirement that some versions of a subject are known not to hold. It explains a failure and does not
// excuse it.
type Deviation struct {
	// Subject is its role: "agent" or "webhook".
	Subject string `json:"subject"`
	// Product is the subject's own name. Versions are those that were tested, such as "v0.1.37".
	Product  string   `json:"product"`
	Versions []string `json:"versions"`
	// Requirement is the ID of the requirement.
	Requirement string `json:"requirement"`
	// Does says in a sentence what the subject does instead. Link is a document about it.
	Does string `json:"does"`
	Link string `json:"link"`
}

//go:embed deviations.yaml
var deviationsFile []byte

var deviations = sync.OnceValue(func() []Deviation {
	list, err := readDeviations(deviationsFile)
	if err != nil {
		panic(err)
	}
	return list
})

// Deviations returns the known deviations in the order of their file.
func Deviations() []Deviation { return slices.Clone(deviations()) }

// KnownOf returns the known deviations of a version of a product. A suffix of a distributor or a build does not change the
// version: v0.1.37+dirty and v0.1.37-eksbuild.2 are v0.1.37, and so is 0.1.37.
func KnownOf(product, version string) []Deviation {
	var list []Deviation
	for _, deviation := range deviations() {
		if deviation.Product == product && (slices.Contains(deviation.Versions, plainVersion(version)) || slices.Contains(deviation.Versions, version)) {
			list = append(list, deviation)
		}
	}
	return list
}

var (
	// versionForm matches a release, or the beginning of a commit's hash if there was no release.
	versionForm = regexp.MustCompile(`^(v\d+\.\d+\.\d+|[0-9a-f]{7,12})$`)
	// added matches the suffix of a build or a distributor: https://semver.org/#spec-item-10, and the suffix of EKS
	// add-ons, https://docs.aws.amazon.com/eks/latest/userguide/eks-add-ons.html.
	added = regexp.MustCompile(`(-eksbuild\.\d+)?(\+.*)?$`)
)

func plainVersion(version string) string {
	return "v" + strings.TrimPrefix(added.ReplaceAllString(version, ""), "v")
}

// readDeviations reads the file and checks every entry. The error names each invalid one.
func readDeviations(data []byte) ([]Deviation, error) {
	var list []Deviation
	if err := yaml.UnmarshalStrict(data, &list); err != nil {
		return nil, fmt.Errorf("read known deviations: %w", err)
	}
	var problems []string
	for i, d := range list {
		for _, problem := range d.problems() {
			problems = append(problems, fmt.Sprintf("entry %d (%s): %s", i+1, d.Requirement, problem))
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("read known deviations: %s", strings.Join(problems, "; "))
	}
	return list, nil
}

func (d Deviation) problems() []string {
	var problems []string
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if d.Subject != string(Agent) && d.Subject != string(Webhook) {
		complain("subject %q is not agent or webhook", d.Subject)
	}
	if d.Product == "" || len(d.Versions) == 0 {
		complain("product or versions are missing")
	}
	for _, version := range d.Versions {
		if !versionForm.MatchString(version) {
			complain("version %q is not of the form v1.2.3", version)
		}
	}
	if _, ok := Lookup(d.Requirement); !ok {
		complain("the catalogue has no such requirement")
	}
	if !strings.HasSuffix(d.Does, ".") {
		complain("does is not a sentence")
	}
	if !strings.HasPrefix(d.Link, "https://") {
		complain("link is no address")
	}
	return problems
}
