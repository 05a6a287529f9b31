package credentials

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestWorkersAreFewAndEnd(t *testing.T) {
	w := workers{most: 2}
	var at, most, ran atomic.Int32
	var callers sync.WaitGroup
	for range 200 {
		callers.Go(func() {
			before := ran.Load()
			w.run(func() {
				now := at.Add(1)
				for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
				}
				ran.Add(1)
				at.Add(-1)
			})
			if ran.Load() == before {
				t.Error("returned before its function had")
			}
		})
	}
	callers.Wait()
	if ran.Load() != 200 || most.Load() > 2 {
		t.Errorf("%d of 200 ran, %d at once, want 2 at most", ran.Load(), most.Load())
	}
}
