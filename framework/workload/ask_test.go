package workload

import (
	"strings"
	"testing"
)

func TestDocumentIsWholeWithItsLastByte(t *testing.T) {
	for name, row := range map[string]struct {
		written []string
		whole   int // the number of writes until it is complete; 0: never
	}{
		"at once":                    {[]string{"[[1]]\n"}, 1},
		"in pieces":                  {[]string{"[", "[1]", "]\n"}, 3},
		"end apart":                  {[]string{"[[1]]", "\n"}, 2},
		"after an empty line":        {[]string{"\n", "[[1]]\n"}, 2},
		"after an empty line, whole": {[]string{"\n[[1]]\n"}, 1},
		"cut":                        {[]string{"\n", "[[1"}, 0},
		"nothing":                    {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			began, whole, at := 0, 0, 0
			d := &document{began: func() { began++ }, whole: func() { whole = at }}
			for i, text := range row.written {
				at = i + 1
				if _, err := d.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if whole != row.whole || began != min(1, len(row.written)) || d.buffer.String() != strings.Join(row.written, "") {
				t.Errorf("whole after %d, want %d; began %d times; has %q", whole, row.whole, began, d.buffer.String())
			}
		})
	}
}
