//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// smallDisk mounts a file system of a size, such as "64m", and returns a function that removes it.
func (m *matrix) smallDisk(size string) (undo func(), err error) {
	dir := filepath.Join(m.work, "small")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		return nil, fmt.Errorf("mount a small file system: %w", err)
	}
	m.mu.Lock()
	m.small = dir
	m.mu.Unlock()
	return func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }, nil
}

// smallArtifacts puts the artifacts on a small disk.
func smallArtifacts(size string) func(context.Context, *matrix) ([]string, func(), error) {
	return func(_ context.Context, m *matrix) ([]string, func(), error) {
		undo, err := m.smallDisk(size)
		return []string{"--artifacts", filepath.Join(m.work, "small", "runs")}, undo, err
	}
}

// smallState puts the state folder, with an engine of its own, on a small disk.
func smallState(size string) func(context.Context, *matrix) ([]string, func(), error) {
	return func(_ context.Context, m *matrix) ([]string, func(), error) {
		undo, err := m.smallDisk(size)
		if err != nil {
			return nil, nil, err
		}
		own := func(is bool) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.ownState = is
		}
		own(true)
		return nil, func() {
			own(false)
			undo()
		}, nil
	}
}

// smallCache puts an empty cache folder on a small disk.
func smallCache(_ context.Context, m *matrix) ([]string, func(), error) {
	undo, err := m.smallDisk("256k")
	return []string{"--cache-dir", filepath.Join(m.work, "small", "cache")}, undo, err
}

// fill fills the small disk.
func fill(_ context.Context, m *matrix, _ *attempt) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(m.small, &stat); err != nil {
		return err
	}
	used := (stat.Blocks - stat.Bfree) * uint64(stat.Bsize)
	return syscall.Mount("", m.small, "", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", used))
}

func makeReadOnly(_ context.Context, m *matrix, _ *attempt) error {
	return syscall.Mount("", m.small, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
}

// removeArtifacts removes the folder of the current run.
func removeArtifacts(_ context.Context, m *matrix, _ *attempt) error {
	runs, err := filepath.Glob(filepath.Join(m.artifacts(), "[0-9]*"))
	for _, run := range runs {
		err = errors.Join(err, os.RemoveAll(run))
	}
	return err
}
