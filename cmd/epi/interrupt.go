package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/podidentity/epi/cmd/epi/screen"
)

const (
	// endTime is how long a command that creates nothing may take to end after an interrupt.
	endTime = time.Second
	// sayTime is how long the last messages may take on a terminal that does not read.
	sayTime = time.Second
	// sameTime is the time within which two equal signals count as one: programs such as timeout signal a process and its
	// group.
	sameTime = time.Second
)

// interruptedError is the cause of the program's ended context: a signal asked it to end.
type interruptedError struct{ signal syscall.Signal }

func (e *interruptedError) Error() string { return interruptName(e.signal) }

// Is makes it the end of a context.
func (e *interruptedError) Is(target error) bool { return target == context.Canceled }

// code is a shell's exit code for a program that a signal ended.
func (e *interruptedError) code() int { return 128 + int(e.signal) }

// interruptName is a signal's name for people.
func interruptName(signal os.Signal) string {
	switch signal {
	case syscall.SIGTERM:
		return "terminated"
	case syscall.SIGHUP:
		return "terminal closed"
	default:
		return "interrupted"
	}
}

// work is what a command does when an interrupt comes.
type work struct {
	// doing is the reaction to the first interrupt, such as "removing what was made".
	doing string
	// ended describes, after that, the state of what the command had created; "" says nothing.
	ended func() string
	// left says, at the second interrupt, what stays and the command that removes it; "" if nothing does.
	left func() string
}

// interrupts makes signals end the program. The first signal ends the context of the command, which then cleans up. The
// second ends the program at once, with a message about what it leaves. A nil *interrupts does nothing.
type interrupts struct {
	say  func(line string)
	exit func(code int)
	now  func() time.Time

	cancel context.CancelCauseFunc
	first  chan struct{} // closed by the first signal

	mu     sync.Mutex
	got    map[os.Signal]time.Time
	work   *work
	screen *screen.Screen
}

// newInterrupts returns interrupts that write to a.err, and the context that they end.
func (a *app) newInterrupts(ctx context.Context) (*interrupts, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	i := &interrupts{exit: os.Exit, now: a.now, cancel: cancel, first: make(chan struct{}), got: map[os.Signal]time.Time{}}
	i.say = func(line string) {
		i.mu.Lock()
		display := i.screen
		i.mu.Unlock()
		if display != nil {
			display.Print(line)
			return
		}
		_, _ = fmt.Fprintln(a.err, line)
	}
	a.interrupts = i
	return i, ctx
}

// watch handles the signals of this process from now on. A signal that the parent made it ignore, like SIGHUP of nohup,
// stays ignored.
func (i *interrupts) watch() {
	signals := make(chan os.Signal, 8)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	resumed := make(chan os.Signal, 1)
	signal.Notify(resumed, syscall.SIGCONT)
	// Without this, writing to a closed pipe would end the program without a clean-up.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	go func() {
		for {
			select {
			case s := <-signals:
				i.handle(s)
			case <-resumed:
				i.mu.Lock()
				display := i.screen
				i.mu.Unlock()
				if display != nil {
					display.Resume()
				}
			case <-broken:
			}
		}
	}()
}

// handle reacts to a signal. It never waits for the terminal.
func (i *interrupts) handle(s os.Signal) {
	number, _ := s.(syscall.Signal)
	i.mu.Lock()
	first := len(i.got) == 0
	at, again := i.got[s]
	i.got[s] = i.now()
	doing := i.work
	i.mu.Unlock()
	switch {
	case first:
		close(i.first)
		i.cancel(&interruptedError{signal: number})
		go i.say(i.firstMessage(s, doing))
		if doing == nil {
			time.AfterFunc(endTime, func() { i.exit(128 + int(number)) })
		}
	case s == syscall.SIGHUP:
		// A closing terminal may send its signal twice, and after Ctrl-C. It does not count as a request for haste.
	case again && s == syscall.SIGTERM && i.now().Sub(at) < sameTime:
	default:
		said := make(chan struct{})
		go func() {
			defer close(said)
			i.say(i.lastMessage())
			i.flush()
		}()
		select {
		case <-said:
		case <-time.After(sayTime):
		}
		i.exit(128 + int(number))
	}
}

func (i *interrupts) firstMessage(s os.Signal, doing *work) string {
	word := map[string]string{"interrupted": "Interrupted", "terminated": "Terminated", "terminal closed": "Terminal closed"}[interruptName(s)]
	if doing == nil {
		return word + "."
	}
	again := "press Ctrl-C again to stop at once and leave it"
	if s != syscall.SIGINT {
		again = "a second signal stops at once and leaves it"
	}
	return fmt.Sprintf("%s: %s; %s", word, doing.doing, again)
}

// lastMessage says what a program that stops at once leaves.
func (i *interrupts) lastMessage() string {
	if left := i.left(); left != "" {
		return "Stopped at once. Left: " + left
	}
	return "Stopped at once. Nothing is left to remove."
}

// left says what would stay if the program ended now, and the command that removes it; "" if nothing would.
func (i *interrupts) left() string {
	if i == nil {
		return ""
	}
	i.mu.Lock()
	doing := i.work
	i.mu.Unlock()
	if doing == nil || doing.left == nil {
		return ""
	}
	return doing.left()
}

// flush writes the screen's content.
func (i *interrupts) flush() {
	if i == nil {
		return
	}
	i.mu.Lock()
	display := i.screen
	i.mu.Unlock()
	if display != nil {
		display.Close(nil)
	}
}

// asked returns a channel that is closed when the program was asked to end.
func (i *interrupts) asked() <-chan struct{} {
	if i == nil {
		return nil
	}
	return i.first
}

// showOn makes interrupts write between the lines of a screen.
func (i *interrupts) showOn(display *screen.Screen) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.screen = display
}

// at sets the command's current work. A command that sets none has nothing to clean up.
func (i *interrupts) at(w work) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.work = &w
}

// outcome describes the state of what the interrupted command had created.
func (i *interrupts) outcome() string {
	if i == nil {
		return ""
	}
	i.mu.Lock()
	doing := i.work
	i.mu.Unlock()
	if doing == nil || doing.ended == nil {
		return ""
	}
	return doing.ended()
}

// interruption is the signal that ended ctx; nil if none did.
func interruption(ctx context.Context) *interruptedError {
	if interrupted, ok := errors.AsType[*interruptedError](context.Cause(ctx)); ok {
		return interrupted
	}
	return nil
}
