package eks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/internal/command"
)

// The output of eksctl v0.215.0 when a stack rolls back (https://github.com/eksctl-io/eksctl/issues/7450 has such outputs).
func TestWhatWentWrongIsToldWholeAndLast(t *testing.T) {
	cause := `2026-11-28 10:00:30 [✖]  AWS::EKS::Cluster/ControlPlane: CREATE_FAILED – "Resource handler returned message: \"` + strings.Repeat("long ", 100) + `\""`
	output := []string{cause}
	for n := range 40 {
		output = append(output, fmt.Sprintf("2026-11-28 10:00:31 [!]  AWS::EC2::Subnet/Subnet%d: DELETE_IN_PROGRESS", n))
	}
	last := `2026-11-28 10:00:32 [✖]  waiting for CloudFormation stack "eksctl-mine-cluster": ResourceNotReady: failed waiting for successful resource state`
	output = append(output, "2026-11-28 10:00:32 [ℹ]  to cleanup resources, run 'eksctl delete cluster --name=mine'", last, last, `Error: failed to create cluster "mine"`)
	var lines failureLines
	for _, line := range output {
		lines.add(line)
	}
	ended := &command.Error{Args: []string{"/bin/eksctl", "create", "cluster"}, ExitCode: 1, Last: strings.Join(output[len(output)-20:], "\n"), Err: errors.New("exit status 1")}
	err := lines.inOrder(ended)
	text := err.Error()
	if !strings.HasPrefix(text, "run eksctl create cluster: exit status 1\n") || !strings.HasSuffix(text, cause+"\n"+last) {
		t.Errorf("got\n%s", text)
	}
	for _, once := range []string{cause, last, "to cleanup resources", "Error: failed to create"} {
		if strings.Count(text, once) != 1 {
			t.Errorf("%q is there %d times", once, strings.Count(text, once))
		}
	}
	if found, ok := errors.AsType[*command.Error](err); !ok || found != ended {
		t.Errorf("it does not wrap eksctl's end: %v", err)
	}

	for name, err := range map[string]error{"an interrupt": context.Canceled, "no error": nil} {
		if got := lines.inOrder(err); !errors.Is(got, err) {
			t.Errorf("%s: %v", name, got)
		}
	}
	var none failureLines
	if got := none.inOrder(ended); !errors.Is(got, ended) || got.Error() != ended.Error() {
		t.Errorf("without such a line: %v", got)
	}
}
