package journal

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

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
		{0, 2, 0, []uint64{2}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			ring := NewRing(test.size)
			for n := range test.add {
				ring.Add(Call{Operation: fmt.Sprint(n + 1)})
			}
			calls, last := ring.After(test.after)
			var got []uint64
			for _, call := range calls {
				got = append(got, call.Seq)
				if call.Operation != fmt.Sprint(call.Seq) {
					t.Errorf("call %d is %q", call.Seq, call.Operation)
				}
			}
			if !slices.Equal(got, test.want) || last != uint64(test.add) {
				t.Errorf("got %v, last %d; want %v", got, last, test.want)
			}
		})
	}
}

func TestContext(t *testing.T) {
	call := &Call{}
	FromContext(NewContext(context.Background(), call)).Operation = "GetObject"
	if call.Operation != "GetObject" {
		t.Error("the handler's note did not reach the call")
	}
	FromContext(context.Background()).Operation = "ignored without a journal"
}
