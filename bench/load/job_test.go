package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const secret = "s3cr3t-t0ken"

func aJob(at string) Job {
	return Job{
		Seed: 7, Phases: []Phase{{Name: "a", From: 1000, Lasts: 100 * time.Millisecond, Arrivals: Poisson}}, Workers: 50,
		Target: TargetSpec{HTTP: &HTTPOptions{URL: at, Tokens: []string{secret, secret + "2"}, Expect: Credentials}},
	}
}

func encodeJob(t testing.TB, j Job) string {
	t.Helper()
	data, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAJobIsTheSameOnTheOtherSide(t *testing.T) {
	j := aJob("https://127.0.0.1/v1/credentials")
	j.Start, j.Share, j.Drain = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Share{Index: 1, Of: 3}, time.Second
	j.Target.HTTP.Pick = Pick{Distribution: Zipf, Exponent: 1.1, Seed: 9}
	j.Target.HTTP.Bodies, j.Target.HTTP.Header = []string{"{}", "[]"}, map[string]string{"Host": "example.com"}
	got, err := DecodeJob(strings.NewReader(encodeJob(t, j)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(j, got); diff != "" {
		t.Error(diff)
	}
}

func TestJobsThatCannotBeAreRefusedAndNoTokenIsReported(t *testing.T) {
	for says, change := range map[string]func(*Job){
		"0 phases":              func(j *Job) { j.Phases = nil },
		"-1 workers":            func(j *Job) { j.Workers = -1 },
		"a drain of -1ns":       func(j *Job) { j.Drain = -1 },
		"share 2 of 2":          func(j *Job) { j.Share = Share{Index: 2, Of: 2} },
		"no kind":               func(j *Job) { j.Target.HTTP = nil },
		"two kinds":             func(j *Job) { j.Target.S3 = &S3Options{Bucket: "b", Key: "k"} },
		"a bucket and a key":    func(j *Job) { j.Target = TargetSpec{S3: &S3Options{Bucket: "b"}} },
		"an object of -1 bytes": func(j *Job) { j.Target = TargetSpec{S3: &S3Options{Bucket: "b", Key: "k", Size: -1}} },
		"timeout of 2h":         func(j *Job) { j.Target = TargetSpec{S3: &S3Options{Bucket: "b", Key: "k", Timeout: 2 * time.Hour}} },
		"a URL such as":         func(j *Job) { j.Target.HTTP.URL = "127.0.0.1:80" },
		`method "GET /"`:        func(j *Job) { j.Target.HTTP.Method = "GET /" },
		`field "X"`:             func(j *Job) { j.Target.HTTP.Header = map[string]string{"X": secret + "\r\n"} },
		`field "Connection"`:    func(j *Job) { j.Target.HTTP.Header = map[string]string{"Connection": "close"} },
		"token 1":               func(j *Job) { j.Target.HTTP.Tokens = []string{secret, secret + "\r\nX: y"} },
		"3 bodies and 2 tokens": func(j *Job) { j.Target.HTTP.Bodies = []string{"a", "b", "c"} },
		`expect "joy"`:          func(j *Job) { j.Target.HTTP.Expect = "joy" },
		`pick "often"`:          func(j *Job) { j.Target.HTTP.Pick.Distribution = "often" },
		"exponent is for":       func(j *Job) { j.Target.HTTP.Pick.Exponent = 1 },
		"timeout of 1h":         func(j *Job) { j.Target.HTTP.Timeout = time.Hour },
		"no certificate":        func(j *Job) { j.Target.HTTP.CA = secret },
	} {
		j := aJob("http://127.0.0.1/")
		change(&j)
		for what, err := range map[string]error{"decode": func() error { _, err := DecodeJob(strings.NewReader(encodeJob(t, j))); return err }(), "run": func() error { _, err := j.Run(t.Context()); return err }()} {
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: error %v, want %q and no token", what, err, says)
			}
		}
	}
}

func TestJobsThatAreNoneAreRefusedAndNoTokenIsReported(t *testing.T) {
	whole := encodeJob(t, aJob("http://127.0.0.1/"))
	for says, input := range map[string]string{
		"EOF":                   "",
		"unexpected EOF":        whole[:len(whole)-1],
		"more after":            whole + "{}",
		`unknown field "color"`: strings.Replace(whole, `"seed"`, `"color"`, 1),
		"field workers":         strings.Replace(whole, `"workers":50`, `"workers":"`+secret+`"`, 1),
		"target.http.tokens":    strings.Replace(whole, `"`+secret+`"`, "17", 1),
		"parsing time":          strings.Replace(whole, `{`, `{"start":"yesterday",`, 1),
	} {
		if _, err := DecodeJob(strings.NewReader(input)); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), secret) {
			t.Errorf("error %v, want %q and no token", err, says)
		}
	}
}

func TestAStartThatHasPassedIsAnError(t *testing.T) {
	j := aJob("http://127.0.0.1/")
	j.Start = time.Now().Add(-3 * time.Second)
	if result, err := j.Run(t.Context()); err == nil || result != nil || !strings.Contains(err.Error(), "passed 3.") {
		t.Errorf("%v, error %v; want one that says by how much", result, err)
	}
}

// Ten thousand tokens of the size of a cluster's, through the text on standard input.
func TestManyTokensComeThrough(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	null := Null()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.Header.Get("Authorization")]++
		mu.Unlock()
		null.ServeHTTP(w, r)
	}))
	defer server.Close()
	j := Job{Phases: []Phase{{Name: "all", Lasts: time.Second, Arrivals: AtOnce, Count: 10_000}}, Workers: 20, Share: Share{Index: 49, Of: 50}}
	j.Target.HTTP = &HTTPOptions{URL: server.URL, Expect: Credentials}
	for i := range 10_000 {
		j.Target.HTTP.Tokens = append(j.Target.HTTP.Tokens, fmt.Sprintf("%s-%01100d", secret, i))
	}
	got, err := DecodeJob(strings.NewReader(encodeJob(t, j)))
	if err != nil {
		t.Fatal(err)
	}
	result, err := got.Run(t.Context())
	if err != nil || result.Phases[0].Failed() != 0 {
		t.Fatalf("%v, errors %v", err, result.Phases[0].Errors)
	}
	for i, token := range j.Target.HTTP.Tokens {
		if want := map[bool]int{true: 1}[i%50 == 49]; seen[token] != want {
			t.Fatalf("token %d came %d times, want %d", i, seen[token], want)
		}
	}
	var text strings.Builder
	if err := result.Encode(&text); err != nil || strings.Contains(text.String(), secret) {
		t.Errorf("%v, the result has a token", err)
	}
}

// Together the shares make exactly the requests of the plan, at its times.
func TestSharesAreThePlan(t *testing.T) {
	phases := []Phase{{Name: "a", From: 2000, Lasts: 50 * time.Millisecond, Arrivals: Poisson}, {Name: "b", Lasts: 50 * time.Millisecond, Arrivals: AtOnce, Count: 100}}
	whole, err := Run(t.Context(), mustPlan(t, phases...), instant{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	begun := &counting{times: map[uint64]int{}}
	var merged *Result
	for i := range 3 {
		part, err := Run(t.Context(), mustPlan(t, phases...), begun, Options{Share: Share{Index: i, Of: 3}})
		if err != nil {
			t.Fatal(err)
		}
		if merged == nil {
			merged = part
		} else if err := merged.Merge(part); err != nil {
			t.Fatal(err)
		}
	}
	all := uint64(0)
	for i, phase := range whole.Phases {
		got := merged.Phases[i]
		all += uint64(phase.Requests)
		if got.Requests != phase.Requests || got.Begun != phase.Begun {
			t.Errorf("phase %s: %d requests from %s, want %d from %s", phase.Name, got.Requests, got.Begun, phase.Requests, phase.Begun)
		}
	}
	for n := range all {
		if begun.times[n] != 1 {
			t.Fatalf("request %d was made %d times", n, begun.times[n])
		}
	}
}

// counting counts the requests by number.
type counting struct {
	mu    sync.Mutex
	times map[uint64]int
}

func (c *counting) Do(_ context.Context, n uint64) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[n]++
	return ""
}

// The caller makes a target that is not of this package.
func TestAnS3JobRunsOnATargetOfTheCallers(t *testing.T) {
	j := aJob("")
	j.Phases = []Phase{{Name: "a", Lasts: time.Second, Arrivals: AtOnce, Count: 20}}
	j.Target = TargetSpec{S3: &S3Options{Bucket: "b", Key: "k", Size: 5, Denied: true, Timeout: time.Second}}
	got, err := DecodeJob(strings.NewReader(encodeJob(t, j)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(j, got); diff != "" {
		t.Error(diff)
	}
	if result, err := got.Run(t.Context()); err == nil || result != nil || !strings.Contains(err.Error(), "RunOn") {
		t.Errorf("%v, error %v; want one that says what to use", result, err)
	}
	begun := &counting{times: map[uint64]int{}}
	result, err := got.RunOn(t.Context(), begun)
	if err != nil || result.Phases[0].Requests != 20 || len(begun.times) != 20 {
		t.Errorf("%v: %d requests, want 20", err, len(begun.times))
	}
}

func FuzzDecodeJob(f *testing.F) {
	f.Add(`{"phases":[{"name":"a","from":5,"lasts":1000000000}],"target":{"s3":{"bucket":"b","key":"k","denied":true}}}`)
	f.Add(encodeJob(f, aJob("http://127.0.0.1/")))
	f.Add(`{"phases":[{"name":"a","count":5,"arrivals":"at-once","lasts":1}],"target":{"http":{"url":"http://[::1]","header":{"Host":"x"}}}}`)
	f.Fuzz(func(t *testing.T, input string) {
		j, err := DecodeJob(strings.NewReader(input))
		if err != nil {
			return
		}
		if (j.Target.HTTP != nil) == (j.Target.S3 != nil) {
			t.Fatalf("the target has not one kind: %+v", j.Target)
		}
		if j.Target.HTTP != nil {
			target, err := NewHTTP(*j.Target.HTTP)
			if err != nil {
				t.Fatalf("a job that was accepted has no target: %v", err)
			}
			if request := target.append(nil, 3); strings.Count(strings.SplitN(string(request), "\r\n\r\n", 2)[0], "\r\n") > 4+len(j.Target.HTTP.Header) {
				t.Errorf("fields were smuggled in: %q", request)
			}
		}
		text := encodeJob(t, j)
		again, err := DecodeJob(strings.NewReader(text))
		if err != nil || encodeJob(t, again) != text {
			t.Errorf("%v: %s", err, cmp.Diff(j, again))
		}
	})
}
