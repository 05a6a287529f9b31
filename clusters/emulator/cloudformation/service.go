// Package cloudformation is the part of CloudFormation that eksctl needs: stacks of the sixteen types of resources that its
// templates have, with roll-back, exports and change sets. It acts as its caller: it creates each resource by a request to
// the resource's service in the caller's name. That service authorises the request, and the journal keeps it. Wire forms
// and codes are those of https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/; where the reference leaves
// something open, a comment names the choice.
package cloudformation

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters/emulator/query"
	"github.com/podidentity/epi/clusters/emulator/store"
)

const (
	version   = "2010-05-15"
	namespace = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
	// Principal is the service that sends the requests in the caller's name.
	Principal = "cloudformation.amazonaws.com"
)

// Authorizer decides about the caller of a request. It finds the caller in the context.
type Authorizer interface {
	// Authorize returns nil, or an error whose text may be shown to the caller. keys are the condition keys of this action,
	// besides those of every request.
	Authorize(ctx context.Context, action, resource string, keys map[string][]string) error
}

// Caller has the identity of a stack operation's caller, as far as it is needed later. It holds no secret that can sign.
type Caller struct {
	AccessKeyID, SessionToken string
	// SourceIP is the peer's address; "" if it is not known.
	SourceIP string
}

// Requests sends requests to the services of the account.
type Requests interface {
	// Caller returns the caller of a request.
	Caller(ctx context.Context) Caller
	// Send sends a request in the caller's name, with the caller's current permissions.
	Send(ctx context.Context, caller Caller, service string, request *http.Request) (status int, header http.Header, body []byte)
}

// Options of a Service.
type Options struct {
	// Region such as "us-west-2" and Account of twelve digits.
	Region, Account string
	Authorizer      Authorizer
	Requests        Requests
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Table keeps stacks; nil keeps them in memory only.
	Table store.Table
}

// Service serves the API. It is safe for concurrent use.
type Service struct {
	options Options
	handler http.Handler
	// advancing is held by the goroutine that continues stacks. It is locked before mu.
	advancing sync.Mutex
	mu        sync.RWMutex
	// stacks by their ID.
	stacks map[string]*stack
}

// New makes a service with the content of its table.
func New(options Options) (*Service, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	options.Table = store.OrNowhere(options.Table)
	s := &Service{options: options, stacks: map[string]*stack{}}
	err := options.Table.Each(func(key string, value []byte) error {
		st := &stack{}
		if err := json.Unmarshal(value, st); err != nil {
			return fmt.Errorf("read record %q: %w", key, err)
		}
		if err := st.prepare(); err != nil {
			return fmt.Errorf("read record %q: %w", key, err)
		}
		s.stacks[st.ID] = st
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load CloudFormation state: %w", err)
	}
	s.handler = &query.Service{Version: version, Namespace: namespace, Operations: s.operations(), Known: strings.Fields(known)}
	return s, nil
}

// ServeHTTP answers a request whose signature was verified.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// known are the names of all operations that CloudFormation has, as of the AWS SDK for Go.
//
//go:embed operations.txt
var known string

// Operations are the names of all operations that a Service serves, sorted.
func Operations() []string { return slices.Sorted(maps.Keys(new(Service).operations())) }

func (s *Service) operations() map[string]query.Operation {
	return map[string]query.Operation{
		"CreateStack": operation(s.createStack), "UpdateStack": operation(s.updateStack), "DeleteStack": operation(s.deleteStack),
		"DescribeStacks": operation(s.describeStacks), "ListStacks": operation(s.listStacks), "GetTemplate": operation(s.getTemplate),
		"DescribeStackEvents": operation(s.describeStackEvents), "DescribeStackResource": operation(s.describeStackResource),
		"DescribeStackResources": operation(s.describeStackResources), "ListStackResources": operation(s.listStackResources),
		"CreateChangeSet": operation(s.createChangeSet), "DescribeChangeSet": operation(s.describeChangeSet),
		"ExecuteChangeSet": operation(s.executeChangeSet), "DeleteChangeSet": operation(s.deleteChangeSet),
		"ListExports": operation(s.listExports), "ListImports": operation(s.listImports),
		"UpdateTerminationProtection": operation(s.updateTerminationProtection),
	}
}

// operation reads the parameters into an operation's input.
func operation[I any](do func(context.Context, I) (any, error)) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		var in I
		if err := p.Decode(&in, ".member"); err != nil {
			if refusal, ok := err.(*query.Error); ok { //nolint:errorlint // Decode wraps nothing
				return nil, invalid("%s", refusal.Message)
			}
			return nil, err
		}
		return do(ctx, in)
	}
}

func (s *Service) authorize(ctx context.Context, action, resource string, keys map[string][]string) error {
	if err := s.options.Authorizer.Authorize(ctx, "cloudformation:"+action, resource, keys); err != nil {
		return query.Errorf("AccessDenied", http.StatusForbidden, "%s", err)
	}
	return nil
}

// stackARN is the ARN of a name. The unique ID is * if there is no stack yet.
func (s *Service) stackARN(name, id string) string {
	return "arn:aws:cloudformation:" + s.options.Region + ":" + s.options.Account + ":stack/" + name + "/" + id
}

// named finds a stack by its name if it is not deleted, or by its ID in any state; nil if there is none. The caller holds
// mu.
func (s *Service) named(name string) *stack {
	if strings.HasPrefix(name, "arn:") {
		return s.stacks[name]
	}
	for _, st := range s.stacks {
		if st.Name == name && st.Status != deleteComplete {
			return st
		}
	}
	return nil
}

// authorizeStack decides about a stack by its name or ID, with its tags as condition keys.
func (s *Service) authorizeStack(ctx context.Context, action, name string, keys map[string][]string) error {
	all := map[string][]string{}
	maps.Copy(all, keys)
	arn := name
	if !strings.HasPrefix(name, "arn:") {
		arn = s.stackARN(name, "*")
	}
	s.mu.RLock()
	if st := s.named(name); st != nil {
		arn = st.ID
		for key, value := range st.Tags {
			all["aws:ResourceTag/"+key] = []string{value}
		}
	}
	s.mu.RUnlock()
	return s.authorize(ctx, action, arn, all)
}

// find authorises the request and finds a stack, or returns the API's error. If it returns no error, the caller holds mu
// for reading after it.
func (s *Service) find(ctx context.Context, action, name string) (*stack, error) {
	if err := s.authorizeStack(ctx, action, name, nil); err != nil {
		return nil, err
	}
	s.Try(ctx)
	s.mu.RLock()
	if st := s.named(name); st != nil {
		return st, nil
	}
	s.mu.RUnlock()
	return nil, noStack(name)
}

func noStack(name string) error { return invalid("Stack with id %s does not exist", name) }

// save writes a stack's record. The caller holds mu for writing.
func (s *Service) save(st *stack) error {
	value, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encode record of stack %s: %w", st.Name, err)
	}
	return s.options.Table.Put(st.ID, value)
}

func (s *Service) now() time.Time { return s.options.Now().UTC() }
