package reports

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Badge is a verdict in a few words, such as "Pod Identity conformance: 118/118".
type Badge struct {
	Label, Message string
	// Outcome determines the colour.
	Outcome Outcome
}

// badgeLabel is the label of every badge.
const badgeLabel = "Pod Identity conformance"

// Badge is the badge of the run: the number of decided requirements that hold.
func (f *Findings) Badge() Badge {
	byOutcome := map[Outcome][]string{}
	for _, result := range f.Requirements {
		byOutcome[result.Outcome] = append(byOutcome[result.Outcome], result.ID)
	}
	return BadgeOf(byOutcome, f.Verdict.Outcome)
}

// BadgeOf is the badge of a run by its requirements of each outcome and its verdict. A requirement that an error left
// undecided counts. One that was not supported, skipped or not run does not. A run without a verdict shows none.
func BadgeOf(requirements map[Outcome][]string, verdict Outcome) Badge {
	held, asked := len(requirements[Pass]), len(requirements[Pass])+len(requirements[Fail])+len(requirements[Error])
	badge := Badge{Label: badgeLabel, Message: fmt.Sprintf("%d/%d", held, asked), Outcome: verdict}
	if asked == 0 || verdict != Pass && verdict != Fail {
		badge.Message, badge.Outcome = "no verdict", Error
	}
	if verdict == Pass && held < asked {
		badge.Outcome = Error
	}
	return badge
}

// WriteEndpoint writes the badge for shields.io's endpoint badge (https://shields.io/badges/endpoint-badge).
func (b Badge) WriteEndpoint(w io.Writer) error {
	colour := map[Outcome]string{Pass: "brightgreen", Fail: "red"}[b.Outcome]
	if colour == "" {
		colour = "lightgrey"
	}
	encoder := json.NewEncoder(w)
	err := encoder.Encode(struct {
		SchemaVersion int    `json:"schemaVersion"`
		Label         string `json:"label"`
		Message       string `json:"message"`
		Color         string `json:"color"`
	}{1, b.Label, b.Message, colour})
	if err != nil {
		return fmt.Errorf("write badge: %w", err)
	}
	return nil
}

// WriteSVG writes the badge as a picture, with the same text for screen readers. It needs no font of its own.
func (b Badge) WriteSVG(w io.Writer) error {
	colour := map[Outcome]string{Pass: "#2c7048", Fail: "#b3261e"}[b.Outcome]
	if colour == "" {
		colour = "#5c5a54"
	}
	label, message := escaped(plain(b.Label)), escaped(plain(b.Message))
	const character, pad, height = 6.6, 8.0, 20
	left, right := float64(runewidth.StringWidth(b.Label))*character+2*pad, float64(runewidth.StringWidth(b.Message))*character+2*pad
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" role="img" aria-label="%s: %s">`+
		`<title>%[3]s: %[4]s</title><clipPath id="r"><rect width="%.0[1]f" height="%[2]d" rx="3"/></clipPath>`+
		`<g clip-path="url(#r)"><rect width="%.1[5]f" height="%[2]d" fill="#3b3a37"/><rect x="%.1[5]f" width="%.1[6]f" height="%[2]d" fill="%[7]s"/></g>`+
		`<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">`+
		`<text x="%.1[8]f" y="14" textLength="%.1[9]f">%[3]s</text><text x="%.1[10]f" y="14" textLength="%.1[11]f">%[4]s</text></g></svg>`+"\n",
		left+right, height, label, message, left, right, colour, left/2, left-2*pad, left+right/2, right-2*pad)
	if err != nil {
		return fmt.Errorf("write badge: %w", err)
	}
	return nil
}

// escaped escapes a text for XML.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder accepts everything
	return b.String()
}
