package measure

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/reports"
)

// silent is a task that shows nothing.
type silent struct{}

func (silent) Detail(string, ...any) {}
func (silent) End(error)             {}

func TestAURLIsAskedAtItsRates(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	u := URL{URL: server.URL, Size: Size{Rates: []float64{100, 200}, Duration: 200 * time.Millisecond, Repeats: 2}, Seed: 1}
	if err := u.Check(); err != nil {
		t.Fatal(err)
	}
	record := u.Execute(t.Context(), load.Own{}, silent{})
	if record.Outcome != reports.Pass || len(record.Cases) != 2 || record.Cases[0].Name != "rate=100" || record.Cases[1].Name != "rate=200" {
		t.Fatalf("record %+v", record)
	}
	for _, metric := range record.Cases[1].Metrics {
		if len(metric.Samples) != 2 {
			t.Errorf("%s has the samples %v, want one a repeat", metric.Name, metric.Samples)
		}
		if metric.Name == Failed.Name && metric.Value != 0 {
			t.Errorf("failed: %+v", metric)
		}
	}
	if got := requests.Load(); got != 2*(20+40) { // 0.2 s at 100/s and at 200/s, twice
		t.Errorf("the server got %d requests, want 120", got)
	}
}

func TestAServerThatRefusesEverythingIsNoMeasurement(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	u := URL{URL: server.URL, Size: Size{Rates: []float64{50}, Duration: 100 * time.Millisecond, Repeats: 1}}
	record := u.Execute(t.Context(), load.Own{}, silent{})
	if record.Outcome != reports.Error || !strings.Contains(record.Failure.Message, "404") {
		t.Errorf("record %+v, failure %+v", record, record.Failure)
	}
}

func TestAURLIsChecked(t *testing.T) {
	for _, url := range []string{"", "localhost:80", "ftp://host/", "http://user:secret@host/"} {
		if err := (URL{URL: url, Size: URLSize}).Check(); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
}
