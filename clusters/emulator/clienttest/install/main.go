// Install installs the AWS clients of package clienttest on this machine, as far as it can.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/podidentity/epi/clusters/emulator/clienttest"
	"github.com/podidentity/epi/clusters/internal/apt"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := install(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "install clients:", err)
		os.Exit(1)
	}
}

// install reports every client that could not be installed, and not only the first one.
func install(ctx context.Context) error {
	line := func(text string) { fmt.Fprintln(os.Stderr, text) }
	var problems []error
	if _, err := clienttest.FindDebianCLI(); err != nil {
		problems = append(problems, apt.Install(ctx, []string{"awscli"}, nil, line))
	}
	for _, name := range clienttest.Packages {
		if _, err := clienttest.FindPackage(ctx, name); err != nil {
			problems = append(problems, apt.Install(ctx, []string{name}, nil, line))
		}
	}
	node, npm, err := clienttest.FindNode(ctx)
	if err != nil {
		if err := apt.Install(ctx, []string{"nodejs", "npm"}, nil, line); err != nil {
			return errors.Join(append(problems, err)...)
		}
		if node, npm, err = clienttest.FindNode(ctx); err != nil {
			return errors.Join(append(problems, err)...)
		}
	}
	modules, err := clienttest.InstallJavaScript(ctx, npm)
	if err == nil {
		fmt.Printf("node: %s\nAWS SDK for JavaScript: %s\n", node, modules)
	}
	problems = append(problems, err)
	if path, err := clienttest.FindDebianCLI(); err == nil {
		fmt.Println("AWS CLI of Debian:", path)
	}
	if path, err := clienttest.FindOtherCLI(); err == nil {
		fmt.Println("AWS CLI:", path)
	} else {
		fmt.Println("AWS CLI: not tested a second time:", err)
	}
	return errors.Join(problems...)
}
