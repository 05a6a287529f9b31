package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// messagesFD is the file descriptor on which a process reports its messages.
const messagesFD = 3

// MessagesPipe opens the pipe on which a process that Run started reports its messages.
func MessagesPipe() (io.WriteCloser, error) {
	file := os.NewFile(messagesFD, "messages")
	if _, err := file.Stat(); err != nil {
		return nil, fmt.Errorf("open pipe to the runner: %w; this command is for the runner's own use", err)
	}
	return file, nil
}

const (
	defaultGrace = 45 * time.Second
	// keptOutput is how much of a process's output is kept to explain a crash.
	keptOutput = 16 << 10
)

// child is a process, as the parent sees it.
type child struct {
	command  *exec.Cmd
	stdin    io.WriteCloser
	messages chan message
	output   *tail
	// broken is the error of an unreadable message.
	broken error
	// ended is closed when the process has sent its last message.
	ended chan struct{}
}

// start starts a process and sends its order. The caller reads all messages, and then waits.
func start(ctx context.Context, options Options, o order) (*child, error) {
	payload, err := options.encodePayload()
	if err != nil {
		return nil, err
	}
	o.Payload = payload
	if len(options.Command) == 0 {
		return nil, errors.New("start process for specs: no command given")
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start process for specs: %w", err)
	}
	c := &child{messages: make(chan message), output: &tail{}, ended: make(chan struct{})}
	c.command = exec.CommandContext(ctx, options.Command[0], options.Command[1:]...)
	c.command.Stdout, c.command.Stderr = c.output, c.output
	c.command.ExtraFiles = []*os.File{writer}
	// The process has its own group: Ctrl-C in a terminal reaches only the parent, which passes it on once.
	c.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.command.Cancel = func() error { return c.command.Process.Signal(syscall.SIGINT) }
	c.command.WaitDelay = defaultGrace
	if options.Grace > 0 {
		c.command.WaitDelay = options.Grace
	}
	c.stdin, err = c.command.StdinPipe()
	if err == nil {
		err = c.command.Start()
	}
	_ = writer.Close() // the process has its own handle now
	if err == nil && options.Environment != nil {
		go c.hurry(options.Environment.Gone())
	}
	if err != nil {
		_ = reader.Close()
		return nil, fmt.Errorf("start process for specs: %w", err)
	}
	go c.read(reader)
	if err := json.NewEncoder(c.stdin).Encode(o); err != nil {
		for range c.messages { // until it ends, which gives the reason
		}
		return nil, fmt.Errorf("give order to process for specs: %w", c.explain(errors.Join(err, c.wait())))
	}
	return c, nil
}

// goneGrace is how long a process may clean up if nothing is left to clean up.
const goneGrace = 5 * time.Second

// hurry ends a process whose environment is gone.
func (c *child) hurry(gone <-chan struct{}) {
	select {
	case <-gone:
	case <-c.ended:
		return
	}
	timer := time.NewTimer(goneGrace)
	defer timer.Stop()
	select {
	case <-timer.C:
		_ = c.command.Process.Kill() // an error means that it has ended already
	case <-c.ended:
	}
}

func (c *child) read(reader *os.File) {
	defer close(c.messages)
	defer close(c.ended)
	defer func() { _ = reader.Close() }()
	decoder := json.NewDecoder(reader)
	for {
		var m message
		if err := decoder.Decode(&m); err != nil {
			if !errors.Is(err, io.EOF) {
				c.broken = err
			}
			return
		}
		c.messages <- m
	}
}

func (c *child) answer(granted bool) error {
	return json.NewEncoder(c.stdin).Encode(answer{Granted: granted})
}

// wait reaps the process, after its last message.
func (c *child) wait() error {
	_ = c.stdin.Close() // the process sees then that no answer will come
	return errors.Join(c.broken, c.command.Wait())
}

// explain adds the end of a process's output to its error.
func (c *child) explain(err error) error {
	if err == nil {
		err = errors.New("it ended without a word")
	}
	if text := strings.TrimSpace(c.output.String()); text != "" {
		return fmt.Errorf("%w; its last output:\n%s", err, text)
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, data...)
	if excess := len(t.kept) - keptOutput; excess > 0 {
		t.kept = bytes.Clone(t.kept[excess:])
	}
	return len(data), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
