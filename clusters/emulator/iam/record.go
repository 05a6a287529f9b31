package iam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// Records are kept under ACCOUNT/KIND/ID. The key of the session tokens is under sealKey.
const (
	entityRecords   = "entity"
	policyRecords   = "policy"
	profileRecords  = "profile"
	providerRecords = "provider"
	sealKey         = "session key"
)

type entityRecord struct {
	Role        bool              `json:"role,omitempty"`
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	Created     time.Time         `json:"created"`
	Tags        map[string]string `json:"tags,omitempty"`
	Inline      map[string]string `json:"inline,omitempty"`
	Attached    []string          `json:"attached,omitempty"`
	Boundary    string            `json:"boundary,omitempty"`
	MaxSession  time.Duration     `json:"maxSession,omitempty"`
	Trust       string            `json:"trust,omitempty"`
	// TrustIDs are the unique IDs that the ARNs in Trust are tied to.
	TrustIDs map[string]string `json:"trustIDs,omitempty"`
	Keys     []keyRecord       `json:"keys,omitempty"`
}

type keyRecord struct {
	ID      string    `json:"id"`
	Secret  string    `json:"secret"`
	Created time.Time `json:"created"`
	Active  bool      `json:"active"`
}

type policyRecord struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	Tags        map[string]string `json:"tags,omitempty"`
	Default     int               `json:"default"`
	Last        int               `json:"last"`
	Versions    []versionRecord   `json:"versions"`
}

type versionRecord struct {
	Number   int       `json:"number"`
	Created  time.Time `json:"created"`
	Document string    `json:"document"`
}

func (a *account) key(kind, id string) string { return a.id + "/" + kind + "/" + id }

func (a *account) put(kind, id string, record any) error {
	value, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", kind, id, err)
	}
	return a.table.Put(a.key(kind, id), value)
}

// save keeps a new or changed entity and makes it visible to others. The caller holds mu.
func (a *account) save(e *entity) error {
	record := entityRecord{
		Role: e.role, Name: e.name, Path: e.path, ID: e.id, Description: e.description, Created: e.created, Tags: e.tags,
		Inline: make(map[string]string, len(e.inline)), Attached: e.attached, Boundary: e.boundary, MaxSession: e.maxSession,
		Trust: e.trust.text, TrustIDs: e.trust.bound,
	}
	for name, document := range e.inline {
		record.Inline[name] = document.text
	}
	for _, key := range e.keys {
		record.Keys = append(record.Keys, keyRecord{key.id, key.secret, key.created, key.active})
	}
	if err := a.put(entityRecords, e.id, record); err != nil {
		return err
	}
	a.refresh(e)
	a.add(e)
	return nil
}

// remove deletes an entity. The caller holds mu.
func (a *account) remove(e *entity) error {
	if err := a.table.Delete(a.key(entityRecords, e.id)); err != nil {
		return err
	}
	delete(a.byName(e.kind()), strings.ToLower(e.name))
	delete(a.entities, e.id)
	a.named.Delete(e.id)
	return nil
}

// savePolicy keeps a new or changed policy for all its users. The caller holds mu.
func (a *account) savePolicy(m *managedPolicy) error {
	record := policyRecord{
		Name: m.name, Path: m.path, ID: m.id, Description: m.description, Created: m.created, Updated: m.updated,
		Tags: m.tags, Default: m.defaultVersion, Last: m.lastVersion,
	}
	for _, v := range m.versions {
		record.Versions = append(record.Versions, versionRecord{v.number, v.created, v.text})
	}
	if err := a.put(policyRecords, m.arn, record); err != nil {
		return err
	}
	a.policies[m.arn] = m
	for _, e := range a.entities {
		if e.boundary == m.arn || slices.Contains(e.attached, m.arn) {
			e = e.clone()
			a.refresh(e)
			a.add(e)
		}
	}
	return nil
}

func (a *account) removePolicy(m *managedPolicy) error {
	if err := a.table.Delete(a.key(policyRecords, m.arn)); err != nil {
		return err
	}
	delete(a.policies, m.arn)
	return nil
}

// load reads the records of the table. Records of accounts that are not among the options are kept and not used.
func (a *Accounts) load() error {
	var seal []byte
	err := a.table.Each(func(key string, value []byte) error {
		if key == sealKey {
			seal = value
			return nil
		}
		id, rest, _ := strings.Cut(key, "/")
		kind, _, _ := strings.Cut(rest, "/")
		member := a.byID[id]
		if member == nil {
			return nil
		}
		if err := member.read(kind, value); err != nil {
			return fmt.Errorf("read record %s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, member := range a.byID {
		for _, e := range member.entities {
			e.views = []view{member.viewOf(e, time.Time{})}
		}
	}
	return a.openSeal(seal)
}

func (a *account) read(kind string, value []byte) error {
	switch kind {
	case entityRecords:
		return a.readEntityRecord(value)
	case policyRecords:
		return a.readPolicyRecord(value)
	case profileRecords:
		var profile instanceProfile
		if err := json.Unmarshal(value, &profile); err != nil {
			return err
		}
		a.profiles[strings.ToLower(profile.Name)] = &profile
	case providerRecords:
		var provider oidcProvider
		if err := json.Unmarshal(value, &provider); err != nil {
			return err
		}
		a.providers[provider.ARN] = &provider
	default:
		return fmt.Errorf("unknown kind %q", kind)
	}
	return nil
}

func (a *account) readEntityRecord(value []byte) error {
	var record entityRecord
	if err := json.Unmarshal(value, &record); err != nil {
		return err
	}
	e := &entity{
		role: record.Role, name: record.Name, path: record.Path, id: record.ID, description: record.Description, created: record.Created,
		tags: record.Tags, inline: make(map[string]document, len(record.Inline)), attached: record.Attached, boundary: record.Boundary,
		maxSession: record.MaxSession,
	}
	e.arn = a.arn(e.kind().word, e.path, e.name)
	for name, text := range record.Inline {
		parsed, err := policy.Parse([]byte(text))
		if err != nil {
			return err
		}
		e.inline[name] = document{text: text, parsed: parsed}
	}
	if record.Trust != "" {
		parsed, err := policy.Parse([]byte(record.Trust))
		if err != nil {
			return err
		}
		parsed.Bind(func(arn string) string { return record.TrustIDs[arn] })
		e.trust = document{record.Trust, parsed, record.TrustIDs}
	}
	for _, key := range record.Keys {
		e.keys = append(e.keys, accessKey{id: key.ID, secret: key.Secret, created: key.Created, active: key.Active})
	}
	a.add(e)
	return nil
}

func (a *account) readPolicyRecord(value []byte) error {
	var record policyRecord
	if err := json.Unmarshal(value, &record); err != nil {
		return err
	}
	m := &managedPolicy{
		name: record.Name, path: record.Path, arn: a.arn("policy", record.Path, record.Name), id: record.ID, description: record.Description,
		created: record.Created, updated: record.Updated, tags: record.Tags, defaultVersion: record.Default, lastVersion: record.Last,
	}
	for _, v := range record.Versions {
		parsed, err := policy.Parse([]byte(v.Document))
		if err != nil {
			return err
		}
		m.versions = append(m.versions, policyVersion{v.Number, v.Created, document{text: v.Document, parsed: parsed}})
	}
	if m.current() == nil {
		return fmt.Errorf("policy %s has no default version", m.arn)
	}
	a.policies[m.arn] = m
	return nil
}
