package sts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
	"github.com/podidentity/epi/clusters/emulator/quota"
)

var (
	roleARN     = query.Rule{Min: 20, Max: 2048, Pattern: regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$`)}
	sessionName = query.Rule{Min: quota.SessionNameMin, Max: quota.SessionNameMax, Pattern: regexp.MustCompile(`^[\w+=,.@-]*$`)}
	externalID  = query.Rule{Min: 2, Max: 1224, Pattern: regexp.MustCompile(`^[\w+=,.@:\/-]*$`)}
	policyARN   = query.Rule{Min: 20, Max: 2048, Pattern: regexp.MustCompile(`^arn:[!-~]+$`)}
	sessionText = query.Rule{Min: 1, Max: 2048, Pattern: regexp.MustCompile(`^[\t\n\r\x{20}-\x{ff}]+$`)}
)

type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId" json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      timestamp
}

// timestamp is text in XML, and seconds since the epoch in JSON.
type timestamp time.Time

func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, time.RFC3339), nil
}

func (t timestamp) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, time.Time(t).Unix(), 10), nil
}

type assumedRoleUser struct {
	ARN string `xml:"Arn" json:"Arn"`
	ID  string `xml:"AssumedRoleId" json:"AssumedRoleId"`
}

type assumeRoleResult struct {
	Credentials      credentials
	AssumedRoleUser  assumedRoleUser
	PackedPolicySize int    `xml:",omitempty" json:",omitempty"`
	SourceIdentity   string `xml:",omitempty" json:",omitempty"`
	SessionTokenSize int
}

func (s api) assumeRole(ctx context.Context, p query.Parameters) (any, error) {
	caller, err := signed(ctx)
	if err != nil {
		return nil, err
	}
	input, trust, err := readAssumeRole(p, caller)
	if err != nil {
		return nil, err
	}
	if decision := s.accounts.EvaluateTrust(ctx, trust); !decision.Allowed {
		// The answer does not reveal whether the role exists.
		return nil, query.Errorf("AccessDenied", http.StatusForbidden, "User: %s is not authorized to perform: %s on resource: %s",
			caller.Principal.ARN, decision.Action, input.RoleARN)
	}
	if caller.Principal.Type == iam.AssumedRolePrincipal && input.Duration > time.Hour {
		return nil, query.Errorf("ValidationError", http.StatusBadRequest, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return s.issue(ctx, input)
}

// issue creates the session of a role whose trust policy allowed it.
func (s api) issue(ctx context.Context, input iam.SessionInput) (assumeRoleResult, error) {
	if role, ok := s.accounts.Role(input.RoleARN); ok && input.Duration > role.MaxSessionDuration {
		return assumeRoleResult{}, query.Errorf("ValidationError", http.StatusBadRequest, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	session, err := s.accounts.IssueSession(ctx, input)
	if problem, ok := errors.AsType[*iam.InputError](err); ok {
		return assumeRoleResult{}, query.Errorf("ValidationError", http.StatusBadRequest, "%s", problem.Problem)
	}
	if packed, ok := errors.AsType[*iam.PackedError](err); ok {
		return assumeRoleResult{}, query.Errorf("PackedPolicyTooLarge", http.StatusBadRequest, "%s", packed)
	}
	if err != nil {
		return assumeRoleResult{}, fmt.Errorf("assume role %s: %w", input.RoleARN, err)
	}
	return assumeRoleResult{
		credentials{session.AccessKeyID, session.SecretAccessKey, session.SessionToken, timestamp(session.Expiration)},
		assumedRoleUser{session.ARN, session.ID}, session.PackedSize, input.SourceIdentity, len(session.SessionToken),
	}, nil
}

// readSession reads the parameters that AssumeRole and AssumeRoleWithWebIdentity share.
func readSession(p query.Parameters) (input iam.SessionInput, err error) {
	if input.RoleARN, err = p.Check("RoleArn", roleARN); err != nil {
		return input, err
	}
	if input.SessionName, err = p.Check("RoleSessionName", sessionName); err != nil {
		return input, err
	}
	seconds, err := p.Int("DurationSeconds", 900, 43200, 3600)
	if err != nil {
		return input, err
	}
	input.Duration = time.Duration(seconds) * time.Second
	if input.Policies, err = sessionPolicy(p); err != nil {
		return input, err
	}
	for _, member := range p.Structures("PolicyArns", quota.SessionPolicyARNs, "arn") {
		if err := policyARN.Check("PolicyArns", member["arn"]); err != nil {
			return input, err
		}
		input.PolicyARNs = append(input.PolicyARNs, member["arn"])
	}
	if len(input.PolicyARNs) > quota.SessionPolicyARNs {
		return input, query.Errorf("ValidationError", http.StatusBadRequest, "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to %d", quota.SessionPolicyARNs)
	}
	return input, nil
}

// readAssumeRole reads the parameters of AssumeRole.
func readAssumeRole(p query.Parameters, caller *iam.Caller) (input iam.SessionInput, trust iam.Trust, err error) {
	if input, err = readSession(p); err != nil {
		return input, trust, err
	}
	if p.Has("SerialNumber") || p.Has("TokenCode") {
		return input, trust, query.Errorf("AccessDenied", http.StatusForbidden, "MultiFactorAuthentication failed: the emulator has no MFA devices")
	}
	trust = iam.Trust{RoleARN: input.RoleARN, Caller: caller, Actions: []string{"sts:AssumeRole"}, Context: policy.Context{}}
	trust.Context.Set("sts:RoleSessionName", input.SessionName)
	if p.Has("ExternalId") {
		id, err := p.Check("ExternalId", externalID)
		if err != nil {
			return input, trust, err
		}
		trust.Context.Set("sts:ExternalId", id)
	}
	if err := readTags(p, caller, &input, &trust); err != nil {
		return input, trust, err
	}
	return input, trust, readSourceIdentity(p, caller, &input, &trust)
}

// readSourceIdentity sets the source identity of the session. It is the caller's, which stays the same in a chain, or a new
// one, which needs a permission
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html).
func readSourceIdentity(p query.Parameters, caller *iam.Caller, input *iam.SessionInput, trust *iam.Trust) error {
	input.SourceIdentity = caller.Principal.SourceIdentity
	if p.Has("SourceIdentity") {
		given, err := p.Check("SourceIdentity", sessionName)
		if err != nil {
			return err
		}
		if input.SourceIdentity != "" && input.SourceIdentity != given {
			return query.Errorf("AccessDenied", http.StatusForbidden, "The source identity of a session cannot be changed")
		}
		input.SourceIdentity = given
	}
	if input.SourceIdentity != "" {
		trust.Context.Set("sts:SourceIdentity", input.SourceIdentity)
		trust.Actions = append(trust.Actions, "sts:SetSourceIdentity")
	}
	return nil
}

// sessionPolicy reads the inline session policy, if there is one.
func sessionPolicy(p query.Parameters) ([]policy.Named, error) {
	if !p.Has("Policy") {
		return nil, nil
	}
	text, err := p.Check("Policy", sessionText)
	if err != nil {
		return nil, err
	}
	parsed, err := policy.Parse([]byte(text))
	if err == nil {
		err = parsed.CheckIdentity()
	}
	if err != nil {
		return nil, query.Errorf("MalformedPolicyDocument", http.StatusBadRequest, "%v", err)
	}
	return []policy.Named{{Name: "of the session", Document: parsed}}, nil
}

// readTags reads session tags and adds the transitive tags of the caller's own session
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html, "Chaining roles with session tags"). A transitive
// tag cannot be passed again with another value.
func readTags(p query.Parameters, caller *iam.Caller, input *iam.SessionInput, trust *iam.Trust) error {
	passed := map[string]string{}
	for _, member := range p.Structures("Tags", quota.SessionTags, "Key", "Value") {
		if _, twice := passed[member["Key"]]; twice {
			return query.Errorf("InvalidParameterValue", http.StatusBadRequest, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		passed[member["Key"]] = member["Value"]
	}
	transitive := p.Strings("TransitiveTagKeys", quota.SessionTags)
	for _, key := range transitive {
		if _, ok := passed[key]; !ok {
			return query.Errorf("InvalidParameterValue", http.StatusBadRequest, "The specified transitive tag key must be included in the requested tags: %s", key)
		}
	}
	if err := iam.CheckTags(passed); err != nil {
		return query.Errorf("InvalidParameterValue", http.StatusBadRequest, "%v", err)
	}
	if len(passed) > 0 {
		trust.Context.Set("aws:TagKeys", slices.Sorted(maps.Keys(passed))...)
		for key, value := range passed {
			trust.Context.Set("aws:RequestTag/"+key, value)
		}
	}
	if len(transitive) > 0 {
		trust.Context.Set("sts:TransitiveTagKeys", transitive...)
	}
	input.Tags, input.TransitiveTags = passed, transitive
	for _, key := range caller.Principal.TransitiveTags {
		for other := range passed {
			if strings.EqualFold(other, key) {
				return query.Errorf("InvalidParameterValue", http.StatusBadRequest, "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
			}
		}
		input.Tags[key] = caller.Principal.SessionTags[key]
		input.TransitiveTags = append(input.TransitiveTags, key)
	}
	if len(input.Tags) > 0 {
		trust.Actions = append(trust.Actions, "sts:TagSession")
	}
	return nil
}
