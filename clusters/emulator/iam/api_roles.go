package iam

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
)

type xmlBoundary struct {
	Type string `xml:"PermissionsBoundaryType"`
	ARN  string `xml:"PermissionsBoundaryArn"`
}

type xmlRole struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	ARN                      string `xml:"Arn"`
	CreateDate               string
	AssumeRolePolicyDocument string
	Description              string `xml:",omitempty"`
	MaxSessionDuration       int
	PermissionsBoundary      *xmlBoundary
	Tags                     []xmlTag `xml:"Tags>member"`
}

// xmlRole has the trust policy URL-encoded, "compliant with RFC 3986" (GetRole). Lists leave out the boundary and the tags
// (ListRoles).
func (s api) xmlRole(e *entity, list bool) xmlRole {
	out := xmlRole{
		Path: e.path, RoleName: e.name, RoleID: e.id, ARN: e.arn, CreateDate: format(e.created),
		AssumeRolePolicyDocument: encodeDocument(s.Shown(e.trust.parsed)), Description: e.description,
		MaxSessionDuration: int(e.maxSession.Seconds()),
	}
	if !list {
		out.PermissionsBoundary, out.Tags = e.xmlBoundary(), xmlTags(e.tags)
	}
	return out
}

func (e *entity) xmlBoundary() *xmlBoundary {
	if e.boundary == "" {
		return nil
	}
	return &xmlBoundary{"Policy", e.boundary}
}

func encodeDocument(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

type roleResult struct{ Role xmlRole }

func (s api) createRole(ctx context.Context, p query.Parameters) (any, error) {
	e := &entity{role: true, maxSession: defaultMaxSession}
	var err error
	if e.name, err = p.Check("RoleName", roleName); err != nil {
		return nil, err
	}
	if e.path, err = path(p); err != nil {
		return nil, err
	}
	if e.description, err = p.Check("Description", anyText); err != nil {
		return nil, err
	}
	if err := setMaxSession(e, p); err != nil {
		return nil, err
	}
	trust, err := parseTrust(p, "AssumeRolePolicyDocument")
	if err != nil {
		return nil, err
	}
	e.trust = trust
	var keys policy.Context
	if e.tags, keys, err = tags(p); err != nil {
		return nil, err
	}
	if e.boundary, err = boundary(p, keys, false); err != nil {
		return nil, err
	}
	if err := s.authorizeCreation(ctx, "Role", s.arn("role", e.path, e.name), keys, e.tags); err != nil {
		return nil, err
	}
	if err := s.bindTrust(&e.trust); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkBoundary(e.boundary); err != nil {
		return nil, err
	}
	if len(s.roles) >= rolesPerAccount {
		return nil, limitExceeded("Cannot exceed quota for RolesPerAccount: %d", rolesPerAccount)
	}
	if e, err = s.newEntity(e); err != nil {
		return nil, err
	}
	if err := s.save(e); err != nil {
		return nil, err
	}
	return roleResult{s.xmlRole(e, false)}, nil
}

func parseTrust(p query.Parameters, parameter string) (document, error) {
	return parseDocument(p, parameter, trustDocument, trustPolicySize, "Cannot exceed quota for ACLSizePerRole: %d")
}

func setMaxSession(e *entity, p query.Parameters) error {
	seconds, err := p.Int("MaxSessionDuration", 3600, 43200, int(e.maxSession.Seconds()))
	e.maxSession = time.Duration(seconds) * time.Second
	return err
}

// boundary reads the parameter PermissionsBoundary.
func boundary(p query.Parameters, keys policy.Context, required bool) (string, error) {
	if !required && !p.Has("PermissionsBoundary") {
		return "", nil
	}
	arn, err := p.Check("PermissionsBoundary", policyARN)
	keys.Set("iam:PermissionsBoundary", arn)
	return arn, err
}

func (s api) checkBoundary(arn string) error {
	if arn != "" && s.policies[arn] == nil {
		return notAttachable(arn, "Scope ARN: %s does not exist or is not attachable.")
	}
	return nil
}

func (s api) getRole(ctx context.Context, p query.Parameters) (any, error) {
	var out roleResult
	err := s.readEntity(ctx, role, p, "GetRole", func(e *entity) { out.Role = s.xmlRole(e, false) })
	return out, err
}

// readEntity authorises an operation on a role or user and runs read under the lock.
func (s api) readEntity(ctx context.Context, k kind, p query.Parameters, action string, read func(*entity)) error {
	name, err := p.Check(k.parameter(), roleName)
	if err != nil {
		return err
	}
	if err := s.authorizeOn(ctx, k, name, action, nil); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, err := s.find(k, name)
	if err != nil {
		return err
	}
	read(e)
	return nil
}

// change authorises an operation on a role or user and saves the result of write.
func (s api) change(ctx context.Context, k kind, p query.Parameters, action string, keys policy.Context, write func(*entity) error) error {
	name, err := p.Check(k.parameter(), roleName)
	if err != nil {
		return err
	}
	if err := s.authorizeOn(ctx, k, name, action, keys); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.find(k, name)
	if err != nil {
		return err
	}
	e = e.clone()
	if err := write(e); err != nil {
		return err
	}
	return s.save(e)
}

func (s api) deleteRole(ctx context.Context, p query.Parameters) (any, error) {
	return nil, s.deleteEntity(ctx, role, p)
}

// deleteEntity deletes a role or user that has no policies, keys or other parts left.
func (s api) deleteEntity(ctx context.Context, k kind, p query.Parameters) error {
	name, err := p.Check(k.parameter(), roleName)
	if err != nil {
		return err
	}
	if err := s.authorizeOn(ctx, k, name, "Delete"+title(k.word), nil); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.find(k, name)
	if err != nil {
		return err
	}
	switch {
	case len(e.attached) > 0:
		return deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(e.inline) > 0:
		return deleteConflict("Cannot delete entity, must delete policies first.")
	case len(e.keys) > 0:
		return deleteConflict("Cannot delete entity, must delete access keys first.")
	case e.role && len(s.profilesWith(e.name)) > 0:
		return deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	return s.remove(e)
}

func (s api) listRoles(ctx context.Context, p query.Parameters) (any, error) {
	prefix, err := pathPrefix(p)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, "ListRoles", s.arn("role", prefix, ""), nil); err != nil {
		return nil, err
	}
	s.mu.RLock()
	var roles []xmlRole
	for _, e := range s.roles {
		if strings.HasPrefix(e.path, prefix) {
			roles = append(roles, s.xmlRole(e, true))
		}
	}
	s.mu.RUnlock()
	roles, cut, err := paginate(p, roles, func(r xmlRole) string { return r.RoleName })
	return struct {
		Roles []xmlRole `xml:"Roles>member"`
		page
	}{roles, cut}, err
}

// pathPrefix reads the parameter PathPrefix; "/" if it is absent.
func pathPrefix(p query.Parameters) (string, error) {
	if !p.Has("PathPrefix") {
		return "/", nil
	}
	prefix := p.Get("PathPrefix")
	if !strings.HasPrefix(prefix, "/") || len(prefix) > 512 {
		return "", query.Errorf("ValidationError", 400, "The specified value for pathPrefix is invalid. It must begin with / and contain only alphanumeric characters and/or / characters.")
	}
	return prefix, nil
}

func (s api) updateAssumeRolePolicy(ctx context.Context, p query.Parameters) (any, error) {
	trust, err := parseTrust(p, "PolicyDocument")
	if err != nil {
		return nil, err
	}
	name, err := p.Check("RoleName", roleName)
	if err != nil {
		return nil, err
	}
	// A caller without permission to change the role does not learn which principals exist.
	if err := s.authorizeOn(ctx, role, name, "UpdateAssumeRolePolicy", nil); err != nil {
		return nil, err
	}
	if err := s.bindTrust(&trust); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, role, p, "UpdateAssumeRolePolicy", nil, func(e *entity) error {
		e.trust = trust
		return nil
	})
}

func (s api) updateRole(ctx context.Context, p query.Parameters) (any, error) {
	description, err := p.Check("Description", anyText)
	if err != nil {
		return nil, err
	}
	probe := &entity{maxSession: defaultMaxSession}
	if err := setMaxSession(probe, p); err != nil {
		return nil, err
	}
	return struct{}{}, s.change(ctx, role, p, "UpdateRole", nil, func(e *entity) error {
		if p.Has("Description") {
			e.description = description
		}
		// "If you do not specify a value for this setting, the default value of one hour is applied."
		e.maxSession = probe.maxSession
		return nil
	})
}

func (s api) updateRoleDescription(ctx context.Context, p query.Parameters) (any, error) {
	description, err := p.Check("Description", anyText)
	if err != nil {
		return nil, err
	}
	var out roleResult
	err = s.change(ctx, role, p, "UpdateRoleDescription", nil, func(e *entity) error {
		e.description = description
		out.Role = s.xmlRole(e, false)
		return nil
	})
	return out, err
}
