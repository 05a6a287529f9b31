package sweep

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/journal"
)

// LoadConfig is the user's own AWS configuration, with a region and an endpoint in place of its own unless
// they are empty.
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
		return cfg, errors.New("no AWS region: set --region or AWS_REGION")
	}
	return cfg, nil
}

// Environment removes what an environment has in AWS, of some kinds or, by nil, of all. Where that is, its
// folder says: what is written down of it or, if that is lost, the journal. An environment that was never
// reached has nothing there. The account is the one that it was made in, or nothing is removed.
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
	sweeper, found, err := look(ctx, place, endpointURL, options, scope)
	if err == nil {
		task.Detail("%d in account %s, %s", len(found), place.Account, place.Region)
	}
	task.End(err)
	if err == nil && len(found) > 0 {
		err = sweeper.Remove(ctx, scope, found, progress)
	}
	return explain(err, name, place.Region)
}

func look(ctx context.Context, place journal.Entry, endpointURL string, options Options, scope Scope) (*Sweeper, []Found, error) {
	cfg, err := LoadConfig(ctx, place.Region, endpointURL)
	if err != nil {
		return nil, nil, err
	}
	options.Account = place.Account
	sweeper, err := New(ctx, cfg, options)
	if err != nil {
		return nil, nil, err
	}
	found, err := sweeper.Find(ctx, scope)
	return sweeper, found, err
}

// explain adds what a user can do about what stays in AWS.
func explain(err error, name, region string) error {
	if err == nil {
		return nil
	}
	again := fmt.Sprintf("epi down --name %s, or from anywhere: epi janitor --older-than 0s --name %[1]s --region %s", name, region)
	remedy := "finish with: " + again
	if wrong, ok := errors.AsType[*AccountError](err); ok {
		remedy = fmt.Sprintf("use credentials of account %s, then: %s", wrong.Expected, again)
	} else if _, left := errors.AsType[*LeftError](err); !left {
		remedy = "see that your AWS credentials work: aws sts get-caller-identity; then " + remedy
	}
	return &clusters.EnvironmentError{Doing: "remove what is left in AWS", Err: err, Remedy: remedy}
}
