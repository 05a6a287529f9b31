package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/reports"
)

func TestBadge(t *testing.T) {
	good, bad := leave(t, nil), leave(t, func(run *reports.Run) { run.Specs[0].Outcome = reports.Fail })
	for dir, says := range map[string]string{good: "1/1", bad: "0/1"} {
		code, svg, stderr := invoke(t, nil, "badge", dir)
		if code != exitHeld || stderr != "" || !strings.Contains(svg, says) || !strings.HasPrefix(svg, "<svg") {
			t.Errorf("exit code %d\n%s%s", code, svg, stderr)
		}
		decoder := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v\n%s", err, svg)
			}
		}
		// https://shields.io/badges/endpoint-badge
		code, text, stderr := invoke(t, nil, "badge", dir, "--endpoint")
		var endpoint struct {
			SchemaVersion         int
			Label, Message, Color string
		}
		if err := json.Unmarshal([]byte(text), &endpoint); err != nil || code != exitHeld || stderr != "" {
			t.Fatalf("exit code %d, %v\n%s%s", code, err, text, stderr)
		}
		if endpoint.SchemaVersion != 1 || endpoint.Label != "Pod Identity conformance" || endpoint.Message != says || endpoint.Color == "" {
			t.Errorf("%+v", endpoint)
		}
	}
	for _, args := range [][]string{{"badge"}, {"badge", "absent"}, {"badge", good, bad}, {"badge", t.TempDir()}} {
		if code, _, stderr := invoke(t, nil, args...); code != exitUsage || stderr == "" {
			t.Errorf("%q: exit code %d\n%s", args, code, stderr)
		}
	}
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "agent", "1")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	run := leave(t, nil)
	for _, name := range []string{reports.ResultsFile, reports.ConformanceFile} {
		data, err := os.ReadFile(filepath.Join(run, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := invoke(t, nil, "verify", dir)
	if code != exitHeld || stderr != "" || !strings.Contains(stdout, "✓ ") || !strings.Contains(stdout, filepath.Join("agent", "1")) {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	report := filepath.Join(folder, reports.ConformanceFile)
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	lie := strings.Replace(string(data), "outcome: pass", "outcome: fail", 1)
	if lie == string(data) {
		t.Fatalf("nothing to change:\n%s", data)
	}
	if err := os.WriteFile(report, []byte(lie), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ = invoke(t, nil, "verify", dir)
	if code != exitFailed || !strings.Contains(stdout, "outcome: the report says") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	for _, args := range [][]string{{"verify"}, {"verify", "absent"}, {"verify", t.TempDir()}} {
		if code, _, stderr := invoke(t, nil, args...); code != exitUsage || stderr == "" {
			t.Errorf("%q: exit code %d\n%s", args, code, stderr)
		}
	}
}

func TestHistory(t *testing.T) {
	store, out := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "public")
	first := leave(t, nil)
	second := leave(t, func(run *reports.Run) {
		run.ID, run.Started, run.Ended = "s", run.Started.AddDate(0, 0, 1), run.Ended.AddDate(0, 0, 1)
		run.Subjects[0].Digest, run.Specs[0].Outcome = "sha256:2", reports.Fail
	})
	for i, row := range []struct{ want string }{{"added"}, {"was there already"}} {
		code, stdout, stderr := invoke(t, nil, "history", "add", first, second, "--store", store)
		if code != exitHeld || stderr != "" || strings.Count(stdout, row.want) != 2 {
			t.Errorf("time %d: exit code %d\n%s%s", i+1, code, stdout, stderr)
		}
	}
	code, stdout, stderr := invoke(t, nil, "history", "page", "--store", store, "--out", out)
	if code != exitHeld || stderr != "" || !strings.Contains(stdout, "of 2 runs, 2 new reports") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	page, err := os.ReadFile(filepath.Join(out, "index.html"))
	if err != nil || !strings.Contains(string(page), "1 requirement fails") || !strings.Contains(string(page), "sha256:1") {
		t.Errorf("%v\n%.2000s", err, page)
	}
	for _, name := range []string{"badge.svg", "badge.json", "runs.html"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"history", "added"}, {"history", "add"}, {"history", "add", first}, {"history", "add", "absent", "--store", store}, {"history", "add", first, "--store", file},
		{"history", "add", first, "--store", first}, {"history", "page"}, {"history", "page", "--store", store}, {"history", "page", "--store", "absent", "--out", out},
		{"history", "page", "--store", store, "--out", file}, {"history", "page", "--store", store, "--out", out, "--reports", "-1"}, {"history", "page", "extra", "--store", store, "--out", out},
	} {
		if code, _, stderr := invoke(t, nil, args...); code != exitUsage || stderr == "" {
			t.Errorf("%q: exit code %d\n%s", args, code, stderr)
		}
	}
}
