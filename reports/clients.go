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

// conformanceClient is an entry of the client matrix in conformance.yaml.
type conformanceClient struct {
	Name    string   `yaml:"name"`
	SDK     string   `yaml:"sdk"`
	Version string   `yaml:"version,omitempty"`
	Floor   string   `yaml:"floor"`
	Source  string   `yaml:"source"`
	Image   string   `yaml:"image,omitempty"`
	Digest  string   `yaml:"digest,omitempty"`
	Outcome Outcome  `yaml:"outcome"`
	Verdict string   `yaml:"verdict"`
	Reason  string   `yaml:"reason,omitempty"`
	Held    []string `yaml:"held,omitempty,flow"`
	Broken  []string `yaml:"broken,omitempty,flow"`
}

func (f *Findings) conformanceClients() []conformanceClient {
	var list []conformanceClient
	for _, c := range f.Clients {
		list = append(list, conformanceClient{
			Name: plain(c.Name), SDK: plain(c.SDK), Version: plain(c.Version), Floor: plain(c.Floor), Source: plain(c.Source),
			Image: plain(c.Image), Digest: plain(c.Digest), Outcome: c.Outcome, Verdict: c.Verdict, Reason: plain(c.Reason),
			Held: plains(c.Held), Broken: plains(c.Broken),
		})
	}
	return list
}

// htmlClient is a row of the client matrix.
type htmlClient struct {
	SDK, Name, Version, Floor string
	Source                    []htmlText
	Outcome                   Outcome
	Verdict, Reason           string
	Held, Broken              []string
}

func (p *htmlPage) clients(results []ClientResult) {
	for _, c := range results {
		p.Clients = append(p.Clients, htmlClient{
			plain(c.SDK), plain(c.Name), plain(c.Version), plain(c.Floor), marked(plain(c.Source)),
			c.Outcome, c.Verdict, plain(c.Reason), plains(c.Held), plains(c.Broken),
		})
	}
}

// clients adds the client matrix, if clients were tested.
func (s *summary) clients() {
	var list []ClientResult
	for _, client := range s.findings.Clients {
		if client.Outcome != NotRun && client.Outcome != Skipped && (client.Outcome != NotSupported || client.Verdict != "not examined") {
			list = append(list, client)
		}
	}
	if len(list) < 2 {
		return // one is the probe, which every run has
	}
	s.text("", "", 0, "AWS clients", bold)
	for _, client := range list {
		mark := map[Outcome]string{Pass: s.paint(green, "✓"), Fail: s.paint(red, "✗"), NotSupported: s.paint(dim, "-")}[client.Outcome]
		if mark == "" {
			mark = s.paint(yellow, "!")
		}
		line := fmt.Sprintf("%s %s: %s", plain(client.SDK), plain(client.Version), client.Verdict)
		switch {
		case client.Reason != "":
			line += ": " + plain(client.Reason)
		case len(client.Held) > 0:
			line += " (" + plain(strings.Join(client.Held, ", ")) + ")"
		}
		s.text(" ", mark, 3, line, "")
	}
	s.out.WriteByte('\n')
}
