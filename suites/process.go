package suites

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/onsi/ginkgo/v2"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/artifacts"
	"github.com/podidentity/epi/framework/runner"
	"github.com/podidentity/epi/reports"
)

// payload is what each process receives. It is sent over a pipe, and not on a command line, because it has credentials.
type payload struct {
	Environment *clusters.Environment `json:"environment"`
	Run         string                `json:"run"`
	Artifacts   string                `json:"artifacts"`
	Mutation    framework.Mutation    `json:"mutation,omitempty"`
	Disposable  bool                  `json:"disposable,omitempty"`
}

// RunProcess runs specs in this process for a Run that started it: it reads its orders from standard input and writes its
// records to file descriptor 3. It returns when there is no more work, or after its clean-up when it is interrupted or its
// parent has ended.
func RunProcess() error {
	pipe, err := runner.MessagesPipe()
	if err != nil {
		return err
	}
	return runner.Process(os.Stdin, pipe, openHarness)
}

func openHarness(data json.RawMessage) (runner.Harness, error) {
	var received payload
	if err := json.Unmarshal(data, &received); err != nil {
		return nil, fmt.Errorf("read order: %w", err)
	}
	if received.Environment == nil {
		return nil, errNoEnvironment
	}
	env, err := framework.New(context.Background(), received.Environment, framework.Options{
		Run: received.Run, T: runner.Fixture{}, Mutation: received.Mutation, Disposable: received.Disposable,
	})
	if err != nil {
		return nil, err
	}
	h := &harness{env: env}
	if received.Artifacts != "" {
		h.collector = &artifacts.Collector{Dir: received.Artifacts, Redact: reports.Redact, Cluster: env.Clientset, Control: env.Control}
	}
	return h, nil
}

// harness gives specs their Env.
type harness struct {
	env       *framework.Env
	collector *artifacts.Collector
}

// Context implements runner.Harness.
func (h *harness) Context(ctx context.Context) context.Context {
	return framework.NewContext(ctx, h.env)
}

// Collect implements runner.Harness.
func (h *harness) Collect(ctx context.Context, record reports.Spec) *reports.Evidence {
	if h.collector == nil {
		return nil
	}
	collected, err := h.collector.Collect(ctx, folder(record), artifacts.About{
		Namespaces: h.env.Namespaces(), Names: h.env.Names(), Admitted: h.env.Admitted(), Began: record.Started,
	})
	if err != nil {
		_, _ = fmt.Fprintf(ginkgo.GinkgoWriter, "%v\n", err)
	}
	evidence := &reports.Evidence{Dir: collected.Dir}
	if dir, err := filepath.Rel(h.collector.Dir, collected.Dir); err == nil {
		evidence.Dir = filepath.ToSlash(dir)
	}
	for _, excerpt := range collected.Excerpts {
		evidence.Excerpts = append(evidence.Excerpts, reports.Excerpt(excerpt))
	}
	return evidence
}

var notInFolder = regexp.MustCompile(`[^A-Za-z0-9]+`)

// folder is the name of the folder with a spec's evidence, such as INJ-01-the-webhook-reports-every-container.
func folder(record reports.Spec) string {
	name := strings.ToLower(strings.Trim(notInFolder.ReplaceAllString(record.Name, "-"), "-"))
	if len(name) > 60 {
		name = strings.Trim(name[:60], "-")
	}
	if len(record.Requirements) > 0 {
		return record.Requirements[0] + "-" + name
	}
	return name
}
