package cache

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podidentity/epi/clusters/agent/credentials"
)

// AGT-20: an entry is renewed at most a tenth before the end of the retention, or at most a fifth before its credentials
// cannot be served any more, and never later.
func TestRenewal(t *testing.T) {
	for name, row := range map[string]struct {
		retention, life, before, after time.Duration
	}{
		"retention":      {3 * time.Hour, 6 * time.Hour, 162*time.Minute - time.Second, 3 * time.Hour},
		"remaining life": {3 * time.Hour, 1000*time.Second + minimumLife, 810*time.Second - time.Second, 900 * time.Second},
		"no life":        {3 * time.Hour, 18 * time.Second, 9*time.Second - time.Millisecond, 10 * time.Second},
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
				if n, hits := eksAuth.count("a"), count(t, c.metrics.renewed); n != 2 || hits != 1 {
					t.Errorf("%d calls and %v renewals counted after %s", n, hits, row.after)
				}
				if got := get(t, c, named("a")); got != "a-2" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// Entries that are fetched together are not renewed together.
func TestRenewalsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, newIssuer(), Options{Entries: 2000, Retention: 100 * time.Minute, RenewalsPerSecond: 100})
		for n := range 1000 {
			get(t, c, named(fmt.Sprint(n)))
		}
		time.Sleep(90 * time.Minute)
		last := 0.0
		for range 10 {
			time.Sleep(time.Minute)
			synctest.Wait()
			renewed := count(t, c.metrics.renewed)
			// The mean is 100 a minute. Fewer than 40 or more than 160 are six standard deviations away.
			if n := renewed - last; n < 40 || n > 160 {
				t.Errorf("%v renewals in a minute", n)
			}
			last = renewed
		}
		if last != 1000 {
			t.Errorf("%v renewals", last)
		}
	})
}

// Credentials do not end because others were due earlier.
func TestThoseThatEndFirstAreRenewedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		eksAuth.life = 100 * time.Minute
		c := start(t, eksAuth, Options{Entries: 2000, Retention: 10 * time.Hour, RenewalsPerSecond: 1})
		for n := range 1500 { // due after 76 to 85 minutes: 540 s for what takes 1500 s
			get(t, c, named(fmt.Sprint("long-", n)))
		}
		time.Sleep(80 * time.Minute)
		eksAuth.setLife(10 * time.Minute)
		get(t, c, named("short")) // due after 8 to 9 minutes, when hundreds of others are due too
		for range 10 * 60 {
			time.Sleep(time.Second)
			if _, ok := c.Cached("short", peer); !ok {
				t.Fatal("the credentials that ended first were not renewed in time")
			}
		}
		if n := eksAuth.count("short"); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

// AGT-11: these errors end an entry.
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
				if _, ok := c.Cached("a", peer); ok {
					t.Error("still cached")
				}
				if n := count(t, c.metrics.failures.WithLabelValues("NonRecoverable", code)); n != 1 {
					t.Errorf("counted %v times", n)
				}
			})
		})
	}
}

// AGT-11: any other error keeps the credentials until they end. The renewal is tried again after 1 to 2 minutes.
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
				time.Sleep(5 * time.Hour) // due no later than now
				synctest.Wait()
				begin := eksAuth.count("a")
				time.Sleep(30 * time.Minute)
				synctest.Wait()
				if n := eksAuth.count("a") - begin; n < 14 || n > 31 { // each 1 to 2 minutes after the last
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
				if _, ok := c.Cached("a", peer); ok || c.entries.Len() != 0 {
					t.Errorf("%d entries though all credentials ended", c.entries.Len())
				}
			})
		})
	}
}

// The rate limits renewals. Each takes one permit, while upstream's take two.
func TestRenewalRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, newIssuer(), Options{Entries: 2000, Retention: 10 * time.Minute, RenewalsPerSecond: 2})
		for n := range 400 { // in a minute, at two a second, 120 can be renewed
			get(t, c, named(fmt.Sprint(n)))
		}
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		for last := count(t, c.metrics.renewed); last < 400; {
			time.Sleep(time.Second)
			synctest.Wait()
			renewed := count(t, c.metrics.renewed)
			if n := renewed - last; n > 4 || n == 0 && time.Duration(last) > 200 { // a burst of 2, then 2 a second
				t.Fatalf("%v renewals in a second, after %v", n, last)
			}
			last = renewed
		}
	})
}

func TestRenewalIsNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		c := start(t, eksAuth, Options{Entries: 2, Retention: time.Hour})
		get(t, c, named("old"))
		time.Sleep(45 * time.Minute)
		get(t, c, named("new"))
		time.Sleep(20 * time.Minute) // old was renewed, new was not
		synctest.Wait()
		get(t, c, named("newest"))
		if _, ok := c.Cached("old", peer); ok || eksAuth.count("old") != 2 {
			t.Errorf("the least recently used is still there, fetched %d times", eksAuth.count("old"))
		}
		if _, ok := c.Cached("new", peer); !ok {
			t.Error("the more recently used is gone")
		}
	})
}
