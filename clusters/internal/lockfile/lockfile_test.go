package lockfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyOneHoldsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "lock")
	release, err := Acquire(t.Context(), file, func() { t.Error("the first waits") })
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan struct{})
	second := make(chan error, 1)
	go func() {
		releaseSecond, err := Acquire(t.Context(), file, func() { close(waiting) })
		if err == nil {
			releaseSecond()
		}
		second <- err
	}()
	<-waiting
	select {
	case err := <-second:
		t.Fatalf("the second did not wait: %v", err)
	default:
	}
	release()
	if err := <-second; err != nil {
		t.Errorf("the second, after the first: %v", err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	release, err := Acquire(t.Context(), file, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	if _, err := Acquire(ctx, file, func() { cancel(stopped) }); !errors.Is(err, stopped) {
		t.Errorf("error %v, want %v", err, stopped)
	}
}

func TestALockOfARemovedFileIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	release, err := Acquire(t.Context(), file, func() {})
	if err != nil {
		t.Fatal(err)
	}
	// The holder removes it with the rest, as the removal of the engine does.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	second, err := Acquire(t.Context(), file, func() { t.Error("waits for a file that is gone") })
	if err != nil {
		t.Fatal(err)
	}
	release()
	held, err := try(file)
	if err != nil {
		t.Fatal(err)
	}
	if held != nil {
		t.Error("the end of the old lock ended the new one")
	}
	second()
}
