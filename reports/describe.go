package reports

import (
	"fmt"
	"regexp"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// describe names a subject: its image and digest, or that there was none.
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
	return text
}

// duration is how long the run took; 0 while it has not ended.
func (r Run) duration() time.Duration {
	if r.Ended.Before(r.Started) {
		return 0
	}
	return r.Ended.Sub(r.Started)
}

// rerun is the command that runs just this spec again.
func (s Spec) rerun() string {
	return "epi test --focus " + shellescape.Quote(regexp.QuoteMeta(plain(s.Name)))
}

// short is a duration with three significant digits or so: 12ms, 3.4s, 2m05s, 1h02m.
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
