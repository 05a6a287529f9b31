package cache

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podidentity/epi/clusters/agent/credentials"
)

// AGT-09: renewed after the shorter of remaining life and retention, looked at once a minute.
func TestRenewal(t *testing.T) {
	for name, row := range map[string]struct {
		retention, life, before, after time.Duration
	}{
		"retention":      {3 * time.Hour, 6 * time.Hour, 3*time.Hour - time.Second, 3*time.Hour + time.Minute},
		"remaining life": {3 * time.Hour, 59 * time.Minute, 58 * time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eksAuth := newIssuer()
				eksAuth.life = row.life
				c := start(t, eksAuth, Options{Entries: 2000, Retention: row.retention})
				get(t, c, named("a"))
				time.Sleep(row.before)
				synctest.Wait()
				if n := eksAuth.count("a"); n != 1 {
					t.Errorf("%d calls after %s", n, row.before)
				}
				time.Sleep(row.after - row.before)
				synctest.Wait()
				if got, n := get(t, c, named("a")), eksAuth.count("a"); got != "a-2" || n != 2 {
					t.Errorf("got %s and %d calls after %s", got, n, row.after)
				}
				if hits := count(t, c.metrics.renewed); hits != 1 {
					t.Errorf("%v renewals counted", hits)
				}
			})
		})
	}
}

// AGT-11: these end an entry.
func TestRenewalDropsWhatEKSAuthTookBack(t *testing.T) {
	for _, code := range []string{"ResourceNotFoundException", "ExpiredTokenException", "InvalidTokenException", "AccessDeniedException"} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eksAuth := newIssuer()
				c := start(t, eksAuth, Options{Entries: 2000, Retention: time.Hour})
				get(t, c, named("a"))
				eksAuth.fail(&credentials.Error{Status: 400, Code: code})
				time.Sleep(time.Hour + time.Minute)
				synctest.Wait()
				if _, ok := c.Cached("a"); ok {
					t.Error("still cached")
				}
				if n := count(t, c.metrics.failures.WithLabelValues("NonRecoverable", code)); n != 1 {
					t.Errorf("counted %v times", n)
				}
			})
		})
	}
}

// AGT-11: anything else keeps the credentials until they end, tried again after 1 to 2 minutes.
func TestRenewalKeepsWhatItCannotRenew(t *testing.T) {
	for name, failure := range map[string]error{
		"":                        errors.New("no route to host"),
		"InternalServerException": &credentials.Error{Status: 500, Code: "InternalServerException"},
		"InvalidRequestException": &credentials.Error{Status: 400, Code: "InvalidRequestException"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eksAuth := newIssuer()
				c := start(t, eksAuth, Options{Entries: 2000, Retention: 5 * time.Hour})
				get(t, c, named("a"))
				eksAuth.fail(failure)
				time.Sleep(5*time.Hour + 30*time.Second) // due at a sweep no later than now
				synctest.Wait()
				begin := eksAuth.count("a")
				time.Sleep(30 * time.Minute)
				synctest.Wait()
				// A retry is due 1 to 2 minutes after the last and made at the next sweep.
				if n := eksAuth.count("a") - begin; n < 9 || n > 31 {
					t.Errorf("%d retries in half an hour", n)
				}
				if got := get(t, c, named("a")); got != "a-1" {
					t.Errorf("got %s", got)
				}
				if n := count(t, c.metrics.failures.WithLabelValues("Recoverable", name)); n == 0 {
					t.Error("no failure counted")
				}
				eksAuth.fail(nil)
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				if got := get(t, c, named("a")); got == "a-1" {
					t.Error("not renewed when EKS Auth was back")
				}
				eksAuth.fail(failure)
				time.Sleep(6*time.Hour + time.Minute)
				synctest.Wait()
				if _, ok := c.Cached("a"); ok || c.entries.Len() != 0 {
					t.Errorf("%d entries though all credentials ended", c.entries.Len())
				}
			})
		})
	}
}

// The rate bounds renewals, and each takes one permit: upstream's takes two.
func TestRenewalRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		c := start(t, eksAuth, Options{Entries: 2000, Retention: time.Hour, RenewalsPerSecond: 2})
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			get(t, c, named(name))
		}
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		renewed := func() float64 { return count(t, c.metrics.renewed) }
		if n := renewed(); n != 0 {
			t.Fatalf("%v renewals before their time", n)
		}
		time.Sleep(time.Second)
		for second, want := range []float64{2, 4, 6, 8} { // a burst of 2, then 2 a second
			synctest.Wait()
			if n := renewed(); n != want {
				t.Errorf("%v renewals after %d s, want %v", n, second, want)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestRenewalIsNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		c := start(t, eksAuth, Options{Entries: 2, Retention: time.Hour})
		get(t, c, named("old"))
		time.Sleep(30 * time.Minute)
		get(t, c, named("new"))
		time.Sleep(40 * time.Minute) // old was renewed, new was not
		synctest.Wait()
		get(t, c, named("newest"))
		if _, ok := c.Cached("old"); ok || eksAuth.count("old") != 2 {
			t.Errorf("the least recently used is still there, fetched %d times", eksAuth.count("old"))
		}
		if _, ok := c.Cached("new"); !ok {
			t.Error("the more recently used is gone")
		}
	})
}
