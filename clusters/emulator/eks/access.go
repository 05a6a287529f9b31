package eks

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// accessEntry gives an IAM principal access to a cluster.
type accessEntry struct {
	Principal, ID      string
	Username           string
	Groups             []string
	Type               string
	Tags               map[string]string
	Created, Modified  time.Time
	Policies           []accessPolicy
	Token, Fingerprint string
}

// accessPolicy is associated with an entry, for the whole cluster or for namespaces.
type accessPolicy struct {
	ARN               string
	Scope             string
	Namespaces        []string
	Created, Modified time.Time
}

const accessPolicyPrefix = "arn:aws:eks::aws:cluster-access-policy/"

// clusterAdminPolicy is what the creator of a cluster gets.
const clusterAdminPolicy = accessPolicyPrefix + "AmazonEKSClusterAdminPolicy"

// accessPolicies are those that may be associated
// (https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html).
func accessPolicies() []string {
	return []string{"AmazonEKSAdminPolicy", "AmazonEKSAdminViewPolicy", "AmazonEKSClusterAdminPolicy", "AmazonEKSEditPolicy", "AmazonEKSViewPolicy"}
}

// entryTypes are the types that a caller may ask for, with the groups that EKS gives them.
var entryTypes = map[string][]string{
	"STANDARD": nil, "EC2_LINUX": {"system:nodes"}, "EC2_WINDOWS": {"system:nodes", "eks:kube-proxy-windows"},
	"FARGATE_LINUX": {"system:nodes"}, "EC2": nil,
}

var (
	principalARN = regexp.MustCompile(`^arn:aws:iam::[0-9]{12}:(user|role)/[\x21-\x7e]+$`)
	// Beginnings that a username or group must not have (CreateAccessEntry).
	reservedNames = []string{"system:", "eks:", "aws:", "amazon:", "iam:"}
)

func (s *Service) adminEntry(principal string, now time.Time) accessEntry {
	return accessEntry{
		Principal: principal, ID: uuid.NewString(), Username: username(principal), Type: "STANDARD", Created: now, Modified: now,
		Policies: []accessPolicy{{ARN: clusterAdminPolicy, Scope: "cluster", Created: now, Modified: now}},
	}
}

func nodeEntry(principal string, now time.Time) accessEntry {
	return accessEntry{
		Principal: principal, ID: uuid.NewString(), Username: "system:node:{{EC2PrivateDNSName}}", Groups: entryTypes["EC2_LINUX"], Type: "EC2_LINUX",
		Created: now, Modified: now,
	}
}

// username is the name that EKS gives a principal whose request names none. A role's name has a variable for the session
// (https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html).
func username(principal string) string {
	account, name, ok := strings.Cut(strings.TrimPrefix(principal, "arn:aws:iam::"), ":role/")
	if !ok {
		return principal
	}
	return "arn:aws:sts::" + account + ":assumed-role/" + name[strings.LastIndexByte(name, '/')+1:] + "/{{SessionName}}"
}

// entryARN has the principal's type and account in it.
func (s *Service) entryARN(cluster string, e accessEntry) string {
	kind, owner, name := "role", "", e.Principal
	if parts := strings.SplitN(e.Principal, ":", 6); len(parts) == 6 {
		owner = parts[4]
		kind, name, _ = strings.Cut(parts[5], "/")
		name = name[strings.LastIndexByte(name, '/')+1:]
	}
	return "arn:aws:eks:" + s.options.Region + ":" + s.options.Account + ":access-entry/" + cluster + "/" + kind + "/" + owner + "/" + name + "/" + e.ID
}

// putAccess writes an entry. The caller holds mu for writing.
func (s *Service) putAccess(c *cluster, e accessEntry) error {
	access := maps.Clone(c.access)
	if access == nil {
		access = map[string]accessEntry{}
	}
	access[e.Principal] = e
	return s.saveAccess(c, access)
}

func (s *Service) saveAccess(c *cluster, access map[string]accessEntry) error {
	changed := *c
	changed.access = access
	if err := s.saveCluster(&changed); err != nil {
		return err
	}
	c.access = access
	return nil
}

// entryShape is AccessEntry on the wire.
type entryShape struct {
	Cluster    string            `json:"clusterName"`
	Principal  string            `json:"principalArn"`
	Groups     []string          `json:"kubernetesGroups"`
	ARN        string            `json:"accessEntryArn"`
	CreatedAt  restjson.Time     `json:"createdAt"`
	ModifiedAt restjson.Time     `json:"modifiedAt"`
	Tags       map[string]string `json:"tags"`
	Username   string            `json:"username"`
	Type       string            `json:"type"`
}

type entryAnswer struct {
	Entry entryShape `json:"accessEntry"`
}

func (s *Service) answerEntry(cluster string, e accessEntry) entryAnswer {
	shape := entryShape{
		Cluster: cluster, Principal: e.Principal, Groups: e.Groups, ARN: s.entryARN(cluster, e), CreatedAt: restjson.Time(e.Created), ModifiedAt: restjson.Time(e.Modified),
		Tags: map[string]string{}, Username: e.Username, Type: e.Type,
	}
	if shape.Groups == nil {
		shape.Groups = []string{}
	}
	maps.Copy(shape.Tags, e.Tags)
	return entryAnswer{shape}
}

type entryRequest struct {
	Principal          string            `json:"principalArn"`
	Groups             *[]string         `json:"kubernetesGroups"`
	Username           *string           `json:"username"`
	Type               string            `json:"type"`
	Tags               map[string]string `json:"tags"`
	ClientRequestToken string            `json:"clientRequestToken"`
}

// apply sets what a request gives.
func (e *accessEntry) apply(in entryRequest) error {
	if in.Username != nil && *in.Username != "" || in.Groups != nil && len(*in.Groups) > 0 {
		if e.Type != "STANDARD" {
			return invalidParameter("The parameters username and kubernetesGroups are for entries of type STANDARD only.")
		}
	}
	if in.Username != nil && *in.Username != "" {
		e.Username = *in.Username
		// EKS gives entries of other types a username of its own.
		for _, prefix := range reservedNames {
			if strings.HasPrefix(e.Username, prefix) {
				return invalidParameter("The username must not begin with %s", prefix)
			}
		}
		if strings.Contains(e.Principal, ":role/") && strings.HasPrefix(e.Username, "arn:") && !strings.Contains(e.Username, "{{SessionName}}") {
			return invalidParameter("The username of a role must have {{SessionName}} in it.")
		}
	}
	if in.Groups != nil {
		for _, group := range *in.Groups {
			for _, prefix := range reservedNames {
				if group == "" || strings.HasPrefix(group, prefix) {
					return invalidParameter("The kubernetes group name %s is invalid, it cannot start with %s", group, prefix)
				}
			}
		}
		e.Groups = *in.Groups
	}
	return nil
}

// entries refuses a cluster whose access is only in the ConfigMap aws-auth. The caller holds mu.
func (c *cluster) entries() error {
	if c.made != nil && c.made.AuthMode == "CONFIG_MAP" {
		return invalidRequest("The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.")
	}
	return nil
}

// createAccessEntry: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessEntry.html.
func (s *Service) createAccessEntry(r *http.Request) (any, error) {
	var in entryRequest
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	name := r.PathValue("clusterName")
	if in.Type == "" {
		in.Type = "STANDARD"
	}
	now := s.options.Now().UTC()
	e := accessEntry{Principal: in.Principal, ID: uuid.NewString(), Username: username(in.Principal), Type: in.Type, Tags: in.Tags, Created: now, Modified: now}
	if strings.HasPrefix(in.Type, "EC2_") || in.Type == "FARGATE_LINUX" {
		e.Username = nodeEntry(in.Principal, now).Username
	}
	keys := map[string][]string{"eks:principalArn": {in.Principal}, "eks:accessEntryType": {in.Type}}
	maps.Copy(keys, requestTags(in.Tags))
	if in.Username != nil {
		keys["eks:username"] = []string{*in.Username}
	}
	if in.Groups != nil {
		keys["eks:kubernetesGroups"] = *in.Groups
	}
	if err := s.authorize(r.Context(), "eks:CreateAccessEntry", s.ClusterARN(name), s.clusterTags(name, keys)); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		if err := s.authorize(r.Context(), "eks:TagResource", s.entryARN(name, e), requestTags(in.Tags)); err != nil {
			return nil, err
		}
	}
	groups, known := entryTypes[in.Type]
	switch {
	case !principalARN.MatchString(in.Principal):
		return nil, invalidParameter("The principalArn parameter format is not valid")
	case !known:
		return nil, invalidParameter("The parameter type must be one of STANDARD, EC2_LINUX, EC2_WINDOWS, FARGATE_LINUX, EC2.")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	e.Groups = groups
	if err := e.apply(in); err != nil {
		return nil, err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	if err := c.entries(); err != nil {
		return nil, err
	}
	asked := in
	asked.ClientRequestToken = ""
	e.Token, e.Fingerprint = in.ClientRequestToken, fingerprint(asked)
	if have, ok := c.access[in.Principal]; ok {
		if in.ClientRequestToken == "" || in.ClientRequestToken != have.Token {
			return nil, restjson.Errorf(codeInUse, http.StatusConflict, "The specified access entry resource is already in use on this cluster.")
		}
		if have.Fingerprint != e.Fingerprint {
			return nil, tokenReused()
		}
		journal.FromContext(r.Context()).Repeat = true
		return s.answerEntry(name, have), nil
	}
	return s.answerEntry(name, e), s.putAccess(c, e)
}

// entry finds the access entry of the path. The caller holds mu.
func (s *Service) entry(r *http.Request) (*cluster, accessEntry, error) {
	c, err := s.state.cluster(r.PathValue("clusterName"))
	if err != nil {
		return nil, accessEntry{}, err
	}
	if err := c.entries(); err != nil {
		return nil, accessEntry{}, err
	}
	if e, ok := c.access[r.PathValue("principalArn")]; ok {
		return c, e, nil
	}
	return nil, accessEntry{}, restjson.Errorf(codeNotFound, http.StatusNotFound, "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.")
}

// authorizeEntry decides about the entry in the path. The ARN of an entry that does not exist has * for its ID.
func (s *Service) authorizeEntry(r *http.Request, action string, keys map[string][]string) error {
	all := map[string][]string{}
	maps.Copy(all, keys)
	arn := s.entryARN(r.PathValue("clusterName"), accessEntry{Principal: r.PathValue("principalArn"), ID: "*"})
	s.state.mu.RLock()
	if c, e, err := s.entry(r); err == nil {
		arn = s.entryARN(c.Name, e)
		addResourceTags(all, e.Tags)
		all["eks:principalArn"], all["eks:accessEntryType"] = []string{e.Principal}, []string{e.Type}
	}
	s.state.mu.RUnlock()
	return s.authorize(r.Context(), action, arn, all)
}

func (s *Service) describeAccessEntry(r *http.Request) (any, error) {
	if err := s.authorizeEntry(r, "eks:DescribeAccessEntry", nil); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, e, err := s.entry(r)
	if err != nil {
		return nil, err
	}
	return s.answerEntry(c.Name, e), nil
}

func (s *Service) listAccessEntries(r *http.Request) (any, error) {
	name := r.PathValue("clusterName")
	if err := s.authorize(r.Context(), "eks:ListAccessEntries", s.ClusterARN(name), s.clusterTags(name, nil)); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	if err := c.entries(); err != nil {
		return nil, err
	}
	asked, principals := r.URL.Query().Get("associatedPolicyArn"), []string{}
	for principal, e := range c.access {
		if asked == "" || slices.ContainsFunc(e.Policies, func(p accessPolicy) bool { return p.ARN == asked }) {
			principals = append(principals, principal)
		}
	}
	page, next, err := paginate(s.pages, r, principals, func(arn string) string { return arn })
	if err != nil {
		return nil, err
	}
	return struct {
		Entries   []string `json:"accessEntries"`
		NextToken *string  `json:"nextToken"`
	}{page, next}, nil
}

// changeEntry authorises a change of the path's entry, and saves the result of change.
func (s *Service) changeEntry(r *http.Request, action string, keys map[string][]string, change func(*accessEntry) error) (*cluster, accessEntry, error) {
	if err := s.authorizeEntry(r, action, keys); err != nil {
		return nil, accessEntry{}, err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, e, err := s.entry(r)
	if err != nil {
		return nil, accessEntry{}, err
	}
	e.Policies = slices.Clone(e.Policies)
	if err := change(&e); err != nil {
		return nil, accessEntry{}, err
	}
	e.Modified = s.options.Now().UTC()
	return c, e, s.putAccess(c, e)
}

func (s *Service) updateAccessEntry(r *http.Request) (any, error) {
	var in entryRequest
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	c, e, err := s.changeEntry(r, "eks:UpdateAccessEntry", nil, func(e *accessEntry) error { return e.apply(in) })
	if err != nil {
		return nil, err
	}
	return s.answerEntry(c.Name, e), nil
}

func (s *Service) deleteAccessEntry(r *http.Request) (any, error) {
	if err := s.authorizeEntry(r, "eks:DeleteAccessEntry", nil); err != nil {
		return nil, err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, e, err := s.entry(r)
	if err != nil {
		return nil, err
	}
	access := maps.Clone(c.access)
	delete(access, e.Principal)
	return struct{}{}, s.saveAccess(c, access)
}

type scopeShape struct {
	Type       string   `json:"type"`
	Namespaces []string `json:"namespaces"`
}

type policyShape struct {
	ARN          string        `json:"policyArn"`
	Scope        scopeShape    `json:"accessScope"`
	AssociatedAt restjson.Time `json:"associatedAt"`
	ModifiedAt   restjson.Time `json:"modifiedAt"`
}

func (p accessPolicy) shape() policyShape {
	namespaces := p.Namespaces
	if namespaces == nil {
		namespaces = []string{}
	}
	return policyShape{p.ARN, scopeShape{p.Scope, namespaces}, restjson.Time(p.Created), restjson.Time(p.Modified)}
}

// associateAccessPolicy: https://docs.aws.amazon.com/eks/latest/APIReference/API_AssociateAccessPolicy.html.
func (s *Service) associateAccessPolicy(r *http.Request) (any, error) {
	var in struct {
		ARN   string      `json:"policyArn"`
		Scope *scopeShape `json:"accessScope"`
	}
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	keys := map[string][]string{"eks:policyArn": {in.ARN}}
	if in.Scope != nil {
		keys["eks:accessScope"] = []string{in.Scope.Type}
		if len(in.Scope.Namespaces) > 0 {
			keys["eks:namespaces"] = in.Scope.Namespaces
		}
	}
	var made accessPolicy
	c, e, err := s.changeEntry(r, "eks:AssociateAccessPolicy", keys, func(e *accessEntry) error {
		name, ours := strings.CutPrefix(in.ARN, accessPolicyPrefix)
		switch {
		case !ours || !slices.Contains(accessPolicies(), name):
			return invalidParameter("The policyArn parameter format is not valid: see ListAccessPolicies for those that exist.")
		case in.Scope == nil || in.Scope.Type != "cluster" && in.Scope.Type != "namespace":
			return invalidParameter("The type of the accessScope must be cluster or namespace.")
		case in.Scope.Type == "namespace" && len(in.Scope.Namespaces) == 0, in.Scope.Type == "cluster" && len(in.Scope.Namespaces) > 0:
			return invalidParameter("The accessScope must have namespaces if its type is namespace, and only then.")
		case e.Type != "STANDARD":
			return invalidRequest("Access policies can only be associated with entries of type STANDARD.")
		}
		now := s.options.Now().UTC()
		made = accessPolicy{ARN: in.ARN, Scope: in.Scope.Type, Namespaces: in.Scope.Namespaces, Created: now, Modified: now}
		at := slices.IndexFunc(e.Policies, func(p accessPolicy) bool { return p.ARN == in.ARN })
		if at < 0 {
			e.Policies = append(e.Policies, made)
			return nil
		}
		made.Created = e.Policies[at].Created
		e.Policies[at] = made
		return nil
	})
	if err != nil {
		return nil, err
	}
	return struct {
		Cluster   string      `json:"clusterName"`
		Principal string      `json:"principalArn"`
		Policy    policyShape `json:"associatedAccessPolicy"`
	}{c.Name, e.Principal, made.shape()}, nil
}

func (s *Service) disassociateAccessPolicy(r *http.Request) (any, error) {
	arn := r.PathValue("policyArn")
	_, _, err := s.changeEntry(r, "eks:DisassociateAccessPolicy", map[string][]string{"eks:policyArn": {arn}}, func(e *accessEntry) error {
		at := slices.IndexFunc(e.Policies, func(p accessPolicy) bool { return p.ARN == arn })
		if at < 0 {
			return restjson.Errorf(codeNotFound, http.StatusNotFound, "The specified policyArn is not associated with the access entry.")
		}
		e.Policies = slices.Delete(e.Policies, at, at+1)
		return nil
	})
	return struct{}{}, err
}

func (s *Service) listAssociatedAccessPolicies(r *http.Request) (any, error) {
	if err := s.authorizeEntry(r, "eks:ListAssociatedAccessPolicies", nil); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, e, err := s.entry(r)
	if err != nil {
		return nil, err
	}
	policies := []policyShape{}
	for _, p := range e.Policies {
		policies = append(policies, p.shape())
	}
	page, next, err := paginate(s.pages, r, policies, func(p policyShape) string { return p.ARN })
	if err != nil {
		return nil, err
	}
	return struct {
		Cluster   string        `json:"clusterName"`
		Principal string        `json:"principalArn"`
		Policies  []policyShape `json:"associatedAccessPolicies"`
		NextToken *string       `json:"nextToken"`
	}{c.Name, e.Principal, page, next}, nil
}

func (s *Service) listAccessPolicies(r *http.Request) (any, error) {
	if err := s.authorize(r.Context(), "eks:ListAccessPolicies", "*", nil); err != nil {
		return nil, err
	}
	type policy struct {
		Name string `json:"name"`
		ARN  string `json:"arn"`
	}
	policies := []policy{}
	for _, name := range accessPolicies() {
		policies = append(policies, policy{name, accessPolicyPrefix + name})
	}
	page, next, err := paginate(s.pages, r, policies, func(p policy) string { return p.Name })
	if err != nil {
		return nil, err
	}
	return struct {
		Policies  []policy `json:"accessPolicies"`
		NextToken *string  `json:"nextToken"`
	}{page, next}, nil
}

// Access is the access of a principal to a cluster.
type Access struct {
	// Type such as "STANDARD", Username and Groups are the entry's. {{SessionName}} and other variables are not replaced
	// yet.
	Type, Username string
	Groups         []string
	// Policies are the names of the access policies for the whole cluster.
	Policies []string
}

// AccessOf is the access of an IAM user or role to a cluster; false if it has none.
func (s *Service) AccessOf(cluster, principal string) (Access, bool) {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, ok := s.state.clusters[cluster]
	if !ok || c.entries() != nil {
		return Access{}, false
	}
	e, ok := c.access[principal]
	if !ok {
		return Access{}, false
	}
	access := Access{Type: e.Type, Username: e.Username, Groups: slices.Clone(e.Groups)}
	for _, p := range e.Policies {
		if p.Scope == "cluster" {
			access.Policies = append(access.Policies, strings.TrimPrefix(p.ARN, accessPolicyPrefix))
		}
	}
	return access, true
}
