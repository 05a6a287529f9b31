package cloudformation

import (
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/query"
)

// changeSet is a possible next definition of a stack.
type changeSet struct {
	ID, Name, Description string
	// Kind is UPDATE or CREATE.
	Kind       string
	Created    time.Time
	Definition definition
	Tags       map[string]string
	Changes    []changed
	// Status is CREATE_COMPLETE or FAILED, with Reason.
	Status, Reason string
	Executed       bool
}

var changeSetName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{0,127}$`)

// noChanges is the text by which clients recognize a change set that changes nothing.
const noChanges = "The submitted information didn't contain changes. Submit different information to create a change set."

func (st *stack) changeSet(name string) (*changeSet, error) {
	for n := range st.ChangeSets {
		if set := &st.ChangeSets[n]; set.Name == name || set.ID == name {
			return set, nil
		}
	}
	return nil, query.Errorf("ChangeSetNotFound", http.StatusNotFound, "ChangeSet [%s] does not exist", name)
}

func (s *Service) createChangeSet(ctx context.Context, in struct {
	definition
	ChangeSetName, Description, ClientToken string
	Kind                                    string `query:"ChangeSetType"`
	UsePreviousTemplate                     bool
	IncludeNestedStacks                     bool
	OnStackFailure                          string
}) (any, error) {
	if err := s.authorizeStack(ctx, "CreateChangeSet", in.StackName, requestKeys(in.Tags)); err != nil {
		return nil, err
	}
	switch {
	case !changeSetName.MatchString(in.ChangeSetName):
		return nil, invalid("1 validation error detected: Value '%s' at 'changeSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", in.ChangeSetName)
	case in.Kind == "":
		in.Kind = "UPDATE"
	case in.Kind != "UPDATE" && in.Kind != "CREATE":
		return nil, invalid("The emulator does not have the change set type %s.", in.Kind)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	set := changeSet{
		ID:   "arn:aws:cloudformation:" + s.options.Region + ":" + s.options.Account + ":changeSet/" + in.ChangeSetName + "/" + uuid.NewString(),
		Name: in.ChangeSetName, Description: in.Description, Kind: in.Kind, Created: s.now(), Status: "CREATE_COMPLETE",
	}
	st := s.named(in.StackName)
	if in.Kind == "CREATE" {
		t, tags, err := in.read()
		switch {
		case err != nil:
			return nil, err
		case !stackName.MatchString(in.StackName):
			return nil, invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", in.StackName)
		case st != nil && st.Status != reviewInProgress:
			return nil, invalid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", in.StackName, in.ChangeSetName)
		case st == nil:
			st = s.newStack(ctx, in.StackName, t, definition{}, tags)
			st.template = &template{}
			st.become(s.now(), reviewInProgress, "User Initiated")
		}
		for _, id := range t.order {
			set.Changes = append(set.Changes, changed{"Add", id, t.resources[id].kind, ""})
		}
		set.Definition, set.Tags = in.definition, tags
	} else {
		found, t, tags, err := s.updatable(in.StackName, &in.definition, in.UsePreviousTemplate)
		if err != nil {
			return nil, err
		}
		st, set.Definition, set.Tags, set.Changes = found, in.definition, tags, changes(found, t)
		if len(set.Changes) == 0 && maps.Equal(tags, st.Tags) && sameOutputs(st, t) {
			set.Status, set.Reason = "FAILED", noChanges
		}
	}
	if _, err := st.changeSet(set.Name); err == nil {
		return nil, query.Errorf("AlreadyExistsException", http.StatusBadRequest, "ChangeSet %s already exists", set.Name)
	}
	whole := *st
	whole.ChangeSets = append(slices.Clone(st.ChangeSets), set)
	if err := s.save(&whole); err != nil {
		return nil, err
	}
	st.ChangeSets = whole.ChangeSets
	s.stacks[st.ID] = st
	return struct {
		ID      string `xml:"Id"`
		StackID string `xml:"StackId"`
	}{set.ID, st.ID}, nil
}

type changeSetInput struct {
	StackName, ChangeSetName string
}

// stackOfSet is the stack of a request about a change set. The ID of a change set needs no stack name.
func (s *Service) stackOfSet(in changeSetInput) string {
	if in.StackName != "" || !strings.HasPrefix(in.ChangeSetName, "arn:") {
		return in.StackName
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.stacks {
		if _, err := st.changeSet(in.ChangeSetName); err == nil {
			return st.ID
		}
	}
	return in.StackName
}

func (s *Service) describeChangeSet(ctx context.Context, in struct {
	changeSetInput
	NextToken             string
	IncludePropertyValues bool
}) (any, error) {
	st, err := s.find(ctx, "DescribeChangeSet", s.stackOfSet(in.changeSetInput))
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	set, err := st.changeSet(in.ChangeSetName)
	if err != nil {
		return nil, err
	}
	type change struct {
		Type     string
		Action   string `xml:"ResourceChange>Action"`
		ID       string `xml:"ResourceChange>LogicalResourceId"`
		Physical string `xml:"ResourceChange>PhysicalResourceId,omitempty"`
		Kind     string `xml:"ResourceChange>ResourceType"`
		// Replacement is always False: the emulator replaces nothing.
		Replacement string `xml:"ResourceChange>Replacement,omitempty"`
	}
	out := struct {
		ID              string `xml:"ChangeSetId"`
		Name            string `xml:"ChangeSetName"`
		StackID         string `xml:"StackId"`
		StackName       string
		Description     string `xml:",omitempty"`
		CreationTime    string
		ExecutionStatus string
		Status          string
		StatusReason    string   `xml:",omitempty"`
		Capabilities    []string `xml:"Capabilities>member"`
		Tags            []xmlTag `xml:"Tags>member"`
		Changes         []change `xml:"Changes>member"`
	}{
		ID: set.ID, Name: set.Name, StackID: st.ID, StackName: st.Name, Description: set.Description, CreationTime: format(set.Created),
		ExecutionStatus: set.execution(), Status: set.Status, StatusReason: set.Reason, Capabilities: set.Definition.Capabilities, Tags: xmlTags(set.Tags),
	}
	for _, c := range set.Changes {
		one := change{Type: "Resource", Action: c.Action, ID: c.ID, Physical: c.Physical, Kind: c.Kind}
		if c.Action == "Modify" {
			one.Replacement = "False"
		}
		out.Changes = append(out.Changes, one)
	}
	return out, nil
}

func (set *changeSet) execution() string {
	switch {
	case set.Executed:
		return "EXECUTE_COMPLETE"
	case set.Status == "FAILED":
		return "UNAVAILABLE"
	}
	return "AVAILABLE"
}

func (s *Service) executeChangeSet(ctx context.Context, in struct {
	changeSetInput
	ClientRequestToken string
	DisableRollback    bool
}) (any, error) {
	name := s.stackOfSet(in.changeSetInput)
	if err := s.authorizeStack(ctx, "ExecuteChangeSet", name, map[string][]string{"cloudformation:ChangeSetName": {in.ChangeSetName}}); err != nil {
		return nil, err
	}
	if in.DisableRollback {
		return nil, invalid("The emulator does not have the parameter DisableRollback of ExecuteChangeSet.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.named(name)
	if st == nil {
		return nil, noStack(name)
	}
	set, err := st.changeSet(in.ChangeSetName)
	if err != nil {
		return nil, err
	}
	switch {
	case set.execution() != "AVAILABLE":
		return nil, query.Errorf("InvalidChangeSetStatus", http.StatusBadRequest, "ChangeSet [%s] cannot be executed in its current execution status of [%s]", set.ID, set.execution())
	case set.Kind == "UPDATE" && !st.Status.settled():
		return nil, invalid("Stack:%s is in %s state and can not be updated.", st.ID, st.Status)
	}
	t, _, err := set.Definition.read()
	if err != nil {
		return nil, err
	}
	set.Definition.ClientRequestToken = in.ClientRequestToken
	if set.Kind == "UPDATE" {
		executed := *set
		executed.Executed = true
		// The other change sets were made for an older state of the stack.
		st.ChangeSets = []changeSet{executed}
		return struct{}{}, s.change(ctx, st, t, set.Definition, set.Tags)
	}
	st.Body, st.template, st.Tags, st.Capabilities, st.Caller = set.Definition.TemplateBody, t, set.Tags, set.Definition.Capabilities, s.options.Requests.Caller(ctx)
	st.Description = t.description
	set.Executed = true
	st.begin(s.now(), createInProgress, in.ClientRequestToken)
	return struct{}{}, s.save(st)
}

func (s *Service) deleteChangeSet(ctx context.Context, in changeSetInput) (any, error) {
	name := s.stackOfSet(in)
	if err := s.authorizeStack(ctx, "DeleteChangeSet", name, map[string][]string{"cloudformation:ChangeSetName": {in.ChangeSetName}}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.named(name)
	if st == nil {
		return nil, noStack(name)
	}
	whole := *st
	whole.ChangeSets = slices.DeleteFunc(slices.Clone(st.ChangeSets), func(set changeSet) bool { return set.Name == in.ChangeSetName || set.ID == in.ChangeSetName })
	if err := s.save(&whole); err != nil {
		return nil, err
	}
	st.ChangeSets = whole.ChangeSets
	return struct{}{}, nil
}
