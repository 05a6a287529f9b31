package control

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

func TestFaults(t *testing.T) {
	set, ring := faults.New(faults.Options{}), journal.NewRing(10)
	handler, err := NewHandler(Options{Token: token, SyncToken: syncToken, Clusters: &emulator{}, Journal: ring, Faults: set})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	client, ctx := New(server.URL, token), t.Context()

	throttled, err := client.AddFault(ctx, Fault{Service: "eks-auth", Probability: 1, Count: 2, Error: &Refusal{Kind: Throttling}})
	if err != nil || throttled.ID != "fault-1" || throttled.Count != 2 {
		t.Fatalf("got %+v, %v", throttled, err)
	}
	slow, err := client.AddFault(ctx, Fault{Service: "s3", For: Duration(time.Hour), Latency: &Latency{
		LogNormal: &LogNormal{P50: Duration(20 * time.Millisecond), P99: Duration(time.Second)},
		Stall:     &Stall{Probability: 0.01, Length: Duration(time.Second)},
	}})
	if err != nil || slow.Until.IsZero() || *slow.Latency.Stall != (Stall{Probability: 0.01, Length: Duration(time.Second)}) {
		t.Fatalf("got %+v, %v", slow, err)
	}

	call := &journal.Call{Service: "eks-auth"}
	err = faults.At(faults.NewContext(journal.NewContext(ctx, call), set), faults.Target{Operation: "AssumeRoleForPodIdentity"})
	if refusal, ok := errors.AsType[*faults.Error](err); !ok || refusal.Status != http.StatusTooManyRequests || call.Fault != throttled.ID {
		t.Errorf("got %v by %q", err, call.Fault)
	}

	list, err := client.Faults(ctx)
	if err != nil || len(list) != 2 {
		t.Fatalf("got %+v, %v", list, err)
	}
	if got := list[0]; got.ID != "fault-1" || got.Hits != 1 || got.Left == nil || *got.Left != 1 || got.Ended || got.Error.Kind != Throttling {
		t.Errorf("got %+v", got)
	}
	if got := list[1]; got.ID != "fault-2" || got.Left != nil || got.Remaining <= 0 || got.Latency.LogNormal.P99 != Duration(time.Second) {
		t.Errorf("got %+v", got)
	}

	if err := client.RemoveFault(ctx, "fault-1"); err != nil {
		t.Error(err)
	}
	if status, ok := errors.AsType[*StatusError](client.RemoveFault(ctx, "fault-1")); !ok || status.Status != http.StatusNotFound {
		t.Errorf("removed twice: %v", status)
	}
	if err := client.ClearFaults(ctx); err != nil || len(set.List()) != 0 {
		t.Errorf("left %v, %v", set.List(), err)
	}
}

func TestCallsWhere(t *testing.T) {
	_, ring, url := newServer(t)
	client, ctx := New(url, token), t.Context()
	ring.Add(Call{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Principal: "arn:node", Subject: "blue/a", Token: Fingerprint("x"), Status: 200})
	ring.Add(Call{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Principal: "arn:node", Subject: "blue/b", Token: Fingerprint("y"), Status: 429, ErrorCode: "ThrottlingException", Fault: "fault-1"})
	ring.Add(Call{Service: "s3", Operation: "GetObject", Principal: "arn:pod", Status: 200})
	tests := []struct {
		query Query
		want  []uint64
	}{
		{Query{}, []uint64{1, 2, 3}},
		{Query{After: 2}, []uint64{3}},
		{Query{Service: "eks-auth"}, []uint64{1, 2}},
		{Query{Operation: "GetObject"}, []uint64{3}},
		{Query{Principal: "arn:n*"}, []uint64{1, 2}},
		{Query{SubjectPrefix: "blue/b"}, []uint64{2}},
		{Query{Token: Fingerprint("x")}, []uint64{1}},
		{Query{ErrorCode: "ThrottlingException"}, []uint64{2}},
		{Query{Fault: "fault-1"}, []uint64{2}},
		{Query{Succeeded: true}, []uint64{1, 3}},
		{Query{Service: "sts"}, nil},
	}
	for _, test := range tests {
		calls, err := client.CallsWhere(ctx, test.query, 0)
		var got []uint64
		for _, call := range calls.Calls {
			got = append(got, call.Seq)
		}
		if err != nil || !slices.Equal(got, test.want) || calls.Last != 3 {
			t.Errorf("%+v: got %v, last %d, %v", test.query, got, calls.Last, err)
		}
	}

	counts, err := client.Counts(ctx)
	if err != nil || len(counts) != 3 || counts[1] != (Count{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", ErrorCode: "ThrottlingException", Calls: 1}) {
		t.Errorf("got %v, %v", counts, err)
	}
	if err := client.ClearCalls(ctx); err != nil {
		t.Error(err)
	}
	if calls, err := client.Calls(ctx, 0); err != nil || len(calls.Calls) != 0 || calls.Last != 3 || len(ring.Counts()) != 0 {
		t.Errorf("after clearing: %+v, %v", calls, err)
	}
}

func TestWaitForACall(t *testing.T) {
	_, ring, url := newServer(t)
	client := New(url, token)
	ring.Add(Call{Operation: "GetObject"})
	if calls, err := client.CallsWhere(t.Context(), Query{Operation: "PutObject"}, time.Millisecond); err != nil || len(calls.Calls) != 0 || calls.Last != 1 {
		t.Errorf("after the wait: %+v, %v", calls, err)
	}
	type answer struct {
		calls Calls
		err   error
	}
	answers := make(chan answer)
	go func() {
		calls, err := client.CallsWhere(t.Context(), Query{Operation: "PutObject", After: 1}, time.Minute)
		answers <- answer{calls, err}
	}()
	ring.Add(Call{Operation: "PutObject"})
	if got := <-answers; got.err != nil || len(got.calls.Calls) != 1 || got.calls.Calls[0].Seq != 2 {
		t.Errorf("got %+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := client.CallsWhere(ctx, Query{Operation: "none"}, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestIMDSv1(t *testing.T) {
	e, _, url := newServer(t)
	client, ctx := New(url, token), t.Context()
	if on, err := client.IMDSv1(ctx); err != nil || on {
		t.Errorf("got %v, %v", on, err)
	}
	if err := client.SetIMDSv1(ctx, true); err != nil || !e.v1 || e.hopLimit != 1 {
		t.Errorf("got %+v, %v", e, err)
	}
	if err := client.SetHopLimit(ctx, 2); err != nil || !e.v1 || e.hopLimit != 2 {
		t.Errorf("the hop limit changed more than itself: %+v, %v", e, err)
	}
	if on, err := client.IMDSv1(ctx); err != nil || !on {
		t.Errorf("got %v, %v", on, err)
	}
}

func TestReset(t *testing.T) {
	e, ring, url := newServer(t)
	client, ctx := New(url, token), t.Context()
	fill := func() {
		t.Helper()
		ring.Add(Call{Service: "s3"})
		if _, err := client.AddFault(ctx, Fault{Outage: &Outage{}}); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	if err := client.Reset(ctx); err != nil || e.resets != 1 {
		t.Errorf("%d resets, %v", e.resets, err)
	}
	list, err := client.Faults(ctx)
	if calls, last := ring.After(0); err != nil || len(list) != 0 || len(calls) != 0 || last != 1 {
		t.Errorf("left %v and %v, %v", list, calls, err)
	}
	fill()
	e.resetErr = errors.New("disk is full")
	if status, ok := errors.AsType[*StatusError](client.Reset(ctx)); !ok || status.Status != http.StatusInternalServerError || status.Reason != "reset: disk is full" {
		t.Errorf("got %v", status)
	}
}
