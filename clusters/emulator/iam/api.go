package iam

import (
	"context"
	_ "embed"
	"encoding/base64"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
)

const (
	version   = "2010-05-08"
	namespace = "https://iam.amazonaws.com/doc/2010-05-08/"
)

// Quotas (reference_iam-quotas). White space does not count for the sizes of policies.
const (
	rolesPerAccount    = 1000
	usersPerAccount    = 5000
	policiesPerAccount = 1500
	maxTags            = 50 // for each user, role and policy
	attachedPolicies   = 10
	versionsPerPolicy  = 5
	keysPerUser        = 2
	trustPolicySize    = 2048
	managedPolicySize  = 6144
	inlineSizeOfRole   = 10240
	inlineSizeOfUser   = 2048
)

var (
	namePattern = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathPattern = regexp.MustCompile(`^(/)$|^(/[!-\x7e]+/)$`)
	arnPattern  = regexp.MustCompile(`^arn:[!-\x7e]+$`)
	textPattern = regexp.MustCompile(`^[\t\n\r\x{20}-\x{7e}\x{a1}-\x{ff}]*$`)
	docPattern  = regexp.MustCompile(`^[\t\n\r\x{20}-\x{ff}]+$`)

	roleName   = query.Rule{Min: 1, Max: 64, Pattern: namePattern}
	policyName = query.Rule{Min: 1, Max: 128, Pattern: namePattern}
	policyARN  = query.Rule{Min: 20, Max: 2048, Pattern: arnPattern}
	anyText    = query.Rule{Max: 1000, Pattern: textPattern}
	policyText = query.Rule{Min: 1, Max: 131072, Pattern: docPattern}
)

// known are the names of all operations that IAM has.
//
//go:embed operations.txt
var known string

// api is the IAM Query API over an account.
type api struct{ *account }

func (a *account) handler() http.Handler {
	return &query.Service{Version: version, Namespace: namespace, Operations: api{a}.operations(), Known: strings.Fields(known)}
}

// Operations are the names of the operations that the handler serves, sorted.
func Operations() []string { return slices.Sorted(maps.Keys(api{}.operations())) }

// Lacks says whether IAM has an operation that the handler does not serve.
func Lacks(operation string) bool {
	return slices.Contains(strings.Fields(known), operation) && !slices.Contains(Operations(), operation)
}

func (s api) operations() map[string]query.Operation {
	return map[string]query.Operation{
		"CreatePolicy": s.createPolicy, "GetPolicy": s.getPolicy, "DeletePolicy": s.deletePolicy, "ListPolicies": s.listPolicies,
		"CreatePolicyVersion": s.createPolicyVersion, "GetPolicyVersion": s.getPolicyVersion, "DeletePolicyVersion": s.deletePolicyVersion,
		"ListPolicyVersions": s.listPolicyVersions, "SetDefaultPolicyVersion": s.setDefaultPolicyVersion,

		"CreateRole": s.createRole, "GetRole": s.getRole, "DeleteRole": s.deleteRole, "ListRoles": s.listRoles,
		"UpdateAssumeRolePolicy": s.updateAssumeRolePolicy, "UpdateRole": s.updateRole, "UpdateRoleDescription": s.updateRoleDescription,

		"TagRole": s.tagEntity(role), "UntagRole": s.untagEntity(role), "ListRoleTags": s.listEntityTags(role),
		"TagUser": s.tagEntity(user), "UntagUser": s.untagEntity(user), "ListUserTags": s.listEntityTags(user),
		"TagPolicy": s.tagPolicy, "UntagPolicy": s.untagPolicy, "ListPolicyTags": s.listPolicyTags, "ListEntitiesForPolicy": s.listEntitiesForPolicy,
		"PutRolePermissionsBoundary": s.putBoundary(role), "DeleteRolePermissionsBoundary": s.deleteBoundary(role),
		"PutUserPermissionsBoundary": s.putBoundary(user), "DeleteUserPermissionsBoundary": s.deleteBoundary(user),

		"AttachRolePolicy": s.attach(role), "DetachRolePolicy": s.detach(role), "ListAttachedRolePolicies": s.listAttached(role),
		"PutRolePolicy": s.putInline(role), "GetRolePolicy": s.getInline(role), "DeleteRolePolicy": s.deleteInline(role), "ListRolePolicies": s.listInline(role),
		"AttachUserPolicy": s.attach(user), "DetachUserPolicy": s.detach(user), "ListAttachedUserPolicies": s.listAttached(user),
		"PutUserPolicy": s.putInline(user), "GetUserPolicy": s.getInline(user), "DeleteUserPolicy": s.deleteInline(user), "ListUserPolicies": s.listInline(user),

		"CreateUser": s.createUser, "GetUser": s.getUser, "DeleteUser": s.deleteUser, "ListUsers": s.listUsers, "ListGroupsForUser": s.listGroupsForUser,
		"CreateAccessKey": s.createAccessKey, "DeleteAccessKey": s.deleteAccessKey, "UpdateAccessKey": s.updateAccessKey, "ListAccessKeys": s.listAccessKeys,

		"CreateInstanceProfile": s.createInstanceProfile, "GetInstanceProfile": s.getInstanceProfile, "DeleteInstanceProfile": s.deleteInstanceProfile,
		"ListInstanceProfiles": s.listInstanceProfiles, "ListInstanceProfilesForRole": s.listInstanceProfilesForRole,
		"AddRoleToInstanceProfile": s.addRoleToInstanceProfile, "RemoveRoleFromInstanceProfile": s.removeRoleFromInstanceProfile,
		"TagInstanceProfile": s.tagInstanceProfile, "UntagInstanceProfile": s.untagInstanceProfile, "ListInstanceProfileTags": s.listInstanceProfileTags,

		"CreateOpenIDConnectProvider": s.createProvider, "GetOpenIDConnectProvider": s.getProvider, "DeleteOpenIDConnectProvider": s.deleteProvider,
		"ListOpenIDConnectProviders": s.listProviders, "AddClientIDToOpenIDConnectProvider": s.addClientID,
		"RemoveClientIDFromOpenIDConnectProvider": s.removeClientID, "UpdateOpenIDConnectProviderThumbprint": s.updateThumbprint,
		"TagOpenIDConnectProvider": s.tagProvider, "UntagOpenIDConnectProvider": s.untagProvider, "ListOpenIDConnectProviderTags": s.listProviderTags,
	}
}

// kind has the differences between operations on roles and on users.
type kind struct {
	// word is "role" or "user".
	word       string
	inlineSize int
}

var (
	role = kind{"role", inlineSizeOfRole}
	user = kind{"user", inlineSizeOfUser}
)

// parameter is "RoleName" or "UserName".
func (k kind) parameter() string { return title(k.word) + "Name" }

// find returns a role or user under the lock that the caller holds.
func (s api) find(k kind, name string) (*entity, error) {
	if e := s.byName(k)[strings.ToLower(name)]; e != nil {
		return e, nil
	}
	return nil, notFound("The %s with name %s cannot be found.", k.word, name)
}

// authorize checks the operation's own action, which has the operation's name, on a resource.
func (s api) authorize(ctx context.Context, action, resource string, keys policy.Context) error {
	access := Access{Action: "iam:" + action, Resource: resource, Context: keys}
	caller := CallerFrom(ctx)
	if decision := s.Authorize(ctx, caller, access); !decision.Allowed {
		return query.Errorf("AccessDenied", http.StatusForbidden, "%s", DeniedMessage(caller, access, decision))
	}
	return nil
}

// authorizeCreation checks the action that creates a resource. If the resource is created with tags, it also checks the
// action that tags it (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html).
func (s api) authorizeCreation(ctx context.Context, what, resource string, keys policy.Context, tags map[string]string) error {
	err := s.authorize(ctx, "Create"+what, resource, keys)
	if err == nil && len(tags) > 0 {
		err = s.authorize(ctx, "Tag"+what, resource, keys)
	}
	return err
}

// boundaryActions are the actions on a role or user whose condition keys include its current permissions boundary. For
// CreateRole, CreateUser and Put…PermissionsBoundary the key has the boundary of the request
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html).
var boundaryActions = map[string]bool{
	"AttachRolePolicy": true, "DetachRolePolicy": true, "PutRolePolicy": true, "DeleteRolePolicy": true, "DeleteRolePermissionsBoundary": true,
	"AttachUserPolicy": true, "DetachUserPolicy": true, "PutUserPolicy": true, "DeleteUserPolicy": true, "DeleteUserPermissionsBoundary": true,
}

// authorizeOn checks an action on a role or user by its name, with its tags and its boundary as condition keys. For an
// unknown name the path is "/". So a caller without permission does not learn whether the name exists.
func (s api) authorizeOn(ctx context.Context, k kind, name, action string, keys policy.Context) error {
	if keys == nil {
		keys = policy.Context{}
	}
	s.mu.RLock()
	resource := s.arn(k.word, "/", name)
	if e := s.byName(k)[strings.ToLower(name)]; e != nil {
		resource = e.arn
		setTags(keys, "aws:ResourceTag/", e.tags)
		setTags(keys, "iam:ResourceTag/", e.tags)
		if boundaryActions[action] && e.boundary != "" {
			keys.Set("iam:PermissionsBoundary", e.boundary)
		}
	}
	s.mu.RUnlock()
	return s.authorize(ctx, action, resource, keys)
}

// path reads the parameter Path; "/" if it is absent.
func path(p query.Parameters) (string, error) {
	if !p.Has("Path") {
		return "/", nil
	}
	return p.Check("Path", query.Rule{Min: 1, Max: 512, Pattern: pathPattern})
}

// tags reads the parameter Tags, and sets the condition keys of a request that sets tags.
func tags(p query.Parameters) (map[string]string, policy.Context, error) {
	keys := policy.Context{}
	found := map[string]string{}
	for _, member := range p.Structures("Tags", maxTags, "Key", "Value") {
		if _, twice := found[member["Key"]]; twice {
			return nil, nil, invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		found[member["Key"]] = member["Value"]
	}
	if len(found) == 0 {
		return nil, keys, nil
	}
	if len(found) > maxTags {
		return nil, nil, limitExceeded("The number of tags has reached the maximum limit.")
	}
	if err := CheckTags(found); err != nil {
		return nil, nil, invalidInput("%v", err)
	}
	keys.Set("aws:TagKeys", slices.Sorted(maps.Keys(found))...)
	setTags(keys, "aws:RequestTag/", found)
	return found, keys, nil
}

type policyKind uint8

const (
	identityDocument policyKind = iota
	trustDocument
)

// parseDocument reads a policy parameter, or fails with MalformedPolicyDocument.
func parseDocument(p query.Parameters, parameter string, kind policyKind, quota int, exceeded string) (document, error) {
	text, err := p.Check(parameter, policyText)
	if err != nil {
		return document{}, err
	}
	if size := sizeWithoutSpace(text); size > quota {
		return document{}, limitExceeded(exceeded, quota)
	}
	parsed, err := policy.Parse([]byte(text))
	if err == nil && kind == trustDocument {
		err = parsed.CheckTrust()
	} else if err == nil {
		err = parsed.CheckIdentity()
	}
	if err != nil {
		return document{}, malformed("%v", err)
	}
	return document{text: text, parsed: parsed}, nil
}

func sizeWithoutSpace(text string) int {
	size := utf8.RuneCountInString(text)
	for _, space := range []string{" ", "\t", "\r", "\n"} {
		size -= strings.Count(text, space)
	}
	return size
}

// bindTrust ties the users and roles that a trust policy names to their unique IDs. Those of accounts that the emulator has
// must exist. The caller must not hold a lock.
func (s api) bindTrust(trust *document) error {
	bound, missing := s.Bind(trust.parsed)
	if missing != "" {
		return malformed("Invalid principal in policy: \"AWS\":\"%s\"", missing)
	}
	trust.bound = bound
	return nil
}

// page is one answer's part of a sorted list.
type page struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}

// paginate cuts a list, sorted by key, by the parameters Marker and MaxItems.
func paginate[T any](p query.Parameters, list []T, key func(T) string) ([]T, page, error) {
	limit, err := p.Int("MaxItems", 1, 1000, 100)
	if err != nil {
		return nil, page{}, err
	}
	slices.SortFunc(list, func(x, y T) int { return strings.Compare(key(x), key(y)) })
	if p.Has("Marker") {
		after, err := base64.StdEncoding.DecodeString(p.Get("Marker"))
		if err != nil || len(after) == 0 {
			return nil, page{}, query.Errorf("ValidationError", http.StatusBadRequest, "Invalid Marker.")
		}
		start, found := slices.BinarySearchFunc(list, string(after), func(item T, after string) int { return strings.Compare(key(item), after) })
		if found {
			start++
		}
		list = list[start:]
	}
	if len(list) <= limit {
		return list, page{}, nil
	}
	list = list[:limit]
	return list, page{IsTruncated: true, Marker: base64.StdEncoding.EncodeToString([]byte(key(list[limit-1])))}, nil
}

func format(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// xmlTag is a tag in answers.
type xmlTag struct{ Key, Value string }

func xmlTags(tags map[string]string) []xmlTag {
	var list []xmlTag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, xmlTag{key, tags[key]})
	}
	return list
}
