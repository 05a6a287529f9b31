package measure

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
	// maxReadings bounds the record of a sampler of any duration.
	maxReadings = 200
	// minInterval is the shortest interval between readings, because a reading costs the node something too.
	minInterval = 2 * time.Second
	// maxIdleReadings is how many readings ReadIdle takes at most, until two in a row have the same number of goroutines.
	maxIdleReadings = 5
	// minReadings is how many readings a slope needs.
	minReadings = 4
)

// quantities that are sampled, in the order of a reading's values.
var quantities = []struct{ name, unit string }{{"rss", "B"}, {"goroutines", "goroutines"}, {"threads", "threads"}, {"sockets", "sockets"}}

const (
	ofRSS = iota
	ofGoroutines
	ofThreads
	ofSockets
)

// reading is what the subject's processes on all nodes use at one time; NaN for what is unknown.
type reading struct {
	at     time.Duration
	values [4]float64
}

// readings are in the order of their times.
type readings []reading

// Sampler reads the agent's resource usage repeatedly, until Stop.
type Sampler struct {
	// Containers of the agent at the start.
	Containers []generator.Container
	began      time.Time
	read       func(context.Context) ([4]float64, error)
	end        func()
	ended      chan struct{}
	// readings are all regular ones; idle are those of ReadIdle.
	readings, idle readings
	err            error
}

// StartSampler starts to sample the agent, as often as a record of the scenario's duration can hold.
func (s *Setup) StartSampler(ctx context.Context) *Sampler {
	s.T.Helper()
	enough := make(chan struct{})
	r := &Sampler{began: time.Now(), end: sync.OnceFunc(func() { close(enough) }), ended: make(chan struct{})}
	var pods []string
	for _, pod := range workload.SubjectPods(ctx, s.Env, s.subject) {
		r.Containers, pods = append(r.Containers, generator.ContainerOf(&pod)), append(pods, pod.Name)
	}
	s.T.Cleanup("sampler of the agent", func(context.Context) error {
		_ = r.Stop() // callers that need the readings call Stop and get the error
		return nil
	})
	r.read = func(ctx context.Context) ([4]float64, error) { return s.readUsage(ctx, r.Containers, pods) }
	every := max(minInterval, s.Size.Duration/maxReadings)
	go func() {
		defer close(r.ended)
		r.readings, r.err = sampleUntil(ctx, enough, every, r.read)
	}()
	return r
}

// ReadIdle adds a reading now, between loads. Each connection that is kept costs the agent a goroutine, so
// that the number of goroutines during a load depends on the generator as well.
func (r *Sampler) ReadIdle(ctx context.Context) error {
	last, err := r.read(ctx)
	// The load's connections may still be closing.
	for range maxIdleReadings - 1 {
		if err != nil {
			return err
		}
		before := last
		if last, err = r.read(ctx); last[ofGoroutines] == before[ofGoroutines] {
			break
		}
	}
	if err != nil {
		return err
	}
	r.idle = append(r.idle, reading{time.Since(r.began), last})
	return nil
}

// Stop ends the sampler. The error says that a reading failed.
func (r *Sampler) Stop() error {
	r.end()
	<-r.ended
	return r.err
}

// sampleUntil reads repeatedly, until enough is closed or ctx ends. It drops a reading that the end of ctx interrupted.
func sampleUntil(ctx context.Context, enough <-chan struct{}, every time.Duration, read func(context.Context) ([4]float64, error)) (readings, error) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var seen readings
	for began := time.Now(); ; {
		at := time.Since(began)
		values, err := read(ctx)
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

// readUsage reads the usage of the containers and pods, summed over all nodes.
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

// points of a quantity: those readings in which it is known.
func (m readings) points(quantity int) []reports.Point {
	var points []reports.Point
	for _, moment := range m {
		if value := moment.values[quantity]; !math.IsNaN(value) {
			points = append(points, reports.Point{At: moment.at.Seconds(), Value: value})
		}
	}
	return points
}

// tracks of the quantities that are known at all.
func (m readings) tracks() []reports.Track {
	var tracks []reports.Track
	for i, quantity := range quantities {
		if points := m.points(i); len(points) > 0 {
			tracks = append(tracks, reports.Track{Name: quantity.name, Unit: quantity.unit, Points: points})
		}
	}
	return tracks
}

// Record adds to the case the tracks of all readings, how memory grows over all readings, and how goroutines
// grow over the idle ones, if there are enough readings.
func (r *Sampler) Record(t framework.T, c *Case) {
	c.tracks = r.readings.tracks()
	for _, of := range []struct {
		points []reports.Point
		metric Metric
	}{{r.readings.points(ofRSS), RSSGrowth}, {r.idle.points(ofGoroutines), GoroutineGrowth}} {
		if len(of.points) < minReadings {
			t.Report(of.metric.Name, fmt.Sprintf("unknown: there are %d readings, and a slope needs %d", len(of.points), minReadings))
			continue
		}
		var minutes, values []float64
		for _, point := range of.points {
			minutes, values = append(minutes, point.At/60), append(values, point.Value)
		}
		c.Record(of.metric, stats.Slope(minutes, values))
	}
}
