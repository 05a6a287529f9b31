package reports

import (
	"fmt"
	"io"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// ConformanceVersion is the version of conformance.yaml. The document follows Gateway API's conformance reports: what was
// tested, then the result of each profile, core and extended.
const ConformanceVersion = "epi.podidentity.dev/v1"

type conformance struct {
	APIVersion   string                   `yaml:"apiVersion"`
	Kind         string                   `yaml:"kind"`
	Run          string                   `yaml:"run"`
	Date         string                   `yaml:"date"`
	Outcome      Outcome                  `yaml:"outcome"`
	Summary      string                   `yaml:"summary"`
	Interrupted  bool                     `yaml:"interrupted,omitempty"`
	Selection    []string                 `yaml:"selection,omitempty"`
	Epi          conformanceEpi           `yaml:"epi"`
	Environment  conformanceEnvironment   `yaml:"environment"`
	Subjects     []conformanceSubject     `yaml:"subjects"`
	Profiles     []conformanceProfile     `yaml:"profiles"`
	Clients      []conformanceClient      `yaml:"clients,omitempty"`
	Requirements []conformanceRequirement `yaml:"requirements"`
	Problems     []conformanceProblem     `yaml:"problems,omitempty"`
}

type conformanceEpi struct {
	Version  string `yaml:"version"`
	Revision string `yaml:"revision,omitempty"`
}

type conformanceEnvironment struct {
	Provider     string   `yaml:"provider"`
	AWS          string   `yaml:"aws,omitempty"`
	Kubernetes   string   `yaml:"kubernetes,omitempty"`
	NodeImage    string   `yaml:"nodeImage,omitempty"`
	Nodes        int      `yaml:"nodes,omitempty"`
	Region       string   `yaml:"region,omitempty"`
	IMDSHopLimit int      `yaml:"imdsHopLimit,omitempty"`
	Capabilities []string `yaml:"capabilities,omitempty"`
}

type conformanceSubject struct {
	Role      string `yaml:"role"`
	Image     string `yaml:"image,omitempty"`
	Digest    string `yaml:"digest,omitempty"`
	Reference bool   `yaml:"reference"`
	Absent    bool   `yaml:"absent,omitempty"`
	Product   string `yaml:"product,omitempty"`
	Version   string `yaml:"version,omitempty"`
	Compat    string `yaml:"compat,omitempty"`
}

type conformanceProfile struct {
	Name     string            `yaml:"name"`
	Core     *conformanceLevel `yaml:"core,omitempty"`
	Extended *conformanceLevel `yaml:"extended,omitempty"`
}

type conformanceLevel struct {
	Result     string                 `yaml:"result"`
	Statistics Counts                 `yaml:"statistics"`
	Failed     []string               `yaml:"failed,omitempty"`
	Undecided  []conformanceUndecided `yaml:"undecided,omitempty"`
}

// conformanceUndecided are requirements that neither passed nor failed, for the same reason.
type conformanceUndecided struct {
	Outcome      Outcome  `yaml:"outcome"`
	Reason       string   `yaml:"reason,omitempty"`
	Requirements []string `yaml:"requirements,flow"`
}

type conformanceRequirement struct {
	ID        string  `yaml:"id"`
	Level     string  `yaml:"level,omitempty"`
	Profile   string  `yaml:"profile,omitempty"`
	Statement string  `yaml:"statement,omitempty"`
	Source    string  `yaml:"source,omitempty"`
	Runs      string  `yaml:"runs,omitempty"`
	Since     string  `yaml:"since,omitempty"`
	Outcome   Outcome `yaml:"outcome"`
	Reason    string  `yaml:"reason,omitempty"`
	// Known are the subjects' known deviations that explain the failure.
	Known []conformanceKnown `yaml:"known,omitempty"`
	Specs []string           `yaml:"specs,omitempty"`
}

type conformanceKnown struct {
	Of      string `yaml:"of"` // the version
	Product string `yaml:"product"`
	Does    string `yaml:"does"`
	Link    string `yaml:"link"`
}

type conformanceProblem struct {
	Doing   string `yaml:"doing"`
	Message string `yaml:"message"`
}

// WriteConformance writes the run as conformance.yaml: the verdict for each profile and requirement, with the versions and
// digests of everything tested, for programs and for publication.
func WriteConformance(w io.Writer, findings *Findings) error {
	run := findings.Run
	run.Bench = nil // conformance does not depend on speed
	verdict := run.verdict(findings.Requirements)
	date := run.Ended
	if date.IsZero() {
		date = run.Started
	}
	report := conformance{
		APIVersion: ConformanceVersion, Kind: "ConformanceReport",
		Run: plain(run.ID), Date: date.UTC().Format(time.RFC3339),
		Outcome: verdict.Outcome, Summary: plain(verdict.Sentence()),
		Interrupted: run.Interrupted, Selection: plains(run.Selection),
		Epi: conformanceEpi{plain(run.Epi.Version), plain(run.Epi.Revision)},
		Environment: conformanceEnvironment{
			Provider: plain(run.Environment.Provider), AWS: plain(run.Environment.AWS), Kubernetes: plain(run.Environment.KubernetesVersion),
			NodeImage: plain(run.Environment.NodeImage), Nodes: run.Environment.Nodes, Region: plain(run.Environment.Region),
			IMDSHopLimit: run.Environment.IMDSHopLimit, Capabilities: plains(run.Environment.Capabilities),
		},
		Subjects: []conformanceSubject{}, Profiles: []conformanceProfile{}, Clients: findings.conformanceClients(), Requirements: []conformanceRequirement{},
	}
	for _, subject := range run.Subjects {
		report.Subjects = append(report.Subjects, conformanceSubject{
			plain(subject.Role), plain(subject.Image), plain(subject.Digest), subject.Reference, subject.Absent,
			plain(subject.Product), plain(subject.Version), plain(subject.Compat)})
	}
	for _, profile := range findings.Profiles {
		report.Profiles = append(report.Profiles, conformanceProfile{
			Name: plain(profile.Name), Core: profile.Core.conformance(), Extended: profile.Extended.conformance()})
	}
	for _, result := range findings.Requirements {
		requirement := conformanceRequirement{
			ID: plain(result.ID), Level: plain(result.Level), Profile: plain(result.Profile),
			Statement: plain(result.Statement), Source: plain(result.Source), Runs: plain(result.Runs), Since: plain(result.Since),
			Outcome: result.Outcome, Reason: plain(result.Reason),
		}
		for _, known := range result.Known {
			requirement.Known = append(requirement.Known, conformanceKnown{plain(known.Version), plain(known.Product), plain(known.Does), plain(known.Link)})
		}
		for _, spec := range result.Specs {
			requirement.Specs = append(requirement.Specs, plain(spec.Suite+": "+spec.Name))
		}
		report.Requirements = append(report.Requirements, requirement)
	}
	for _, problem := range run.Problems {
		report.Problems = append(report.Problems, conformanceProblem{plain(problem.Doing), plain(problem.Message)})
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(report); err != nil {
		return fmt.Errorf("write conformance report: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return fmt.Errorf("write conformance report: %w", err)
	}
	return nil
}

// conformance is nil for a level without requirements.
func (l LevelResult) conformance() *conformanceLevel {
	if l.Result() == "" {
		return nil
	}
	level := &conformanceLevel{Result: l.Result(), Statistics: l.Counts, Failed: plains(l.Failed)}
	for _, result := range l.Undecided {
		i := slices.IndexFunc(level.Undecided, func(u conformanceUndecided) bool {
			return u.Outcome == result.Outcome && u.Reason == plain(result.Reason)
		})
		if i < 0 {
			i = len(level.Undecided)
			level.Undecided = append(level.Undecided, conformanceUndecided{Outcome: result.Outcome, Reason: plain(result.Reason)})
		}
		level.Undecided[i].Requirements = append(level.Undecided[i].Requirements, plain(result.ID))
	}
	return level
}

func plains(list []string) []string {
	var shown []string
	for _, s := range list {
		shown = append(shown, plain(s))
	}
	return shown
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
