package eks

import (
	"encoding/json"
	"time"
)

type addonRecord struct {
	Cluster       string              `json:"cluster"`
	Name          string              `json:"name"`
	ID            string              `json:"id"`
	Version       string              `json:"version"`
	Namespace     string              `json:"namespace"`
	Configuration string              `json:"configuration,omitempty"`
	RoleARN       string              `json:"roleArn,omitempty"`
	Tags          map[string]string   `json:"tags,omitempty"`
	Created       time.Time           `json:"created"`
	Modified      time.Time           `json:"modified"`
	Change        addonStatus         `json:"change"`
	Settled       time.Time           `json:"settled"`
	Updates       []addonUpdateRecord `json:"updates,omitempty"`
	Found         addonStatus         `json:"found,omitempty"`
	Issues        []Issue             `json:"issues,omitempty"`
	Token         string              `json:"token,omitempty"`
	Fingerprint   string              `json:"fingerprint,omitempty"`
}

type addonUpdateRecord struct {
	ID          string        `json:"id"`
	Created     time.Time     `json:"created"`
	Settled     time.Time     `json:"settled"`
	Params      []updateParam `json:"params"`
	Token       string        `json:"token,omitempty"`
	Fingerprint string        `json:"fingerprint,omitempty"`
}

// putAddon writes an add-on's record. The record of a deleted add-on stays until the name is used again. An add-on with a
// record is no longer a bundled one.
func (s *Service) putAddon(a *addon) error {
	a.bundled = false
	record := addonRecord{
		Cluster: a.Cluster, Name: a.Name, ID: a.ID, Version: a.Version, Namespace: a.Namespace, Configuration: a.Configuration,
		RoleARN: a.RoleARN, Tags: a.Tags, Created: a.Created, Modified: a.Modified, Change: a.Change, Settled: a.Settled,
		Found: a.Found, Issues: a.Issues, Token: a.Token, Fingerprint: a.Fingerprint,
	}
	for _, u := range a.Updates {
		record.Updates = append(record.Updates, addonUpdateRecord(u))
	}
	if err := s.put(recordKey(addonRecords, a.Cluster, a.Name), record); err != nil {
		return err
	}
	s.state.wantedChanged()
	return nil
}

func (s *Service) loadAddon(value []byte) error {
	var r addonRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	c, ok := s.state.clusters[r.Cluster]
	if !ok {
		return ErrNoCluster
	}
	a := &addon{
		Cluster: r.Cluster, Name: r.Name, ID: r.ID, Version: r.Version, Namespace: r.Namespace, Configuration: r.Configuration,
		RoleARN: r.RoleARN, Tags: r.Tags, Created: r.Created, Modified: r.Modified, Change: r.Change, Settled: r.Settled,
		Found: r.Found, Issues: r.Issues, Token: r.Token, Fingerprint: r.Fingerprint,
	}
	for _, u := range r.Updates {
		a.Updates = append(a.Updates, addonUpdate(u))
	}
	c.addons[a.Name] = a
	return nil
}

func (s *Service) tagAddon(a *addon, tags map[string]string) error {
	changed := *a
	changed.Tags = tags
	if err := s.putAddon(&changed); err != nil {
		return err
	}
	*a = changed
	return nil
}
