package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
)

// registerGiven registers the flags by which a user brings an agent or a webhook.
func registerGiven(flags *pflag.FlagSet, given *clusters.Given, role string) {
	flags.StringVar(&given.Image, role+"-image", "", fmt.Sprintf("%[1]s to test: an image, or an archive of docker save (default epi's reference %[1]s)", role))
	flags.StringVar((*string)(&given.Layout), role+"-layout", string(clusters.LayoutAuto), "how the "+role+"'s image is called: entrypoint, eks (as EKS's own image), or auto: by whether it has an entrypoint")
	flags.StringArrayVar(&given.Args, role+"-arg", nil, "another argument for the "+role+", such as --"+role+"-arg=--v=4; may be repeated")
	flags.StringArrayVar(&given.Env, role+"-env", nil, "variable KEY=value for the "+role+"; may be repeated")
}

// checkGiven returns every problem of these flags.
func checkGiven(given clusters.Given, role string) error {
	problems := []error{kind.CheckReference(role+"-image", given.Image)}
	if !slices.Contains(clusters.Layouts(), given.Layout) {
		problems = append(problems, fmt.Errorf("flag --%s-layout: %q is not one of %q", role, given.Layout, clusters.Layouts()))
	} else if given.Layout == clusters.LayoutEKS && given.Image == "" {
		problems = append(problems, fmt.Errorf("flag --%[1]s-layout: %[2]s is the layout of an image that you bring with --%[1]s-image", role, given.Layout))
	}
	for _, variable := range given.Env {
		if name, _, ok := strings.Cut(variable, "="); !ok || name == "" {
			problems = append(problems, fmt.Errorf("flag --%s-env: %q is not of the form KEY=value", role, variable))
		}
	}
	return errors.Join(problems...)
}
