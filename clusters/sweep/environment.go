package sweep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/retries"
)

// LoadConfig loads the user's own AWS configuration. A region and an endpoint that are not empty replace its own.
func LoadConfig(ctx context.Context, region, endpointURL string) (aws.Config, error) {
	var options []func(*config.LoadOptions) error
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	if endpointURL != "" {
		options = append(options, config.WithBaseEndpoint(endpointURL))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, fmt.Errorf("read AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return cfg, noRegion()
	}
	retries.On(&cfg)
	return cfg, nil
}

// Environment removes what an environment has in AWS, of some kinds or, if kinds is nil, of all. The region and account
// come from its folder: from the record or, if that is lost, from the journal. An environment that was never reached has
// nothing there. Nothing is removed if the account is another one than that of the creation.
func Environment(ctx context.Context, dirs clusters.Dirs, name string, kinds []journal.Kind, options Options, progress clusters.Progress) error {
	dir, err := dirs.EnvironmentDir(name)
	if err != nil {
		return err
	}
	entries, damaged, err := journal.File(filepath.Join(dir, clusters.JournalFile)).Read()
	if err != nil {
		return err
	}
	var own []journal.Entry
	for _, entry := range entries {
		if entry.Environment == name {
			own = append(own, entry)
		}
	}
	scope := Scope{Environment: name, Kinds: kinds, Journal: own}
	place, endpointURL := journal.Entry{}, ""
	if env, loadErr := clusters.LoadEnvironment(dirs, name); loadErr == nil {
		place.Account, place.Region, endpointURL = env.AccountID, env.Region, env.AWS.EndpointURL
		if env.ClusterName != "" {
			scope.Clusters = []string{env.ClusterName}
		}
	} else if len(own) > 0 {
		place, endpointURL = own[0], own[0].Endpoint
	}
	if place.Region == "" {
		if damaged > 0 {
			return &clusters.EnvironmentError{
				Doing: "look for what is left in AWS", Err: fmt.Errorf("the journal in %s cannot be read, and nothing else says which region it is in", dir),
				Remedy: fmt.Sprintf("look for it in that region: epi janitor --older-than 0s --name %s --region REGION, then remove the folder: rm -r %s", name, dir),
			}
		}
		return nil
	}
	task := progress.Start("Look for what is left in AWS")
	cfg, err := LoadConfig(ctx, place.Region, endpointURL)
	var sweeper *Sweeper
	var found []Found
	if err == nil {
		options.Account = place.Account
		if sweeper, err = New(ctx, cfg, options); err == nil {
			found, err = sweeper.Find(ctx, scope)
		}
	}
	if err == nil {
		task.Detail("%d in account %s, %s", len(found), place.Account, place.Region)
	}
	task.End(err)
	if err == nil && len(found) > 0 {
		err = sweeper.Remove(ctx, scope, found, progress)
	}
	if outOfReach(err) {
		return unseen(err, name, place.Region, aws.ToString(cfg.BaseEndpoint), dir, own)
	}
	return explain(err, name, place.Region)
}

// outOfReach says whether AWS does not answer: no address, no connection, or a broken one.
func outOfReach(err error) bool {
	_, unsent := errors.AsType[*smithyhttp.RequestSendError](err)
	return unsent && !errors.Is(err, context.Canceled)
}

// unseen says what may be left in a region that does not answer. A region with an endpoint of its own may no longer exist.
// Then its content is gone too, and cannot be checked any more.
func unseen(err error, name, region, endpointURL, dir string, made []journal.Entry) error {
	where, remedy := "AWS in "+region, "see that this machine reaches AWS, then "
	again := "finish with: " + finish(name, region)
	if endpointURL != "" {
		where = fmt.Sprintf("region %s at %s", region, endpointURL)
		remedy = fmt.Sprintf("if the region is gone, all that was in it is gone too; what is left is here, and this removes it: rm -r %s; if it only rests, start it (epi cloud up), then ", dir)
	}
	if left, ok := errors.AsType[*LeftError](err); ok {
		err = left.Err
	}
	first, _, _ := strings.Cut(fmt.Sprint(err), "\n")
	text := where + " does not answer: what is left there could not be seen"
	if listed := inWords(made); listed != "" {
		text += ", of " + listed + " that were to be made"
	}
	return &clusters.EnvironmentError{Doing: "remove what is left in AWS", Err: &unseenError{text + ": " + first, err}, Remedy: remedy + again}
}

// unseenError has one text in place of those of the many errors that it wraps.
type unseenError struct {
	text string
	err  error
}

func (e *unseenError) Error() string { return e.text }
func (e *unseenError) Unwrap() error { return e.err }

// inWords counts a journal's entries by kind, such as "1 cluster, 2 CloudFormation stacks".
func inWords(made []journal.Entry) string {
	kinds := map[journal.Kind]int{}
	for _, entry := range made {
		kinds[entry.Kind]++
	}
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		words = append(words, count(kinds[kind], kind))
	}
	return strings.Join(words, ", ")
}

// finish is the command that continues the removal.
func finish(name, region string) string {
	return fmt.Sprintf("epi down --name %s, or from anywhere: epi janitor --older-than 0s --name %[1]s --region %s", name, region)
}

// explain adds what a user can do about resources that stay in AWS.
func explain(err error, name, region string) error {
	if err == nil {
		return nil
	}
	again := finish(name, region)
	remedy := "finish with: " + again
	if wrong, ok := errors.AsType[*AccountError](err); ok {
		remedy = fmt.Sprintf("use credentials of account %s, then: %s", wrong.Expected, again)
	} else if _, left := errors.AsType[*LeftError](err); !left {
		remedy = "see that your AWS credentials work: aws sts get-caller-identity; then " + remedy
	}
	return &clusters.EnvironmentError{Doing: "remove what is left in AWS", Err: err, Remedy: remedy}
}
