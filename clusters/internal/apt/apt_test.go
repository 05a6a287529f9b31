package apt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestForbidServicesGoesAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy-rc.d")
	for range 2 { // the second time after a run that was killed
		release, err := forbidServices(file)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o111 == 0 {
			t.Fatalf("policy: %v, %v; want a program", info, err)
		}
		release()
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("policy is still there: %v", err)
		}
		if err := os.WriteFile(file, []byte(policy), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestForbidServicesLeavesTheMachinesOwnPolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy-rc.d")
	const own = "#!/bin/sh\nexit 0\n"
	if err := os.WriteFile(file, []byte(own), 0o755); err != nil {
		t.Fatal(err)
	}
	release, err := forbidServices(file)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if content, err := os.ReadFile(file); err != nil || string(content) != own {
		t.Errorf("policy is %q, %v", content, err)
	}
}

func TestHasUnit(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(second, "containerd.service"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	folders := []string{first, second}
	if !hasUnit(folders, "containerd.service") || hasUnit(folders, "docker.service") {
		t.Error("a unit is found where it is not, or not where it is")
	}
}
