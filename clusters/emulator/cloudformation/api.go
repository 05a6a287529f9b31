package cloudformation

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/query"
)

const (
	maxTags   = 50
	maxStacks = 2000
	pageSize  = 100
)

var stackName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{0,127}$`)

type tag struct{ Key, Value string }

// definition has the parameters that all requests have that create or change a stack.
type definition struct {
	StackName          string
	TemplateBody       string
	TemplateURL        string
	Capabilities       []string
	Tags               []tag
	Parameters         []struct{ ParameterKey, ParameterValue string }
	RoleARN            string
	NotificationARNs   []string
	ResourceTypes      []string
	ClientRequestToken string
}

// read checks what is the same for all these requests. body is the current template, for a request that keeps it; nil if
// there is none.
func (d *definition) read() (*template, map[string]string, error) {
	switch {
	case d.TemplateURL != "":
		return nil, nil, invalid("The emulator does not have the parameter TemplateURL: give TemplateBody.")
	case d.RoleARN != "":
		return nil, nil, invalid("The emulator does not have the parameter RoleARN: it acts as the caller.")
	case len(d.NotificationARNs) > 0:
		return nil, nil, invalid("The emulator does not have the parameter NotificationARNs.")
	case len(d.Parameters) > 0:
		return nil, nil, invalid("Parameters: [%s] do not exist in the template", d.Parameters[0].ParameterKey)
	}
	t, err := parse(d.TemplateBody)
	if err != nil {
		return nil, nil, err
	}
	if err := capable(t, d.Capabilities); err != nil {
		return nil, nil, err
	}
	tags := map[string]string{}
	for _, one := range d.Tags {
		_, twice := tags[one.Key]
		switch {
		case one.Key == "" || utf8.RuneCountInString(one.Key) > 128 || utf8.RuneCountInString(one.Value) > 256:
			return nil, nil, invalid("1 validation error detected: a tag key must have 1 to 128 characters, a value at most 256")
		case strings.HasPrefix(strings.ToLower(one.Key), "aws:"):
			return nil, nil, invalid("aws: prefixed tag key names are not allowed for external use.")
		case twice:
			// https://github.com/cilium/cilium/issues/44695, of March 2026.
			return nil, nil, invalid("Tags contain duplicate keys; tag keys must be unique")
		}
		tags[one.Key] = one.Value
	}
	if len(tags) > maxTags {
		return nil, nil, invalid("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to %d", maxTags)
	}
	return t, tags, nil
}

// capable refuses IAM resources that the caller did not acknowledge.
func capable(t *template, capabilities []string) error {
	needs := ""
	for _, d := range t.resources {
		k := kinds[d.kind]
		switch {
		case k.iam && k.named != "" && d.properties[k.named] != nil:
			needs = "CAPABILITY_NAMED_IAM"
		case k.iam && needs == "":
			needs = "CAPABILITY_IAM"
		}
	}
	for _, given := range capabilities {
		if !slices.Contains([]string{"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}, given) {
			return invalid("1 validation error detected: Value '[%s]' at 'capabilities' failed to satisfy constraint", given)
		}
		if given == "CAPABILITY_NAMED_IAM" || given == needs {
			return nil
		}
	}
	if needs == "" {
		return nil
	}
	return query.Errorf("InsufficientCapabilitiesException", http.StatusBadRequest, "Requires capabilities : [%s]", needs)
}

func requestKeys(tags []tag) map[string][]string {
	keys := map[string][]string{}
	for _, one := range tags {
		keys["aws:RequestTag/"+one.Key] = []string{one.Value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], one.Key)
	}
	return keys
}

func fingerprint(v any) string {
	text, _ := json.Marshal(v) // texts and lists can always be encoded
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

type stackID struct {
	StackID string `xml:"StackId"`
}

func (s *Service) createStack(ctx context.Context, in struct {
	definition
	DisableRollback             *bool
	OnFailure                   string
	EnableTerminationProtection bool
	TimeoutInMinutes            *int
}) (any, error) {
	if err := s.authorize(ctx, "CreateStack", s.stackARN(in.StackName, "*"), requestKeys(in.Tags)); err != nil {
		return nil, err
	}
	if !stackName.MatchString(in.StackName) {
		return nil, invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", in.StackName)
	}
	t, tags, err := in.read()
	if err != nil {
		return nil, err
	}
	if in.DisableRollback != nil && *in.DisableRollback {
		if in.OnFailure != "" {
			return nil, invalid("Only one of OnFailure and DisableRollback may be specified.")
		}
		in.OnFailure = "DO_NOTHING"
	}
	if in.OnFailure == "" {
		in.OnFailure = "ROLLBACK"
	}
	if !slices.Contains([]string{"ROLLBACK", "DELETE", "DO_NOTHING"}, in.OnFailure) {
		return nil, invalid("1 validation error detected: Value '%s' at 'onFailure' failed to satisfy constraint: Member must satisfy enum value set: [ROLLBACK, DELETE, DO_NOTHING]", in.OnFailure)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	print := fingerprint(in)
	if known := s.named(in.StackName); known != nil && known.Status != reviewInProgress {
		if in.ClientRequestToken != "" && in.ClientRequestToken == known.CreateToken && print == known.Fingerprint {
			journal.FromContext(ctx).Repeat = true
			return stackID{known.ID}, nil
		}
		return nil, query.Errorf("AlreadyExistsException", http.StatusBadRequest, "Stack [%s] already exists", in.StackName)
	}
	if len(s.stacks) >= maxStacks {
		return nil, query.Errorf("LimitExceededException", http.StatusBadRequest, "Limit for stack has been exceeded")
	}
	st := s.newStack(ctx, in.StackName, t, in.definition, tags)
	st.OnFailure, st.TerminationProtection, st.CreateToken, st.Fingerprint = in.OnFailure, in.EnableTerminationProtection, in.ClientRequestToken, print
	st.begin(s.now(), createInProgress, in.ClientRequestToken)
	if err := s.save(st); err != nil {
		return nil, err
	}
	s.stacks[st.ID] = st
	return stackID{st.ID}, nil
}

func (s *Service) newStack(ctx context.Context, name string, t *template, d definition, tags map[string]string) *stack {
	return &stack{
		ID: s.stackARN(name, uuid.NewString()), Name: name, Description: t.description, Body: d.TemplateBody, Created: s.now(), Tags: tags,
		Capabilities: d.Capabilities, Resources: map[string]*resource{}, OnFailure: "ROLLBACK", Caller: s.options.Requests.Caller(ctx), template: t,
	}
}

// begin starts an operation. The caller holds mu for writing, and saves the stack.
func (st *stack) begin(now time.Time, to status, token string) {
	st.Operation++
	st.Token = token
	st.become(now, to, "User Initiated")
}

// settled are the states in which a stack can be updated.
func (s status) settled() bool {
	return s == createComplete || s == updateComplete || s == updateRollbackComplete
}

// change sets a stack's definition. The caller holds mu for writing.
func (s *Service) change(ctx context.Context, st *stack, t *template, d definition, tags map[string]string) error {
	changed := *st
	changed.Previous = &previous{st.Body, st.Tags, st.Capabilities}
	changed.Body, changed.template, changed.Tags, changed.Capabilities = d.TemplateBody, t, tags, d.Capabilities
	changed.Description, changed.Caller = t.description, s.options.Requests.Caller(ctx)
	changed.Events = slices.Clone(st.Events)
	changed.begin(s.now(), updateInProgress, d.ClientRequestToken)
	if err := s.save(&changed); err != nil {
		return err
	}
	*st = changed
	return nil
}

func (s *Service) updateStack(ctx context.Context, in struct {
	definition
	UsePreviousTemplate bool
	DisableRollback     bool
}) (any, error) {
	if err := s.authorizeStack(ctx, "UpdateStack", in.StackName, requestKeys(in.Tags)); err != nil {
		return nil, err
	}
	if in.DisableRollback {
		return nil, invalid("The emulator does not have the parameter DisableRollback of UpdateStack.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, t, tags, err := s.updatable(in.StackName, &in.definition, in.UsePreviousTemplate)
	if err != nil {
		return nil, err
	}
	if len(changes(st, t)) == 0 && maps.Equal(tags, st.Tags) && sameOutputs(st, t) {
		return nil, invalid("No updates are to be performed.")
	}
	return stackID{st.ID}, s.change(ctx, st, t, in.definition, tags)
}

// updatable finds the stack, and reads its new definition. Tags that the request leaves out stay. The caller holds mu.
func (s *Service) updatable(name string, d *definition, usePrevious bool) (*stack, *template, map[string]string, error) {
	st := s.named(name)
	switch {
	case st == nil || st.Status == deleteComplete:
		return nil, nil, nil, invalid("Stack [%s] does not exist", name)
	case !st.Status.settled():
		return nil, nil, nil, invalid("Stack:%s is in %s state and can not be updated.", st.ID, st.Status)
	case usePrevious && d.TemplateBody != "":
		return nil, nil, nil, invalid("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
	case usePrevious:
		d.TemplateBody = st.Body
	}
	d.Tags = withoutRepeats(d.Tags)
	t, tags, err := d.read()
	if err == nil && len(d.Tags) == 0 {
		tags = st.Tags
	}
	return st, t, tags, err
}

// withoutRepeats leaves out tags that occur before with the same value. Users report that CreateStack refuses them. There
// is no such report about updates. Each change set of eksctl's has some tags twice
// (https://github.com/eksctl-io/eksctl/blob/v0.215.0/pkg/cfn/manager/api.go, doCreateChangeSetRequest).
func withoutRepeats(tags []tag) []tag {
	var kept []tag
	for _, one := range tags {
		if !slices.Contains(kept, one) {
			kept = append(kept, one)
		}
	}
	return kept
}

// changed is the change of one resource.
type changed struct {
	Action, ID, Kind, Physical string
}

// changes compares the declarations, because the values of functions are unknown before the stack is updated.
func changes(st *stack, t *template) []changed {
	var list []changed
	for _, id := range t.order {
		d := t.resources[id]
		r := st.Resources[id]
		old, was := st.template.resources[id]
		switch {
		case r == nil || !r.there() || !was:
			list = append(list, changed{"Add", id, d.kind, ""})
		case d.kind != old.kind || encode(d.properties) != encode(old.properties):
			list = append(list, changed{"Modify", id, d.kind, r.Physical})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(st.Resources)) {
		if _, stays := t.resources[id]; !stays && st.Resources[id].there() {
			list = append(list, changed{"Remove", id, st.Resources[id].Kind, st.Resources[id].Physical})
		}
	}
	return list
}

// sameOutputs says whether the declarations of outputs are equal to the stack's.
func sameOutputs(st *stack, t *template) bool {
	return maps.EqualFunc(t.outputs, st.template.outputs, func(a, b outputDeclaration) bool {
		return encode(map[string]any{"v": a.value, "e": a.export, "d": a.description}) == encode(map[string]any{"v": b.value, "e": b.export, "d": b.description})
	})
}

func (s *Service) deleteStack(ctx context.Context, in struct {
	StackName          string
	RetainResources    []string
	RoleARN            string
	ClientRequestToken string
}) (any, error) {
	if err := s.authorizeStack(ctx, "DeleteStack", in.StackName, nil); err != nil {
		return nil, err
	}
	if in.RoleARN != "" {
		return nil, invalid("The emulator does not have the parameter RoleARN: it acts as the caller.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.named(in.StackName)
	switch {
	case st == nil || st.Status == deleteComplete:
		// A stack that does not exist counts as deleted.
		journal.FromContext(ctx).Repeat = true
		return nil, nil
	case st.TerminationProtection:
		return nil, invalid("Stack [%s] cannot be deleted while TerminationProtection is enabled", st.Name)
	case st.Status == deleteInProgress:
		journal.FromContext(ctx).Repeat = true
		return nil, nil
	case len(in.RetainResources) > 0 && st.Status != deleteFailed:
		return nil, invalid("Invalid operation on stack [%s]. Resources can be retained only if the stack is in DELETE_FAILED state.", st.Name)
	case strings.HasPrefix(string(st.Status), "UPDATE") && st.Status.busy():
		return nil, invalid("Stack [%s] cannot be deleted while in status %s", st.Name, st.Status)
	}
	st.Caller, st.Retain = s.options.Requests.Caller(ctx), in.RetainResources
	st.begin(s.now(), deleteInProgress, in.ClientRequestToken)
	return nil, s.save(st)
}

type xmlTag struct{ Key, Value string }

func xmlTags(tags map[string]string) (list []xmlTag) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, xmlTag{key, tags[key]})
	}
	return list
}

type xmlOutput struct {
	Key         string `xml:"OutputKey"`
	Value       string `xml:"OutputValue"`
	Description string `xml:",omitempty"`
	Export      string `xml:"ExportName,omitempty"`
}

type xmlStack struct {
	StackID         string `xml:"StackId"`
	StackName       string
	ChangeSetID     string `xml:"ChangeSetId,omitempty"`
	Description     string `xml:",omitempty"`
	CreationTime    string
	LastUpdatedTime string `xml:",omitempty"`
	DeletionTime    string `xml:",omitempty"`
	StackStatus     status
	Reason          string `xml:"StackStatusReason,omitempty"`
	DisableRollback bool
	Capabilities    []string    `xml:"Capabilities>member"`
	Outputs         []xmlOutput `xml:"Outputs>member"`
	Tags            []xmlTag    `xml:"Tags>member"`
	Protection      bool        `xml:"EnableTerminationProtection"`
	Drift           string      `xml:"DriftInformation>StackDriftStatus"`
}

func format(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}

func (st *stack) xml() xmlStack {
	out := xmlStack{
		StackID: st.ID, StackName: st.Name, Description: st.Description, CreationTime: format(st.Created), LastUpdatedTime: format(st.Updated),
		DeletionTime: format(st.Deleted), StackStatus: st.Status, DisableRollback: st.OnFailure == "DO_NOTHING", Capabilities: st.Capabilities,
		Tags: xmlTags(st.Tags), Protection: st.TerminationProtection, Drift: "NOT_CHECKED",
	}
	if st.Reason != "User Initiated" || st.Status.busy() {
		out.Reason = st.Reason
	}
	for _, o := range st.Outputs {
		out.Outputs = append(out.Outputs, xmlOutput(o))
	}
	return out
}

func (s *Service) describeStacks(ctx context.Context, in struct{ StackName, NextToken string }) (any, error) {
	type answer struct {
		Stacks    []xmlStack `xml:"Stacks>member"`
		NextToken string     `xml:",omitempty"`
	}
	if in.StackName != "" {
		st, err := s.find(ctx, "DescribeStacks", in.StackName)
		if err != nil {
			return nil, err
		}
		defer s.mu.RUnlock()
		return answer{Stacks: []xmlStack{st.xml()}}, nil
	}
	if err := s.authorize(ctx, "DescribeStacks", s.stackARN("*", "*"), nil); err != nil {
		return nil, err
	}
	s.Try(ctx)
	page, next, err := paged(in.NextToken, s.sorted(func(st *stack) bool { return st.Status != deleteComplete }), func(st *stack) string { return st.ID })
	if err != nil {
		return nil, err
	}
	out := answer{NextToken: next}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range page {
		out.Stacks = append(out.Stacks, st.xml())
	}
	return out, nil
}

// sorted returns the stacks that keep accepts, newest first.
func (s *Service) sorted(keep func(*stack) bool) []*stack {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []*stack
	for _, st := range s.stacks {
		if keep(st) {
			list = append(list, st)
		}
	}
	slices.SortFunc(list, func(a, b *stack) int {
		if n := b.Created.Compare(a.Created); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// paged returns the page of a token. The token names the last item of the page before.
func paged[T any](token string, items []T, key func(T) string) ([]T, string, error) {
	if token != "" {
		seen, err := base64.RawURLEncoding.DecodeString(token)
		at := slices.IndexFunc(items, func(item T) bool { return key(item) == string(seen) })
		if err != nil || at < 0 {
			return nil, "", invalid("The NextToken is not one that this list returned.")
		}
		items = items[at+1:]
	}
	if len(items) <= pageSize {
		return items, "", nil
	}
	return items[:pageSize], base64.RawURLEncoding.EncodeToString([]byte(key(items[pageSize-1]))), nil
}

func (s *Service) listStacks(ctx context.Context, in struct {
	NextToken string
	Filter    []string `query:"StackStatusFilter"`
}) (any, error) {
	if err := s.authorize(ctx, "ListStacks", "*", nil); err != nil {
		return nil, err
	}
	s.Try(ctx)
	page, next, err := paged(in.NextToken, s.sorted(func(st *stack) bool { return len(in.Filter) == 0 || slices.Contains(in.Filter, string(st.Status)) }), func(st *stack) string { return st.ID })
	if err != nil {
		return nil, err
	}
	type summary struct {
		StackID         string `xml:"StackId"`
		StackName       string
		Description     string `xml:"TemplateDescription,omitempty"`
		CreationTime    string
		LastUpdatedTime string `xml:",omitempty"`
		DeletionTime    string `xml:",omitempty"`
		StackStatus     status
		Reason          string `xml:"StackStatusReason,omitempty"`
	}
	out := struct {
		Summaries []summary `xml:"StackSummaries>member"`
		NextToken string    `xml:",omitempty"`
	}{NextToken: next}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range page {
		x := st.xml()
		out.Summaries = append(out.Summaries, summary{x.StackID, x.StackName, x.Description, x.CreationTime, x.LastUpdatedTime, x.DeletionTime, x.StackStatus, x.Reason})
	}
	return out, nil
}

func (s *Service) getTemplate(ctx context.Context, in struct{ StackName, TemplateStage, ChangeSetName string }) (any, error) {
	st, err := s.find(ctx, "GetTemplate", in.StackName)
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	body := st.Body
	if in.ChangeSetName != "" {
		set, err := st.changeSet(in.ChangeSetName)
		if err != nil {
			return nil, err
		}
		body = set.Definition.TemplateBody
	}
	return struct {
		TemplateBody string
		Stages       []string `xml:"StagesAvailable>member"`
	}{body, []string{"Original", "Processed"}}, nil
}

func (s *Service) describeStackEvents(ctx context.Context, in struct{ StackName, NextToken string }) (any, error) {
	st, err := s.find(ctx, "DescribeStackEvents", in.StackName)
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	newest := slices.Clone(st.Events)
	slices.Reverse(newest)
	page, next, err := paged(in.NextToken, newest, func(e event) string { return e.ID + format(e.Time) + string(e.Status) })
	if err != nil {
		return nil, err
	}
	type item struct {
		StackID    string `xml:"StackId"`
		EventID    string `xml:"EventId"`
		StackName  string
		Logical    string `xml:"LogicalResourceId"`
		Physical   string `xml:"PhysicalResourceId"`
		Kind       string `xml:"ResourceType"`
		Timestamp  string
		Status     status `xml:"ResourceStatus"`
		Reason     string `xml:"ResourceStatusReason,omitempty"`
		Properties string `xml:"ResourceProperties,omitempty"`
		Token      string `xml:"ClientRequestToken,omitempty"`
	}
	out := struct {
		Events    []item `xml:"StackEvents>member"`
		NextToken string `xml:",omitempty"`
	}{NextToken: next}
	for _, e := range page {
		out.Events = append(out.Events, item{st.ID, e.ID, st.Name, e.Resource, e.Physical, e.Kind, format(e.Time), e.Status, e.Reason, e.Properties, e.Token})
	}
	return out, nil
}

type xmlResource struct {
	StackName string `xml:",omitempty"`
	StackID   string `xml:"StackId,omitempty"`
	Logical   string `xml:"LogicalResourceId"`
	Physical  string `xml:"PhysicalResourceId,omitempty"`
	Kind      string `xml:"ResourceType"`
	// The API spells "Changed" in two ways.
	Timestamp   string `xml:",omitempty"`
	LastUpdated string `xml:"LastUpdatedTimestamp,omitempty"`
	Status      status `xml:"ResourceStatus"`
	Reason      string `xml:"ResourceStatusReason,omitempty"`
	Drift       string `xml:"DriftInformation>StackResourceDriftStatus"`
}

func (st *stack) xmlResource(r *resource) xmlResource {
	return xmlResource{StackName: st.Name, StackID: st.ID, Logical: r.ID, Physical: r.Physical, Kind: r.Kind, Status: r.Status, Reason: r.Reason, Drift: "NOT_CHECKED"}
}

func (s *Service) describeStackResource(ctx context.Context, in struct {
	StackName string
	ID        string `query:"LogicalResourceId"`
}) (any, error) {
	st, err := s.find(ctx, "DescribeStackResource", in.StackName)
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	r := st.Resources[in.ID]
	if r == nil {
		return nil, invalid("Resource %s does not exist for stack %s", in.ID, in.StackName)
	}
	out := st.xmlResource(r)
	out.LastUpdated = format(r.Changed)
	return struct {
		Detail xmlResource `xml:"StackResourceDetail"`
	}{out}, nil
}

func (s *Service) describeStackResources(ctx context.Context, in struct {
	StackName string
	ID        string `query:"LogicalResourceId"`
	Physical  string `query:"PhysicalResourceId"`
}) (any, error) {
	name := in.StackName
	if name == "" && in.Physical != "" {
		s.mu.RLock()
		for _, st := range s.stacks {
			for _, r := range st.Resources {
				if r.there() && r.Physical == in.Physical && st.Status != deleteComplete {
					name = st.ID
				}
			}
		}
		s.mu.RUnlock()
		if name == "" {
			return nil, invalid("Stack for %s does not exist", in.Physical)
		}
	}
	st, err := s.find(ctx, "DescribeStackResources", name)
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	var out struct {
		Resources []xmlResource `xml:"StackResources>member"`
	}
	for _, id := range slices.Sorted(maps.Keys(st.Resources)) {
		if r := st.Resources[id]; in.ID == "" || in.ID == id {
			x := st.xmlResource(r)
			x.Timestamp = format(r.Changed)
			out.Resources = append(out.Resources, x)
		}
	}
	return out, nil
}

func (s *Service) listStackResources(ctx context.Context, in struct{ StackName, NextToken string }) (any, error) {
	st, err := s.find(ctx, "ListStackResources", in.StackName)
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	page, next, err := paged(in.NextToken, slices.Sorted(maps.Keys(st.Resources)), func(id string) string { return id })
	if err != nil {
		return nil, err
	}
	out := struct {
		Summaries []xmlResource `xml:"StackResourceSummaries>member"`
		NextToken string        `xml:",omitempty"`
	}{NextToken: next}
	for _, id := range page {
		x := st.xmlResource(st.Resources[id])
		x.StackName, x.StackID, x.LastUpdated = "", "", format(st.Resources[id].Changed)
		out.Summaries = append(out.Summaries, x)
	}
	return out, nil
}

func (s *Service) listExports(ctx context.Context, in struct{ NextToken string }) (any, error) {
	if err := s.authorize(ctx, "ListExports", "*", nil); err != nil {
		return nil, err
	}
	type export struct {
		StackID string `xml:"ExportingStackId"`
		Name    string
		Value   string
	}
	var all []export
	s.mu.RLock()
	for _, st := range s.stacks {
		for _, o := range st.Outputs {
			if o.Export != "" && st.Status != deleteComplete {
				all = append(all, export{st.ID, o.Export, o.Value})
			}
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b export) int { return strings.Compare(a.Name, b.Name) })
	page, next, err := paged(in.NextToken, all, func(e export) string { return e.Name })
	return struct {
		Exports   []export `xml:"Exports>member"`
		NextToken string   `xml:",omitempty"`
	}{page, next}, err
}

func (s *Service) listImports(ctx context.Context, in struct{ ExportName, NextToken string }) (any, error) {
	if err := s.authorize(ctx, "ListImports", "*", nil); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	users := s.importers(in.ExportName)
	switch {
	case s.exporter(in.ExportName) == nil:
		return nil, invalid("Export '%s' does not exist.", in.ExportName)
	case len(users) == 0:
		return nil, invalid("Export '%s' is not imported by any stack.", in.ExportName)
	}
	return struct {
		Imports []string `xml:"Imports>member"`
	}{users}, nil
}

func (s *Service) updateTerminationProtection(ctx context.Context, in struct {
	StackName string
	Enable    *bool `query:"EnableTerminationProtection"`
}) (any, error) {
	if err := s.authorizeStack(ctx, "UpdateTerminationProtection", in.StackName, nil); err != nil {
		return nil, err
	}
	if in.Enable == nil {
		return nil, invalid("1 validation error detected: Value null at 'enableTerminationProtection' failed to satisfy constraint: Member must not be null")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.named(in.StackName)
	if st == nil || st.Status == deleteComplete {
		return nil, noStack(in.StackName)
	}
	changed := *st
	changed.TerminationProtection = *in.Enable
	if err := s.save(&changed); err != nil {
		return nil, err
	}
	st.TerminationProtection = *in.Enable
	return stackID{st.ID}, nil
}
