package iam

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
)

// Tags and boundaries are the same for roles and users.

// tagged returns a resource's tags with tags added.
func tagged(old, added map[string]string) (map[string]string, error) {
	merged := mergeTags(old, added)
	if len(merged) > maxTags {
		return nil, limitExceeded("The number of tags has reached the maximum limit.")
	}
	return merged, nil
}

// untagged returns a resource's tags without those of the keys.
func untagged(old map[string]string, keys []string) map[string]string {
	left := maps.Clone(old)
	maps.DeleteFunc(left, func(key, _ string) bool {
		return slices.ContainsFunc(keys, func(name string) bool { return strings.EqualFold(name, key) })
	})
	return left
}

// neededTags reads the parameter Tags of an operation that adds them.
func neededTags(p query.Parameters) (map[string]string, policy.Context, error) {
	added, keys, err := tags(p)
	if err == nil && len(added) == 0 {
		err = invalidInput("Tags must not be empty")
	}
	return added, keys, err
}

// tagKeys reads the parameter TagKeys.
func tagKeys(p query.Parameters) ([]string, policy.Context, error) {
	names := p.Strings("TagKeys", maxTags)
	if len(names) == 0 || len(names) > maxTags {
		return nil, nil, invalidInput("TagKeys must have 1 to %d members", maxTags)
	}
	keys := policy.Context{}
	keys.Set("aws:TagKeys", names...)
	return names, keys, nil
}

type tagsResult struct {
	Tags []xmlTag `xml:"Tags>member"`
	page
}

func listTags(p query.Parameters, tags map[string]string) (any, error) {
	list, cut, err := paginate(p, xmlTags(tags), func(t xmlTag) string { return t.Key })
	return tagsResult{list, cut}, err
}

func (s api) tagEntity(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		added, keys, err := neededTags(p)
		if err != nil {
			return nil, err
		}
		return nil, s.change(ctx, k, p, "Tag"+title(k.word), keys, func(e *entity) (err error) {
			e.tags, err = tagged(e.tags, added)
			return err
		})
	}
}

func (s api) untagEntity(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		names, keys, err := tagKeys(p)
		if err != nil {
			return nil, err
		}
		return nil, s.change(ctx, k, p, "Untag"+title(k.word), keys, func(e *entity) error {
			e.tags = untagged(e.tags, names)
			return nil
		})
	}
}

func (s api) listEntityTags(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		var found map[string]string
		if err := s.readEntity(ctx, k, p, "List"+title(k.word)+"Tags", func(e *entity) { found = e.tags }); err != nil {
			return nil, err
		}
		return listTags(p, found)
	}
}

func (s api) putBoundary(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		keys := policy.Context{}
		arn, err := boundary(p, keys, true)
		if err != nil {
			return nil, err
		}
		return nil, s.change(ctx, k, p, "Put"+title(k.word)+"PermissionsBoundary", keys, func(e *entity) error {
			if err := s.checkBoundary(arn); err != nil {
				return err
			}
			e.boundary = arn
			return nil
		})
	}
}

func (s api) deleteBoundary(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		return nil, s.change(ctx, k, p, "Delete"+title(k.word)+"PermissionsBoundary", nil, func(e *entity) error {
			if e.boundary == "" {
				return notFound("The %s with name %s has no permissions boundary.", k.word, e.name)
			}
			e.boundary = ""
			return nil
		})
	}
}

func (s api) tagPolicy(ctx context.Context, p query.Parameters) (any, error) {
	added, keys, err := neededTags(p)
	if err != nil {
		return nil, err
	}
	return nil, s.changePolicy(ctx, p, "TagPolicy", keys, func(m *managedPolicy) (err error) {
		m.tags, err = tagged(m.tags, added)
		return err
	})
}

func (s api) untagPolicy(ctx context.Context, p query.Parameters) (any, error) {
	names, keys, err := tagKeys(p)
	if err != nil {
		return nil, err
	}
	return nil, s.changePolicy(ctx, p, "UntagPolicy", keys, func(m *managedPolicy) error {
		m.tags = untagged(m.tags, names)
		return nil
	})
}

func (s api) listPolicyTags(ctx context.Context, p query.Parameters) (any, error) {
	var found map[string]string
	err := s.readPolicy(ctx, p, "ListPolicyTags", func(m *managedPolicy) error {
		found = m.tags
		return nil
	})
	if err != nil {
		return nil, err
	}
	return listTags(p, found)
}

type xmlPolicyRole struct {
	RoleName string
	RoleID   string `xml:"RoleId"`
}

type xmlPolicyUser struct {
	UserName string
	UserID   string `xml:"UserId"`
}

// listEntitiesForPolicy answers in one page, because the account's quotas bound its length.
func (s api) listEntitiesForPolicy(ctx context.Context, p query.Parameters) (any, error) {
	var out struct {
		PolicyGroups struct{}
		PolicyRoles  []xmlPolicyRole `xml:"PolicyRoles>member"`
		PolicyUsers  []xmlPolicyUser `xml:"PolicyUsers>member"`
		page
	}
	filter := p.Get("EntityFilter")
	if !slices.Contains([]string{"", "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"}, filter) {
		return nil, query.Errorf("ValidationError", http.StatusBadRequest, "1 validation error detected: Value '%s' at 'entityFilter' failed to satisfy constraint: Member must satisfy enum value set: [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]", filter)
	}
	err := s.readPolicy(ctx, p, "ListEntitiesForPolicy", func(m *managedPolicy) error {
		for _, id := range slices.Sorted(maps.Keys(s.entities)) {
			e := s.entities[id]
			switch {
			case !slices.Contains(e.attached, m.arn):
			case e.role && (filter == "" || filter == "Role"):
				out.PolicyRoles = append(out.PolicyRoles, xmlPolicyRole{e.name, e.id})
			case !e.role && (filter == "" || filter == "User"):
				out.PolicyUsers = append(out.PolicyUsers, xmlPolicyUser{e.name, e.id})
			}
		}
		return nil
	})
	return out, err
}
