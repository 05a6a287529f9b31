package faults

import (
	"fmt"
	"time"
)

// Duration is a time.Duration. In JSON it is a text such as "200ms" or "1m30s".
type Duration time.Duration

// String is the text of time.Duration.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes what time.ParseDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration: write it like 200ms, 1.5s or 2m", clip(string(text)))
	}
	*d = Duration(parsed)
	return nil
}

// clip shortens other people's texts in error messages.
func clip(text string) string {
	const most = 64
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
