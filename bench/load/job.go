package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Job is the order for a generator: JSON on the standard input of `epi-probe load`. Times are RFC 3339 and durations are
// nanoseconds.
type Job struct {
	// Start is when the schedule begins, so that several generators begin together. The zero time means at once. A start in
	// the past is an error.
	Start time.Time `json:"start,omitzero"`
	// Seed of arrivals and picks: the same seed makes the same requests at the same times.
	Seed uint64 `json:"seed,omitempty"`
	// Phases of the plan of all generators together: at most 100, 100 million requests and 24 h.
	Phases []Phase `json:"phases"`
	// Share is the part of the plan that this generator makes; its zero value is all of it.
	Share Share `json:"share,omitzero"`
	// Workers and Drain as in Options.
	Workers int           `json:"workers,omitempty"`
	Drain   time.Duration `json:"drain,omitempty"`
	// Target describes the requests.
	Target TargetSpec `json:"target"`
}

// Share is a generator's part of a plan: the requests number Index, Index+Of, Index+2·Of and so on. All shares together are
// exactly the plan, also if its arrivals are random or simultaneous.
type Share struct {
	// Index counts from 0 to Of-1. Of is the number of generators.
	Index int `json:"index"`
	Of    int `json:"of"`
}

func (s Share) check() error {
	if s != (Share{}) && (s.Of < 1 || s.Index < 0 || s.Index >= s.Of) {
		return fmt.Errorf("share %d of %d: want 0 of 1, 0 or 1 of 2, and so on", s.Index, s.Of)
	}
	return nil
}

// has says whether request n is in the share.
func (s Share) has(n uint64) bool { return s.Of <= 1 || n%uint64(s.Of) == uint64(s.Index) }

// TargetSpec describes a Target. Exactly one field is set.
type TargetSpec struct {
	HTTP *HTTPOptions `json:"http,omitempty"`
	// S3 is for RunOn, because its target comes from another package.
	S3 *S3Options `json:"s3,omitempty"`
}

func (t TargetSpec) check() error {
	switch {
	case t.HTTP != nil && t.S3 != nil:
		return errors.New("the target has two kinds: want http or s3")
	case t.HTTP != nil:
		return t.HTTP.check()
	case t.S3 != nil:
		return t.S3.check()
	default:
		return errors.New(`the target has no kind: want {"http": {"url": ...}} or {"s3": {"bucket": ..., "key": ...}}`)
	}
}

// Limits of what a generator accepts.
const (
	maxJob     = 512 << 20 // bytes; 100,000 tokens of 1.1 KB with bodies of 3 KB
	maxWorkers = 100_000
	maxWait    = 10 * time.Minute // of a drain and of a request
)

// DecodeJob reads a job and refuses what Run would refuse: unknown fields, and plans without an end. No error quotes a
// token or a body.
func DecodeJob(from io.Reader) (Job, error) {
	var j Job
	if err := decode(from, maxJob, &j); err != nil {
		return Job{}, fmt.Errorf("read the job: %w", err)
	}
	if err := j.check(); err != nil {
		return Job{}, fmt.Errorf("read the job: %w", err)
	}
	return j, nil
}

func (j Job) check() error {
	if _, err := NewPlan(j.Seed, j.Phases...); err != nil {
		return err
	}
	if err := j.Share.check(); err != nil {
		return err
	}
	switch {
	case j.Workers < 0 || j.Workers > maxWorkers:
		return fmt.Errorf("%d workers: want 0, which is %d, to %d", j.Workers, defaultWorkers, maxWorkers)
	case j.Drain < 0 || j.Drain > maxWait:
		return fmt.Errorf("a drain of %s: want 0, which is %s, to %s", j.Drain, defaultDrain, maxWait)
	}
	return j.Target.check()
}

// GeneratorVariable is set in pods that only make load. They may have priority over everything else on their node.
const GeneratorVariable = "EPI_LOAD_GENERATOR"

// Peak is the largest rate of the job, in requests a second; 0 for herds, which have no duration.
func (j Job) Peak() float64 {
	rate := 0.0
	for _, phase := range j.Phases {
		rate = max(rate, phase.From, phase.To)
	}
	return rate
}

// Run makes the requests of a job whose target is HTTP. An interrupted result comes with an error.
func (j Job) Run(ctx context.Context) (*Result, error) {
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("run load: %w", err)
	}
	if j.Target.HTTP == nil {
		return nil, errors.New("run load: its target is S3, which needs an AWS SDK: make the target and use RunOn")
	}
	options := *j.Target.HTTP
	if options.Pick.Seed == 0 {
		options.Pick.Seed = j.Seed
	}
	target, err := NewHTTP(options)
	if err != nil {
		return nil, fmt.Errorf("run load: %w", err)
	}
	defer target.Close()
	return j.RunOn(ctx, target)
}

// RunOn makes the job's requests with a target that the caller made from the job's description.
func (j Job) RunOn(ctx context.Context, target Target) (*Result, error) {
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("run load: %w", err)
	}
	plan, err := NewPlan(j.Seed, j.Phases...)
	if err != nil {
		return nil, fmt.Errorf("run load: %w", err)
	}
	return Run(ctx, plan, target, Options{Start: j.Start, Share: j.Share, Workers: j.Workers, Drain: j.Drain})
}

// decode reads one JSON value of at most limit bytes, and nothing but it, into value.
func decode(from io.Reader, limit int64, value any) error {
	limited := &io.LimitedReader{R: from, N: limit + 1}
	data, err := io.ReadAll(limited)
	switch {
	case err != nil:
		return err
	case limited.N == 0:
		return fmt.Errorf("it is larger than %d bytes", limit)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		// The decoder's error may quote the value.
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			return fmt.Errorf("field %s at byte %d: want a value for %s", wrong.Field, wrong.Offset, wrong.Type)
		}
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after its end")
	}
	return nil
}
