// Package published checks submitted conformance reports: each must agree with its results.
package published

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podidentity/epi/reports"
)

// Checked is a report with its problems.
type Checked struct {
	// Dir is its folder, SUBJECT/VERSION, relative to the given one.
	Dir string
	// Summary is the verdict of its results in a sentence.
	Summary  string
	Problems []string
}

// Verify checks every conformance.yaml below dir. It is an error if there is none.
func Verify(dir string) ([]Checked, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("look for reports: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("look for reports: %s is a file; give the folder that has SUBJECT/VERSION/%s in it", dir, reports.ConformanceFile)
	}
	given := dir
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // a walk follows no link
		return nil, fmt.Errorf("look for reports: %w", err)
	}
	var list []Checked
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Name() != reports.ConformanceFile || entry.IsDir() {
			return nil
		}
		below, err := filepath.Rel(dir, filepath.Dir(name))
		if err != nil {
			return err
		}
		list = append(list, verify(filepath.Dir(name), filepath.ToSlash(below)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for reports: %w", err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no %s below %s: reports are kept as SUBJECT/VERSION/%[1]s", reports.ConformanceFile, given)
	}
	return list, nil
}

// part matches a valid name of a folder.
var part = regexp.MustCompile(`^[a-z0-9][a-z0-9._+-]*$`)

func verify(dir, below string) Checked {
	c := Checked{Dir: below, Summary: "not verified"}
	say := func(format string, args ...any) { c.Problems = append(c.Problems, fmt.Sprintf(format, args...)) }
	names := strings.Split(below, "/")
	if len(names) != 2 || !part.MatchString(names[0]) || !part.MatchString(names[1]) {
		say("its folders are no SUBJECT/VERSION in small letters, such as eks-pod-identity-agent/v0.1.37")
	}
	run, err := reports.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		say("there is no %s beside it", reports.ResultsFile)
		return c
	}
	if err != nil {
		say("%v", err)
		return c
	}
	published, err := os.ReadFile(filepath.Join(dir, reports.ConformanceFile))
	if err != nil {
		say("%v", err)
		return c
	}
	findings := reports.NewFindings(run)
	c.Summary = findings.Verdict.Sentence()
	var computed bytes.Buffer
	if err := reports.WriteConformance(&computed, findings); err != nil {
		say("%v", err)
		return c
	}
	var was, is any
	if err := yaml.Unmarshal(published, &was); err != nil {
		say("%s is no YAML: %v", reports.ConformanceFile, err)
		return c
	}
	if err := yaml.Unmarshal(computed.Bytes(), &is); err != nil {
		say("%v", err)
		return c
	}
	differences := differ("", was, is)
	const most = 10
	for _, difference := range differences[:min(len(differences), most)] {
		say("%s", difference)
	}
	if more := len(differences) - most; more > 0 {
		say("and %d more differences", more)
	}
	if len(names) == 2 && !slices.ContainsFunc(run.Subjects, func(s reports.Subject) bool { return isVersion(s, names[0], names[1]) }) {
		say("no subject of the run is %s %s: its folders have to name one", names[0], names[1])
	}
	if run.Interrupted || run.Ended.IsZero() {
		say("the run did not come to its end")
	}
	if len(run.Specs) == 0 {
		say("the run decided nothing")
	}
	for _, flag := range run.Selection {
		say("only a part ran, or something was damaged on purpose: %s", flag)
	}
	return c
}

// isVersion says whether a subject is this program of this version, by recognition or by its image.
func isVersion(s reports.Subject, name, version string) bool {
	if s.Absent {
		return false
	}
	if s.Product == name && s.Version == version {
		return true
	}
	image, _, _ := strings.Cut(s.Image, "@")
	image = image[strings.LastIndex(image, "/")+1:]
	program, tag, tagged := strings.Cut(image, ":")
	return tagged && program == name && strings.TrimPrefix(tag, "v") == strings.TrimPrefix(version, "v")
}

// differ returns the differences between a report and its results. Additional contents of the results are no difference,
// because the report of an older epi has less.
func differ(at string, was, is any) []string {
	switch was := was.(type) {
	case map[string]any:
		is, ok := is.(map[string]any)
		if !ok {
			return []string{at + ": it is no list of names and values in the results"}
		}
		var list []string
		for _, key := range sortedKeys(was) {
			below := strings.TrimPrefix(at+"."+key, ".")
			value, there := is[key]
			if !there {
				list = append(list, below+": the results do not say that")
				continue
			}
			list = append(list, differ(below, was[key], value)...)
		}
		// Decisive parts must be there.
		for _, key := range []string{"outcome", "result", "statistics", "failed", "requirements", "profiles", "subjects", "problems", "interrupted", "selection"} {
			if _, there := is[key]; there {
				if _, said := was[key]; !said {
					list = append(list, strings.TrimPrefix(at+"."+key, ".")+": the report leaves it out")
				}
			}
		}
		return list
	case []any:
		is, ok := is.([]any)
		if !ok || len(was) != len(is) {
			return []string{fmt.Sprintf("%s: %d in the report, another number in the results", at, len(was))}
		}
		var list []string
		for i := range was {
			list = append(list, differ(fmt.Sprintf("%s[%d]", at, i), was[i], is[i])...)
		}
		return list
	default:
		if fmt.Sprint(was) != fmt.Sprint(is) {
			return []string{fmt.Sprintf("%s: the report says %.80q, the results say %.80q", at, fmt.Sprint(was), fmt.Sprint(is))}
		}
		return nil
	}
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
