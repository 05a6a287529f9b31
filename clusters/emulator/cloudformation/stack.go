package cloudformation

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// status of a stack or a resource.
type status string

const (
	createInProgress status = "CREATE_IN_PROGRESS"
	createFailed     status = "CREATE_FAILED"
	createComplete   status = "CREATE_COMPLETE"

	rollbackInProgress status = "ROLLBACK_IN_PROGRESS"
	rollbackFailed     status = "ROLLBACK_FAILED"
	rollbackComplete   status = "ROLLBACK_COMPLETE"

	deleteInProgress status = "DELETE_IN_PROGRESS"
	deleteFailed     status = "DELETE_FAILED"
	deleteComplete   status = "DELETE_COMPLETE"
	deleteSkipped    status = "DELETE_SKIPPED"

	updateInProgress status = "UPDATE_IN_PROGRESS"
	updateFailed     status = "UPDATE_FAILED"
	updateCleanup    status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
	updateComplete   status = "UPDATE_COMPLETE"

	updateRollbackInProgress status = "UPDATE_ROLLBACK_IN_PROGRESS"
	updateRollbackFailed     status = "UPDATE_ROLLBACK_FAILED"
	updateRollbackCleanup    status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
	updateRollbackComplete   status = "UPDATE_ROLLBACK_COMPLETE"

	reviewInProgress status = "REVIEW_IN_PROGRESS"
)

// busy says that the engine has work to do.
func (s status) busy() bool {
	return strings.HasSuffix(string(s), "_IN_PROGRESS") && s != reviewInProgress
}

// stack is a stack as its record keeps it.
type stack struct {
	ID, Name, Description string
	Body                  string
	Status                status
	Reason                string
	Created               time.Time
	Updated, Deleted      time.Time
	Tags                  map[string]string
	Capabilities          []string
	// OnFailure is ROLLBACK, DELETE or DO_NOTHING.
	OnFailure             string
	TerminationProtection bool
	Resources             map[string]*resource
	Outputs               []output
	Events                []event
	// Caller is the caller of the current operation, and Token the token of its request.
	Caller Caller
	Token  string
	// CreateToken and Fingerprint are those of the request that created it.
	CreateToken, Fingerprint string
	// Operation counts the operations from 1.
	Operation int
	// Previous is the definition before an update. A failed update returns to it.
	Previous *previous
	// Retain are the resources that DeleteStack keeps.
	Retain     []string
	ChangeSets []changeSet

	template *template
}

type previous struct {
	Body         string
	Tags         map[string]string
	Capabilities []string
}

// resource is one resource of a stack.
type resource struct {
	ID, Kind string
	// Physical is empty until the request was answered.
	Physical string
	Status   status
	Reason   string
	Changed  time.Time
	// Properties are those that the resource was created with, with all functions evaluated.
	Properties map[string]any
	Attributes map[string]string
	Depends    []string
	Retained   bool
	// Name is chosen before the resource is created, and is the same for each try. Token is for requests that accept one.
	Name, Token string
	// Failed is the operation of the stack that could not delete the resource.
	Failed int
	// Tried says that the request may have been sent before a process ended.
	Tried bool
}

// there says that the resource exists, or may exist.
func (r *resource) there() bool {
	return r.Status != "" && r.Status != deleteComplete && r.Status != deleteSkipped
}

func (r *resource) done() bool {
	return r.Status == createComplete || r.Status == updateComplete
}

type output struct {
	Key, Value, Description, Export string
}

type event struct {
	ID             string
	Time           time.Time
	Resource, Kind string
	Physical       string
	Status         status
	Reason, Token  string
	Properties     string
}

// stackKind is the type of the stack itself in its events.
const stackKind = "AWS::CloudFormation::Stack"

// prepare parses the template of a record.
func (st *stack) prepare() error {
	if st.Body == "" {
		return nil
	}
	var err error
	st.template, err = parse(st.Body)
	for _, r := range st.Resources {
		// The process that waited for the answer has ended.
		r.Tried = r.Status == createInProgress && r.Physical == ""
	}
	return err
}

// become changes the status, with an event. The caller holds mu for writing, and saves the stack.
func (st *stack) become(now time.Time, to status, reason string) {
	st.Status, st.Reason = to, reason
	st.Events = append(st.Events, event{
		ID: uuid.NewString(), Time: now, Resource: st.Name, Kind: stackKind, Physical: st.ID, Status: to, Reason: reason, Token: st.Token,
	})
}

// setStatus changes the status of a resource, with an event.
func (st *stack) setStatus(now time.Time, r *resource, to status, reason string) {
	r.Status, r.Reason, r.Changed = to, reason, now
	st.Events = append(st.Events, event{
		ID: r.ID + "-" + string(to) + "-" + now.Format("2006-01-02T15:04:05.000Z"), Time: now, Resource: r.ID, Kind: r.Kind, Physical: r.Physical,
		Status: to, Reason: reason, Token: st.Token, Properties: encode(r.Properties),
	})
}

// dependents are the existing resources that depend on a resource.
func (st *stack) dependents(id string) []string {
	var found []string
	for _, r := range st.Resources {
		if r.there() && slices.Contains(r.Depends, id) {
			found = append(found, r.ID)
		}
	}
	return found
}

// names are those of all resources, in the order of their creation. Resources that the template no longer has come last.
func (st *stack) names() []string {
	var names []string
	if st.template != nil {
		names = append(names, st.template.order...)
	}
	for _, id := range slices.Sorted(maps.Keys(st.Resources)) {
		if !slices.Contains(names, id) {
			names = append(names, id)
		}
	}
	return names
}
