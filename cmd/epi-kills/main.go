// Command epi-kills ends `epi run` in every way that a person or a machine does, and shows what is left
// before and after `epi down`: after, nothing may be. It is a tool for this repository.
//
// Everything happens in a state folder of its own: as root on Linux, where there is no other container
// engine, with an engine of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
	}
	os.Exit(code)
}

// run returns the exit code: 0 if nothing was left after any case, 1 if something was, 3 if that is not known.
func run(ctx context.Context, args []string, out, errs io.Writer) (int, error) {
	flags := flag.NewFlagSet("epi-kills", flag.ContinueOnError)
	flags.SetOutput(errs)
	only := flags.String("only", "", "regular expression on the names of the cases to do (default all)")
	program := flags.String("epi", "bin/epi", "the program")
	moments := flags.Int("moments", 20, "how many moments of a run SIGKILL is sent at")
	work := flags.String("work", "", "folder for state, artifacts and logs (default a temporary one, which is removed)")
	list := flags.Bool("list", false, "list the cases and do none")
	if err := flags.Parse(args); err != nil {
		return 2, nil // it has been told
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return 2, fmt.Errorf("flag --only: %w", err)
	}
	var chosen []kill
	for _, k := range cases(*moments) {
		if wanted.MatchString(k.name) {
			chosen = append(chosen, k)
		}
	}
	if *list {
		for _, k := range chosen {
			_, _ = fmt.Fprintln(out, k.name)
		}
		return 0, nil
	}
	if *program, err = filepath.Abs(*program); err != nil {
		return 3, err
	}
	if *work == "" {
		if *work, err = os.MkdirTemp("", "epi-kills-"); err != nil {
			return 3, err
		}
		defer func() { _ = os.RemoveAll(*work) }() // made here
	}
	m := &matrix{epi: *program, work: *work, errs: errs, bridges: map[string]bool{}}
	results, err := m.all(ctx, chosen)
	report(out, results)
	switch {
	case err != nil:
		return 3, err
	case len(results) < len(chosen):
		return 3, fmt.Errorf("%d of %d cases were done", len(results), len(chosen))
	}
	for _, r := range results {
		if len(r.after) > 0 || r.wrong != "" {
			return 1, nil
		}
	}
	return 0, nil
}

// result is what became of one case.
type result struct {
	name string
	// at is how far the run was.
	at   string
	code string
	took time.Duration
	// said is the last thing that the run said.
	said string
	// before and after down, and what down ended with.
	before, after []string
	down          string
	// wrong is what should not be, beside what is left.
	wrong string
}

func report(out io.Writer, results []result) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "case\tended at\texit\tafter\tleft before down\tdown\tleft after\tlast said")
	for _, r := range results {
		after := "0"
		if len(r.after) > 0 {
			after = strings.Join(r.after, ", ")
		}
		if r.wrong != "" {
			after += " WRONG: " + r.wrong
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%.0fs\t%s\t%s\t%s\t%s\n", r.name, short(r.at, 34), r.code, r.took.Seconds(), summary(r.before), r.down, after, short(r.said, 110))
	}
	_ = table.Flush()
}

// summary counts leftovers by their kind.
func summary(list []string) string {
	if len(list) == 0 {
		return "0"
	}
	var kinds []string
	counts := map[string]int{}
	for _, item := range list {
		kind, _, _ := strings.Cut(item, " ")
		if counts[kind] == 0 {
			kinds = append(kinds, kind)
		}
		counts[kind]++
	}
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", counts[kind], kind)
	}
	return strings.Join(kinds, ", ")
}

func short(text string, most int) string {
	text = strings.TrimSpace(text)
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}
