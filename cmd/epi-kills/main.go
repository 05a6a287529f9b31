//go:build linux

// Command epi-kills ends `epi run` in every way that a person or a machine does, and shows what is left before and after
// `epi down`. After it nothing may be left. It is a tool of this repository.
//
// Everything happens in its own state folder. As root on Linux without another container engine it also has its own engine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
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
	file := flags.String("table", "", "file that keeps what became of each case: one that was clean is not done again")
	most := flags.Duration("for", 0, "begin no case after this time; the next call with the same --table and --work goes on (default no limit)")
	if err := flags.Parse(args); err != nil {
		return 2, nil // it has been reported
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
	switch {
	case *work != "":
		if *work, err = filepath.Abs(*work); err != nil {
			return 3, err
		}
	case *most > 0:
		return 2, errors.New("flag --for wants a --work, where the next call goes on")
	default:
		if *work, err = os.MkdirTemp("", "epi-kills-"); err != nil {
			return 3, err
		}
		defer func() { _ = os.RemoveAll(*work) }() // made here
	}
	t, err := openTable(*file)
	if err != nil {
		return 3, err
	}
	m := &matrix{epi: *program, work: *work, errs: errs, bridges: map[string]bool{}}
	var until time.Time
	if *most > 0 {
		until = time.Now().Add(*most)
	}
	err = m.each(ctx, t.missing(chosen), until, t.add)
	if missing := t.missing(chosen); *most == 0 || len(missing) == 0 || ctx.Err() != nil {
		err = errors.Join(err, t.add(m.downAll(ctx)))
	}
	t.report(out)
	switch missing := t.undone(chosen); {
	case err != nil:
		return 3, err
	case missing > 0:
		return 3, fmt.Errorf("%d of %d cases are still to be done", missing, len(chosen))
	case !t.clean():
		return 1, nil
	}
	return 0, nil
}
