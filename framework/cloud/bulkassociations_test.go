package cloud

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLastAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		done := map[int]bool{}
		err := lastAlone(t.Context(), 5, 104, func(_ context.Context, n int) error {
			if n < 104 {
				time.Sleep(time.Duration(200-n) * time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			if n == 104 && len(done) != 99 {
				t.Errorf("the last one began when %d of 99 were done", len(done))
			}
			if done[n] {
				t.Errorf("%d was done twice", n)
			}
			done[n] = true
			return nil
		})
		if err != nil || len(done) != 100 || !done[5] || !done[104] {
			t.Errorf("did %v: %v", done, err)
		}
	})
}

func TestLastAloneStops(t *testing.T) {
	broken := errors.New("broken")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		fail int
		want error
	}{
		{"one fails", t.Context(), 3, broken},
		{"the last one fails", t.Context(), 9, broken},
		{"it was interrupted", canceled, -1, context.Canceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var lastDone atomic.Bool
			err := lastAlone(test.ctx, 0, 9, func(_ context.Context, n int) error {
				if n == test.fail {
					return broken
				}
				if n == 9 {
					lastDone.Store(true)
				}
				return nil
			})
			if !errors.Is(err, test.want) || lastDone.Load() {
				t.Errorf("got %v, the last one was done: %t; want %v", err, lastDone.Load(), test.want)
			}
		})
	}
}
