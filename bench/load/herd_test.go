package load

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// herdOf is n requests at once.
func herdOf(t *testing.T, n int) *Plan {
	t.Helper()
	plan, err := NewPlan(1, Phase{Name: "herd", Lasts: time.Second, Arrivals: AtOnce, Count: n})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// All connections of a herd are open before its first request is made.
func TestAHerdIsReadyBeforeItBegins(t *testing.T) {
	const n = 50
	var open, asked, early atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if open.Load() < n {
			early.Add(1)
		}
		Null().ServeHTTP(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			open.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	for _, anew := range []bool{false, true} {
		open.Store(0)
		asked.Store(0)
		target, err := NewHTTP(HTTPOptions{URL: server.URL, Expect: Credentials, NewConnections: anew})
		if err != nil {
			t.Fatal(err)
		}
		result, err := Run(t.Context(), herdOf(t, n), target, Options{})
		target.Close()
		if err != nil {
			t.Fatal(err)
		}
		phase := result.Phases[0]
		if phase.Requests != n || phase.Failed() != 0 || asked.Load() != n || result.MaxInFlight != n || result.Lag.TotalCount() != n {
			t.Errorf("new %t: %d requests, %s, %d asked, %d in flight, %d lags", anew, phase.Requests, phase.Kinds(), asked.Load(), result.MaxInFlight, result.Lag.TotalCount())
		}
		// The kernel opens a connection before the server accepts it. So those that are not accepted yet are open too,
		// while a herd without preparation would have only a few.
		if early.Load() > n/2 {
			t.Errorf("new %t: %d of %d requests came before all connections", anew, early.Load(), n)
		}
	}
}

// nullTarget returns a target with a handler that does nothing.
func nullTarget(t *testing.T) *HTTP {
	t.Helper()
	server := httptest.NewServer(Null())
	t.Cleanup(server.Close)
	target, err := NewHTTP(HTTPOptions{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Close)
	return target
}

// A share of a herd is that of a plan.
func TestGeneratorsShareAHerd(t *testing.T) {
	target := nullTarget(t)
	var sum int64
	for i := range 3 {
		result, err := Run(t.Context(), herdOf(t, 10), target, Options{Share: Share{Index: i, Of: 3}})
		if err != nil {
			t.Fatal(err)
		}
		sum += result.Phases[0].Requests
	}
	if sum != 10 {
		t.Errorf("%d requests, want 10", sum)
	}
}

// The request reports the failure of a waiting connection.
func TestAHerdReportsWhatGoesWrong(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := refused.Close(); err != nil {
		t.Fatal(err)
	}
	closing := httptest.NewUnstartedServer(Null())
	closing.Config.ReadHeaderTimeout = time.Nanosecond // closes waiting connections without an answer
	closing.Start()
	defer closing.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	for name, row := range map[string]struct {
		url  string
		want string
	}{
		"refused":        {"http://" + refused.Addr().String(), "refused"},
		"closed, waited": {closing.URL, "reset"},
		"no answer":      {silent.URL, "timeout"},
	} {
		target, err := NewHTTP(HTTPOptions{URL: row.url, Timeout: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		result, err := Run(t.Context(), herdOf(t, 4), target, Options{})
		target.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if phase := result.Phases[0]; phase.Requests != 4 || phase.Errors[row.want] != 4 {
			t.Errorf("%s: %d requests, %s; want 4 %s", name, phase.Requests, phase.Kinds(), row.want)
		}
	}
}

// An interrupt ends a herd that waits for its start.
func TestAnInterruptEndsAHerdThatWaits(t *testing.T) {
	target := nullTarget(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	result, err := Run(ctx, herdOf(t, 4), target, Options{Start: time.Now().Add(time.Minute)})
	if err == nil || result == nil || !result.Interrupted {
		t.Errorf("%+v, %v", result, err)
	}
}
