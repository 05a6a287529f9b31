package main

import (
	_ "embed"

	"github.com/spf13/cobra"
)

//go:embed walkthrough.md
var walkthrough string

func walkthroughTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "walkthrough",
		Short: "EKS Pod Identity by hand, step by step",
		Long:  walkthrough,
	}
}
