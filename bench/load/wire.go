package load

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram of microseconds. In JSON it is a string in HdrHistogram's compressed format V2, as other
// tools read it (https://github.com/HdrHistogram/HdrHistogram, "HISTFAAAA...").
type Histogram struct{ *hdrhistogram.Histogram }

func newHistogram(digits int) *Histogram {
	return &Histogram{hdrhistogram.New(1, highest, digits)}
}

// record cannot fail: micros keeps values within the histogram's range.
func (h *Histogram) record(value int64) { _ = h.RecordValue(value) }

func (h *Histogram) merge(other *Histogram) { h.Merge(other.Histogram) }

// MarshalText implements encoding.TextMarshaler.
func (h *Histogram) MarshalText() ([]byte, error) {
	return h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
}

// maxHistogram bounds the text of a histogram: one whose every bucket counts much is smaller.
const maxHistogram = 256 << 10

// UnmarshalText implements encoding.TextUnmarshaler. It takes histograms of the ranges and precisions
// that this package records, and no others: they would not merge without loss.
func (h *Histogram) UnmarshalText(text []byte) error {
	if len(text) > maxHistogram {
		return fmt.Errorf("a histogram of %d bytes, at most %d", len(text), maxHistogram)
	}
	if err := checkGeometry(text); err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	decoded, err := hdrhistogram.Decode(text)
	if err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	h.Histogram = decoded
	return nil
}

// checkGeometry checks a histogram's header before the library allocates the announced size.
func checkGeometry(text []byte) error {
	const outer, inner = 8, hdrhistogram.ENCODING_HEADER_SIZE
	data, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return err
	}
	if len(data) < outer {
		return io.ErrUnexpectedEOF
	}
	inflated, err := zlib.NewReader(bytes.NewReader(data[outer:]))
	if err != nil {
		return err
	}
	header := make([]byte, inner)
	if _, err := io.ReadFull(inflated, header); err != nil {
		return err
	}
	precision := binary.BigEndian.Uint32(header[12:])
	from, to := binary.BigEndian.Uint64(header[16:]), binary.BigEndian.Uint64(header[24:])
	if precision != digits && precision != intervalDigits || from != 1 || to != uint64(highest) {
		return fmt.Errorf("it is of %d to %d with %d digits, want 1 to %d with %d or %d", from, to, precision, highest, intervalDigits, digits)
	}
	return nil
}

const (
	// maxResult bounds the JSON of a result.
	maxResult = 64 << 20
	// maxKinds bounds the kinds of errors of a phase: statuses and some words.
	maxKinds = 1000
	// maxKind is the length of one.
	maxKind = 100
)

// DecodeResult reads a generator's result, and refuses one that is inconsistent.
func DecodeResult(from io.Reader) (*Result, error) {
	var r Result
	if err := decode(from, maxResult, &r); err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	return &r, nil
}

// Encode writes the result as JSON, one line.
func (r *Result) Encode(to io.Writer) error {
	if err := json.NewEncoder(to).Encode(r); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

func (r *Result) check() error {
	switch {
	case len(r.Phases) == 0 || len(r.Phases) > maxPhases:
		return fmt.Errorf("%d phases, want 1 to %d", len(r.Phases), maxPhases)
	case r.Interval <= 0 || len(r.Intervals) > 2*maxIntervals+1:
		return fmt.Errorf("%d intervals of %s, want at most %d", len(r.Intervals), r.Interval, 2*maxIntervals+1)
	case r.Lag == nil || r.Lag.Histogram == nil || r.Lag.SignificantFigures() != digits:
		return errors.New("lag is missing, or its precision is another")
	case r.MaxInFlight < 0 || r.MaxInFlight > maxRequests || r.Starved < 0 || r.Starved > maxRequests || r.Lag.TotalCount() > maxRequests:
		return fmt.Errorf("maxInFlight, starved and the number of lags must not be negative or above %d", maxRequests)
	}
	for i, phase := range r.Phases {
		if err := phase.check(); err != nil {
			return fmt.Errorf("phase %d: %w", i+1, err)
		}
	}
	for i, interval := range r.Intervals {
		if err := interval.check(); err != nil {
			return fmt.Errorf("interval %d: %w", i+1, err)
		}
	}
	return nil
}

func (p *PhaseResult) check() error {
	if p == nil || p.Latency == nil || p.Service == nil || p.Latency.Histogram == nil || p.Service.Histogram == nil {
		return errors.New("it has no histograms")
	}
	if p.Latency.SignificantFigures() != digits || p.Service.SignificantFigures() != digits {
		return fmt.Errorf("its histograms have not %d digits", digits)
	}
	if p.Requests < 0 || p.Requests > maxRequests || p.Latency.TotalCount() != p.Requests || p.Service.TotalCount() != p.Requests {
		return fmt.Errorf("%d requests, but %d latencies and %d service times", p.Requests, p.Latency.TotalCount(), p.Service.TotalCount())
	}
	if len(p.Errors) > maxKinds {
		return fmt.Errorf("%d kinds of errors, at most %d", len(p.Errors), maxKinds)
	}
	left := p.Requests
	for kind, count := range p.Errors {
		if kind == "" || len(kind) > maxKind || !utf8.ValidString(kind) || count < 1 || count > left {
			return fmt.Errorf("%d errors %.100q of %d requests", count, kind, p.Requests)
		}
		left -= count
	}
	if p.Errors == nil {
		p.Errors = map[string]int64{}
	}
	return nil
}

func (i *Interval) check() error {
	if i == nil {
		return errors.New("it is null")
	}
	var latencies int64
	if i.Latency != nil {
		if i.Latency.Histogram == nil || i.Latency.SignificantFigures() != intervalDigits {
			return fmt.Errorf("its histogram has not %d digits", intervalDigits)
		}
		latencies = i.Latency.TotalCount()
	}
	if latencies > maxRequests || i.Requests != latencies || i.Failed < 0 || i.Failed > i.Requests {
		return fmt.Errorf("%d requests, %d of them failed, but %d latencies", i.Requests, i.Failed, latencies)
	}
	return nil
}
