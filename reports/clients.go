package reports

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Client is an AWS client of the client matrix: one version of one SDK.
type Client struct {
	// Name such as "go-v1@1.55.8".
	Name string `json:"name"`
	// SDK is its full name.
	SDK     string `json:"sdk"`
	Version string `json:"version,omitempty"`
	// Floor is the first version with Pod Identity. Source is the document about it.
	Floor  string `json:"floor"`
	Source string `json:"source"`
	// TooOld says that the version is below the floor: an unsupported client.
	TooOld bool   `json:"tooOld,omitempty"`
	Image  string `json:"image,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Limits are requirements, by ID, that it is known not to hold, with its actual behaviour.
	Limits map[string]string `json:"limits,omitempty"`
	// Missing says why it is missing although it was requested.
	Missing string `json:"missing,omitempty"`
}

// ClientSaid is the name of the report entry with a client's output.
const ClientSaid = "the client said"

// ClientResult is a client with the run's results about it.
type ClientResult struct {
	Client
	// Outcome is Pass or Fail, or the reason for neither. A client that is too old is always NotSupported, because it need
	// not work.
	Outcome Outcome
	// Verdict in words, such as "works" or "unsupported client".
	Verdict string
	// Reason for the verdict, if the verdict alone does not give it.
	Reason string
	// Held and Broken are the IDs of the requirements that its specs decided, sorted.
	Held, Broken []string
}

// clientResults joins the clients with the specs about them, sorted by SDK and name.
func (r Run) clientResults() []ClientResult {
	var results []ClientResult
	for _, client := range r.Clients {
		results = append(results, r.judgeClient(client))
	}
	slices.SortStableFunc(results, func(a, b ClientResult) int {
		return cmp.Or(strings.Compare(a.SDK, b.SDK), CompareIDs(b.Version, a.Version), strings.Compare(a.Name, b.Name))
	})
	return results
}

func (r Run) judgeClient(client Client) ClientResult {
	result := ClientResult{Client: client, Outcome: NotRun}
	by := map[Outcome][]Spec{}
	said := ""
	for _, spec := range r.Specs {
		if spec.Client != client.Name {
			continue
		}
		by[spec.Outcome] = append(by[spec.Outcome], spec)
		switch spec.Outcome {
		case Pass:
			result.Held = append(result.Held, spec.Requirements...)
		case Fail:
			result.Broken = append(result.Broken, spec.Requirements...)
		}
		for line := range strings.Lines(spec.Output) {
			if text, ok := strings.CutPrefix(line, ClientSaid+": "); ok {
				said = strings.TrimSpace(text)
			}
		}
	}
	result.Held, result.Broken = distinct(result.Held), distinct(result.Broken)
	for _, outcome := range []Outcome{Fail, Error, Pass, NotRun, Skipped, NotSupported} {
		if len(by[outcome]) > 0 {
			result.Outcome, result.Reason = outcome, reasons(by[outcome])
			if !slices.ContainsFunc(by[outcome], func(s Spec) bool { return !s.away() }) {
				result.Reason = "the environment was away"
			}
			break
		}
	}
	switch {
	case client.Missing != "":
		result.Outcome, result.Verdict, result.Reason = NotSupported, "could not be made", client.Missing
	case client.TooOld:
		result.Outcome, result.Verdict = NotSupported, "unsupported client"
		result.Reason = fmt.Sprintf("%s is older than %s, the first that knows Pod Identity", client.Version, client.Floor)
		if said != "" {
			result.Reason += "; it says: " + said
		}
	case result.Outcome == Pass:
		result.Verdict, result.Reason = "works", result.limits()
	case result.Outcome == Fail:
		result.Verdict = "does not work as required"
	case result.Outcome == Error:
		result.Verdict = "could not be decided"
	default:
		result.Verdict = "not examined"
	}
	return result
}

// limits are the known limits of a client that works.
func (r ClientResult) limits() string {
	var list []string
	for _, id := range slices.SortedFunc(maps.Keys(r.Limits), CompareIDs) {
		list = append(list, "not "+id+": "+r.Limits[id])
	}
	return strings.Join(list, "; ")
}

func distinct(ids []string) []string {
	slices.SortFunc(ids, CompareIDs)
	return slices.Compact(ids)
}
