package cloudformation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Advance continues all unfinished stacks as far as possible. It returns when each is done or waits for a service.
func (s *Service) Advance(ctx context.Context) {
	s.advancing.Lock()
	defer s.advancing.Unlock()
	s.advance(ctx)
}

// Try is Advance, unless another call of it is running.
func (s *Service) Try(ctx context.Context) {
	if s.advancing.TryLock() {
		defer s.advancing.Unlock()
		s.advance(ctx)
	}
}

func (s *Service) advance(ctx context.Context) {
	s.mu.RLock()
	var busy []*stack
	for _, st := range s.stacks {
		if st.Status.busy() {
			busy = append(busy, st)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(busy, func(a, b *stack) int { return a.Created.Compare(b.Created) })
	// The request that continues a stack is not the request that started it.
	ctx = context.WithoutCancel(ctx)
	for _, st := range busy {
		for s.step(ctx, st) {
		}
	}
}

// step does one thing for a stack, and says whether there may be more to do.
func (s *Service) step(ctx context.Context, st *stack) bool {
	s.mu.RLock()
	at := st.Status
	s.mu.RUnlock()
	switch at {
	case createInProgress, updateInProgress, updateRollbackInProgress:
		return s.apply(ctx, st, at)
	case rollbackInProgress, deleteInProgress, updateCleanup, updateRollbackCleanup:
		return s.clean(ctx, st, at)
	}
	return false
}

// write changes a stack and its record. If the write fails, the change is in memory only, and the next write includes it.
func (s *Service) write(st *stack, change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	_ = s.save(st) // the next write includes it
}

// apply creates or changes one resource of the template that is ready for it.
func (s *Service) apply(ctx context.Context, st *stack, at status) bool {
	s.mu.RLock()
	t := st.template
	s.mu.RUnlock()
	waiting, progressed := false, false
	for _, id := range t.order {
		s.mu.RLock()
		r, now := st.Resources[id], st.Status
		s.mu.RUnlock()
		if now != at {
			return true
		}
		d := t.resources[id]
		ready := !slices.ContainsFunc(d.depends, func(other string) bool {
			s.mu.RLock()
			defer s.mu.RUnlock()
			on := st.Resources[other]
			return on == nil || !on.done()
		})
		if !ready {
			waiting = true
			continue
		}
		acted, done, err := s.converge(ctx, st, at, r, id, d)
		if err != nil {
			s.fail(st, at, id, err)
			return true
		}
		progressed = progressed || acted
		waiting = waiting || !done
	}
	if waiting {
		return progressed
	}
	s.complete(st, at)
	return true
}

// converge brings one resource of a stack to its declaration, in a given status of the stack. acted says that it did
// something. done says that the resource is as declared.
func (s *Service) converge(ctx context.Context, st *stack, at status, r *resource, id string, d declaration) (acted, done bool, err error) {
	environment := s.environment(st)
	switch {
	case r == nil || !r.there() || r.Status == createFailed && r.Physical == "":
		r = &resource{ID: id, Kind: d.kind, Name: physicalName(st.Name, id), Token: uuid.NewString(), Depends: d.depends, Retained: d.retain}
		s.write(st, func() {
			st.Resources[id] = r
			st.setStatus(s.now(), r, createInProgress, "")
		})
		return true, false, nil
	case r.Status == createInProgress && r.Physical == "":
		return s.create(ctx, st, r, d, environment)
	case r.Status == createInProgress, r.Status == updateInProgress:
		return s.await(ctx, st, r)
	}
	// The resource exists: check whether its declaration has changed.
	wanted, err := properties(environment, d)
	if err != nil {
		return false, false, err
	}
	if at == createInProgress || same(wanted, r.Properties) && r.Status != updateFailed && r.Status != createFailed {
		s.adopt(st, r, d)
		return false, r.done(), nil
	}
	return s.modify(ctx, st, r, d, wanted)
}

// adopt sets the parts of a declaration that no service has to know.
func (s *Service) adopt(st *stack, r *resource, d declaration) {
	if slices.Equal(r.Depends, d.depends) && r.Retained == d.retain {
		return
	}
	s.write(st, func() { r.Depends, r.Retained = d.depends, d.retain })
}

func (s *Service) create(ctx context.Context, st *stack, r *resource, d declaration, e *environment) (acted, done bool, err error) {
	wanted, err := properties(e, d)
	if err != nil {
		return false, false, err
	}
	k := kinds[d.kind]
	if err := k.known(wanted); err != nil {
		return false, false, err
	}
	s.write(st, func() { r.Properties = wanted })
	o := s.operationOn(ctx, st, r)
	made := result{}
	if r.Tried && k.find != nil {
		// The process ended before it got the answer, so the resource may exist.
		if made, err = k.find(o); err != nil {
			return false, false, err
		}
	}
	if made.physical == "" {
		if made, err = k.create(o); err != nil {
			return false, false, err
		}
	}
	s.write(st, func() {
		r.Physical, r.Attributes, r.Tried = made.physical, made.attributes, false
		st.setStatus(s.now(), r, createInProgress, "Resource creation Initiated")
	})
	_, done, err = s.await(ctx, st, r)
	return true, done, err
}

// await checks whether a resource that is being created or changed is ready.
func (s *Service) await(ctx context.Context, st *stack, r *resource) (acted, done bool, err error) {
	k := kinds[r.Kind]
	if k.ready != nil {
		attributes, ready, err := k.ready(s.operationOn(ctx, st, r))
		if err != nil || !ready {
			return false, false, err
		}
		s.write(st, func() {
			all := maps.Clone(r.Attributes)
			if all == nil {
				all = map[string]string{}
			}
			maps.Copy(all, attributes)
			r.Attributes = all
		})
	}
	s.write(st, func() {
		to := createComplete
		if r.Status == updateInProgress {
			to = updateComplete
		}
		st.setStatus(s.now(), r, to, "")
	})
	return true, true, nil
}

func (s *Service) modify(ctx context.Context, st *stack, r *resource, d declaration, wanted map[string]any) (acted, done bool, err error) {
	k := kinds[d.kind]
	if r.Kind != d.kind {
		return false, false, fmt.Errorf("Update of resource type is not permitted. The new template modifies resource type of the following resources: [%s]", r.ID) //nolint:staticcheck // shown as AWS shows it
	}
	if err := k.known(wanted); err != nil {
		return false, false, err
	}
	if k.update == nil {
		return false, false, fmt.Errorf("the emulator cannot change a resource of type %s", d.kind)
	}
	old := r.Properties
	s.write(st, func() {
		r.Depends, r.Retained = d.depends, d.retain
		st.setStatus(s.now(), r, updateInProgress, "")
	})
	o := s.operationOn(ctx, st, r)
	o.properties = wanted
	if err := k.update(o, old); err != nil {
		return true, false, err
	}
	s.write(st, func() { r.Properties = wanted })
	return true, false, nil
}

// fail notes that a resource failed, and rolls the stack back.
func (s *Service) fail(st *stack, at status, id string, err error) {
	reason := err.Error()
	s.write(st, func() {
		now := s.now()
		if r := st.Resources[id]; r != nil {
			switch r.Status {
			case createInProgress:
				st.setStatus(now, r, createFailed, reason)
			case createComplete, updateInProgress, updateComplete, updateFailed:
				st.setStatus(now, r, updateFailed, reason)
			}
		}
		cancelled := []string{id}
		for _, other := range st.names() {
			if r := st.Resources[other]; r != nil && other != id && (r.Status == createInProgress || r.Status == updateInProgress) {
				to, why := createFailed, "Resource creation cancelled"
				if r.Status == updateInProgress {
					to, why = updateFailed, "Resource update cancelled"
				}
				st.setStatus(now, r, to, why)
				cancelled = append(cancelled, other)
			}
		}
		if st.Status != at {
			return // the stack was deleted in the meantime
		}
		failed := "The following resource(s) failed to %s: [" + strings.Join(cancelled, ", ") + "]. "
		switch at {
		case createInProgress:
			failed = fmt.Sprintf(failed, "create")
			switch st.OnFailure {
			case "DO_NOTHING":
				st.become(now, createFailed, failed)
			case "DELETE":
				st.become(now, deleteInProgress, failed+"Delete requested by user.")
			default:
				st.become(now, rollbackInProgress, failed+"Rollback requested by user.")
			}
		case updateInProgress:
			st.become(now, updateRollbackInProgress, fmt.Sprintf(failed, "update"))
			st.Body, st.Tags, st.Capabilities = st.Previous.Body, st.Previous.Tags, st.Previous.Capabilities
			// The template was parsed when the request was accepted.
			st.template, _ = parse(st.Body)
		default:
			st.become(now, updateRollbackFailed, fmt.Sprintf(failed, "update"))
		}
	})
}

// complete ends the part of an operation that creates and changes resources.
func (s *Service) complete(st *stack, at status) {
	outputs, err := s.outputs(st)
	if err != nil {
		s.fail(st, at, "", err)
		return
	}
	s.write(st, func() {
		if st.Status != at {
			return
		}
		// Another stack may export the same name since.
		for _, o := range outputs {
			if other := s.exporter(o.Export); o.Export != "" && other != nil && other != st {
				err = fmt.Errorf("Export with name %s is already exported by stack %s. Rollback requested by user.", o.Export, other.Name) //nolint:staticcheck // shown as AWS shows it
			}
		}
		if err != nil {
			return
		}
		st.Outputs = outputs
		now := s.now()
		switch at {
		case createInProgress:
			st.become(now, createComplete, "")
		case updateInProgress:
			st.become(now, updateCleanup, "")
		default:
			st.become(now, updateRollbackCleanup, "")
		}
	})
	if err != nil {
		s.fail(st, at, "", err)
	}
}

// clean deletes one resource that is to be deleted and that no other resource needs.
func (s *Service) clean(ctx context.Context, st *stack, at status) bool {
	if at == deleteInProgress && s.held(st) {
		return true
	}
	s.mu.RLock()
	names, operation, keep := st.names(), st.Operation, map[string]bool{}
	if (at == updateCleanup || at == updateRollbackCleanup) && st.template != nil {
		for id := range st.template.resources {
			keep[id] = true
		}
	}
	s.mu.RUnlock()
	slices.Reverse(names)
	pending, progressed := false, false
	var failed []string
	deferred := map[*resource]error{}
	for _, id := range names {
		s.mu.RLock()
		r, now := st.Resources[id], st.Status
		blocked := len(st.dependents(id)) > 0
		s.mu.RUnlock()
		switch {
		case now != at:
			return true
		case r == nil || !r.there() || keep[id] || blocked:
			continue
		case r.Failed == operation:
			failed = append(failed, id)
			continue
		}
		acted, gone, err := s.remove(ctx, st, r, at)
		switch {
		case isDependency(err):
			// A resource that is still being deleted may be the obstacle.
			deferred[r] = err
		case err != nil:
			s.cannotRemove(st, r, operation, err)
			failed = append(failed, id)
		default:
			progressed, pending = progressed || acted || gone, pending || !gone
		}
	}
	if progressed || pending {
		return progressed
	}
	for r, err := range deferred {
		s.cannotRemove(st, r, operation, err)
		failed = append(failed, r.ID)
	}
	if len(failed) > 0 {
		slices.Sort(failed)
		s.cannotClean(st, at, failed)
		return true
	}
	s.write(st, func() {
		if st.Status != at {
			return
		}
		now := s.now()
		switch at {
		case deleteInProgress:
			st.Outputs, st.ChangeSets, st.Deleted = nil, nil, now
			st.become(now, deleteComplete, "")
		case rollbackInProgress:
			st.become(now, rollbackComplete, "")
		case updateCleanup:
			st.Previous, st.Updated = nil, now
			st.become(now, updateComplete, "")
		default:
			st.Previous = nil
			st.become(now, updateRollbackComplete, "")
		}
	})
	return true
}

// held ends a deletion while other stacks import the stack's exports. AWS documents that such a stack cannot be deleted.
// The status in that case is this package's choice.
func (s *Service) held(st *stack) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range st.Outputs {
		if users := s.importers(o.Export); o.Export != "" && len(users) > 0 {
			st.become(s.now(), deleteFailed, fmt.Sprintf("Export %s cannot be deleted as it is in use by %s", o.Export, strings.Join(users, ", ")))
			_ = s.save(st) // the next write includes it
			return true
		}
	}
	return false
}

// remove deletes a resource, or checks whether it is deleted.
func (s *Service) remove(ctx context.Context, st *stack, r *resource, at status) (acted, gone bool, err error) {
	k := kinds[r.Kind]
	o := s.operationOn(ctx, st, r)
	if at == deleteInProgress && (r.Retained || slices.Contains(st.Retain, r.ID)) {
		s.write(st, func() { st.setStatus(s.now(), r, deleteSkipped, "") })
		return true, true, nil
	}
	if r.Physical == "" && k.find != nil && r.Properties != nil {
		// A process may have created it and ended before it got the answer.
		found, err := k.find(o)
		if err == nil && found.physical != "" {
			s.write(st, func() { r.Physical, r.Attributes = found.physical, found.attributes })
			o = s.operationOn(ctx, st, r)
		}
	}
	if r.Physical == "" {
		s.write(st, func() { st.setStatus(s.now(), r, deleteComplete, "") })
		return true, true, nil
	}
	if r.Status != deleteInProgress {
		s.write(st, func() { st.setStatus(s.now(), r, deleteInProgress, "") })
		acted = true
	}
	if gone, err = k.remove(o); err != nil {
		return acted, false, err
	}
	if gone {
		s.write(st, func() { st.setStatus(s.now(), r, deleteComplete, "") })
	}
	return acted || gone, gone, nil
}

// cannotRemove notes that this operation does not try the resource again.
func (s *Service) cannotRemove(st *stack, r *resource, operation int, err error) {
	s.write(st, func() {
		r.Failed = operation
		st.setStatus(s.now(), r, deleteFailed, err.Error())
	})
}

func (s *Service) cannotClean(st *stack, at status, failed []string) {
	s.write(st, func() {
		if st.Status != at {
			return
		}
		now, reason := s.now(), "The following resource(s) failed to delete: ["+strings.Join(failed, ", ")+"]. "
		switch at {
		case deleteInProgress:
			st.become(now, deleteFailed, reason)
		case rollbackInProgress:
			st.become(now, rollbackFailed, reason)
		case updateCleanup:
			// A resource that cannot be deleted stays, and an event reports it (stack-failure-options).
			st.Previous, st.Updated = nil, now
			st.become(now, updateComplete, "")
		default:
			st.Previous = nil
			st.become(now, updateRollbackComplete, "")
		}
	})
}

// properties are those of a declaration with all functions evaluated, in the form of records.
func properties(e *environment, d declaration) (map[string]any, error) {
	done, err := e.resolve(d.properties)
	if err != nil {
		return nil, err
	}
	found, ok := done.(map[string]any)
	if !ok {
		return nil, errors.New("Properties validation failed: no object") //nolint:staticcheck // shown as AWS shows it
	}
	return found, nil
}

// same compares properties of a record with those of a template.
func same(a, b map[string]any) bool { return encode(a) == encode(b) || reflect.DeepEqual(a, b) }

func encode(properties map[string]any) string {
	if properties == nil {
		return ""
	}
	text, _ := json.Marshal(properties) // texts, numbers, lists and objects can always be encoded
	return string(text)
}

// environment gives the functions of a stack's template their values.
func (s *Service) environment(st *stack) *environment {
	e := &environment{stackName: st.Name, stackID: st.ID, region: s.options.Region, account: s.options.Account}
	if st.template != nil {
		e.mappings = st.template.mappings
	}
	made := func(id string) (*resource, error) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		r := st.Resources[id]
		if r == nil || r.Physical == "" {
			return nil, fmt.Errorf("Template error: resource %s is not there", id) //nolint:staticcheck // shown as AWS shows it
		}
		return r, nil
	}
	e.ref = func(id string) (string, error) {
		r, err := made(id)
		if err != nil {
			return "", err
		}
		return r.Physical, nil
	}
	e.attribute = func(id, name string) (string, error) {
		r, err := made(id)
		if err != nil {
			return "", err
		}
		s.mu.RLock()
		defer s.mu.RUnlock()
		value, ok := r.Attributes[name]
		if !ok {
			return "", fmt.Errorf("Template error: resource %s does not support attribute type %s in Fn::GetAtt", id, name) //nolint:staticcheck // shown as AWS shows it
		}
		return value, nil
	}
	e.export = func(name string) (string, error) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if other := s.exporter(name); other != nil {
			for _, o := range other.Outputs {
				if o.Export == name {
					return o.Value, nil
				}
			}
		}
		return "", fmt.Errorf("No export named %s found.", name) //nolint:staticcheck // shown as AWS shows it
	}
	return e
}

// exporter is the stack that exports a name; nil if none does. The caller holds mu.
func (s *Service) exporter(name string) *stack {
	for _, st := range s.stacks {
		if st.Status != deleteComplete && slices.ContainsFunc(st.Outputs, func(o output) bool { return o.Export == name && name != "" }) {
			return st
		}
	}
	return nil
}

// importers are the names of the stacks that import an export. The caller holds mu.
func (s *Service) importers(name string) []string {
	var names []string
	for _, st := range s.stacks {
		if st.template == nil || st.Status == deleteComplete || st.Status == rollbackComplete || st.Status == reviewInProgress {
			continue
		}
		e := &environment{
			stackName: st.Name, stackID: st.ID, region: s.options.Region, account: s.options.Account, mappings: st.template.mappings,
			ref: func(string) (string, error) { return "", errNoValue }, attribute: func(string, string) (string, error) { return "", errNoValue },
			export: func(string) (string, error) { return "", nil },
		}
		if slices.Contains(st.template.imports(e), name) {
			names = append(names, st.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *Service) outputs(st *stack) ([]output, error) {
	e := s.environment(st)
	var outputs []output
	for _, key := range slices.Sorted(maps.Keys(st.template.outputs)) {
		d := st.template.outputs[key]
		o := output{Key: key, Description: d.description}
		var err error
		if o.Value, err = e.text(d.value); err != nil {
			return nil, err
		}
		if d.export != nil {
			if o.Export, err = e.text(d.export); err != nil {
				return nil, err
			}
		}
		outputs = append(outputs, o)
	}
	return outputs, nil
}

// physicalName is the name of a resource whose declaration has none: the stack's name, the resource's, and a random part.
func physicalName(stack, id string) string {
	random := strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", ""))[:12]
	const most = 64 - 14
	if len(stack)+len(id) > most {
		keep := max(most-len(id), 24)
		stack = stack[:min(len(stack), keep)]
		id = id[:min(len(id), most-len(stack))]
	}
	return stack + "-" + id + "-" + random
}
