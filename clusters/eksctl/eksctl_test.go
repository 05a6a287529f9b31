package eksctl

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPins(t *testing.T) {
	mod, err := sources.ReadFile("_eksctl/" + Version + ".mod")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := sources.ReadFile("_eksctl/" + Version + ".sum")
	if err != nil {
		t.Fatal(err)
	}
	if want := "github.com/weaveworks/eksctl " + Version; !strings.Contains(string(mod), want) || !strings.Contains(string(sum), want+" h1:") {
		t.Errorf("the module does not pin %s", want)
	}
}

func TestFind(t *testing.T) {
	cache, path := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path)
	if _, err := Find(cache); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
	program := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program(filepath.Join(path, "eksctl"))
	if got, err := Find(cache); err != nil || got != filepath.Join(path, "eksctl") {
		t.Errorf("on the PATH: %s, %v", got, err)
	}
	program(file(cache))
	if got, err := Find(cache); err != nil || got != file(cache) {
		t.Errorf("in the cache: %s, %v", got, err)
	}
}
