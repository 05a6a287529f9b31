package reports

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// describe names a subject: its image and digest, or says that there was none.
func (s Subject) describe() string {
	if s.Absent {
		return "absent"
	}
	text := s.Image
	if s.Digest != "" {
		text += "@" + s.Digest
	}
	if s.Reference {
		text += " (reference)"
	}
	if version := s.recognised(); version != "" {
		text += " " + version
	}
	return text
}

// recognised is the recognised product of a subject, in words; "" if there is none.
func (s Subject) recognised() string {
	switch {
	case s.Compat != "":
		return "like " + s.Product + " " + s.Version
	case s.Version != "":
		return s.Product + " " + s.Version
	default:
		return ""
	}
}

// duration is the duration of the run; 0 before its end.
func (r Run) duration() time.Duration {
	if r.Ended.Before(r.Started) {
		return 0
	}
	return r.Ended.Sub(r.Started)
}

// rerun is the command that runs only this spec again in the run's environment.
func (r Run) rerun(s Spec) string {
	return shellescape.QuoteCommand(append(r.command(s.Slow > 0), "--focus", "^"+regexp.QuoteMeta(plain(s.Name))+"$"))
}

// rerunAll is the command that runs all specs of the requirements of these again.
func (r Run) rerunAll(specs []Spec) string {
	var ids []string
	slow := false
	for _, spec := range specs {
		for _, id := range spec.Requirements {
			if id = plain(id); !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		slow = slow || spec.Slow > 0
	}
	if len(ids) == 0 {
		return r.rerun(specs[0])
	}
	return shellescape.QuoteCommand(append(r.command(slow), "--label-filter", strings.Join(ids, " || ")))
}

// command is the beginning of a command that runs specs again in the run's environment.
func (r Run) command(slow bool) []string {
	command := []string{"epi", "test"}
	if r.Environment.Name != "" {
		command = append(command, "--name", plain(r.Environment.Name))
	}
	if slow {
		command = append(command, "--slow")
	}
	for _, flag := range r.Selection {
		if strings.HasPrefix(flag, "--break=") { // it may be the reason of the failure
			command = append(command, plain(flag))
		}
	}
	return command
}

// Limits of the excerpts of evidence that reports repeat; results.json has all of them.
const (
	maxExcerpts  = 12
	excerptLimit = 6 << 10
)

// excerpts are the excerpts of the evidence about a spec, in a form to show.
func (s Spec) excerpts() []Excerpt {
	if s.Evidence == nil {
		return nil
	}
	var list []Excerpt
	for _, excerpt := range s.Evidence.Excerpts[:min(len(s.Evidence.Excerpts), maxExcerpts)] {
		list = append(list, Excerpt{plain(excerpt.Title), strings.TrimRight(plain(clip(excerpt.Text, excerptLimit)), "\n ")})
	}
	return list
}

// evidenceDir is the folder of the evidence relative to the run's; empty if there is none, or if it would be outside.
func (s Spec) evidenceDir() string {
	if s.Evidence == nil || !filepath.IsLocal(s.Evidence.Dir) {
		return ""
	}
	return plain(s.Evidence.Dir)
}

// short is a duration with about three significant digits: 12ms, 3.4s, 2m05s, 1h02m.
func short(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Millisecond:
		return "<1ms"
	case d < 995*time.Millisecond:
		return fmt.Sprintf("%dms", d.Round(time.Millisecond).Milliseconds())
	case d < 59950*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	default:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
}
