package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podidentity/epi/bench/measure/measuretest"
)

func TestGauge(t *testing.T) {
	// As https://prometheus.io/docs/instrumenting/exposition_formats/ has them.
	const text = "# HELP go_goroutines Number of goroutines.\n# TYPE go_goroutines gauge\ngo_goroutines_created 3\n" +
		"go_goroutines 17\ngo_threads 9 1395066363000\ngo_memstats_alloc_bytes 1.5e+06\ngo_broken seventeen\n"
	for name, want := range map[string]float64{"go_goroutines": 17, "go_threads": 9, "go_memstats_alloc_bytes": 1.5e6} {
		if got := gauge(text, name); got != want {
			t.Errorf("%s: got %g, want %g", name, got, want)
		}
	}
	for _, name := range []string{"go_broken", "go", "absent"} {
		if got := gauge(text, name); !math.IsNaN(got) {
			t.Errorf("%s: got %g, want none", name, got)
		}
	}
}

func TestSamplerReadsUntilItIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		seen, err := sampleUntil(ctx, nil, 2*time.Second, func(ctx context.Context) ([4]float64, error) {
			select {
			case <-time.After(1500 * time.Millisecond):
				return [4]float64{1}, nil
			case <-ctx.Done():
				return [4]float64{}, ctx.Err()
			}
		})
		var at []string
		for _, reading := range seen {
			at = append(at, reading.at.String())
		}
		// The reading that began after 8 s was interrupted.
		if got := strings.Join(at, " "); err != nil || got != "0s 2s 4s 6s" {
			t.Errorf("read after %s, %v", got, err)
		}
	})
}

// The end of the sampler does not interrupt a reading that has begun.
func TestSamplerReadsUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enough := make(chan struct{})
		time.AfterFunc(5*time.Second, func() { close(enough) })
		seen, err := sampleUntil(t.Context(), enough, 2*time.Second, func(context.Context) ([4]float64, error) {
			time.Sleep(1500 * time.Millisecond)
			return [4]float64{1}, nil
		})
		if err != nil || len(seen) != 3 {
			t.Errorf("%d readings, %v, want those of 0, 2 and 4 s", len(seen), err)
		}
	})
}

func TestIdleReadingWaitsUntilConnectionsAreClosed(t *testing.T) {
	broken := errors.New("no observer")
	tests := []struct {
		name  string
		reads []float64 // goroutines; negative: it fails
		want  float64
		err   error
	}{
		{"at once", []float64{25, 25}, 25, nil},
		{"after a while", []float64{60, 40, 25, 25}, 25, nil},
		{"never", []float64{60, 61, 62, 63, 64}, 64, nil},
		{"it cannot read", []float64{-1}, 0, broken},
		{"it cannot read again", []float64{60, -1}, 0, broken},
		{"it is unknown", []float64{math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()}, math.NaN(), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reads := 0
			w := &Sampler{read: func(context.Context) (values [4]float64, err error) {
				if values[ofGoroutines] = test.reads[reads]; values[ofGoroutines] < 0 {
					err = broken
				}
				reads++
				return values, err
			}}
			if err := w.ReadIdle(t.Context()); !errors.Is(err, test.err) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if reads != len(test.reads) {
				t.Errorf("%d readings, want %d", reads, len(test.reads))
			}
			if test.err != nil {
				return
			}
			if got := w.idle[0].values[ofGoroutines]; got != test.want && !math.IsNaN(test.want) {
				t.Errorf("%g goroutines, want %g", got, test.want)
			}
		})
	}
}

func TestSamplerStopsWhenItCannotRead(t *testing.T) {
	broken := errors.New("no observer")
	reads := 0
	seen, err := sampleUntil(t.Context(), nil, time.Millisecond, func(context.Context) ([4]float64, error) {
		if reads++; reads == 3 {
			return [4]float64{}, broken
		}
		return [4]float64{}, nil
	})
	if !errors.Is(err, broken) || len(seen) != 2 {
		t.Errorf("%d readings, %v", len(seen), err)
	}
}

// The growth of memory is that of all readings, and the growth of goroutines that of the idle ones. Unknown values are left
// out and noted.
func TestSamplerRecordsGrowth(t *testing.T) {
	none := math.NaN()
	w := &Sampler{}
	for i := range 10 {
		second := time.Duration(i) * time.Second
		w.readings = append(w.readings, reading{second, [4]float64{1000 + 60*float64(i), 500 * float64(i%2), 9, none}})
	}
	w.readings[7].values[ofRSS] = 1e9 // one that is far off
	w.readings[3].values[ofGoroutines] = none
	for i := range 5 {
		w.idle = append(w.idle, reading{time.Duration(i) * time.Minute, [4]float64{0, 20 + float64(i), 9, none}})
	}
	attempt, c := &Attempt{}, NewCase("")
	w.Record(attempt, c)
	record := c.Report()
	if got := measuretest.Metric(t, record, "rss-growth").Value; math.Abs(got-3600) > 1e-6 {
		t.Errorf("rss grows by %g a minute, want 3600", got)
	}
	if got := measuretest.Metric(t, record, "goroutine-growth").Value; math.Abs(got-1) > 1e-9 {
		t.Errorf("goroutines grow by %g a minute, want 1", got)
	}
	var tracks []string
	for _, track := range record.Tracks {
		tracks = append(tracks, fmt.Sprintf("%s %d", track.Name, len(track.Points)))
	}
	if got := strings.Join(tracks, ", "); got != "rss 10, goroutines 9, threads 10" || len(attempt.Notes()) != 0 {
		t.Errorf("tracks %s, notes %q", got, attempt.Notes())
	}

	w.idle, w.readings = w.idle[:3], w.readings[:3]
	few := NewCase("")
	w.Record(attempt, few)
	if got := len(few.Report().Metrics); got != 0 || len(attempt.Notes()) != 2 {
		t.Errorf("of 3 readings: %d metrics, notes %q", got, attempt.Notes())
	}
}
