package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestLimitedSaysWhoseAResultIs(t *testing.T) {
	own := Own{Ceiling: 10_000}
	for name, row := range map[string]struct {
		rate         float64
		lag, latency time.Duration // of all requests
		starved      int64
		says         string
		// few has 2 in 100 requests late alone.
		few bool
	}{
		"the subject's":                   {1000, 200 * time.Microsecond, 3 * time.Millisecond, 0, "", false},
		"fast answers, small lag":         {1000, 900 * time.Microsecond, time.Millisecond, 0, "", false},
		"slow answers hide a lag":         {1000, 12 * time.Millisecond, 60 * time.Millisecond, 0, "", false},
		"late":                            {1000, 12 * time.Millisecond, 30 * time.Millisecond, 0, "12ms late", false},
		"most of the ceiling":             {7000, 0, 3 * time.Millisecond, 0, "", false},
		"more than that":                  {8000, 0, 3 * time.Millisecond, 0, "asked for 8000/s, 80% of the generator's ceiling of 10000/s", false},
		"a herd has no rate":              {0, 0, 3 * time.Millisecond, 0, "", false},
		"one in a thousand had to wait":   {1000, 0, 3 * time.Millisecond, 1, "", false},
		"more than one in a thousand did": {1000, 0, 3 * time.Millisecond, 2, "all workers were busy 2 times", false},
		"the slowest are late":            {1000, 12 * time.Millisecond, 30 * time.Millisecond, 0, "12ms late", true},
	} {
		r := newRecorder(mustPlan(t, Phase{Name: "a", From: 1, Lasts: time.Second}))
		for n := range 1000 {
			lag, latency := row.lag, row.latency
			if row.few && n >= 20 {
				lag, latency = 100*time.Microsecond, time.Millisecond
			}
			r.add(ticket{}, lag, latency, "")
		}
		r.result.Starved = row.starved
		if got := Limited(r.result, own, row.rate); (row.says == "") != (got.Why == "") || !strings.Contains(got.Why, row.says) || got.Tail != row.few {
			t.Errorf("%s: %+v, want %q, of the slowest alone %t", name, got, row.says, row.few)
		}
	}
	if got := Limited(newRecorder(mustPlan(t, Phase{Name: "a", From: 1, Lasts: time.Second})).result, own, 0); got.Why != "" {
		t.Errorf("no request at all: %+v", got)
	}
}

func TestCalibrateMeasuresBothModes(t *testing.T) {
	server := httptest.NewServer(Null())
	defer server.Close()
	c, err := Calibrate(t.Context(), HTTPOptions{URL: server.URL, Expect: Credentials}, 200, asItIs)
	if err != nil {
		t.Fatal(err)
	}
	if c.Rate != 200 {
		t.Errorf("%+v", c)
	}
	for _, own := range []Own{c.Kept, c.New} {
		if own.Ceiling <= 0 || own.P50 <= 0 || own.P99 < own.P50 {
			t.Errorf("%+v", own)
		}
	}
}

func TestCalibrateRefusesAHandlerThatDoesSomething(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if _, err := Calibrate(t.Context(), HTTPOptions{URL: server.URL}, 200, asItIs); err == nil || !strings.HasSuffix(err.Error(), " 404") || strings.Contains(err.Error(), "map[") {
		t.Errorf("error %v, want the status", err)
	}
}

func asItIs() (restore func()) { return func() {} }

// The generator has priority while it is paced, in both modes, and not while it is saturated.
func TestCalibrationIsPacedWithPriority(t *testing.T) {
	server := httptest.NewServer(Null())
	defer server.Close()
	raised, restored := 0, 0
	_, err := Calibrate(t.Context(), HTTPOptions{URL: server.URL, Expect: Credentials}, 100, func() func() {
		raised++
		return func() { restored++ }
	})
	if err != nil || raised != 2 || restored != 2 {
		t.Errorf("raised %d times, restored %d times, %v", raised, restored, err)
	}
}
