package eks

import (
	"net/http"
	"slices"
	"time"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// defaultVersion is the version of a cluster whose request names none.
const defaultVersion = "1.36"

// release says when EKS got a version, and how long it supports it
// (https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html; the dates of versions after 1.33 are
// extrapolated, because no calendar has them).
type release struct{ version, patch, released, standard, extended string }

func releases() []release {
	return []release{
		{"1.30", "1.30.14", "2024-05-23", "2025-07-23", "2026-07-23"},
		{"1.31", "1.31.14", "2024-09-26", "2025-11-26", "2026-11-26"},
		{"1.32", "1.32.13", "2025-01-23", "2026-03-23", "2027-03-23"},
		{"1.33", "1.33.9", "2025-05-29", "2026-07-29", "2027-07-29"},
		{"1.34", "1.34.6", "2025-10-02", "2026-12-02", "2027-12-02"},
		{"1.35", "1.35.5", "2026-01-27", "2027-03-27", "2028-03-27"},
		{"1.36", "1.36.3", "2026-05-28", "2027-07-28", "2028-07-28"},
	}
}

type versionShape struct {
	Version  string        `json:"clusterVersion"`
	Type     string        `json:"clusterType"`
	Platform string        `json:"defaultPlatformVersion"`
	Default  bool          `json:"defaultVersion"`
	Released restjson.Time `json:"releaseDate"`
	Standard restjson.Time `json:"endOfStandardSupportDate"`
	Extended restjson.Time `json:"endOfExtendedSupportDate"`
	// Status is the older spelling of VersionStatus.
	Status        string `json:"status"`
	VersionStatus string `json:"versionStatus"`
	Patch         string `json:"kubernetesPatchVersion"`
}

// describeClusterVersions: https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeClusterVersions.html.
func (s *Service) describeClusterVersions(r *http.Request) (any, error) {
	if err := s.authorize(r.Context(), "eks:DescribeClusterVersions", "*", nil); err != nil {
		return nil, err
	}
	query, versions := r.URL.Query(), []versionShape{}
	if kind := query.Get("clusterType"); kind != "" && kind != "eks" {
		return nil, invalidParameter("The parameter clusterType must be eks.")
	}
	now := s.options.Now()
	for _, known := range releases() {
		shape := versionShape{
			Version: known.version, Type: "eks", Platform: "eks.1", Default: known.version == defaultVersion, Patch: known.patch,
			Released: date(known.released), Standard: date(known.standard), Extended: date(known.extended), Status: "unsupported", VersionStatus: "UNSUPPORTED",
		}
		// The oldest version stays supported, so that the offer does not change from day to day.
		shape.Status, shape.VersionStatus = "extended-support", "EXTENDED_SUPPORT"
		if now.Before(time.Time(shape.Standard)) {
			shape.Status, shape.VersionStatus = "standard-support", "STANDARD_SUPPORT"
		}
		asked := query["clusterVersions"]
		switch {
		case len(asked) > 0 && !slices.Contains(asked, shape.Version),
			query.Get("defaultOnly") == "true" && !shape.Default,
			query.Get("versionStatus") != "" && query.Get("versionStatus") != shape.VersionStatus,
			query.Get("status") != "" && query.Get("status") != shape.Status:
			continue
		}
		versions = append(versions, shape)
	}
	page, next, err := paginate(s.pages, r, versions, func(v versionShape) string { return v.Version })
	if err != nil {
		return nil, err
	}
	return struct {
		Versions  []versionShape `json:"clusterVersions"`
		NextToken *string        `json:"nextToken"`
	}{page, next}, nil
}

func date(day string) restjson.Time {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err) // a constant above
	}
	return restjson.Time(at)
}
