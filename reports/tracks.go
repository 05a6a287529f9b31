package reports

import (
	"fmt"
	"math"
	"strings"
)

// htmlTrack is a quantity over time, with the numbers of its plot.
type htmlTrack struct {
	Name   string
	Plot   *htmlPlot
	Points []htmlPoint
	// More is the number of points that are not listed.
	More int
}

type htmlPoint struct{ At, Value string }

// tracks are those of a case. Each has its own plot, because their units differ.
func (s Scenario) tracks(c Case) []htmlTrack {
	var list []htmlTrack
	for _, track := range c.Tracks {
		if len(track.Points) < fewestIntervals {
			continue
		}
		row := htmlTrack{
			Name: plain(track.Name), Plot: trackPlot(plain(s.caseName(c)), track), More: max(0, len(track.Points)-maxZones),
		}
		for _, p := range track.Points[:min(len(track.Points), maxZones)] {
			row.Points = append(row.Points, htmlPoint{fmt.Sprintf("%.4g s", p.At), Quantity(p.Value, track.Unit)})
		}
		list = append(list, row)
	}
	return list
}

// trackPlot is linear and begins at zero, so that a small growth looks small.
func trackPlot(name string, track Track) *htmlPlot {
	start, end, most := track.Points[0].At, track.Points[0].At, 0.0
	for _, p := range track.Points {
		start, end, most = min(start, p.At), max(end, p.At), max(most, p.Value)
	}
	if end <= start {
		end = start + 1
	}
	if most <= 0 {
		most = 1
	}
	most = nice(most, math.Ceil)
	plot := &htmlPlot{
		Label: fmt.Sprintf("%s over time of %s: the table below has its numbers.", plain(track.Name), name), X: timeTicks(start, end),
	}
	for _, share := range []float64{0, 0.5, 1} {
		text := Quantity(share*most, track.Unit)
		if track.Unit == track.Name { // such as threads, in threads
			text = strings.TrimSuffix(text, " "+track.Unit)
		}
		plot.Y = append(plot.Y, htmlTick{At: percentOf(1 - share), Text: text})
	}
	var points []string
	for _, p := range track.Points {
		x, y := (p.At-start)/(end-start), max(0, p.Value)/most
		points = append(points, point(x, y))
		if len(track.Points) <= maxZones {
			text := fmt.Sprintf("%.4g s: %s", p.At, Quantity(p.Value, track.Unit))
			plot.Dots = append(plot.Dots, htmlDot{seriesClass(0), percentOf(x), percentOf(1 - y), text})
		}
	}
	plot.Lines = []htmlLine{{seriesClass(0), strings.Join(points, " ")}}
	return plot
}
