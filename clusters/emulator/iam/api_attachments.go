package iam

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
)

// The operations below are the same for roles and users. Each function makes the operation for one kind.

func (s api) attach(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		arn, keys, err := attachment(p)
		if err != nil {
			return nil, err
		}
		return nil, s.change(ctx, k, p, "Attach"+title(k.word)+"Policy", keys, func(e *entity) error {
			if s.policies[arn] == nil {
				return notAttachable(arn, "Policy %s does not exist or is not attachable.")
			}
			if slices.Contains(e.attached, arn) {
				return nil
			}
			if len(e.attached) >= attachedPolicies {
				return limitExceeded("Cannot exceed quota for PoliciesPer%s: %d", title(k.word), attachedPolicies)
			}
			e.attached = append(slices.Clone(e.attached), arn)
			return nil
		})
	}
}

func attachment(p query.Parameters) (string, policy.Context, error) {
	arn, err := p.Check("PolicyArn", policyARN)
	keys := policy.Context{}
	keys.Set("iam:PolicyARN", arn)
	return arn, keys, err
}

func (s api) detach(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		arn, keys, err := attachment(p)
		if err != nil {
			return nil, err
		}
		return nil, s.change(ctx, k, p, "Detach"+title(k.word)+"Policy", keys, func(e *entity) error {
			if !slices.Contains(e.attached, arn) {
				return notFound("Policy %s was not found.", arn)
			}
			e.attached = slices.DeleteFunc(slices.Clone(e.attached), func(other string) bool { return other == arn })
			return nil
		})
	}
}

type xmlAttached struct {
	PolicyName string
	PolicyARN  string `xml:"PolicyArn"`
}

func (s api) listAttached(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		var list []xmlAttached
		err := s.readEntity(ctx, k, p, "ListAttached"+title(k.word)+"Policies", func(e *entity) {
			for _, arn := range e.attached {
				list = append(list, xmlAttached{arn[strings.LastIndexByte(arn, '/')+1:], arn})
			}
		})
		if err != nil {
			return nil, err
		}
		list, cut, err := paginate(p, list, func(x xmlAttached) string { return x.PolicyARN })
		return struct {
			AttachedPolicies []xmlAttached `xml:"AttachedPolicies>member"`
			page
		}{list, cut}, err
	}
}

func (s api) putInline(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		name, err := p.Check("PolicyName", policyName)
		if err != nil {
			return nil, err
		}
		text, err := parseDocument(p, "PolicyDocument", identityDocument, k.inlineSize,
			"Maximum policy size of %d bytes exceeded for "+k.word+" "+strings.ReplaceAll(p.Get(k.parameter()), "%", "%%"))
		if err != nil {
			return nil, err
		}
		return nil, s.change(ctx, k, p, "Put"+title(k.word)+"Policy", nil, func(e *entity) error {
			size := sizeWithoutSpace(text.text)
			for other, document := range e.inline {
				if other != name {
					size += sizeWithoutSpace(document.text)
				}
			}
			if size > k.inlineSize {
				return limitExceeded("Maximum policy size of %d bytes exceeded for %s %s", k.inlineSize, k.word, e.name)
			}
			e.inline[name] = text
			return nil
		})
	}
}

func (s api) getInline(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		name, err := p.Check("PolicyName", policyName)
		if err != nil {
			return nil, err
		}
		var owner, text string
		found := false
		err = s.readEntity(ctx, k, p, "Get"+title(k.word)+"Policy", func(e *entity) {
			var document document
			document, found = e.inline[name]
			owner, text = e.name, document.text
		})
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, noInline(k, name)
		}
		type body struct {
			RoleName       string `xml:",omitempty"`
			UserName       string `xml:",omitempty"`
			PolicyName     string
			PolicyDocument string
		}
		out := body{PolicyName: name, PolicyDocument: encodeDocument(text)}
		if k == role {
			out.RoleName = owner
		} else {
			out.UserName = owner
		}
		return out, nil
	}
}

func noInline(k kind, name string) error {
	return notFound("The %s policy with name %s cannot be found.", k.word, name)
}

func (s api) deleteInline(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		name, err := p.Check("PolicyName", policyName)
		if err != nil {
			return nil, err
		}
		return nil, s.change(ctx, k, p, "Delete"+title(k.word)+"Policy", nil, func(e *entity) error {
			if _, found := e.inline[name]; !found {
				return noInline(k, name)
			}
			delete(e.inline, name)
			return nil
		})
	}
}

func (s api) listInline(k kind) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		var names []string
		err := s.readEntity(ctx, k, p, "List"+title(k.word)+"Policies", func(e *entity) { names = slices.Collect(maps.Keys(e.inline)) })
		if err != nil {
			return nil, err
		}
		names, cut, err := paginate(p, names, func(name string) string { return name })
		return struct {
			PolicyNames []string `xml:"PolicyNames>member"`
			page
		}{names, cut}, err
	}
}
