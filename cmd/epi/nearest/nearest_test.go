package nearest

import (
	"strings"
	"testing"
)

func TestWordFindsWhatWasMeant(t *testing.T) {
	commands := []string{"aws", "bench", "compare", "doctor", "down", "images", "list", "load", "logs", "report", "run", "status", "test", "up", "version"}
	flags := []string{"agent-arg", "agent-image", "cache-dir", "imds-hop-limit", "name", "nodes", "webhook-image"}
	for _, row := range []struct {
		word  string
		known []string
		want  string
	}{
		{"tset", commands, "test"},
		{"upp", commands, "up"},
		{"dwon", commands, "down"},
		{"BENCH", commands, "bench"},
		{"comp", commands, "compare"},
		{"stauts", commands, "status"},
		{"agent-imgae", flags, "agent-image"},
		{"agent_image", flags, "agent-image"},
		{"imds-hoplimit", flags, "imds-hop-limit"},
		{"hop", flags, "imds-hop-limit"},
		{"node", flags, "nodes"},
		{"nmae", flags, "name"}, //nolint:misspell // misspelt on purpose
		{"kubectl", commands, ""},
		{"zzz", flags, ""},
		{"", flags, ""},
		{strings.Repeat("x", 1<<20), flags, ""},
	} {
		if got := Find(row.word, row.known); got != row.want {
			t.Errorf("%.20q: %q, want %q", row.word, got, row.want)
		}
	}
	if got := DidYouMean("nodess", "--", flags); got != "; did you mean --nodes?" {
		t.Errorf("%q", got)
	}
}
