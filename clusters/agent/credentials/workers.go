package credentials

import "sync"

// workers run functions on a few goroutines, which end when there is nothing to do. A function with a deep stack grows the
// worker's stack once, and not the stack of its caller, which may wait for long after it. The Go runtime shrinks a stack
// only if less than a quarter of it is used.
type workers struct {
	most int

	mu      sync.Mutex
	queue   []func()
	running int
}

// run returns when f has.
func (w *workers) run(f func()) {
	done := make(chan struct{})
	w.mu.Lock()
	w.queue = append(w.queue, func() {
		defer close(done)
		f()
	})
	start := w.running < w.most
	if start {
		w.running++
	}
	w.mu.Unlock()
	if start {
		go w.work()
	}
	<-done
}

func (w *workers) work() {
	for {
		w.mu.Lock()
		if len(w.queue) == 0 {
			w.running--
			w.queue = nil
			w.mu.Unlock()
			return
		}
		f := w.queue[0]
		w.queue[0] = nil
		w.queue = w.queue[1:]
		w.mu.Unlock()
		f()
	}
}
