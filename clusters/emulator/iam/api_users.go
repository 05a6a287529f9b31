package iam

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
)

type xmlUser struct {
	Path                string
	UserName            string
	UserID              string `xml:"UserId"`
	ARN                 string `xml:"Arn"`
	CreateDate          string
	PermissionsBoundary *xmlBoundary
	Tags                []xmlTag `xml:"Tags>member"`
}

func (e *entity) xmlUser(list bool) xmlUser {
	out := xmlUser{Path: e.path, UserName: e.name, UserID: e.id, ARN: e.arn, CreateDate: format(e.created)}
	if !list {
		out.PermissionsBoundary, out.Tags = e.xmlBoundary(), xmlTags(e.tags)
	}
	return out
}

type userResult struct{ User xmlUser }

func (s api) createUser(ctx context.Context, p query.Parameters) (any, error) {
	e := &entity{}
	var err error
	if e.name, err = p.Check("UserName", roleName); err != nil {
		return nil, err
	}
	if e.path, err = path(p); err != nil {
		return nil, err
	}
	var keys policy.Context
	if e.tags, keys, err = tags(p); err != nil {
		return nil, err
	}
	if e.boundary, err = boundary(p, keys, false); err != nil {
		return nil, err
	}
	if err := s.authorizeCreation(ctx, "User", s.arn("user", e.path, e.name), keys, e.tags); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkBoundary(e.boundary); err != nil {
		return nil, err
	}
	if len(s.users) >= usersPerAccount {
		return nil, limitExceeded("Cannot exceed quota for UsersPerAccount: %d", usersPerAccount)
	}
	if e, err = s.newEntity(e); err != nil {
		return nil, err
	}
	if err := s.save(e); err != nil {
		return nil, err
	}
	return userResult{e.xmlUser(false)}, nil
}

// ownName reads the parameter UserName. Without it the operation is for the caller itself, if the caller is a user.
func ownName(ctx context.Context, p query.Parameters) query.Parameters {
	caller := CallerFrom(ctx)
	if p.Has("UserName") || caller == nil || caller.Principal.Type != UserPrincipal {
		return p
	}
	own := query.Parameters{"UserName": {caller.Principal.UserName}}
	for name, values := range p {
		own[name] = values
	}
	return own
}

func (s api) getUser(ctx context.Context, p query.Parameters) (any, error) {
	var out userResult
	err := s.readEntity(ctx, user, ownName(ctx, p), "GetUser", func(e *entity) { out.User = e.xmlUser(false) })
	return out, err
}

func (s api) deleteUser(ctx context.Context, p query.Parameters) (any, error) {
	return nil, s.deleteEntity(ctx, user, p)
}

func (s api) listUsers(ctx context.Context, p query.Parameters) (any, error) {
	prefix, err := pathPrefix(p)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, "ListUsers", s.arn("user", prefix, ""), nil); err != nil {
		return nil, err
	}
	s.mu.RLock()
	var users []xmlUser
	for _, e := range s.users {
		if strings.HasPrefix(e.path, prefix) {
			users = append(users, e.xmlUser(true))
		}
	}
	s.mu.RUnlock()
	users, cut, err := paginate(p, users, func(u xmlUser) string { return u.UserName })
	return struct {
		Users []xmlUser `xml:"Users>member"`
		page
	}{users, cut}, err
}

type xmlKey struct {
	UserName        string
	AccessKeyID     string `xml:"AccessKeyId"`
	Status          string
	SecretAccessKey string `xml:",omitempty"`
	CreateDate      string
}

func (s api) createAccessKey(ctx context.Context, p query.Parameters) (any, error) {
	var out struct{ AccessKey xmlKey }
	err := s.change(ctx, user, ownName(ctx, p), "CreateAccessKey", nil, func(e *entity) error {
		if len(e.keys) >= keysPerUser {
			return limitExceeded("Cannot exceed quota for AccessKeysPerUser: %d", keysPerUser)
		}
		id, err := s.randomText("AKIA", 16)
		if err != nil {
			return err
		}
		secret, err := s.secret()
		if err != nil {
			return err
		}
		key := accessKey{id: id, secret: secret, created: s.timestamp(), active: true}
		e.keys = append(e.keys, key)
		out.AccessKey = key.xml(e.name)
		out.AccessKey.SecretAccessKey = secret
		return nil
	})
	return out, err
}

func (k *accessKey) xml(user string) xmlKey {
	status := statusInactive
	if k.active {
		status = statusActive
	}
	return xmlKey{UserName: user, AccessKeyID: k.id, Status: status, CreateDate: format(k.created)}
}

const (
	statusActive   = "Active"
	statusInactive = "Inactive"
)

// changeKey runs write on the access key that the parameters name, and on its user.
func (s api) changeKey(ctx context.Context, p query.Parameters, action string, write func(e *entity, index int) error) error {
	id, err := p.Check("AccessKeyId", query.Rule{Min: 16, Max: 128, Pattern: namePattern})
	if err != nil {
		return err
	}
	return s.change(ctx, user, ownName(ctx, p), action, nil, func(e *entity) error {
		index := slices.Index(e.keyIDs(), id)
		if index < 0 {
			return notFound("The Access Key with id %s cannot be found.", id)
		}
		return write(e, index)
	})
}

func (s api) deleteAccessKey(ctx context.Context, p query.Parameters) (any, error) {
	var id string
	err := s.changeKey(ctx, p, "DeleteAccessKey", func(e *entity, index int) error {
		id = e.keys[index].id
		e.keys = slices.Delete(e.keys, index, index+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
	return nil, nil
}

func (s api) updateAccessKey(ctx context.Context, p query.Parameters) (any, error) {
	status := p.Get("Status")
	if status != statusActive && status != statusInactive {
		return nil, query.Errorf("ValidationError", http.StatusBadRequest, "1 validation error detected: Value '%s' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]", status)
	}
	return nil, s.changeKey(ctx, p, "UpdateAccessKey", func(e *entity, index int) error {
		e.keys[index].active = status == statusActive
		return nil
	})
}

func (s api) listAccessKeys(ctx context.Context, p query.Parameters) (any, error) {
	var keys []xmlKey
	err := s.readEntity(ctx, user, ownName(ctx, p), "ListAccessKeys", func(e *entity) {
		for i := range e.keys {
			keys = append(keys, e.keys[i].xml(e.name))
		}
	})
	if err != nil {
		return nil, err
	}
	keys, cut, err := paginate(p, keys, func(k xmlKey) string { return k.AccessKeyID })
	return struct {
		AccessKeyMetadata []xmlKey `xml:"AccessKeyMetadata>member"`
		page
	}{keys, cut}, err
}

// listGroupsForUser returns no groups. Clients ask for them before they delete a user.
func (s api) listGroupsForUser(ctx context.Context, p query.Parameters) (any, error) {
	out := struct {
		Groups struct{}
		page
	}{}
	return out, s.readEntity(ctx, user, p, "ListGroupsForUser", func(*entity) {})
}
