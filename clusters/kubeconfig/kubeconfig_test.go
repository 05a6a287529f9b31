package kubeconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const whole = `apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: 'https://127.0.0.1:6443'}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
users: [{name: a, user: {token: t}}]
`

// Each file that is no kubeconfig is described in a few words, without terms of Go.
func TestFilesThatAreNoKubeconfig(t *testing.T) {
	// In a pod, a client without a kubeconfig would use the pod's own cluster.
	t.Setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "1")
	dir := t.TempDir()
	for name, row := range map[string]struct{ content, says string }{
		"empty":       {"", "it is empty"},
		"blank":       {"\n", "no current context"},
		"passwd":      {"root:x:0:0:root:/root:/bin/bash\n", "damaged"},
		"zeros":       {"\x00\x00\x00\x00", "damaged"},
		"cut":         {whole[:len(whole)/2], "damaged"},
		"cut at line": {"apiVersion: v1\nkind: Config\ncurrent-context: a\n", "no current context"},
		"other kind":  {"apiVersion: v1\nkind: Pod\n", "damaged"},
		"list":        {"[]", "damaged"},
		"no current":  {strings.Replace(whole, "current-context: a\n", "", 1), "no current context"},
		"unknown":     {strings.Replace(whole, "current-context: a", "current-context: b", 1), "no current context"},
		"no cluster":  {strings.Replace(whole, "cluster: a, user", "cluster: b, user", 1), "not whole"},
		"no server":   {strings.Replace(whole, "server: 'https://127.0.0.1:6443'", "", 1), "context"},
		"bad ca":      {strings.Replace(whole, "server:", "certificate-authority-data: eA==, server:", 1), "certificate in it is damaged"},
		"gone ca":     {strings.Replace(whole, "server:", "certificate-authority: /nosuch, server:", 1), "not whole"},
	} {
		file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(file, []byte(row.content), 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, file, row.says)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, pipe, "not a file")
	check(t, dir, "not a file")
	check(t, filepath.Join(dir, "gone"), "no such file")
	check(t, "", "there is no kubeconfig")

	file := filepath.Join(dir, "whole")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	if config, err := Read(file); err != nil || config.Host != "https://127.0.0.1:6443" {
		t.Errorf("%+v, %v", config, err)
	}
}

func check(t *testing.T, file, says string) {
	t.Helper()
	config, err := Read(file)
	if err == nil || config != nil {
		t.Errorf("%s is taken", file)
		return
	}
	if text := err.Error(); !strings.Contains(text, says) || strings.Contains(text, "Go ") || strings.Contains(text, "json") {
		t.Errorf("%s: %q, want %q", file, text, says)
	}
}
