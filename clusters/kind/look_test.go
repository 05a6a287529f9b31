package kind

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

// listing answers ps by the label of the filter.
type listing map[string]string

func (l listing) Output(_ context.Context, args ...string) (string, error) {
	for label, output := range l {
		if strings.Contains(strings.Join(args, " "), "label="+label+"=mine") {
			return output, nil
		}
	}
	return "", errors.New("not asked so")
}

func (listing) Load(context.Context, io.Reader) error { return nil }
func (l listing) With(...string) containerEngine      { return l }

func TestContainersAreTheNodesAndTheEmulator(t *testing.T) {
	got, err := containersOf(t.Context(), listing{
		kindLabel:        "mine-control-plane\trunning\tUp 5 minutes\nmine-worker\tpaused\tUp 5 minutes (Paused)\n",
		environmentLabel: "mine-emulator\texited\tExited (137) 2 seconds ago\n",
	}, "mine")
	want := []Container{
		{"mine-control-plane", RoleNode, "running", "Up 5 minutes"},
		{"mine-worker", RoleNode, "paused", "Up 5 minutes (Paused)"},
		{"mine-emulator", RoleEmulator, "exited", "Exited (137) 2 seconds ago"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := containersOf(t.Context(), listing{kindLabel: "", environmentLabel: "\n"}, "mine"); err != nil || len(got) != 0 {
		t.Errorf("nothing is left: %+v, %v", got, err)
	}
	if _, err := containersOf(t.Context(), listing{}, "mine"); err == nil {
		t.Error("an engine that does not answer has no containers")
	}
}
