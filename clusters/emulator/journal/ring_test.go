package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func numbers(calls []Call) (got []uint64) {
	for _, call := range calls {
		got = append(got, call.Seq)
	}
	return got
}

func TestRing(t *testing.T) {
	tests := []struct {
		size, add int
		after     uint64
		want      []uint64
	}{
		{3, 0, 0, nil},
		{3, 2, 0, []uint64{1, 2}},
		{3, 3, 1, []uint64{2, 3}},
		{3, 8, 0, []uint64{6, 7, 8}},
		{3, 8, 7, []uint64{8}},
		{3, 8, 8, nil},
		{3, 8, 100, nil},
		{3, 8, ^uint64(0), nil},
		{0, 2, 0, []uint64{2}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			ring := NewRing(test.size)
			for n := range test.add {
				ring.Add(Call{Operation: fmt.Sprint(n + 1)})
			}
			calls, last := ring.After(test.after)
			for _, call := range calls {
				if call.Operation != fmt.Sprint(call.Seq) {
					t.Errorf("call %d is %q", call.Seq, call.Operation)
				}
			}
			if got := numbers(calls); !slices.Equal(got, test.want) || last != uint64(test.add) {
				t.Errorf("got %v, last %d; want %v", got, last, test.want)
			}
		})
	}
}

func TestResetGoesOnCounting(t *testing.T) {
	ring := NewRing(3)
	for range 4 {
		ring.Add(Call{Service: "s3"})
	}
	ring.Reset()
	if calls, last := ring.After(0); len(calls) != 0 || last != 4 || len(ring.Counts()) != 0 {
		t.Errorf("got %v, last %d, %v", calls, last, ring.Counts())
	}
	for i, call := range ring.calls {
		if call != (Call{}) {
			t.Errorf("place %d still holds %+v", i, call)
		}
	}
	for range 4 {
		ring.Add(Call{Service: "sts"})
	}
	if calls, last := ring.After(0); !slices.Equal(numbers(calls), []uint64{6, 7, 8}) || last != 8 {
		t.Errorf("got %v, last %d", numbers(calls), last)
	}
}

func TestQuery(t *testing.T) {
	ring := NewRing(10)
	node, pod := "arn:aws:sts::1:assumed-role/epi-node/i-1", "arn:aws:sts::1:assumed-role/app/pod"
	for _, call := range []Call{
		{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Principal: node, Subject: "blue/default/app/pod-1", Token: "aa", Status: 200},
		{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Principal: node, Subject: "blue/default/app/pod-2", Token: "bb", ErrorCode: "ThrottlingException", Status: 429, Fault: "fault-1"},
		{Service: "s3", Operation: "GetObject", Principal: pod, Subject: "bucket/key", Status: 200},
		{Service: "s3", Operation: "HeadObject", Principal: pod, Subject: "bucket/key", Status: 404},
	} {
		ring.Add(call)
	}
	tests := []struct {
		query Query
		want  []uint64
	}{
		{Query{}, []uint64{1, 2, 3, 4}},
		{Query{After: 2}, []uint64{3, 4}},
		{Query{Service: "s3"}, []uint64{3, 4}},
		{Query{Service: "s3", Operation: "GetObject"}, []uint64{3}},
		{Query{Principal: node}, []uint64{1, 2}},
		{Query{Principal: "arn:aws:sts::1:assumed-role/app/*"}, []uint64{3, 4}},
		{Query{Principal: "arn:aws:sts::1:assumed-role/app/"}, nil},
		{Query{SubjectPrefix: "blue/default/"}, []uint64{1, 2}},
		{Query{Token: "aa"}, []uint64{1}},
		{Query{ErrorCode: "ThrottlingException"}, []uint64{2}},
		{Query{Fault: "fault-1"}, []uint64{2}},
		{Query{Succeeded: true}, []uint64{1, 3}},
		{Query{Token: "aa", After: 1}, nil},
	}
	for _, test := range tests {
		if calls, last := ring.Find(test.query); !slices.Equal(numbers(calls), test.want) || last != 4 {
			t.Errorf("%+v: %v, last %d", test.query, numbers(calls), last)
		}
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := NewRing(10)
		ring.Add(Call{Operation: "a"})
		if calls, _ := ring.Wait(t.Context(), Query{Operation: "a"}); len(calls) != 1 {
			t.Errorf("a call that is there: %v", calls)
		}
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				calls, last := ring.Wait(t.Context(), Query{Operation: "b"})
				if !slices.Equal(numbers(calls), []uint64{3}) || last != 3 {
					t.Errorf("got %v, last %d", numbers(calls), last)
				}
			})
		}
		synctest.Wait()
		ring.Add(Call{Operation: "a"})
		synctest.Wait()
		ring.Add(Call{Operation: "b"})
		group.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if calls, last := ring.Wait(ctx, Query{Operation: "c"}); len(calls) != 0 || calls == nil || last != 3 {
			t.Errorf("at the end: %v, last %d", calls, last)
		}
		if calls, _ := ring.Wait(ctx, Query{Operation: "b"}); len(calls) != 1 {
			t.Errorf("an ended context still finds what is there: %v", calls)
		}
	})
}

func TestCountsOutliveTheRing(t *testing.T) {
	ring := NewRing(1)
	for range 3 {
		ring.Add(Call{Service: "sts", Operation: "GetCallerIdentity"})
	}
	ring.Add(Call{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", ErrorCode: "ThrottlingException"})
	ring.Add(Call{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity"})
	ring.Add(Call{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Repeat: true})
	want := []Count{
		{"eks-auth", "AssumeRoleForPodIdentity", "", 2, 1},
		{"eks-auth", "AssumeRoleForPodIdentity", "ThrottlingException", 1, 0},
		{"sts", "GetCallerIdentity", "", 3, 0},
	}
	if got := ring.Counts(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	ring := NewRing(1)
	for n := range maxOutcomes + 10 {
		ring.Add(Call{Service: "iam", Operation: fmt.Sprint(n)})
	}
	ring.Add(Call{Service: "iam", Operation: "0"})
	counts := ring.Counts()
	if len(counts) != maxOutcomes+1 || counts[0] != (Count{"", Others, "", 10, 0}) || counts[1].Calls != 2 {
		t.Errorf("%d counts, first %v", len(counts), counts[:2])
	}
	long := strings.Repeat("é", 5000)
	ring.Add(Call{Operation: long, ErrorCode: long, Subject: long, Decision: long})
	calls, _ := ring.After(0)
	got := calls[0]
	for text, most := range map[string]int{got.Operation: maxName, got.ErrorCode: maxName, got.Subject: maxText, got.Decision: maxDecision} {
		if len(text) > most+len("…") || strings.ToValidUTF8(text, "") != text || !strings.HasSuffix(text, "é…") {
			t.Errorf("%d bytes are kept: …%q", len(text), text[len(text)-8:])
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	ring := NewRing(100_000)
	call := Call{
		Time: time.Now(), Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Status: 200, SourceIP: "10.0.0.1",
		Principal: "arn:aws:sts::123456789012:assumed-role/epi-node/i-0123456789abcdef0", Subject: "blue/default/app/pod-1",
	}
	b.ReportAllocs()
	for b.Loop() {
		ring.Add(call)
	}
}
