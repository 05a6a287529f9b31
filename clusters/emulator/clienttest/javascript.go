package clienttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// javascript has the tests in JavaScript and the locked versions of their dependencies.
//
//go:embed javascript/*.json javascript/*.mjs javascript/.npmrc
var javascript embed.FS

// InstallJavaScript returns the folder node_modules of the locked versions in the user's cache folder. The first call fills
// it with npm, which needs the npm registry.
func InstallJavaScript(ctx context.Context, npm string) (modules string, err error) {
	lock, err := javascript.ReadFile("javascript/package-lock.json")
	if err != nil {
		return "", fmt.Errorf("read lock file: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	sum := sha256.Sum256(lock)
	folder := filepath.Join(cache, "epi", "clienttest", hex.EncodeToString(sum[:8]))
	modules = filepath.Join(folder, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	// npm fills a temporary folder, which is renamed when it is complete. So no process sees a partial one, and two
	// processes may each fill their own.
	filling, err := os.MkdirTemp(filepath.Dir(folder), "filling-")
	if err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(filling) }() // removes what a failure or the slower process left
	if err := copyJavaScript(filling); err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	command.Dir = filling
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install the AWS SDK for JavaScript: npm ci: %w\n%s", err, bytes.TrimSpace(output))
	}
	if err := os.Rename(filling, folder); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(modules); there != nil {
			return "", fmt.Errorf("keep the AWS SDK for JavaScript: %w", err)
		}
	}
	return modules, nil
}

// copyJavaScript writes the embedded files into a folder.
func copyJavaScript(folder string) error {
	files, err := fs.Sub(javascript, "javascript")
	if err != nil {
		return fmt.Errorf("copy tests in JavaScript: %w", err)
	}
	if err := os.CopyFS(folder, files); err != nil {
		return fmt.Errorf("copy tests in JavaScript: %w", err)
	}
	return nil
}
