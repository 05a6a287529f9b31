package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
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
	if err := s.authorize(ctx, "CreateUser", s.arn("user", e.path, e.name), keys); err != nil {
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
	if e, err = s.addEntity(e); err != nil {
		return nil, err
	}
	return userResult{e.xmlUser(false)}, nil
}

// ownName is the parameter UserName; without it the caller means itself, if it is a user.
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
	return nil, s.change(ctx, user, p, "DeleteUser", nil, func(e *entity) error {
		switch {
		case len(e.attached) > 0:
			return deleteConflict("Cannot delete entity, must detach all policies first.")
		case len(e.inline) > 0:
			return deleteConflict("Cannot delete entity, must delete policies first.")
		case len(e.keys) > 0:
			return deleteConflict("Cannot delete entity, must delete access keys first.")
		}
		delete(s.users, strings.ToLower(e.name))
		delete(s.entities, e.id)
		return nil
	})
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
		secret, err := s.secret(30)
		if err != nil {
			return err
		}
		key := s.addKey(e, id, secret)
		out.AccessKey = xmlKey{e.name, id, "Active", secret, format(key.created)}
		return nil
	})
	return out, err
}

// addKey gives a user an access key under the lock that the caller holds.
func (a *Account) addKey(user *entity, id, secret string) *accessKey {
	key := &accessKey{Credentials: sigv4.Credentials{SecretAccessKey: secret}, owner: user.id, created: a.timestamp()}
	a.keys[id] = key
	user.keys = append(user.keys, id)
	return key
}

func (s api) deleteAccessKey(ctx context.Context, p query.Parameters) (any, error) {
	id, err := p.Check("AccessKeyId", query.Rule{Min: 16, Max: 128, Pattern: namePattern})
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, user, ownName(ctx, p), "DeleteAccessKey", nil, func(e *entity) error {
		if !slices.Contains(e.keys, id) {
			return notFound("The Access Key with id %s cannot be found.", id)
		}
		e.keys = slices.DeleteFunc(e.keys, func(other string) bool { return other == id })
		delete(s.keys, id)
		return nil
	})
}

func (s api) listAccessKeys(ctx context.Context, p query.Parameters) (any, error) {
	var keys []xmlKey
	err := s.readEntity(ctx, user, ownName(ctx, p), "ListAccessKeys", func(e *entity) {
		for _, id := range e.keys {
			keys = append(keys, xmlKey{UserName: e.name, AccessKeyID: id, Status: "Active", CreateDate: format(s.keys[id].created)})
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
