package scenario

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/epi/bench/generator"
	"github.com/podidentity/epi/bench/stats"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/workload"
	"github.com/podidentity/epi/reports"
)

const (
	// maxReadings bounds the record of a watch of any length.
	maxReadings = 200
	// minInterval between moments: looking costs the node something, too.
	minInterval = 2 * time.Second
	// maxIdleReadings at most until two in a row see as many goroutines.
	maxIdleReadings = 5
	// minReadings that a slope is told of.
	minReadings = 4
)

// quantities that are watched, in the order of a moment's values.
var quantities = []struct{ name, unit string }{{"rss", "B"}, {"goroutines", "goroutines"}, {"threads", "threads"}, {"sockets", "sockets"}}

const (
	ofRSS = iota
	ofGoroutines
	ofThreads
	ofSockets
)

// reading is what the subject's processes on all nodes use at a time; NaN for what nobody can tell.
type reading struct {
	at     time.Duration
	values [4]float64
}

// readings are in order.
type readings []reading

// sampler looks at the agent all the while.
type sampler struct {
	containers []generator.Container
	began      time.Time
	read       func(context.Context) ([4]float64, error)
	end        func()
	ended      chan struct{}
	// readings is what the watch saw, resting the moments at which nothing was asked of the agent.
	readings, idle readings
	err            error
}

// startSampler begins to look at the agent, as often as a record of the scenario's duration can hold.
func (s *Setup) startSampler(ctx context.Context) *sampler {
	s.T.Helper()
	enough := make(chan struct{})
	w := &sampler{began: time.Now(), end: sync.OnceFunc(func() { close(enough) }), ended: make(chan struct{})}
	var pods []string
	for _, pod := range workload.SubjectPods(ctx, s.Env, s.subject) {
		w.containers, pods = append(w.containers, generator.ContainerOf(&pod)), append(pods, pod.Name)
	}
	s.T.Cleanup("watch of the agent", func(context.Context) error {
		_ = w.stop() // it is told where it matters
		return nil
	})
	w.read = func(ctx context.Context) ([4]float64, error) { return s.readUsage(ctx, w.containers, pods) }
	every := max(minInterval, s.Size.Duration/maxReadings)
	go func() {
		defer close(w.ended)
		w.readings, w.err = sampleUntil(ctx, enough, every, w.read)
	}()
	return w
}

// readIdle looks now, when nothing is asked of the agent: connections that are kept cost a goroutine each,
// so that a load's goroutines tell as much of the generator as of the agent.
func (w *sampler) readIdle(ctx context.Context) error {
	last, err := w.read(ctx)
	// The load's connections may still be closing.
	for range maxIdleReadings - 1 {
		if err != nil {
			return err
		}
		before := last
		if last, err = w.read(ctx); last[ofGoroutines] == before[ofGoroutines] {
			break
		}
	}
	if err != nil {
		return err
	}
	w.idle = append(w.idle, reading{time.Since(w.began), last})
	return nil
}

// stop ends the watch. An error says that looking failed.
func (w *sampler) stop() error {
	w.end()
	<-w.ended
	return w.err
}

// sampleUntil looks again and again until it is enough or ctx ends. Of a look that ctx cut off nothing is left.
func sampleUntil(ctx context.Context, enough <-chan struct{}, every time.Duration, look func(context.Context) ([4]float64, error)) (readings, error) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var seen readings
	for began := time.Now(); ; {
		at := time.Since(began)
		values, err := look(ctx)
		if ctx.Err() != nil {
			return seen, nil
		}
		if err != nil {
			return seen, err
		}
		seen = append(seen, reading{at, values})
		select {
		case <-ctx.Done():
			return seen, nil
		case <-enough:
			return seen, nil
		case <-ticker.C:
		}
	}
}

// readUsage sums over all nodes.
func (s *Setup) readUsage(ctx context.Context, containers []generator.Container, pods []string) (values [4]float64, err error) {
	usage, err := s.Fleet.Meter(ctx, containers)
	if err != nil {
		return values, err
	}
	for _, u := range usage {
		values[ofRSS] += float64(u.RSSBytes)
		values[ofThreads] += float64(u.Threads)
		values[ofSockets] += known(u.Sockets)
	}
	for _, pod := range pods {
		values[ofGoroutines] += gauge(workload.AgentMetrics(ctx, s.Env, pod).Body, "go_goroutines")
	}
	return values, nil
}

func known(count int) float64 {
	if count < 0 {
		return math.NaN()
	}
	return float64(count)
}

// gauge is a metric without labels in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/); NaN if there is none.
func gauge(text, name string) float64 {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != name {
			continue
		}
		if value, err := strconv.ParseFloat(fields[1], 64); err == nil {
			return value
		}
	}
	return math.NaN()
}

// points of a quantity: those moments at which it is known.
func (m readings) points(quantity int) []reports.Point {
	var points []reports.Point
	for _, moment := range m {
		if value := moment.values[quantity]; !math.IsNaN(value) {
			points = append(points, reports.Point{At: moment.at.Seconds(), Value: value})
		}
	}
	return points
}

// tracks of what is known at all.
func (m readings) tracks() []reports.Track {
	var tracks []reports.Track
	for i, quantity := range quantities {
		if points := m.points(i); len(points) > 0 {
			tracks = append(tracks, reports.Track{Name: quantity.name, Unit: quantity.unit, Points: points})
		}
	}
	return tracks
}

// record adds how memory grows, over all moments, and goroutines, over those at rest, if there are
// enough to tell.
func (w *sampler) record(t framework.T, c *Case) {
	for _, of := range []struct {
		points []reports.Point
		metric Metric
	}{{w.readings.points(ofRSS), RSSGrowth}, {w.idle.points(ofGoroutines), GoroutineGrowth}} {
		if len(of.points) < minReadings {
			t.Report(of.metric.Name, fmt.Sprintf("not told: it was seen %d times, and a slope takes %d", len(of.points), minReadings))
			continue
		}
		var minutes, values []float64
		for _, point := range of.points {
			minutes, values = append(minutes, point.At/60), append(values, point.Value)
		}
		c.Record(of.metric, stats.Slope(minutes, values))
	}
}
