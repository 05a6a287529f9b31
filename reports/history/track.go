package history

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/podidentity/epi/reports"
)

// Track is a series of comparable runs: the same kind of environment, and programs of the same name. The versions of these
// programs and of Kubernetes change within it.
type Track struct {
	// Name distinguishes it from others, such as "kind, emulator: reference agent, reference webhook".
	Name string
	// Slug is the name as a part of an address, such as "kind-emulator-reference-agent".
	Slug string
	// Experiment says that fixtures were damaged on purpose. Failures of an experiment are expected.
	Experiment bool
	// Runs by their start.
	Runs []Record
}

// Tracks divides runs, which are sorted by their start. The track with the newest run comes first.
func Tracks(records []Record) []Track {
	var tracks []Track
	for _, record := range records {
		name := trackName(record)
		i := slices.IndexFunc(tracks, func(t Track) bool { return t.Name == name })
		if i < 0 {
			i = len(tracks)
			tracks = append(tracks, Track{Name: name, Experiment: strings.Contains(name, breakFlag)})
		}
		tracks[i].Runs = append(tracks[i].Runs, record)
	}
	slices.SortStableFunc(tracks, func(a, b Track) int {
		return cmp.Or(b.Runs[len(b.Runs)-1].Started.Compare(a.Runs[len(a.Runs)-1].Started), strings.Compare(a.Name, b.Name))
	})
	used := map[string]bool{}
	for i := range tracks {
		slug := slugOf(tracks[i].Name)
		for used[slug] {
			slug += "-again"
		}
		used[slug] = true
		tracks[i].Slug = slug
	}
	return tracks
}

// breakFlag is the beginning of the flag of a run with damaged fixtures.
const breakFlag = "--break="

// Comparable says whether two runs belong to one track.
func Comparable(a, b reports.Run) bool {
	name := func(run reports.Run) string {
		record := Record{Environment: run.Environment, Subjects: run.Subjects, Selection: run.Selection, Specs: len(run.Specs)}
		if run.Bench != nil {
			record.Bench = &Measured{}
		}
		return trackName(record)
	}
	return name(a) == name(b)
}

// trackName is a run's environment and subjects, without versions.
func trackName(r Record) string {
	where := cmp.Or(r.Environment.Provider, "no environment")
	if r.Environment.AWS == "emulator" {
		where += " with the emulator"
	} else if r.Environment.AWS != "" {
		where += " with AWS"
	}
	var what []string
	for _, role := range roles(r) {
		for _, subject := range r.Subjects {
			if subject.Role == role {
				what = append(what, programName(subject))
			}
		}
	}
	if len(what) == 0 {
		what = []string{"nothing tested"}
	}
	for _, flag := range r.Selection {
		if strings.HasPrefix(flag, breakFlag) { // an experiment is not comparable with other runs
			what = append(what, flag)
		}
	}
	if r.Specs == 0 && r.Bench != nil {
		what = append(what, "benchmark only")
	}
	return where + ": " + strings.Join(what, ", ")
}

// programName is an image without registry, tag and digest.
func programName(s reports.Subject) string {
	switch {
	case s.Absent:
		return "no " + s.Role
	case s.Reference:
		return "reference " + s.Role
	}
	image, _, _ := strings.Cut(s.Image, "@")
	image = path.Base(image)
	image, _, _ = strings.Cut(image, ":")
	return s.Role + " " + cmp.Or(image, "unknown")
}

// slugOf is a short form of a name in small letters, digits and dashes.
func slugOf(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r <= unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 80 {
			break
		}
	}
	return cmp.Or(strings.Trim(b.String(), "-"), "track")
}
