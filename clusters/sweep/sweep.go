// Package sweep finds what epi has created in an AWS account and removes it. AWS's tags prove the owner, and neither a name
// nor a journal does. It works only in the expected account.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/ownership"
)

// Options of a Sweeper.
type Options struct {
	// Account is the expected one; empty means the caller's.
	Account string
	// Poll is the time between two checks of a deletion; 0 means 10 s.
	Poll time.Duration
	// Patience bounds the deletion of a stack or a cluster; 0 means 40 minutes.
	Patience time.Duration
}

// Sweeper works in one account and region.
type Sweeper struct {
	options Options
	account string
	caller  string
	region  string

	iam            *iam.Client
	s3             *s3.Client
	eks            *eks.Client
	ec2            *ec2.Client
	cloudFormation *cloudformation.Client
	ecr            *ecr.Client
}

// AccountError says that the caller is of another account than the expected one. Nothing was read.
type AccountError struct{ Expected, Got, Caller string }

func (e *AccountError) Error() string {
	return fmt.Sprintf("the AWS credentials are of account %s (%s), and what epi made is in account %s", e.Got, e.Caller, e.Expected)
}

func noRegion() error {
	return &clusters.EnvironmentError{Doing: "use AWS", Err: errors.New("no region is set"), Remedy: "set --region or AWS_REGION"}
}

// New asks STS for the caller, and makes a sweeper for the caller's account and the region of cfg.
func New(ctx context.Context, cfg aws.Config, options Options) (*Sweeper, error) {
	if cfg.Region == "" {
		return nil, noRegion()
	}
	caller, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, fmt.Errorf("ask STS who is calling: %w", err)
	}
	s := &Sweeper{options: options, account: aws.ToString(caller.Account), caller: aws.ToString(caller.Arn), region: cfg.Region}
	if options.Account != "" && options.Account != s.account {
		return nil, &AccountError{Expected: options.Account, Got: s.account, Caller: s.caller}
	}
	if s.options.Poll == 0 {
		s.options.Poll = 10 * time.Second
	}
	if s.options.Patience == 0 {
		s.options.Patience = 40 * time.Minute
	}
	s.iam, s.eks, s.ec2 = iam.NewFromConfig(cfg), eks.NewFromConfig(cfg), ec2.NewFromConfig(cfg)
	s.cloudFormation, s.ecr = cloudformation.NewFromConfig(cfg), ecr.NewFromConfig(cfg)
	s.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) {
		// A bucket's own host name exists only in AWS's domain.
		o.UsePathStyle = o.BaseEndpoint != nil
	})
	return s, nil
}

// Account is the sweeper's account.
func (s *Sweeper) Account() string { return s.account }

// Caller is the ARN of the caller.
func (s *Sweeper) Caller() string { return s.caller }

// Region is the sweeper's region.
func (s *Sweeper) Region() string { return s.region }

// Found is a resource in AWS that is epi's.
type Found struct {
	Kind journal.Kind
	// ID identifies it in requests: a name, an ARN, or CLUSTER/ID of an association.
	ID string
	// Owner is the owner in its tags.
	Owner ownership.Owner
	// Created is zero if AWS does not report it.
	Created time.Time
	// State is AWS's state; empty for resources without one.
	State string
}

// String describes the resource in words.
func (f Found) String() string {
	text := string(f.Kind) + " " + f.ID
	if f.State != "" {
		text += " (" + f.State + ")"
	}
	return text
}

// Scope says what to search.
type Scope struct {
	// Environment and Run limit it to those; empty means all.
	Environment, Run string
	// Kinds limits it to some kinds; nil means all.
	Kinds []journal.Kind
	// Clusters are the clusters to search for associations; nil means all of the region.
	Clusters []string
	// Due selects owners whose resources are found; nil means all.
	Due func(Found) bool
	// Journal has what was to be created. These resources are searched by name, because AWS's lists may be late.
	Journal []journal.Entry
}

func (s Scope) wants(found Found) bool {
	return (s.Environment == "" || s.Environment == found.Owner.Environment) && (s.Run == "" || s.Run == found.Owner.Run) &&
		(s.Due == nil || s.Due(found))
}

// kind says how one kind of resource is found and removed.
type kind struct {
	name journal.Kind
	// list returns the IDs of resources that may be epi's.
	list func(ctx context.Context, scope Scope) ([]string, error)
	// look returns the resource of an ID with its tags; nil if there is none.
	look func(ctx context.Context, id string) (*Found, map[string]string, error)
	// remove removes it. A missing resource is no error.
	remove func(ctx context.Context, found Found, progress func(string)) error
	// named returns the ID of a journal's entry; nil if lists are complete.
	named func(journal.Entry) string
}

// kinds are in the order of the removal: a resource precedes those that it uses.
func (s *Sweeper) kinds() []kind {
	return []kind{s.associations(), s.addons(), s.stacks(), s.clusters(), s.providers(), s.roles(), s.policies(), s.buckets(), s.repositories()}
}

// looksAtOnce is the number of simultaneous calls.
const looksAtOnce = 6

// Find returns epi's resources in the scope, in the order of the removal. With an error it returns what it has found;
// resources that it could not search may exist.
func (s *Sweeper) Find(ctx context.Context, scope Scope) ([]Found, error) {
	var all []Found
	var problems []error
	for _, kind := range s.kinds() {
		if scope.Kinds != nil && !slices.Contains(scope.Kinds, kind.name) {
			continue
		}
		found, err := s.find(ctx, kind, scope)
		if err != nil {
			problems = append(problems, fmt.Errorf("look for each %s: %w", kind.name, err))
		}
		all = append(all, found...)
		if outOfReach(err) {
			break // the others would wait without end
		}
	}
	return withoutParts(all), errors.Join(problems...)
}

func (s *Sweeper) find(ctx context.Context, kind kind, scope Scope) ([]Found, error) {
	ids, err := kind.list(ctx, scope)
	if err != nil {
		return nil, err
	}
	if kind.named != nil {
		for _, entry := range scope.Journal {
			if entry.Kind != kind.name || entry.Account != s.account {
				continue
			}
			if id := kind.named(entry); id != "" {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	looked, problems := make([]*Found, len(ids)), make([]error, len(ids))
	var group errgroup.Group
	group.SetLimit(looksAtOnce)
	for n, id := range ids {
		group.Go(func() error {
			looked[n], problems[n] = s.own(ctx, kind, id)
			return nil
		})
	}
	_ = group.Wait() // the errors are in problems
	var found []Found
	for _, f := range looked {
		if f != nil && scope.wants(*f) {
			found = append(found, *f)
		}
	}
	return found, errors.Join(problems...)
}

// own returns the resource of an ID if its tags say that it is epi's, and otherwise nil.
func (s *Sweeper) own(ctx context.Context, kind kind, id string) (*Found, error) {
	found, tags, err := kind.look(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("look at %s %s: %w", kind.name, id, err)
	}
	if found == nil {
		return nil, nil
	}
	owner, own := ownership.FromTags(tags)
	if !own {
		return nil, nil
	}
	found.Kind, found.ID, found.Owner = kind.name, id, owner
	return found, nil
}

// withoutParts leaves out resources that are removed with others: clusters with a stack, and add-ons of clusters that are
// removed.
func withoutParts(all []Found) []Found {
	going := func(cluster string, kinds ...journal.Kind) bool {
		return slices.ContainsFunc(all, func(other Found) bool {
			return slices.Contains(kinds, other.Kind) && (other.ID == cluster || strings.HasPrefix(stackName(other.ID), "eksctl-"+cluster+"-"))
		})
	}
	var kept []Found
	for _, f := range all {
		cluster, _, _ := strings.Cut(f.ID, "/")
		switch {
		case f.Kind == journal.Cluster && going(f.ID, journal.Stack):
		case f.Kind == journal.Addon && going(cluster, journal.Stack, journal.Cluster):
		default:
			kept = append(kept, f)
		}
	}
	return kept
}

// LeftError lists what still exists after a removal.
type LeftError struct {
	Left []Found
	// Err is the reason, as far as it is known.
	Err error
}

func (e *LeftError) Error() string {
	var names []string
	for _, found := range e.Left {
		names = append(names, found.String())
	}
	text := "not removed: " + strings.Join(names, ", ")
	if len(names) == 0 {
		text = "it is not certain that nothing is left"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *LeftError) Unwrap() error { return e.Err }

// Remove removes the found resources, continues after errors, and searches all of the scope again. The error is a
// *LeftError if something exists or may exist. It asks AWS for the owner again just before each removal.
func (s *Sweeper) Remove(ctx context.Context, scope Scope, list []Found, progress clusters.Progress) error {
	var problems []error
	for _, kind := range s.kinds() {
		var some []Found
		for _, found := range list {
			if found.Kind == kind.name {
				some = append(some, found)
			}
		}
		if len(some) == 0 {
			continue
		}
		task := progress.Start("Remove " + count(len(some), kind.name))
		var err error
		if kind.name == journal.Stack {
			err = s.removeStacks(ctx, kind, some, task)
		} else {
			err = s.removeEach(ctx, kind, some, task)
		}
		task.End(err)
		problems = append(problems, err)
		if ctx.Err() != nil {
			return errors.Join(problems...)
		}
		if outOfReach(err) {
			return &LeftError{Left: list, Err: errors.Join(problems...)}
		}
	}
	again, err := s.Find(ctx, scope)
	problems = append(problems, err)
	if len(again) > 0 || err != nil {
		return &LeftError{Left: again, Err: errors.Join(problems...)}
	}
	return nil
}

// count is a number of one kind in words.
func count(n int, kind journal.Kind) string {
	if n == 1 {
		return "1 " + string(kind)
	}
	if before, found := strings.CutSuffix(string(kind), "y"); found {
		return fmt.Sprintf("%d %sies", n, before)
	}
	return fmt.Sprintf("%d %ss", n, kind)
}

func (s *Sweeper) removeEach(ctx context.Context, kind kind, list []Found, task clusters.Task) error {
	problems := make([]error, len(list))
	var group errgroup.Group
	group.SetLimit(looksAtOnce)
	for n, found := range list {
		group.Go(func() error {
			problems[n] = s.removeOne(ctx, kind, found, func(text string) { task.Detail("%s: %s", found.ID, text) })
			return nil
		})
	}
	_ = group.Wait() // the errors are in problems
	return errors.Join(problems...)
}

// removeOne removes a resource if it still has the same owner.
func (s *Sweeper) removeOne(ctx context.Context, kind kind, found Found, progress func(string)) error {
	now, err := s.own(ctx, kind, found.ID)
	if err != nil {
		return err
	}
	if now == nil {
		return nil
	}
	if now.Owner.Environment != found.Owner.Environment {
		return fmt.Errorf("%s: it is now of environment %q and stays", found, now.Owner.Environment)
	}
	progress("deleting")
	if err := kind.remove(ctx, *now, progress); err != nil {
		return fmt.Errorf("delete %s: %w", now, err)
	}
	return nil
}

// refusedAs says whether AWS answered with one of the codes.
func refusedAs(err error, codes ...string) bool {
	refusal, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, refusal.ErrorCode())
}

// ignore returns nil for an answer with one of the codes, which say that something does not exist.
func ignore(err error, codes ...string) error {
	if refusedAs(err, codes...) {
		return nil
	}
	return err
}

// wait repeats done until it returns true or fails, or until the patience is over.
func (s *Sweeper) wait(ctx context.Context, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Patience, fmt.Errorf("it takes longer than %s", s.options.Patience))
	defer cancel()
	ticker := time.NewTicker(s.options.Poll)
	defer ticker.Stop()
	for {
		if over, err := done(ctx); over || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
