package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"testing"
)

func TestBadge(t *testing.T) {
	for name, want := range map[string]Badge{
		"passing":     {badgeLabel, "9/9", Pass},
		"failing":     {badgeLabel, "4/8", Fail},
		"errored":     {badgeLabel, "no verdict", Error},
		"interrupted": {badgeLabel, "no verdict", Error},
		"measured":    {badgeLabel, "no verdict", Error},
	} {
		run := samples()[name]
		if got := NewFindings(run).Badge(); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		var b bytes.Buffer
		if err := (Badge{`<a>&"'` + NewFindings(run).Badge().Label, "1/2", Pass}).WriteSVG(&b); err != nil {
			t.Fatal(err)
		}
		for decoder := xml.NewDecoder(&b); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}
