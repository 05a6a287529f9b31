package eks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The functions below are for the program that creates the clusters that EKS is asked for. It reads the wanted state, acts,
// and reports what it finds. It may report the same several times.

// Wanted is a cluster that was made through EKS.
type Wanted struct {
	Name, ID, ARN string
	Version       string
	ServiceCIDR   string
	RoleARN       string
	Creator       string
	// Status is EKS's current status. Delete says that the cluster is to be deleted.
	Status     string
	Delete     bool
	Nodegroups []WantedNodegroup
	Addons     []WantedAddon
}

// WantedNodegroup is a node group of a cluster.
type WantedNodegroup struct {
	Name, ID, ARN string
	Status        string
	Delete        bool
	Desired       int
	Labels        map[string]string
	Taints        []Taint
	InstanceTypes []string
	Spot          bool
	RoleARN       string
	HopLimit      int
	HTTPTokens    string
	Instances     []string
}

// Taint of nodes; Effect such as "NO_SCHEDULE".
type Taint struct{ Key, Value, Effect string }

// WantedAddon is an add-on of a cluster.
type WantedAddon struct {
	Name, ID, ARN, Version, Namespace, Configuration, RoleARN, Status string
	Delete                                                            bool
}

// Observed is a report about a cluster.
type Observed struct {
	// ID distinguishes the cluster from an earlier one of the same name.
	ID string
	// Status is ACTIVE, FAILED or GONE.
	Status string
	Issues []Issue
	// Cluster is required with ACTIVE: its issuer, key set, endpoint and certificate authority.
	Cluster Cluster
}

// ObservedPart is a report about a node group or an add-on. Its status is ACTIVE, DEGRADED, FAILED or GONE.
type ObservedPart struct {
	ID, Status string
	Issues     []Issue
	// Instances are the nodes of a node group.
	Instances []Instance
}

// ErrStale is returned for a report about something that no longer exists.
var ErrStale = errors.New("what is reported about is not there any more")

// wantedChanged ends waits for a change of the wanted state. The caller holds mu for writing.
func (st *state) wantedChanged() {
	st.wanted++
	if st.wantedNews != nil {
		close(st.wantedNews)
	}
	st.wantedNews = make(chan struct{})
}

// Wanted returns all clusters that were made through EKS, sorted by name, and the revision of their wanted state. If after
// is the current revision, it first waits for another one. When ctx ends, it returns the current state.
func (s *Service) Wanted(ctx context.Context, after string) (revision string, clusters []Wanted) {
	for {
		s.state.mu.Lock()
		if s.state.wantedNews == nil {
			s.state.wantedNews = make(chan struct{})
		}
		revision, news := s.state.boot+"-"+strconv.FormatUint(s.state.wanted, 10), s.state.wantedNews
		if revision != after || ctx.Err() != nil {
			for _, c := range s.state.clusters {
				if c.made != nil {
					clusters = append(clusters, s.wanted(c))
				}
			}
			s.state.mu.Unlock()
			slices.SortFunc(clusters, func(a, b Wanted) int { return strings.Compare(a.Name, b.Name) })
			return revision, clusters
		}
		s.state.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
		}
	}
}

func (s *Service) wanted(c *cluster) Wanted {
	w := Wanted{
		Name: c.Name, ID: c.made.ID, ARN: s.ClusterARN(c.Name), Version: c.Version, ServiceCIDR: c.ServiceCIDR, RoleARN: c.made.RoleARN, Creator: c.made.Creator,
		Status: string(c.made.Status), Delete: c.made.Status == statusDeleting,
	}
	for _, name := range slices.Sorted(maps.Keys(c.nodegroups)) {
		g := c.nodegroups[name]
		n := WantedNodegroup{
			Name: g.Name, ID: g.ID, ARN: s.nodegroupARN(g.Cluster, g.Name, g.ID), Status: string(g.Status), Delete: g.Status == statusDeleting,
			Desired: g.Scaling.Desired, Labels: maps.Clone(g.Labels), InstanceTypes: g.InstanceTypes, Spot: g.CapacityType == "SPOT", RoleARN: g.RoleARN,
			HopLimit: g.hopLimit(), HTTPTokens: g.httpTokens(), Instances: g.Instances,
		}
		for _, t := range g.Taints {
			n.Taints = append(n.Taints, Taint(t))
		}
		w.Nodegroups = append(w.Nodegroups, n)
	}
	now := s.options.Now()
	for _, name := range slices.Sorted(maps.Keys(c.addons)) {
		a := c.addons[name]
		if a.gone(now) {
			continue
		}
		w.Addons = append(w.Addons, WantedAddon{
			Name: a.Name, ID: a.ID, ARN: s.addonARN(a.Cluster, a.Name, a.ID), Version: a.Version, Namespace: a.Namespace, Configuration: a.Configuration,
			RoleARN: a.RoleARN, Status: string(a.status(now)), Delete: a.Change == addonDeleting,
		})
	}
	return w
}

// reported finds the cluster of a report. The caller holds mu.
func (s *Service) reported(name, id string) (*cluster, error) {
	c, ok := s.state.clusters[name]
	if !ok || c.made == nil || id != "" && c.made.ID != id {
		return nil, fmt.Errorf("cluster %s: %w", name, ErrStale)
	}
	return c, nil
}

// Observe takes a report about a cluster.
func (s *Service) Observe(name string, report Observed) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.reported(name, report.ID)
	if err != nil {
		return err
	}
	deleting := c.made.Status == statusDeleting
	switch report.Status {
	case "ACTIVE":
		if deleting {
			return nil
		}
		return s.activate(c, report.Cluster)
	case "FAILED":
		changed := *c.made
		changed.Issues, changed.Settled = report.Issues, time.Time{}
		if !deleting {
			changed.Status = statusFailed
		}
		return s.saveMade(c, &changed)
	case "GONE":
		if !deleting {
			return fmt.Errorf("cluster %s is gone but was not to be deleted: report FAILED", name)
		}
		return s.forget(c)
	}
	return fmt.Errorf("status %q of cluster %s: must be ACTIVE, FAILED or GONE", report.Status, name)
}

// ObserveNodegroup takes a report about a node group.
func (s *Service) ObserveNodegroup(cluster, name string, report ObservedPart) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.reported(cluster, "")
	if err != nil {
		return err
	}
	g, ok := c.nodegroups[name]
	if !ok || report.ID != "" && g.ID != report.ID {
		return fmt.Errorf("node group %s of cluster %s: %w", name, cluster, ErrStale)
	}
	deleting := g.Status == statusDeleting
	switch report.Status {
	case "ACTIVE", "DEGRADED":
		if deleting {
			return nil
		}
		return s.activateNodegroup(c, g, report.Instances, report.Issues)
	case "FAILED":
		changed := *g
		changed.Status, changed.Issues, changed.Settled = statusCreateFailed, report.Issues, time.Time{}
		if deleting {
			changed.Status = statusDeleteFailed
		}
		return s.putNodegroup(c, changed)
	case "GONE":
		if !deleting {
			return fmt.Errorf("node group %s of cluster %s is gone but was not to be deleted: report FAILED", name, cluster)
		}
		return s.removeNodegroup(c, g)
	}
	return fmt.Errorf("status %q of node group %s: must be ACTIVE, DEGRADED, FAILED or GONE", report.Status, name)
}

// ObserveAddon takes a report about an add-on.
func (s *Service) ObserveAddon(cluster, name string, report ObservedPart) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.reported(cluster, "")
	if err != nil {
		return err
	}
	now := s.options.Now().UTC()
	a, ok := c.addons[name]
	if !ok || a.gone(now) || report.ID != "" && a.ID != report.ID {
		return fmt.Errorf("add-on %s of cluster %s: %w", name, cluster, ErrStale)
	}
	changed := *a
	changed.Updates = slices.Clone(a.Updates)
	deleting := a.Change == addonDeleting
	switch report.Status {
	case "ACTIVE":
		changed.Found, changed.Issues = "", nil
	case "DEGRADED":
		changed.Found, changed.Issues = addonDegraded, report.Issues
	case "FAILED":
		changed.Issues = report.Issues
		changed.Found = map[addonStatus]addonStatus{addonCreating: "CREATE_FAILED", addonUpdating: "UPDATE_FAILED", addonDeleting: "DELETE_FAILED"}[a.Change]
	case "GONE":
		if !deleting {
			return fmt.Errorf("add-on %s of cluster %s is gone but was not to be deleted: report DEGRADED", name, cluster)
		}
	default:
		return fmt.Errorf("status %q of add-on %s: must be ACTIVE, DEGRADED, FAILED or GONE", report.Status, name)
	}
	if deleting && (report.Status == "ACTIVE" || report.Status == "DEGRADED") {
		return nil
	}
	if now.Before(changed.Settled) {
		changed.Settled = now
		for n := range changed.Updates {
			if now.Before(changed.Updates[n].Settled) {
				changed.Updates[n].Settled = now
			}
		}
	} else if changed.Found == a.Found && slices.EqualFunc(changed.Issues, a.Issues, func(x, y Issue) bool { return x.Code == y.Code && x.Message == y.Message }) {
		return nil
	}
	if err := s.putAddon(&changed); err != nil {
		return err
	}
	*a = changed
	return nil
}

// never is the end time of a state that only a report ends.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// settles is the end time of a change of an add-on that is requested now. The caller holds mu.
func (s *Service) settles(c *cluster, now time.Time) time.Time {
	if c.made != nil && s.options.Backed {
		return never
	}
	return now.Add(addonChange)
}
