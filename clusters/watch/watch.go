// Package watch observes an environment while something is tested in it. It knows when the API server, a node or the AWS
// emulator was absent, so that failures of that time do not count as the subject's.
package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters"
)

// Part is a part of an environment.
type Part struct {
	// Name is a name for use in a sentence, such as "node blue-worker".
	Name string
	// Ask returns nil if the part is present. An *AwayError says what is certain. Any other error is only a request without
	// an answer, which also occurs on a busy machine.
	Ask func(ctx context.Context) error
	// Behind is the name of a part without which this one cannot be asked; "" for none.
	Behind string
	// Bearable is how long the part may be absent before the environment counts as gone; 0 means 30 s.
	Bearable time.Duration
	// Remedy is what a user can do when it is gone; "" means to bring the environment up again.
	Remedy string
}

// AwayError says that a part is absent.
type AwayError struct {
	// Why is a text such as "its container is paused".
	Why string
	// Weak says that the evidence is weak, such as a refused connection. It counts when it occurs twice in a row.
	Weak bool
	// Final says that the part does not return by itself.
	Final bool
}

func (e *AwayError) Error() string { return e.Why }

// ErrUnsupported is the answer of a part that cannot be asked in this environment. It is then no longer watched.
var ErrUnsupported = errors.New("cannot be asked here")

// Absence is a time during which a part was absent.
type Absence struct {
	Part, Why string
	// From is when the part was last seen. To is when it was seen again; zero while it is absent. Both are wall clock
	// times, as in records.
	From, To time.Time

	// rank is 2 if the absence is certain, 1 for a refused connection, and 0 for a missing answer. The highest rank is the
	// cause of the others.
	rank int
}

// String is a sentence without a full stop.
func (a Absence) String() string {
	if a.To.IsZero() {
		return fmt.Sprintf("%s is away since %s UTC: %s", a.Part, clock(a.From), a.Why)
	}
	return fmt.Sprintf("%s was away from %s to %s UTC: %s", a.Part, clock(a.From), clock(a.To), a.Why)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

func (a Absence) overlaps(from, to time.Time) bool {
	return !to.Before(a.From) && (a.To.IsZero() || !from.After(a.To))
}

// Times of the watch. A part without an answer counts as absent only after silent, plus the time that this process waits
// for the processor: on a busy machine answers take seconds.
const (
	interval = 2 * time.Second
	again    = time.Second
	askTime  = 5 * time.Second
	silent   = 20 * time.Second
	// slow is from when on a wait of the environment can be why a spec ran out of time: a request of a probe may take
	// 5 seconds, in which the subject and EKS Auth wait one after the other.
	slow            = 2 * time.Second
	defaultBearable = 30 * time.Second
	finalBearable   = 3 * time.Second
	// margin is added to the end of an absence, because programs that depend on the part notice its return late.
	margin = 3 * time.Second
	// lagFactor is how many times this process's own lateness an answer may additionally take.
	lagFactor = 3
)

// Options of a watch.
type Options struct {
	// Environment is the name of the environment.
	Environment string
	Parts       []Part
	// Changed, if set, is called at the beginning and the end of each absence, and never concurrently.
	Changed func(Absence)
}

// Watch observes one environment. Its methods may be called concurrently.
type Watch struct {
	options Options
	stop    context.CancelFunc
	group   sync.WaitGroup
	gone    chan struct{}

	mu    sync.Mutex
	parts []*part
	// changed is closed, and replaced, after each new result.
	changed  chan struct{}
	absences []Absence
	lag      time.Duration
	// late are waits that were too short for an absence: of parts for an answer, and of this process for the processor.
	late    []Absence
	err     error
	notices chan Absence
}

type part struct {
	Part
	wake chan struct{}
	// seen is the begin of the last request with an answer, and answered its end.
	seen      time.Time
	answered  time.Time
	lagAtSeen time.Duration
	failures  int
	last      error
	// failing is the begin of the first request of those without an answer since.
	failing time.Time
	// away is the index of the open absence, from 1. opened is when it was noticed.
	away    int
	opened  time.Time
	retired bool
}

// Start begins to watch. The caller must call Close.
func Start(ctx context.Context, options Options) *Watch {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the end of a run is still observed
	w := &Watch{options: options, stop: cancel, gone: make(chan struct{}), changed: make(chan struct{}), notices: make(chan Absence, 64)}
	now := time.Now()
	for _, p := range options.Parts {
		w.parts = append(w.parts, &part{Part: p, seen: now, answered: now, wake: make(chan struct{}, 1)})
	}
	for _, p := range w.parts {
		w.group.Go(func() { w.follow(ctx, p) })
	}
	w.group.Go(func() { w.measureLag(ctx) })
	w.group.Go(func() { w.report(ctx) })
	return w
}

// Close ends the watch.
func (w *Watch) Close() {
	w.stop()
	w.group.Wait()
}

// follow asks a part repeatedly.
func (w *Watch) follow(ctx context.Context, p *part) {
	for {
		began := time.Now()
		asking, cancel := context.WithTimeout(ctx, askTime)
		err := p.Ask(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		wait := interval
		if w.note(p, began, time.Now(), err) {
			wait = again
		}
		if errors.Is(err, ErrUnsupported) {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-p.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// measureLag measures how late this process gets the processor.
func (w *Watch) measureLag(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		w.waited(last, now)
		last = now
	}
}

// waited keeps how late a tick of one second was.
func (w *Watch) waited(last, now time.Time) {
	late := now.Sub(last) - time.Second
	if late <= 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lag += late
	if late > slow {
		w.late = append(w.late, Absence{Part: "epi", Why: "did not get the processor", From: last.Round(0), To: now.Round(0)})
	}
}

// report passes absences to Changed without holding the lock.
func (w *Watch) report(ctx context.Context) {
	for {
		select {
		case absence := <-w.notices:
			if w.options.Changed != nil {
				w.options.Changed(absence)
			}
		case <-ctx.Done():
			return
		}
	}
}

// note records the answer to a request that began at began, and says whether the part did not answer.
func (w *Watch) note(p *part, began, ended time.Time, err error) (failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() {
		close(w.changed)
		w.changed = make(chan struct{})
	}()
	if errors.Is(err, ErrUnsupported) {
		p.retired = true
		return false
	}
	if err == nil {
		w.back(p, began, ended)
		return false
	}
	away, known := errors.AsType[*AwayError](err)
	sure := known && !away.Weak
	if !sure && w.behindAway(p) {
		// Nothing is known about this part, and the state of the part in front of it says enough.
		return true
	}
	if p.failures == 0 {
		p.failing = began
	}
	p.failures++
	p.last = err
	doubtful := !sure && !w.behindSeen(p)
	patience := silent + lagFactor*(w.lag-p.lagAtSeen)
	if p.away == 0 && !doubtful && (known && (!away.Weak || p.failures > 1) || ended.Sub(p.seen) > patience) {
		w.absences = append(w.absences, Absence{Part: p.Name, Why: why(err), From: p.seen.Round(0)})
		p.away, p.opened = len(w.absences), ended
		w.announce(w.absences[p.away-1])
	}
	if p.away == 0 {
		return true
	}
	absence := &w.absences[p.away-1]
	absence.Why, absence.rank = why(err), 0
	if known {
		absence.rank = 2
		if away.Weak {
			absence.rank = 1
		}
	}
	bearable := p.Bearable
	if bearable == 0 {
		bearable = defaultBearable
	}
	if known && away.Final {
		bearable = finalBearable
	}
	if w.err == nil && ended.Sub(p.opened) >= bearable {
		w.err = w.lost()
		close(w.gone)
	}
	return true
}

// back records that a part is present.
func (w *Watch) back(p *part, began, ended time.Time) {
	switch {
	case p.away > 0:
		absence := &w.absences[p.away-1]
		absence.To = ended.Add(margin).Round(0)
		if absence.To.Before(absence.From) { // the clock was set back
			absence.From, absence.To = absence.To, absence.From
		}
		p.away = 0
		w.announce(*absence)
	case ended.Sub(p.answered) > interval+slow:
		w.late = append(w.late, Absence{Part: p.Name, Why: "did not answer", From: p.answered.Round(0), To: ended.Round(0)})
	}
	p.failures, p.last = 0, nil
	p.seen, p.answered, p.lagAtSeen = began, ended, w.lag
}

func (w *Watch) announce(absence Absence) {
	select {
	case w.notices <- absence:
	default: // the reader is too slow for this many
	}
}

// behindAway says whether the part through which this one is asked does not answer.
func (w *Watch) behindAway(p *part) bool {
	for _, other := range w.parts {
		if p.Behind != "" && other.Name == p.Behind {
			return other.failures > 0
		}
	}
	return false
}

// behindSeen says whether the part through which this one is asked was present after this one began to fail. If that is not
// known, that part is asked at once.
func (w *Watch) behindSeen(p *part) bool {
	for _, other := range w.parts {
		if p.Behind == "" || other.Name != p.Behind || other.seen.After(p.failing) {
			continue
		}
		select {
		case other.wake <- struct{}{}:
		default: // it will be asked anyway
		}
		return false
	}
	return true
}

// why returns an error as a reason that follows a colon.
func why(err error) string {
	if away, ok := errors.AsType[*AwayError](err); ok {
		return away.Why
	}
	if answer, ok := errors.AsType[unwell](err); ok {
		return string(answer)
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	if errors.Is(err, context.DeadlineExceeded) || len(text) > longestWhy {
		return "it does not answer"
	}
	return "it does not answer (" + text + ")"
}

// longestWhy is the length of the part of an error that a reason repeats, in bytes.
const longestWhy = 120

// lost says what is gone: the most certain absence, because the others result from it.
func (w *Watch) lost() error {
	var list []string
	best, remedy := 0, ""
	for _, absence := range w.absences {
		switch {
		case !absence.To.IsZero() || absence.rank < best:
			continue
		case absence.rank > best:
			best, list, remedy = absence.rank, nil, ""
		}
		list = append(list, absence.String())
		for _, p := range w.parts {
			if p.Name == absence.Part && remedy == "" {
				remedy = p.Remedy
			}
		}
	}
	if remedy == "" {
		remedy = fmt.Sprintf("bring it up again with: epi down --name %[1]s && epi up --name %[1]s", w.options.Environment)
	}
	return &clusters.EnvironmentError{
		Doing: fmt.Sprintf("watch environment %q", w.options.Environment), Err: errors.New(strings.Join(list, "; ")),
		Remedy: remedy,
	}
}

// Gone is closed when the environment will not return. Err says what is gone.
func (w *Watch) Gone() <-chan struct{} { return w.gone }

// Err is a *clusters.EnvironmentError once the environment is gone, and nil before.
func (w *Watch) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Absences are those that were noticed so far.
func (w *Watch) Absences() []Absence {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Absence(nil), w.absences...)
}

// Settle returns when it is known whether every part was present between two times. It says in a sentence which part was
// not and why; "" if all were. With hurry it asks all parts at once. sure distinguishes an absence from late answers, which
// also occur on a busy machine.
func (w *Watch) Settle(ctx context.Context, from, to time.Time, hurry bool) (reason string, sure bool) {
	if hurry {
		for _, p := range w.parts {
			select {
			case p.wake <- struct{}{}:
			default: // it will be asked anyway
			}
		}
	}
	for {
		w.mu.Lock()
		reason, sure, known := w.judge(from, to)
		changed := w.changed
		w.mu.Unlock()
		if known {
			return reason, sure
		}
		select {
		case <-changed:
		case <-w.gone:
			return w.Err().Error(), true
		case <-ctx.Done():
			return "", false
		}
	}
}

func (w *Watch) judge(from, to time.Time) (reason string, sure, known bool) {
	best := -1
	for _, absence := range w.absences {
		if absence.overlaps(from, to) && absence.rank > best {
			best, reason = absence.rank, absence.String()
		}
	}
	if reason != "" {
		return reason, true, true
	}
	for _, p := range w.parts {
		if !p.retired && p.seen.Before(to) {
			return "", false, false
		}
	}
	for _, late := range w.late {
		if late.overlaps(from, to) {
			return fmt.Sprintf("%s %s from %s to %s UTC", late.Part, late.Why, clock(late.From), clock(late.To)), false, true
		}
	}
	return "", false, true
}

// Hold returns when no part is known to be absent, or when the environment is gone.
func (w *Watch) Hold(ctx context.Context) {
	for {
		w.mu.Lock()
		wait := w.heldFor(time.Now())
		changed := w.changed
		w.mu.Unlock()
		if wait == 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-w.gone:
			timer.Stop()
			return
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// heldFor is how long to wait before the next check; 0 if no part is absent.
func (w *Watch) heldFor(now time.Time) time.Duration {
	for _, p := range w.parts {
		if p.away > 0 {
			return time.Minute // until something changes
		}
	}
	var wait time.Duration
	for _, absence := range w.absences {
		wait = max(wait, absence.To.Sub(now)+time.Millisecond)
	}
	return max(wait, 0)
}
