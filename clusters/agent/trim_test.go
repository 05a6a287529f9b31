package agent

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsReturnedWhenFetchesAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		fetched, begin := make(chan struct{}, 1), time.Now()
		var freed []time.Duration
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			trim(ctx, fetched, func() { freed = append(freed, time.Since(begin)) })
		}()
		fetch := func(at time.Duration) {
			time.Sleep(at - time.Since(begin))
			fetched <- struct{}{}
		}
		for at := time.Minute; at < 63*time.Second; at += 100 * time.Millisecond {
			fetch(at)
		}
		fetch(65 * time.Second)
		time.Sleep(time.Hour)
		cancel()
		<-ended
		want := []time.Duration{63*time.Second - 100*time.Millisecond + trimAfter, 65*time.Second + trimAfter}
		if !slices.Equal(freed, want) {
			t.Errorf("freed at %v, want %v", freed, want)
		}
	})
}
