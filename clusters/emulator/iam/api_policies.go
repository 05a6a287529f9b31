package iam

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
)

type xmlPolicy struct {
	PolicyName                    string
	PolicyID                      string `xml:"PolicyId"`
	ARN                           string `xml:"Arn"`
	Path                          string
	DefaultVersionID              string `xml:"DefaultVersionId"`
	AttachmentCount               int
	PermissionsBoundaryUsageCount int
	IsAttachable                  bool
	Description                   string `xml:",omitempty"`
	CreateDate                    string
	UpdateDate                    string
	Tags                          []xmlTag `xml:"Tags>member"`
}

// xmlPolicy counts the policy's uses under the lock that the caller holds.
func (s api) xmlPolicy(p *managedPolicy, list bool) xmlPolicy {
	attachments, boundaries := s.uses(p.arn)
	out := xmlPolicy{
		PolicyName: p.name, PolicyID: p.id, ARN: p.arn, Path: p.path, DefaultVersionID: versionID(p.defaultVersion),
		AttachmentCount: attachments, PermissionsBoundaryUsageCount: boundaries, IsAttachable: true,
		CreateDate: format(p.created), UpdateDate: format(p.updated),
	}
	if !list {
		out.Description, out.Tags = p.description, xmlTags(p.tags)
	}
	return out
}

func (s api) uses(arn string) (attachments, boundaries int) {
	for _, e := range s.entities {
		if slices.Contains(e.attached, arn) {
			attachments++
		}
		if e.boundary == arn {
			boundaries++
		}
	}
	return attachments, boundaries
}

func versionID(number int) string { return "v" + strconv.Itoa(number) }

type xmlVersion struct {
	Document         string `xml:",omitempty"`
	VersionID        string `xml:"VersionId"`
	IsDefaultVersion bool
	CreateDate       string
}

func (p *managedPolicy) xmlVersion(v *policyVersion, withDocument bool) xmlVersion {
	out := xmlVersion{VersionID: versionID(v.number), IsDefaultVersion: v.number == p.defaultVersion, CreateDate: format(v.created)}
	if withDocument {
		out.Document = encodeDocument(v.text)
	}
	return out
}

type policyResult struct{ Policy xmlPolicy }

func parseManaged(p query.Parameters) (document, error) {
	return parseDocument(p, "PolicyDocument", identityDocument, managedPolicySize, "Cannot exceed quota for PolicySize: %d")
}

func (s api) createPolicy(ctx context.Context, p query.Parameters) (any, error) {
	m := &managedPolicy{defaultVersion: 1, lastVersion: 1}
	var err error
	if m.name, err = p.Check("PolicyName", policyName); err != nil {
		return nil, err
	}
	if m.path, err = path(p); err != nil {
		return nil, err
	}
	if m.description, err = p.Check("Description", anyText); err != nil {
		return nil, err
	}
	text, err := parseManaged(p)
	if err != nil {
		return nil, err
	}
	var keys policy.Context
	if m.tags, keys, err = tags(p); err != nil {
		return nil, err
	}
	m.arn = s.arn("policy", m.path, m.name)
	if err := s.authorizeCreation(ctx, "Policy", m.arn, keys, m.tags); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for _, other := range s.policies {
		if other.aws {
			continue
		}
		own++
		// The name is unique in the account, under any path.
		if strings.EqualFold(other.name, m.name) {
			return nil, conflict("A policy called %s already exists. Duplicate names are not allowed.", m.name)
		}
	}
	if own >= policiesPerAccount {
		return nil, limitExceeded("Cannot exceed quota for PoliciesPerAccount: %d", policiesPerAccount)
	}
	if m.id, err = s.uniqueID("ANPA"); err != nil {
		return nil, err
	}
	m.created = s.timestamp()
	m.updated = m.created
	m.versions = []policyVersion{{number: 1, created: m.created, document: text}}
	if err := s.savePolicy(m); err != nil {
		return nil, err
	}
	return policyResult{s.xmlPolicy(m, false)}, nil
}

// onPolicy authorises an operation on a managed policy and runs do under the lock. AWS's own policies are read-only.
func (s api) onPolicy(ctx context.Context, p query.Parameters, action string, keys policy.Context, write bool, do func(*managedPolicy) error) error {
	arn, err := p.Check("PolicyArn", policyARN)
	if err != nil {
		return err
	}
	if keys == nil {
		keys = policy.Context{}
	}
	s.mu.RLock()
	if m := s.policies[arn]; m != nil {
		setTags(keys, "aws:ResourceTag/", m.tags)
		setTags(keys, "iam:ResourceTag/", m.tags)
	}
	s.mu.RUnlock()
	if err := s.authorize(ctx, action, arn, keys); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.findPolicy(arn)
	if err != nil {
		return err
	}
	if write && m.aws {
		return query.Errorf("AccessDenied", http.StatusForbidden, "Policy is outside your own account.")
	}
	return do(m)
}

// readPolicy runs read on a managed policy. changePolicy saves the result of write.
func (s api) readPolicy(ctx context.Context, p query.Parameters, action string, read func(*managedPolicy) error) error {
	return s.onPolicy(ctx, p, action, nil, false, read)
}

func (s api) changePolicy(ctx context.Context, p query.Parameters, action string, keys policy.Context, write func(*managedPolicy) error) error {
	return s.onPolicy(ctx, p, action, keys, true, func(m *managedPolicy) error {
		m = m.clone()
		if err := write(m); err != nil {
			return err
		}
		return s.savePolicy(m)
	})
}

func (s api) findPolicy(arn string) (*managedPolicy, error) {
	if m := s.policies[arn]; m != nil {
		return m, nil
	}
	return nil, notAttachable(arn, "Policy %s was not found.")
}

func (s api) getPolicy(ctx context.Context, p query.Parameters) (any, error) {
	var out policyResult
	err := s.readPolicy(ctx, p, "GetPolicy", func(m *managedPolicy) error {
		out.Policy = s.xmlPolicy(m, false)
		return nil
	})
	return out, err
}

func (s api) deletePolicy(ctx context.Context, p query.Parameters) (any, error) {
	return nil, s.onPolicy(ctx, p, "DeletePolicy", nil, true, func(m *managedPolicy) error {
		if attachments, boundaries := s.uses(m.arn); attachments+boundaries > 0 {
			return deleteConflict("Cannot delete a policy attached to entities.")
		}
		if len(m.versions) > 1 {
			return deleteConflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return s.removePolicy(m)
	})
}

func (s api) listPolicies(ctx context.Context, p query.Parameters) (any, error) {
	prefix, err := pathPrefix(p)
	if err != nil {
		return nil, err
	}
	scope := p.Get("Scope")
	if !slices.Contains([]string{"", "All", "AWS", "Local"}, scope) {
		return nil, query.Errorf("ValidationError", http.StatusBadRequest, "1 validation error detected: Value '%s' at 'scope' failed to satisfy constraint: Member must satisfy enum value set: [All, AWS, Local]", scope)
	}
	if err := s.authorize(ctx, "ListPolicies", "*", nil); err != nil {
		return nil, err
	}
	s.mu.RLock()
	var policies []xmlPolicy
	for _, m := range s.policies {
		out := s.xmlPolicy(m, true)
		if (scope == "AWS" && !m.aws) || (scope == "Local" && m.aws) || !strings.HasPrefix(m.path, prefix) ||
			(p.Get("OnlyAttached") == "true" && out.AttachmentCount == 0) {
			continue
		}
		policies = append(policies, out)
	}
	s.mu.RUnlock()
	policies, cut, err := paginate(p, policies, func(x xmlPolicy) string { return x.PolicyName + " " + x.ARN })
	return struct {
		Policies []xmlPolicy `xml:"Policies>member"`
		page
	}{policies, cut}, err
}

type versionResult struct{ PolicyVersion xmlVersion }

func (s api) createPolicyVersion(ctx context.Context, p query.Parameters) (any, error) {
	text, err := parseManaged(p)
	if err != nil {
		return nil, err
	}
	var out versionResult
	err = s.changePolicy(ctx, p, "CreatePolicyVersion", nil, func(m *managedPolicy) error {
		if len(m.versions) >= versionsPerPolicy {
			return limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", versionsPerPolicy)
		}
		m.lastVersion++
		m.updated = s.timestamp()
		m.versions = append(m.versions, policyVersion{number: m.lastVersion, created: m.updated, document: text})
		if p.Get("SetAsDefault") == "true" {
			m.defaultVersion = m.lastVersion
		}
		out.PolicyVersion = m.xmlVersion(m.version(m.lastVersion), false)
		return nil
	})
	return out, err
}

// versionPattern accepts the numbers that strconv can read.
var versionPattern = regexp.MustCompile(`^v[1-9][0-9]{0,8}$`)

// onVersion finds the version that the parameter VersionId names.
func (s api) onVersion(ctx context.Context, p query.Parameters, action string, write bool, do func(*managedPolicy, *policyVersion) error) error {
	id, err := p.Check("VersionId", query.Rule{Min: 1, Max: 64, Pattern: versionPattern})
	if err != nil {
		return err
	}
	run := s.readPolicy
	if write {
		run = func(ctx context.Context, p query.Parameters, action string, do func(*managedPolicy) error) error {
			return s.changePolicy(ctx, p, action, nil, do)
		}
	}
	return run(ctx, p, action, func(m *managedPolicy) error {
		number, err := strconv.Atoi(id[1:])
		if v := m.version(number); err == nil && v != nil {
			return do(m, v)
		}
		return notFound("Policy %s version %s does not exist or is not attachable.", m.arn, id)
	})
}

func (s api) getPolicyVersion(ctx context.Context, p query.Parameters) (any, error) {
	var out versionResult
	err := s.onVersion(ctx, p, "GetPolicyVersion", false, func(m *managedPolicy, v *policyVersion) error {
		out.PolicyVersion = m.xmlVersion(v, true)
		return nil
	})
	return out, err
}

func (s api) deletePolicyVersion(ctx context.Context, p query.Parameters) (any, error) {
	return nil, s.onVersion(ctx, p, "DeletePolicyVersion", true, func(m *managedPolicy, v *policyVersion) error {
		if v.number == m.defaultVersion {
			return deleteConflict("Cannot delete the default version of a policy.")
		}
		number := v.number
		m.versions = slices.DeleteFunc(m.versions, func(v policyVersion) bool { return v.number == number })
		return nil
	})
}

func (s api) setDefaultPolicyVersion(ctx context.Context, p query.Parameters) (any, error) {
	return nil, s.onVersion(ctx, p, "SetDefaultPolicyVersion", true, func(m *managedPolicy, v *policyVersion) error {
		m.defaultVersion, m.updated = v.number, s.timestamp()
		return nil
	})
}

func (s api) listPolicyVersions(ctx context.Context, p query.Parameters) (any, error) {
	var versions []xmlVersion
	err := s.readPolicy(ctx, p, "ListPolicyVersions", func(m *managedPolicy) error {
		for i := range m.versions {
			versions = append(versions, m.xmlVersion(&m.versions[i], false))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	versions, cut, err := paginate(p, versions, func(v xmlVersion) string { return v.VersionID })
	return struct {
		Versions []xmlVersion `xml:"Versions>member"`
		page
	}{versions, cut}, err
}
