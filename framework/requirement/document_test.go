package requirement

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write CATALOGUE.md anew")

const document = "CATALOGUE.md"

// The document that people read has the requirements that specs decide.
func TestCatalogueDocumentIsInStep(t *testing.T) {
	want := append(render(All()), renderDeviations(Deviations())...)
	if *update {
		if err := os.WriteFile(document, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the catalogue says; write it anew with: go test ./framework/requirement -update\n%s",
			document, gocmp.Diff(strings.Split(string(got), "\n"), strings.Split(string(want), "\n")))
	}
}

// about describes each profile, for the headings of the document.
var about = map[Profile]string{
	Webhook:  "What the admission webhook makes of pods, and the token that they get by it.",
	Agent:    "What the agent on each node answers, keeps and asks for.",
	Platform: "What AWS and the cluster do around both: associations, EKS Auth, session tags, policies, instance metadata.",
	Client:   "What the AWS SDKs and other programs in the pod do.",
}

var where = map[Runs]string{Local: "emulator", AWS: "AWS", Both: "emulator, AWS"}

// render makes the document of the catalogue: each profile with its core, then its extension.
func render(list []Requirement) []byte {
	var b bytes.Buffer
	count := func(list []Requirement, level Level) int {
		return len(slices.DeleteFunc(slices.Clone(list), func(r Requirement) bool { return r.Level != level }))
	}
	fmt.Fprintf(&b, "<!-- Written by go test ./framework/requirement -update from catalogue/*.yaml; a test holds it in step. -->\n")
	fmt.Fprintf(&b, "# What EKS Pod Identity has to do\n\n")
	fmt.Fprintf(&b, "Each requirement is decided by at least one spec below [suites](../../suites); `epi test --list` prints them with the number of their specs, "+
		"`epi test --label-filter ID` decides one. An ID never changes its meaning.\n\n")
	fmt.Fprintf(&b, "A profile is who has to hold a requirement. Its core is what users rely on (MUST), its extension what is good to have or takes long to "+
		"decide (SHOULD). `epi test --profile agent,core` decides the core of one profile.\n\n")
	fmt.Fprintf(&b, "| profile | core | extended | |\n|---|--:|--:|---|\n")
	for _, profile := range Profiles() {
		of := ofProfile(list, profile)
		if len(of) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %d | %d | %s |\n", profile, profile, count(of, Must), count(of, Should), about[profile])
	}
	for _, profile := range Profiles() {
		if len(ofProfile(list, profile)) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", profile, about[profile])
		for _, level := range []struct {
			Level
			name string
		}{{Must, "core"}, {Should, "extended"}} {
			rows := slices.DeleteFunc(ofProfile(list, profile), func(r Requirement) bool { return r.Level != level.Level })
			if len(rows) == 0 {
				continue
			}
			fmt.Fprintf(&b, "\n### %s, %s (%s)\n\n| ID | requirement | source | decided with | since |\n|---|---|---|---|---|\n", profile, level.name, level.Level)
			for _, r := range rows {
				fmt.Fprintf(&b, "| <a id=\"%s\"></a>%s | %s | [%s](%s) | %s | %s |\n",
					strings.ToLower(r.ID), r.ID, escape(r.Statement), escape(sourceName(r.Source)), r.Source, where[r.Runs], r.Since)
			}
		}
	}
	return b.Bytes()
}

// renderDeviations makes the table of known deviations.
func renderDeviations(list []Deviation) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n## Known deviations\n\nWhat known versions of agents and webhooks are known not to do, from [deviations.yaml](deviations.yaml). "+
		"Such a requirement fails like any other, and the exit code is 1: the mark `known of VERSION` stands beside it on the terminal, in JUnit, HTML and "+
		"conformance.yaml. The version is what the program says of itself when it starts, else the tag of an image that has the product's name.\n\n"+
		"| subject | version | requirement | what it does | link |\n|---|---|---|---|---|\n")
	for _, d := range list {
		fmt.Fprintf(&b, "| %s | %s | [%s](#%s) | %s | [%s](%s) |\n", d.Product, strings.Join(d.Versions, ", "), d.Requirement, strings.ToLower(d.Requirement),
			escape(d.Does), escape(sourceName(d.Link)), d.Link)
	}
	return b.Bytes()
}

// ofProfile are the requirements of a profile by subject and number.
func ofProfile(list []Requirement, profile Profile) []Requirement {
	of := slices.DeleteFunc(slices.Clone(list), func(r Requirement) bool { return r.Profile != profile })
	slices.SortFunc(of, func(a, b Requirement) int { return cmp.Compare(a.ID, b.ID) })
	return of
}

// markup matches what Markdown would interpret. Backquotes are the catalogue's own markup.
var markup = regexp.MustCompile(`[\\*_{}\[\]<>#|$~]`)

// escape makes Markdown show the text as it is.
func escape(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		switch {
		case i > 0 && i%2 == 0:
			b.WriteString("`")
		case i%2 == 1:
			b.WriteString("`" + strings.ReplaceAll(part, "|", `\|`))
			continue
		}
		b.WriteString(markup.ReplaceAllString(part, `\$0`))
	}
	return b.String()
}

// sourceName is a short name of a document at an address.
func sourceName(source string) string {
	rest := strings.TrimPrefix(source, "https://")
	host, address, _ := strings.Cut(rest, "/")
	switch host {
	case "docs.aws.amazon.com":
		return strings.TrimSuffix(path.Base(address), ".html")
	case "github.com":
		return strings.TrimSuffix(address, "/")
	default:
		return host
	}
}

func TestMarkdownShowsTextAsItIs(t *testing.T) {
	for text, want := range map[string]string{
		"a pod on BUCKET/${aws:PrincipalTag/eks-cluster-name}/*": `a pod on BUCKET/\$\{aws:PrincipalTag/eks-cluster-name\}/\*`,
		"`GET /v1` with AWS_REGION":                              "`GET /v1` with AWS\\_REGION",
		"a|b and `c|d`":                                          "a\\|b and `c\\|d`",
		"<namespace> [x](y)":                                     `\<namespace\> \[x\](y)`,
	} {
		if got := escape(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSourcesHaveShortNames(t *testing.T) {
	for source, want := range map[string]string{
		"https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html":      "pod-id-abac",
		"https://github.com/aws/amazon-eks-pod-identity-webhook/issues/208":      "aws/amazon-eks-pod-identity-webhook/issues/208",
		"https://kubernetes.io/docs/concepts/storage/projected-volumes/#secrets": "kubernetes.io",
	} {
		if got := sourceName(source); got != want {
			t.Errorf("%s: got %q, want %q", source, got, want)
		}
	}
}
