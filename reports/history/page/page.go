// Package page writes static pages about the runs of a store: which run broke something and what else changed in it, what
// is unstable, what became slower, and the report of each run below them. The pages load nothing and need no server.
package page

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/reports/history"
)

//go:embed *.tmpl history.css history.js
var files embed.FS

// Options of pages.
type Options struct {
	// Reports is the number of the newest runs that get a report if they have none yet. Existing reports stay, so a folder
	// to which pages are written repeatedly has all of them.
	Reports int
	// Rewrite also writes existing reports again.
	Rewrite bool
}

// Written says what was written.
type Written struct {
	Runs, Reports int
	// Damages are the unreadable files of the store. The pages show them too.
	Damages []history.Damage
}

// Names of pages.
const (
	indexFile  = "index.html"
	runsFile   = "runs.html"
	trendsFile = "trends.html"
	reportsDir = "run"
)

// Write writes the pages of a store into a folder.
func Write(dir string, store history.Store, options Options) (Written, error) {
	records, damages, err := store.Records()
	if err != nil {
		return Written{}, err
	}
	site := newSite(records, damages)
	written := Written{Runs: len(records), Damages: damages}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return written, fmt.Errorf("write pages: %w", err)
	}
	if written.Reports, err = site.reports(dir, store, options); err != nil {
		return written, fmt.Errorf("write pages: %w", err)
	}
	site.describe(store)
	if err := site.write(dir); err != nil {
		return written, fmt.Errorf("write pages: %w", err)
	}
	return written, nil
}

// site has the data of all pages.
type site struct {
	records []history.Record
	damages []history.Damage
	tracks  []history.Track
	trends  []history.Series
	// reported are the keys of the runs that have a report.
	reported map[string]bool
	// catalogue has the requirements of the newest runs, and those of older ones that the newest lack.
	catalogue map[string]reports.Requirement
	lost      []history.Damage
}

func newSite(records []history.Record, damages []history.Damage) *site {
	tracks := history.Tracks(records)
	return &site{records: records, damages: damages, tracks: tracks, trends: history.Trends(tracks), reported: map[string]bool{}, catalogue: map[string]reports.Requirement{}}
}

// reports writes the missing reports of the newest runs and of the runs that the pages link to, and returns their number.
func (s *site) reports(dir string, store history.Store, options Options) (int, error) {
	wanted := map[string]bool{}
	for i, record := range s.records {
		if i >= len(s.records)-options.Reports {
			wanted[record.Key()] = true
		}
	}
	for _, record := range s.pointed() {
		wanted[record.Key()] = wanted[record.Key()] || options.Reports > 0
	}
	var todo []history.Record
	for _, record := range s.records {
		_, err := os.Stat(filepath.Join(dir, reportsDir, record.Key(), indexFile))
		switch {
		case err == nil && !options.Rewrite:
			s.reported[record.Key()] = true
		case err == nil || wanted[record.Key()]:
			todo = append(todo, record)
		}
	}
	var mu sync.Mutex
	var writers sync.WaitGroup
	var errs []error
	next := make(chan history.Record)
	for range runtime.GOMAXPROCS(0) {
		writers.Go(func() {
			for record := range next {
				run, err := store.Read(record.File)
				if err != nil { // the store is damaged, which is reported; the pages are written nevertheless
					mu.Lock()
					s.lost = append(s.lost, history.Damage{File: record.File, Err: err})
					mu.Unlock()
					continue
				}
				err = writeReport(filepath.Join(dir, reportsDir, record.Key()), run)
				mu.Lock()
				errs = append(errs, err)
				s.reported[record.Key()] = err == nil
				mu.Unlock()
			}
		})
	}
	for _, record := range todo {
		next <- record
	}
	close(next)
	writers.Wait()
	slices.SortFunc(s.lost, func(a, b history.Damage) int { return strings.Compare(a.File, b.File) })
	s.damages = append(s.damages, s.lost...)
	return len(todo) - len(s.lost), errors.Join(errs...)
}

func writeReport(dir string, run reports.Run) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	list := map[string]func(io.Writer, *reports.Findings) error{indexFile: reports.WriteHTML}
	if len(run.Specs) > 0 {
		list[reports.ConformanceFile] = reports.WriteConformance
	}
	findings := reports.NewFindings(run)
	var errs []error
	for name, write := range list {
		errs = append(errs, replace(filepath.Join(dir, name), func(w io.Writer) error { return write(w, findings) }))
	}
	return errors.Join(errs...)
}

// pointed are the runs that the first page names because something changed with them.
func (s *site) pointed() []history.Record {
	var list []history.Record
	for _, track := range s.tracks {
		for _, b := range track.Breaks() {
			list = append(list, b.Broke)
		}
	}
	for _, series := range s.trends {
		for _, change := range series.Changes {
			list = append(list, change.First)
		}
	}
	return list
}

// describe reads the statements of requirements from the newest run of each track that has specs.
func (s *site) describe(store history.Store) {
	for _, track := range s.tracks {
		for i := len(track.Runs) - 1; i >= 0; i-- {
			record := track.Runs[i]
			if record.Specs == 0 || record.File == "" {
				continue
			}
			run, err := store.Read(record.File)
			if err != nil {
				continue // it is damaged, and an older one has the same
			}
			for _, requirement := range run.Requirements {
				if _, known := s.catalogue[requirement.ID]; !known {
					s.catalogue[requirement.ID] = requirement
				}
			}
			break
		}
	}
}

// write writes all pages but the reports of runs.
func (s *site) write(dir string) error {
	style, err := files.ReadFile("history.css")
	if err != nil {
		return err
	}
	script, err := files.ReadFile("history.js")
	if err != nil {
		return err
	}
	pages := s.pages()
	var errs []error
	for _, p := range pages {
		kind := reports.Page{Templates: files, Template: p.template, Style: style, Script: script}
		errs = append(errs, replace(filepath.Join(dir, p.file), func(w io.Writer) error { return kind.Write(w, p.data) }))
	}
	for i, track := range s.tracks {
		newest, ok := newestDecided(track)
		if !ok {
			continue
		}
		badge := reports.BadgeOf(newest.Requirements, newest.Outcome)
		names := []string{"badge-" + track.Slug}
		if i == 0 {
			names = append(names, "badge")
		}
		for _, name := range names {
			errs = append(errs, replace(filepath.Join(dir, name+".json"), badge.WriteEndpoint), replace(filepath.Join(dir, name+".svg"), badge.WriteSVG))
		}
	}
	return errors.Join(errs...)
}

// newestDecided is the newest run of a track that has specs.
func newestDecided(track history.Track) (history.Record, bool) {
	for i := len(track.Runs) - 1; i >= 0; i-- {
		if track.Runs[i].Specs > 0 {
			return track.Runs[i], true
		}
	}
	return history.Record{}, false
}

// replace writes a file completely, or leaves it unchanged.
func replace(file string, write func(io.Writer) error) error {
	var contents bytes.Buffer
	if err := write(&contents); err != nil {
		return err
	}
	if there, err := os.ReadFile(file); err == nil && bytes.Equal(there, contents.Bytes()) {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".page-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(contents.Bytes())
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}
