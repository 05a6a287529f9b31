package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fake is a part whose state a test sets.
type fake struct {
	mu  sync.Mutex
	err error
	// takes is how long an answer takes.
	takes time.Duration
}

func (f *fake) set(err error, takes time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.takes = err, takes
}

func (f *fake) ask(ctx context.Context) error {
	f.mu.Lock()
	err, takes := f.err, f.takes
	f.mu.Unlock()
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

var (
	paused  = &AwayError{Why: "its container is paused"}
	exited  = &AwayError{Why: "its container has ended with code 137", Final: true}
	refused = &AwayError{Why: "it refuses connections", Weak: true}
)

const never = time.Hour

// TestAbsences checks what counts as an absence, how long the watch waits for the environment, and what never counts.
func TestAbsences(t *testing.T) {
	for name, row := range map[string]struct {
		err   error
		takes time.Duration
		// lasts is how long the part is like that.
		lasts time.Duration
		// noticed says that it counts as an absence. gone says that the environment counts as gone.
		noticed, gone bool
		// why is the reason why a spec of that time is not decided. sure is Settle's result.
		why  string
		sure bool
	}{
		"the node is paused for 25 s":            {err: paused, lasts: 25 * time.Second, noticed: true, why: "is paused", sure: true},
		"the node is paused for 3 s":             {err: paused, lasts: 3 * time.Second, noticed: true, why: "is paused", sure: true},
		"the node is paused for good":            {err: paused, lasts: never, noticed: true, gone: true, why: "is paused", sure: true},
		"the node has ended":                     {err: exited, lasts: never, noticed: true, gone: true, why: "ended with code 137", sure: true},
		"connections are refused for 10 s":       {err: refused, lasts: 10 * time.Second, noticed: true, why: "refuses connections", sure: true},
		"connections are refused for good":       {err: refused, lasts: never, noticed: true, gone: true, why: "refuses connections", sure: true},
		"no answer for 25 s":                     {takes: never, lasts: 25 * time.Second, noticed: true, why: "does not answer", sure: true},
		"no answer for good":                     {takes: never, lasts: never, noticed: true, gone: true, why: "does not answer", sure: true},
		"unwell for good":                        {err: errors.New("500 Internal Server Error"), lasts: never, noticed: true, gone: true, why: "500 Internal", sure: true},
		"no answer for 12 s":                     {takes: never, lasts: 12 * time.Second, why: "did not answer"},
		"one connection is refused":              {err: refused, lasts: 500 * time.Millisecond},
		"each answer takes 1.5 s":                {takes: 1500 * time.Millisecond, lasts: 10 * time.Minute},
		"each answer takes 4 s":                  {takes: 4 * time.Second, lasts: 10 * time.Minute, why: "did not answer"},
		"each answer takes 4.9 s":                {takes: 4900 * time.Millisecond, lasts: 10 * time.Minute, why: "did not answer"},
		"unwell for a second":                    {err: errors.New("500 Internal Server Error"), lasts: time.Second},
		"it cannot be asked in this environment": {err: ErrUnsupported, lasts: never},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				part, other := &fake{}, &fake{}
				var mu sync.Mutex
				var seen []string
				w := Start(t.Context(), Options{
					Environment: "blue", Parts: []Part{{Name: "node blue", Ask: part.ask}, {Name: "the AWS emulator", Ask: other.ask}},
					Changed: func(absence Absence) {
						mu.Lock()
						defer mu.Unlock()
						seen = append(seen, absence.String())
					},
				})
				defer w.Close()
				time.Sleep(10*time.Second + 100*time.Millisecond)
				before := time.Now()
				if reason, _ := w.Settle(t.Context(), before.Add(-5*time.Second), before, true); reason != "" {
					t.Errorf("before: %s", reason)
				}
				part.set(row.err, row.takes)
				from := time.Now()
				time.Sleep(min(row.lasts, 5*time.Second))
				to := time.Now()
				// The part returns while the failure of the spec is examined.
				var back sync.WaitGroup
				if row.lasts < never {
					back.Go(func() {
						time.Sleep(row.lasts - min(row.lasts, 5*time.Second))
						part.set(nil, 0)
					})
				}
				defer back.Wait()
				reason, sure := w.Settle(t.Context(), from, to, true)
				if (reason == "") != (row.why == "") || !strings.Contains(reason, row.why) || sure != row.sure {
					t.Errorf("settled: %q, %v; want %q, %v", reason, sure, row.why, row.sure)
				}
				w.Hold(t.Context())
				if held := time.Since(from); held > silent+defaultBearable+10*time.Second {
					t.Errorf("held for %s", held)
				}
				time.Sleep(2 * time.Minute)
				select {
				case <-w.Gone():
					if !row.gone || !strings.Contains(w.Err().Error(), "node blue is away since 00:00:1") || strings.Contains(w.Err().Error(), "emulator") {
						t.Errorf("gone: %v", w.Err())
					}
				default:
					if row.gone {
						t.Error("it counts as there")
					}
				}
				mu.Lock()
				heard := len(seen)
				mu.Unlock()
				if noticed := len(w.Absences()) > 0; noticed != row.noticed || noticed && heard == 0 {
					t.Errorf("absences %v, reported %d", w.Absences(), heard)
				}
				if !row.gone && row.lasts < never {
					if reason, _ := w.Settle(t.Context(), time.Now().Add(-30*time.Second), time.Now(), true); reason != "" && (row.takes < askTime && row.why == "" || row.lasts < time.Minute) {
						t.Errorf("after: %s", reason)
					}
				}
				part.set(nil, 0)
			})
		})
	}
}

// An absence is noticed late. Specs that ended after the part was last seen are not decided, and earlier ones are.
func TestAnAbsenceBeginsWhenThePartWasLastSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		part := &fake{}
		w := Start(t.Context(), Options{Parts: []Part{{Name: "the AWS emulator", Ask: part.ask}}})
		defer w.Close()
		time.Sleep(time.Minute)
		passed := time.Now()
		time.Sleep(3 * time.Second)
		part.set(nil, never) // like a stopped process
		frozen := time.Now()
		time.Sleep(time.Second)
		if reason, sure := w.Settle(t.Context(), frozen, frozen.Add(500*time.Millisecond), false); !sure || !strings.Contains(reason, "does not answer") {
			t.Errorf("decided while it was frozen: %q, %v", reason, sure)
		}
		if reason, _ := w.Settle(t.Context(), passed.Add(-time.Second), passed, false); reason != "" {
			t.Errorf("decided before: %q", reason)
		}
		part.set(nil, 0)
	})
}

// A part behind the API server does not count as absent because the API server is.
func TestOnlyWhatIsKnownIsReported(t *testing.T) {
	for _, offset := range []time.Duration{10 * time.Second, 10*time.Second + time.Millisecond, 11 * time.Second} {
		onlyWhatIsKnown(t, offset)
	}
}

func onlyWhatIsKnown(t *testing.T, offset time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		server, node := &fake{}, &fake{}
		w := Start(t.Context(), Options{Environment: "blue", Parts: []Part{
			{Name: apiServer, Ask: server.ask}, {Name: "node blue", Behind: apiServer, Ask: node.ask},
		}})
		defer w.Close()
		time.Sleep(offset)
		server.set(refused, 0)
		node.set(refused, 0)
		<-w.Gone()
		if text := w.Err().Error(); !strings.Contains(text, "the API server is away") || strings.Contains(text, "node blue") {
			t.Error(text)
		}
	})
}

// A node that does not answer counts as absent if the API server answers.
func TestANodeIsAwayWhenTheServerIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, node := &fake{}, &fake{}
		w := Start(t.Context(), Options{Environment: "blue", Parts: []Part{
			{Name: apiServer, Ask: server.ask}, {Name: "node blue", Behind: apiServer, Ask: node.ask},
		}})
		defer w.Close()
		time.Sleep(10 * time.Second)
		node.set(refused, 0)
		<-w.Gone()
		if text := w.Err().Error(); !strings.Contains(text, "node blue is away") || strings.Contains(text, "the API server is") {
			t.Error(text)
		}
	})
}

// The container engine's knowledge about a node takes precedence: the API server is absent because its node is.
func TestTheCauseIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, node := &fake{}, &fake{}
		w := Start(t.Context(), Options{Environment: "blue", Parts: []Part{
			{Name: apiServer, Ask: server.ask}, {Name: "node blue", Behind: apiServer, Ask: node.ask},
		}})
		defer w.Close()
		time.Sleep(10 * time.Second)
		server.set(nil, never)
		node.set(paused, 0)
		<-w.Gone()
		if text := w.Err().Error(); !strings.Contains(text, "node blue is away") || strings.Contains(text, "the API server") {
			t.Error(text)
		}
	})
}

// On a busy machine this process gets the processor late. The environment's answers are as late.
func TestPatienceGrowsWithTheLagOfThisProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		part := &fake{}
		w := Start(t.Context(), Options{Parts: []Part{{Name: "the API server", Ask: part.ask}}})
		defer w.Close()
		time.Sleep(10 * time.Second)
		part.set(nil, never)
		for range 35 { // 35 seconds, each with half a second of lag
			time.Sleep(time.Second)
			w.mu.Lock()
			w.lag += 500 * time.Millisecond
			w.mu.Unlock()
		}
		if found := w.Absences(); len(found) > 0 {
			t.Errorf("away: %v", found)
		}
		part.set(nil, 0)
		time.Sleep(10 * time.Second)
		if found := w.Absences(); len(found) > 0 {
			t.Errorf("away: %v", found)
		}
	})
}

// What ends within five seconds on a machine that is not busy can take longer on one that is.
func TestWhatRanWhileTheMachineWasBusyIsKnown(t *testing.T) {
	for name, row := range map[string]struct {
		late, answer time.Duration
		want         string
	}{
		"neither":                   {late: time.Second, answer: 1500 * time.Millisecond},
		"this process waited":       {late: 4 * time.Second, want: "epi did not get the processor"},
		"the emulator answers late": {answer: 4500 * time.Millisecond, want: "the AWS emulator did not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				part := &fake{}
				w := Start(t.Context(), Options{Parts: []Part{{Name: "the AWS emulator", Ask: part.ask}}})
				defer w.Close()
				time.Sleep(10 * time.Second)
				part.set(nil, row.answer)
				from := time.Now()
				time.Sleep(8 * time.Second)
				w.waited(from, from.Add(time.Second+row.late))
				part.set(nil, 0)
				to := time.Now()
				time.Sleep(time.Minute)
				for _, moment := range []struct {
					from, to time.Time
					want     string
				}{{from, to, row.want}, {to.Add(20 * time.Second), to.Add(30 * time.Second), ""}} {
					reason, sure := w.Settle(t.Context(), moment.from, moment.to, false)
					if sure || (moment.want == "") != (reason == "") || !strings.HasPrefix(reason, moment.want) {
						t.Errorf("%q (sure %t), want %q", reason, sure, moment.want)
					}
				}
			})
		})
	}
}

func TestSettleEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		part := &fake{takes: never}
		w := Start(t.Context(), Options{Parts: []Part{{Name: "the API server", Ask: part.ask}}})
		defer w.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if reason, sure := w.Settle(ctx, time.Now(), time.Now(), true); reason != "" || sure {
			t.Errorf("%q, %v", reason, sure)
		}
	})
}

func TestEvidence(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Err: err} }
	for name, row := range map[string]struct {
		err  error
		away string
	}{
		"refused":         {fmt.Errorf("get: %w", dial(syscall.ECONNREFUSED)), "it refuses connections"},
		"reset":           {fmt.Errorf("get: %w", syscall.ECONNRESET), "its connections end at once"},
		"end of file":     {fmt.Errorf("get: %w", io.EOF), "its connections end at once"},
		"no route":        {dial(syscall.EHOSTUNREACH), "it cannot be reached"},
		"slow":            {context.DeadlineExceeded, ""},
		"slow to connect": {dial(timeoutError{}), ""},
		"unwell":          {errors.New("500 Internal Server Error"), ""},
	} {
		err := asAway(row.err)
		away, ok := errors.AsType[*AwayError](err)
		if ok != (row.away != "") || ok && (away.Why != row.away || !away.Weak) {
			t.Errorf("%s: %#v", name, err)
		}
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestJumpsOfTheClock(t *testing.T) {
	for _, row := range []struct {
		wall, monotonic time.Duration
		says            string
	}{
		{2 * time.Second, 2 * time.Second, ""},
		{40 * time.Second, 40 * time.Second, ""}, // busy, and not asleep
		{2*time.Second + 900*time.Millisecond, 2 * time.Second, ""},
		{2 * time.Hour, 2 * time.Second, "it went ahead by 1h59m58s: the machine slept"},
		{-time.Hour, 2 * time.Second, "it was set back by 1h0m2s"},
	} {
		err := leapt(row.wall, row.monotonic)
		if (err == nil) != (row.says == "") || err != nil && !strings.HasPrefix(err.Error(), row.says) {
			t.Errorf("%s in %s: %v", row.wall, row.monotonic, err)
		}
	}
	clock := newJump(time.Now)
	for range 3 {
		if err := clock.ask(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// inspect is called when the part does not answer, and once more when it answers again.
func TestInspected(t *testing.T) {
	var answer, below error
	asked := 0
	ask := inspected(func(context.Context, string) error { asked++; return below }, "blue", func(context.Context) error { return answer })
	for i, row := range []struct {
		answer, below, want error
		asked               int
	}{
		{nil, nil, nil, 0},
		{refused, nil, refused, 1},
		{nil, nil, nil, 2},
		{nil, paused, nil, 2},
		{refused, paused, paused, 3},
		{nil, exited, exited, 4},
		{nil, exited, exited, 5},
		{nil, errors.New("no engine"), nil, 6},
		{ErrUnsupported, paused, ErrUnsupported, 6},
	} {
		answer, below = row.answer, row.below
		if err := ask(t.Context()); !errors.Is(err, row.want) || asked != row.asked {
			t.Errorf("%d: %v after %d questions, want %v after %d", i, err, asked, row.want, row.asked)
		}
	}
}

func TestReasons(t *testing.T) {
	for want, err := range map[string]error{
		"it is not ready":                             unwell("it is not ready"),
		"its container is paused":                     fmt.Errorf("ask: %w", paused),
		"it does not answer":                          fmt.Errorf("get: %w", context.DeadlineExceeded),
		"it does not answer (500 no)":                 errors.New("500 no\n[+]ping ok\n[-]etcd failed"),
		"it does not answer (net/http: no such host)": errors.New("net/http: no such host"),
	} {
		if got := why(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if got := why(errors.New(strings.Repeat("x", 200))); got != "it does not answer" {
		t.Error(got)
	}
}

func TestIllness(t *testing.T) {
	for _, row := range []struct {
		kind   corev1.NodeConditionType
		status corev1.ConditionStatus
		says   string
	}{
		{corev1.NodeReady, corev1.ConditionTrue, ""},
		{corev1.NodeReady, corev1.ConditionFalse, "is not ready"},
		{corev1.NodeReady, corev1.ConditionUnknown, "is not ready"},
		{corev1.NodeMemoryPressure, corev1.ConditionFalse, ""},
		{corev1.NodeMemoryPressure, corev1.ConditionTrue, "is short of memory"},
		{corev1.NodeDiskPressure, corev1.ConditionTrue, "is short of disk space"},
		{corev1.NodePIDPressure, corev1.ConditionTrue, "is short of process IDs"},
	} {
		node := corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: row.kind, Status: row.status}}}}
		if says := illness(node); says != row.says {
			t.Errorf("%s %s: %q", row.kind, row.status, says)
		}
	}
}

func TestAFolderMayNotGoAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	later, there := kept(dir), error(nil)
	if there = later(t.Context()); there != nil {
		t.Errorf("one that is not made yet: %v", there)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	before := kept(dir)
	if err := errors.Join(later(t.Context()), before(t.Context())); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []func(context.Context) error{later, before} {
		if away, ok := errors.AsType[*AwayError](ask(t.Context())); !ok || !away.Final || away.Why != "it was removed" {
			t.Errorf("one that was removed: %v", away)
		}
	}
}

// A cluster in which no new pod can start says nothing about agent and webhook.
func TestNoNodeTakesNewPods(t *testing.T) {
	node := func(name string, cordoned bool, taints ...corev1.Taint) corev1.Node {
		return corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{Unschedulable: cordoned, Taints: taints}}
	}
	taint := func(effect corev1.TaintEffect) corev1.Taint { return corev1.Taint{Key: "maintenance", Effect: effect} }
	free, cordoned := node("a", false), node("a", true)
	for name, row := range map[string]struct {
		before, now []corev1.Node
		want        string
	}{
		"all as before":                      {[]corev1.Node{free}, []corev1.Node{free}, ""},
		"the only one is cordoned":           {[]corev1.Node{free}, []corev1.Node{cordoned}, "none takes new pods: node a is cordoned"},
		"it is tainted":                      {[]corev1.Node{free}, []corev1.Node{node("a", false, taint(corev1.TaintEffectNoSchedule))}, "none takes new pods: node a has taint maintenance"},
		"it evicts":                          {[]corev1.Node{free}, []corev1.Node{node("a", false, taint(corev1.TaintEffectNoExecute))}, "none takes new pods: node a has taint maintenance"},
		"a taint that only makes it less so": {[]corev1.Node{free}, []corev1.Node{node("a", false, taint(corev1.TaintEffectPreferNoSchedule))}, ""},
		"one of two":                         {[]corev1.Node{free, node("b", false)}, []corev1.Node{cordoned, node("b", false)}, ""},
		"both of two":                        {[]corev1.Node{free, node("b", false)}, []corev1.Node{cordoned, node("b", true)}, "none takes new pods: node a is cordoned"},
		"none did at the beginning":          {[]corev1.Node{cordoned}, []corev1.Node{cordoned}, ""},
		"another came in its place":          {[]corev1.Node{free}, []corev1.Node{node("b", false)}, ""},
	} {
		err := worse(row.before, row.now)
		away, known := errors.AsType[*AwayError](err)
		if row.want == "" && err != nil || row.want != "" && (!known || away.Why != row.want || !away.Weak) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
}
