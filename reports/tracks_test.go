package reports

import (
	"slices"
	"testing"
)

func TestTracksShowTheRecord(t *testing.T) {
	s := Scenario{Name: "soak", Cases: []Case{{Tracks: []Track{
		{Name: "rss", Unit: "B", Points: []Point{{0, 10e6}, {20, 15e6}, {40, 20e6}}},
		{Name: "goroutines", Unit: "goroutines", Points: []Point{{0, 0}, {20, 0}}},
		{Name: "one instant", Unit: "B", Points: []Point{{0, 5}}},
		{Name: "none", Unit: "B"},
	}}}}
	tracks := s.tracks(s.Cases[0])
	if len(tracks) != 2 {
		t.Fatalf("%d tracks, want the two that have a course over time", len(tracks))
	}
	rss := tracks[0]
	if got, want := rss.Points, []htmlPoint{{"0 s", "10.0 MB"}, {"20 s", "15.0 MB"}, {"40 s", "20.0 MB"}}; !slices.Equal(got, want) {
		t.Errorf("numbers %v, want %v", got, want)
	}
	if got, want := rss.Plot.Lines[0].Points, "0.0,500.0 500.0,250.0 1000.0,0.0"; got != want {
		t.Errorf("drawn through %s, want %s", got, want)
	}
	if first, last := rss.Plot.Y[0].Text, rss.Plot.Y[2].Text; first != Quantity(0, "B") || last != Quantity(20e6, "B") {
		t.Errorf("the axis goes from %s to %s, want 0 to 20 MB", first, last)
	}
	if got := tracks[1].Plot.Dots; len(got) != 2 || got[0].Y != "100.00%" {
		t.Errorf("two values of 0 are drawn as %v", got)
	}
}
