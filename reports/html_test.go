package reports

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// The page has only the templates' elements and attributes, for any run.
func TestHTMLHoldsNoForeignMarkup(t *testing.T) {
	shape := func(run Run) (elements, attributes map[string]bool) {
		elements, attributes = map[string]bool{}, map[string]bool{}
		root, err := html.Parse(bytes.NewReader(written(t, of(WriteHTML), run)))
		if err != nil {
			t.Fatal(err)
		}
		for node := range root.Descendants() {
			if node.Type != html.ElementNode {
				continue
			}
			elements[node.Data] = true
			for _, attribute := range node.Attr {
				attributes[node.Data+" "+attribute.Key] = true
				if slices.Contains([]string{"href", "src"}, attribute.Key) && !regexp.MustCompile(`^(#|https?://|data:,$)`).MatchString(attribute.Val) {
					t.Errorf("%s=%q", attribute.Key, attribute.Val)
				}
			}
		}
		return elements, attributes
	}
	knownElements, knownAttributes := map[string]bool{}, map[string]bool{}
	for name, run := range samples() {
		if name == "hostile" {
			continue
		}
		elements, attributes := shape(run)
		for element := range elements {
			knownElements[element] = true
		}
		for attribute := range attributes {
			knownAttributes[attribute] = true
		}
	}
	elements, attributes := shape(hostile())
	for element := range elements {
		if !knownElements[element] {
			t.Errorf("foreign element %s", element)
		}
	}
	for attribute := range attributes {
		if !knownAttributes[attribute] {
			t.Errorf("foreign attribute %s", attribute)
		}
	}
}

func TestMarkedText(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"plain":                         "plain",
		"`GET /v1` gives 200":           "<GET /v1>| gives 200",
		"a lone ` stays":                "a lone ` stays",
		"see https://a.example/b?c=d.":  "see |[https://a.example/b?c=d]|.",
		"(http://a.example); UG:page":   "(|[http://a.example]|); UG:page",
		"javascript:alert(1) stays":     "javascript:alert(1) stays",
		"`https://a.example` is a code": "<https://a.example>| is a code",
	} {
		var parts []string
		for _, part := range marked(text) {
			switch {
			case part.Code:
				parts = append(parts, "<"+part.Text+">")
			case part.URL != "":
				parts = append(parts, "["+part.URL+"]")
			default:
				parts = append(parts, part.Text)
			}
		}
		if got := strings.Join(parts, "|"); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
}

func TestHTMLStaysSmallWithLongTexts(t *testing.T) {
	run := large()
	if size := len(written(t, of(WriteHTML), run)); size > 2<<20 {
		t.Errorf("%d bytes for %d specs", size, len(run.Specs))
	}
}

// WCAG 2.2 §1.4.3 wants a contrast of 4.5 for text, §1.4.11 of 3 for marks, in both schemes.
func TestColoursCanBeRead(t *testing.T) {
	style, err := htmlFiles.ReadFile("html/report.css")
	if err != nil {
		t.Fatal(err)
	}
	schemes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllSubmatch(style, -1)
	if len(schemes) < 2 {
		t.Fatalf("want a light and a dark scheme, got %d", len(schemes))
	}
	for i, name := range []string{"light", "dark"} {
		colours := map[string]float64{}
		for _, found := range regexp.MustCompile(`--(\w+): #([0-9a-f]{6});`).FindAllSubmatch(schemes[i][1], -1) {
			colours[string(found[1])] = luminance(t, string(found[2]))
		}
		for colour, want := range map[string]float64{"ink": 7, "soft": 4.5, "link": 4.5, "pass": 4.5, "fail": 4.5, "error": 4.5, "unsupported": 3, "skipped": 3, "s0": 3, "s1": 3, "s2": 3, "s3": 3, "s4": 3, "s5": 3} {
			for _, ground := range []string{"paper", "wash"} {
				high, low := max(colours[colour], colours[ground]), min(colours[colour], colours[ground])
				if contrast := (high + 0.05) / (low + 0.05); contrast < want {
					t.Errorf("%s: %s on %s has a contrast of %.2f, want %v", name, colour, ground, contrast, want)
				}
			}
		}
	}
}

// luminance of a colour as WCAG 2.2 defines it.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	value, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(shift uint) float64 {
		c := float64(value>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

func TestShortDurations(t *testing.T) {
	for want, d := range map[string]float64{"0s": 0, "12ms": 0.012, "994ms": 0.994, "1.0s": 0.999, "59.9s": 59.94, "1m00s": 59.96, "2m05s": 125, "1h02m": 3725} {
		if got := short(took(d)); got != want {
			t.Errorf("%v s: want %s, got %s", d, want, got)
		}
	}
	if got := short(1); got != "<1ms" {
		t.Errorf("1 ns: got %s", got)
	}
}

func TestClip(t *testing.T) {
	text := strings.Repeat("é line\n", 1000)
	got := clip(text, 1000)
	if len(got) > 1200 || !strings.HasPrefix(got, "é line\n") || !strings.HasSuffix(got, "é line\n") || !strings.Contains(got, "bytes left out") {
		t.Errorf("clipped: %s", got)
	}
	if got := clip("short", 1000); got != "short" {
		t.Errorf("short texts stay: %q", got)
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb\r\nc":                  "a\tb\nc",
		"\x1b[1;31mred\x1b[0m":       "red",
		"\x1b]0;title\x07text":       "text",
		"\x00\u202e\x7f\u0085":       `\u0000\u202e\u007f\u0085`,
		"\xff":                       "\ufffd",
		"\uffff":                     `\uffff`,
		"plain, ünïcödé, 日本語, emoji": "plain, ünïcödé, 日本語, emoji",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
	if got := fmt.Sprint(plains([]string{"\x07"})); got != `[\u0007]` {
		t.Errorf("got %s", got)
	}
}
