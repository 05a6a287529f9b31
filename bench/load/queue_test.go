package load

import (
	"context"
	"errors"
	"testing"
	"time"
)

func herd(count int) Phase {
	return Phase{Name: "herd", Lasts: time.Millisecond, Arrivals: AtOnce, Count: count}
}

// Many more requests than the ring holds, for few workers.
func TestEachRequestIsMadeOnceHoweverManyWait(t *testing.T) {
	const requests = 5 * ringSize
	made := &counting{times: map[uint64]int{}}
	result, err := Run(t.Context(), mustPlan(t, herd(requests)), made, Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(requests) {
		if made.times[n] != 1 {
			t.Fatalf("request %d was made %d times", n, made.times[n])
		}
	}
	if phase := result.Phases[0]; phase.Requests != requests || phase.Failed() != 0 || result.MaxInFlight > 3 {
		t.Errorf("%d requests, errors %v, %d in flight at most", phase.Requests, phase.Errors, result.MaxInFlight)
	}
}

// A server that hangs delays the end of a load by its drain and no longer. All planned requests are counted.
func TestALoadEndsAfterItsDrainHoweverManyWait(t *testing.T) {
	const requests = 3 * ringSize
	result, err := Run(t.Context(), mustPlan(t, herd(requests)), &hanging{}, Options{Workers: 2, Drain: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if phase := result.Phases[0]; phase.Requests != requests || phase.Errors[Unfinished] != requests || result.Interrupted {
		t.Errorf("%d requests, errors %v, interrupted %t", phase.Requests, phase.Errors, result.Interrupted)
	}
}

func TestAnInterruptedLoadBeginsNothingThatWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	target := &hanging{}
	go func() {
		for target.began.Load() < 2 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	result, err := Run(ctx, mustPlan(t, herd(3*ringSize)), target, Options{Workers: 2})
	if !errors.Is(err, context.Canceled) || !result.Interrupted || result.Phases[0].Requests > 10 {
		t.Errorf("%d requests, interrupted %t, error %v", result.Phases[0].Requests, result.Interrupted, err)
	}
}

// Free workers get work before new ones are made, and the last one that became free gets it first.
func TestFewWorkersDoWhatFewCan(t *testing.T) {
	var q queue
	one, _ := q.hand(t.Context(), ticket{n: 1}, 10)
	two, _ := q.hand(t.Context(), ticket{n: 2}, 10)
	if one == nil || two == nil || q.most != 2 {
		t.Fatalf("workers %v and %v, %d at once", one, two, q.most)
	}
	got := make(chan ticket)
	become := func(w *worker, free int) {
		go func() {
			t, _ := q.take(w)
			got <- t
		}()
		for at := 0; at != free; {
			q.mu.Lock()
			at = len(q.free)
			q.mu.Unlock()
		}
	}
	for _, w := range []*worker{one, two} {
		if first, more := q.take(w); !more || first.n != uint64(w.number+1) {
			t.Errorf("worker %d begins with %+v", w.number, first)
		}
	}
	become(one, 1)
	become(two, 2)
	if w, err := q.hand(t.Context(), ticket{n: 3}, 10); w != nil || err != nil || (<-got).n != 3 {
		t.Errorf("with two free, worker %v was made, %v", w, err)
	}
	if len(q.free) != 1 || q.free[0] != one || q.most != 2 {
		t.Errorf("free are %v, %d at once; want the one that is free for longer", q.free, q.most)
	}
	q.close(false)
	if (<-got).n != 0 {
		t.Error("at the end there was still a ticket")
	}
}
