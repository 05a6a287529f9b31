package load

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// aResult returns a result of two phases, each with half of the requests. Every tenth is an error.
func aResult(t testing.TB, requests int) *Result {
	random := rand.New(rand.NewPCG(1, 2))
	r := newRecorder(mustPlan(t, Phase{Name: "a", From: 1, Lasts: time.Second}, Phase{Name: "b", From: 1, Lasts: time.Second}))
	for n := range requests {
		at := time.Duration(n) * 2 * time.Second / time.Duration(requests)
		r.add(ticket{at: at, phase: 2 * n / requests}, at, at+time.Duration(random.Int64N(int64(3*time.Minute))), map[bool]string{true: "429"}[n%10 == 0])
	}
	r.result.Starved, r.result.MaxInFlight = 3, 17
	return r.result
}

func encodeResult(t testing.TB, r *Result) string {
	t.Helper()
	var text bytes.Buffer
	if err := r.Encode(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestAResultIsTheSameOnTheOtherSide(t *testing.T) {
	want := aResult(t, 1000)
	got, err := DecodeResult(strings.NewReader(encodeResult(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	for i, phase := range want.Phases {
		other := got.Phases[i]
		if !phase.Latency.Equals(other.Latency.Histogram) || !phase.Service.Equals(other.Service.Histogram) || phase.Errors["429"] != other.Errors["429"] {
			t.Errorf("phase %s differs", phase.Name)
		}
	}
	// What was decoded is merged without loss.
	if err := got.Merge(want); err != nil {
		t.Fatal(err)
	}
	if p := got.Phases[1]; p.Requests != 1000 || p.Errors["429"] != 100 || p.Latency.TotalCount() != 1000 || p.Latency.ValueAtPercentile(99) != want.Phases[1].Latency.ValueAtPercentile(99) {
		t.Errorf("merged with itself: %d requests, errors %v, %d latencies", p.Requests, p.Errors, p.Latency.TotalCount())
	}
	if got.Starved != 6 || got.MaxInFlight != 34 || got.Lag.TotalCount() != 2000 || got.Intervals[1].Failed != 2*want.Intervals[1].Failed || want.Intervals[1].Failed == 0 {
		t.Errorf("merged with itself: %d starved, %d in flight, %d lags, %+v", got.Starved, got.MaxInFlight, got.Lag.TotalCount(), got.Intervals[1])
	}
}

func TestResultsOfDifferentPlansDoNotMerge(t *testing.T) {
	a, b := aResult(t, 1000), aResult(t, 1000)
	b.Phases[1].Name = "c"
	if err := a.Merge(b); err == nil || !strings.Contains(err.Error(), `"b" and "c"`) || a.Phases[0].Requests != 500 {
		t.Errorf("error %v, %d requests", err, a.Phases[0].Requests)
	}
}

func histogramOf(t testing.TB, high int64, digits int) string {
	t.Helper()
	text, err := hdrhistogram.New(1, high, digits).Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestResultsThatCannotBeAreRefused(t *testing.T) {
	whole := encodeResult(t, aResult(t, 1000))
	var fields map[string]any
	if err := json.Unmarshal([]byte(whole), &fields); err != nil {
		t.Fatal(err)
	}
	lag := fields["lag"].(string)
	for says, input := range map[string]string{
		"unknown field":       strings.Replace(whole, `"lag"`, `"drag"`, 1),
		"lag is missing":      strings.Replace(whole, `"`+lag+`"`, "null", 1),
		"0 phases":            `{"phases":[]}`,
		"but 500 latencies":   strings.Replace(whole, `"requests":500`, `"requests":501`, 1),
		"errors \"429\" of":   strings.Replace(whole, `"429":50`, `"429":501`, 1),
		"-1 errors":           strings.Replace(whole, `"429":50`, `"429":-1`, 1),
		"with 5 digits":       strings.Replace(whole, lag, histogramOf(t, 1<<60, 5), 1), // 50 MB of memory
		"of 1 to 1000 with":   strings.Replace(whole, lag, histogramOf(t, 1000, 3), 1),
		"illegal base64 data": strings.Replace(whole, lag, "?", 1),
		"at most 262144":      strings.Replace(whole, lag, strings.Repeat("A", 300_000), 1),
		"precision":           strings.Replace(whole, lag, histogramOf(t, highest, 2), 1),
		"interval 1: it is":   strings.Replace(whole, `"intervals":[`, `"intervals":[null,`, 1),
		"failed, but":         strings.Replace(whole, `"failed":5,`, `"failed":5000,`, 1),
		"must not be":         strings.Replace(whole, `"starved":3`, `"starved":-3`, 1),
	} {
		if _, err := DecodeResult(strings.NewReader(input)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %.300v, want %q", err, says)
		}
	}
}

func FuzzDecodeResult(f *testing.F) {
	f.Add(encodeResult(f, aResult(f, 10)))
	f.Add(`{"phases":[{"name":"a","latency":"` + histogramOf(f, highest, 3) + `"}]}`)
	f.Fuzz(func(t *testing.T, input string) {
		r, err := DecodeResult(strings.NewReader(input))
		if err != nil {
			return
		}
		text := encodeResult(t, r)
		again, err := DecodeResult(strings.NewReader(text))
		if err != nil {
			t.Fatalf("what was decoded is encoded as something else: %v", err)
		}
		if err := again.Merge(r); err != nil {
			t.Errorf("does not merge with itself: %v", err)
		}
	})
}
