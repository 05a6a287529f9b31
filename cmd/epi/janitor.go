package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/ownership"
	"github.com/podidentity/epi/clusters/sweep"
)

// janitorFlags say what to search.
type janitorFlags struct {
	name, run, account, endpointURL string
	regions                         []string
	olderThan                       time.Duration
	byAge, yes                      bool
}

func (a *app) janitorCommand() *cobra.Command {
	var flags janitorFlags
	cmd := &cobra.Command{
		Use:     "janitor",
		GroupID: "environment",
		Short:   "Find what epi left in an AWS account, and remove it",
		Long: `Janitor finds what epi and its suites made in an AWS account: clusters and their
CloudFormation stacks, roles, policies, OIDC providers, associations, buckets and
repositories. It works on any machine, not only on the one that made them. It only lists
them. With --yes it removes them.

It lists expired resources. epi tags everything that it makes with a time of expiry,
6 hours later. --older-than selects by age instead. --older-than 0s selects everything,
also resources in use. An environment that another epi on this machine uses stays.

The tags epi.podidentity.dev/environment, /run and /expires say to which run a resource
belongs. Janitor removes nothing by its name alone. It works in the account of your AWS
credentials. With --account it refuses the credentials of any other account.

Janitor removes resources in the order of their dependencies. It repeats the deletion of
stacks whose creation or deletion failed. At the end it checks the account once more. If
something still exists, janitor names it, and the exit code is 3.`,
		Example: `  epi janitor
  epi janitor --older-than 6h --yes
  epi janitor --name pr-17 --older-than 0s --yes
  epi janitor --account 123456789012 --region us-east-1,us-west-2 --yes`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			if flags.byAge = cmd.Flags().Changed("older-than"); flags.olderThan < 0 {
				return usageError("flag --older-than: %s is less than nothing; give an age such as 6h, or 0s for all", flags.olderThan)
			}
			problems := []error{checkAccount(flags.account), checkEndpoint("aws-endpoint-url", flags.endpointURL)}
			for _, region := range flags.regions {
				problems = append(problems, checkRegion(region))
			}
			if err := errors.Join(problems...); err != nil {
				return usageError("%w", err)
			}
			a.interrupts.at(removing(a.commandLine("janitor")))
			return a.janitor(cmd.Context(), &flags)
		},
	}
	cmd.Flags().Var((*environmentName)(&flags.name), "name", "only what was made for the environment of this name (default any)")
	cmd.Flags().StringVar(&flags.run, "run", "", "only what was made by the run of this name (default any)")
	cmd.Flags().StringVar(&flags.account, "account", "", "the account to look at; credentials of another one are refused (default that of the credentials)")
	cmd.Flags().StringSliceVar(&flags.regions, "region", nil, "AWS regions to look at (default that of your AWS configuration)")
	cmd.Flags().StringVar(&flags.endpointURL, "aws-endpoint-url", "", "AWS endpoint (default AWS's own)")
	cmd.Flags().DurationVar(&flags.olderThan, "older-than", 0, "what was made longer ago than this, such as 6h, instead of what has expired")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "remove what is listed")
	a.outputFlag(cmd)
	return cmd
}

// due says whether a resource has to be removed.
func (f *janitorFlags) due(found sweep.Found, now time.Time) bool {
	switch {
	case f.byAge && f.olderThan == 0:
		return true
	case f.byAge:
		return !found.Created.IsZero() && now.Sub(found.Created) > f.olderThan
	case found.Owner.Expires.IsZero():
		return !found.Created.IsZero() && now.Sub(found.Created) > ownership.Lifetime
	}
	return now.After(found.Owner.Expires)
}

// swept is what was found in a region.
type swept struct {
	sweeper *sweep.Sweeper
	scope   sweep.Scope
	found   []sweep.Found
}

func (a *app) janitor(ctx context.Context, flags *janitorFlags) error {
	release, inUse, err := a.environmentsInUse()
	if err != nil {
		return err
	}
	defer release()
	now := a.now()
	regions := flags.regions
	if len(regions) == 0 {
		regions = []string{""}
	}
	var all []swept
	var problems []error
	for _, region := range regions {
		one, err := a.look(ctx, flags, region, func(found sweep.Found) bool {
			return flags.due(found, now) && !slices.Contains(inUse, found.Owner.Environment)
		})
		if err != nil {
			problems = append(problems, err)
		}
		if one != nil {
			all = append(all, *one)
		}
	}
	if err := a.printFound(all, inUse, flags, now); err != nil {
		return err
	}
	if flags.yes && ctx.Err() == nil {
		steps := a.newSteps(nil)
		for _, one := range all {
			if len(one.found) == 0 {
				continue
			}
			if err := one.sweeper.Remove(ctx, one.scope, one.found, steps); err != nil {
				problems = append(problems, janitorError(err, "look at what is named; the stack's events in the AWS console say more. Then again: epi janitor --yes"))
			}
		}
		steps.Close()
	}
	return errors.Join(problems...)
}

// look finds what is due in a region. With an error it returns what it found.
func (a *app) look(ctx context.Context, flags *janitorFlags, region string, due func(sweep.Found) bool) (*swept, error) {
	cfg, err := sweep.LoadConfig(ctx, region, flags.endpointURL)
	if err != nil {
		return nil, janitorError(err, "set --region or AWS_REGION, and see that your AWS configuration can be read")
	}
	sweeper, err := sweep.New(ctx, cfg, sweep.Options{Account: flags.account, Poll: a.poll})
	if wrong, ok := errors.AsType[*sweep.AccountError](err); ok {
		return nil, janitorError(err, "use credentials of account "+wrong.Expected+", or leave --account out")
	}
	if err != nil {
		return nil, janitorError(err, "see that your AWS credentials work: aws sts get-caller-identity")
	}
	one := &swept{sweeper: sweeper, scope: sweep.Scope{Environment: flags.name, Run: flags.run, Due: due}}
	if one.found, err = sweeper.Find(ctx, one.scope); err != nil {
		err = janitorError(err, "the permissions that it needs are in epi help eks; what could not be looked for may be there")
	}
	return one, err
}

func janitorError(err error, remedy string) error {
	return &clusters.EnvironmentError{Doing: "look through AWS for what epi left", Err: err, Remedy: remedy}
}

// environmentsInUse are the environments that another epi on this machine uses. The others are locked until release is
// called.
func (a *app) environmentsInUse() (release func(), names []string, err error) {
	dirs, err := a.dirs()
	if err != nil {
		return nil, nil, err
	}
	known, err := clusters.EnvironmentNames(dirs)
	if err != nil {
		return nil, nil, err
	}
	var releases []func()
	release = func() {
		for _, one := range releases {
			one()
		}
	}
	for _, name := range known {
		one, err := clusters.Lock(dirs, name, clusters.Use{Verb: "janitor", Removes: true})
		if _, busy := errors.AsType[*clusters.InUseError](err); busy {
			names = append(names, name)
			continue
		}
		if err != nil {
			release()
			return nil, nil, err
		}
		releases = append(releases, one)
	}
	return release, names, nil
}

func (a *app) printFound(all []swept, inUse []string, flags *janitorFlags, now time.Time) error {
	if a.output == "json" {
		type line struct {
			Account, Region, Kind, ID, Environment, Run, State string
			Created, Expires                                   time.Time
		}
		lines := []line{}
		for _, one := range all {
			for _, f := range one.found {
				lines = append(lines, line{one.sweeper.Account(), one.sweeper.Region(), string(f.Kind), f.ID, f.Owner.Environment, f.Owner.Run, f.State, f.Created, f.Owner.Expires})
			}
		}
		return a.printJSON(lines)
	}
	total := 0
	var text strings.Builder
	for _, one := range all {
		fmt.Fprintf(&text, "Account %s, %s, as %s\n", one.sweeper.Account(), one.sweeper.Region(), one.sweeper.Caller())
		table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		for _, f := range one.found {
			_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", f, f.Owner.Environment, madeAgo(f.Created, now), expiry(f.Owner.Expires, now)) // to memory
		}
		_ = table.Flush() // to memory
		total += len(one.found)
	}
	for _, name := range inUse {
		fmt.Fprintf(&text, "Environment %q is in use on this machine: what it has stays.\n", name)
	}
	switch {
	case len(all) == 0:
	case total == 0 && flags.byAge && flags.olderThan == 0:
		text.WriteString("Nothing of epi's is there.\n")
	case total == 0 && flags.byAge:
		fmt.Fprintf(&text, "Nothing of epi's is older than %s.\n", flags.olderThan)
	case total == 0:
		text.WriteString("Nothing of epi's has expired; to see all there is: epi janitor --older-than 0s\n")
	case !flags.yes:
		fmt.Fprintf(&text, "Nothing is removed yet. To remove the %d: add --yes\n", total)
	}
	_, err := fmt.Fprint(a.out, text.String())
	return err
}

func madeAgo(created, now time.Time) string {
	if created.IsZero() {
		return ""
	}
	return "made " + age(now.Sub(created)) + " ago"
}

func expiry(expires, now time.Time) string {
	switch {
	case expires.IsZero():
		return ""
	case now.After(expires):
		return "expired"
	}
	return "expires in " + age(expires.Sub(now))
}
