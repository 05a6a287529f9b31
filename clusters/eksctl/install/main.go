// Install builds the pinned eksctl into the user's cache folder.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/podidentity/epi/clusters/eksctl"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := install(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "install eksctl:", err)
		os.Exit(1)
	}
}

func install(ctx context.Context) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find cache folder: %w", err)
	}
	path, err := eksctl.Build(ctx, filepath.Join(cache, "epi"))
	if err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}
