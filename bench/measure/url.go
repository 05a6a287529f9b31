package measure

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// URL is a load on any server. This process makes it, without a cluster: for a comparison with other tools,
// or to measure a server that is no subject.
type URL struct {
	URL string
	// Size has rates, a duration and repeats.
	Size Size
	// NewConnections opens one for each request.
	NewConnections bool
	Seed           uint64
}

// URLSize is the default size.
var URLSize = Size{Rates: []float64{900}, Duration: 5 * time.Second, Repeats: 3}

// Check returns what is wrong with the URL; nil if nothing is.
func (u URL) Check() error {
	target, err := load.NewHTTP(u.options())
	if err != nil {
		return err
	}
	target.Close()
	return nil
}

func (u URL) options() load.HTTPOptions {
	return load.HTTPOptions{URL: u.URL, NewConnections: u.NewConnections}
}

// withoutQuery is the URL for reports. It has no query, which may contain a secret.
func (u URL) withoutQuery() string {
	at, err := url.Parse(u.URL)
	if err != nil {
		return "a URL"
	}
	return (&url.URL{Scheme: at.Scheme, Host: at.Host, Path: at.Path}).String()
}

// Calibrate measures the rate that this process reaches on a null handler of its own on the loopback.
func (u URL) Calibrate(ctx context.Context) (load.Own, reports.Generator, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return load.Own{}, reports.Generator{}, fmt.Errorf("calibrate load: %w", err)
	}
	server := &http.Server{Handler: load.Null(), ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with the server's Close
	}()
	defer func() {
		_ = server.Close()
		<-served
	}()
	rate := u.Size.Rates[0]
	calibration, err := load.Calibrate(ctx, load.HTTPOptions{URL: "http://" + listener.Addr().String(), Expect: load.Credentials}, rate, unraised)
	if err != nil {
		return load.Own{}, reports.Generator{}, err
	}
	own := calibration.Kept
	if u.NewConnections {
		own = calibration.New
	}
	return own, reports.Generator{Pods: 1, Ceiling: own.Ceiling, Rate: rate, P50: own.P50.Seconds(), P99: own.P99.Seconds()}, nil
}

// Execute makes the load and returns its record; own is this process's share of the latency. If no request succeeds the
// outcome is Error: there is nothing to measure.
func (u URL) Execute(ctx context.Context, own load.Own, task clusters.Task) reports.Scenario {
	record := reports.Scenario{
		Name: "url", Title: "Load on " + u.withoutQuery(), Subject: "server", Started: time.Now(), Size: u.Size.record(),
		About: "Requests without a body at constant rates, made by one process, over connections that are kept.",
	}
	if u.NewConnections {
		record.About = "Requests without a body at constant rates, made by one process, each over a connection of its own."
	}
	var cases caseList
	attempt := Do(ctx, func(ctx context.Context, attempt *Attempt) {
		for repeat := range u.Size.Repeats {
			for _, rate := range u.Size.Rates {
				task.Detail("%g requests/s, %d of %d", rate, repeat+1, u.Size.Repeats)
				cases.of(fmt.Sprintf("rate=%g", rate)).Add(u.measure(ctx, attempt, rate, own))
			}
		}
	})
	attempt.recordTo(&record)
	record.Cases = cases.record()
	return record
}

func (u URL) measure(ctx context.Context, attempt *Attempt, rate float64, own load.Own) Sample {
	options := u.options()
	result, err := load.Job{
		Seed: u.Seed, Phases: []load.Phase{{Name: "steady", From: rate, Lasts: u.Size.Duration}}, Target: load.TargetSpec{HTTP: &options},
	}.Run(ctx)
	if err != nil {
		attempt.Fatalf("%v", err)
	}
	if phase := result.Phases[0]; phase.Requests > 0 && phase.Failed() == phase.Requests {
		attempt.Fatalf("none of %d requests to %s succeeded: %s", phase.Requests, u.withoutQuery(), phase.Kinds())
	}
	return Sample{Result: result, Calls: -1, Limited: load.Limited(result, own, rate)}
}

// unraised keeps the priority of the user's own process as it is.
func unraised() (restore func()) { return func() {} }
