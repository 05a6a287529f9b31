package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contentsBelow is every file, folder and link below a folder, with its content.
func contentsBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			content, err = os.Readlink(path)
		case info.Mode().IsRegular():
			var data []byte
			data, err = os.ReadFile(path)
			content = fmt.Sprintf("%x", sha256.Sum256(data))
		}
		relative, relErr := filepath.Rel(dir, path)
		if relErr != nil {
			return relErr
		}
		found[relative] = info.Mode().String() + " " + content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// place makes a folder with a user's usual content, which must not change: a run, archives, an environment of another name
// and a folder that is not epi's.
func place(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"victim/keep":               "mine",
		"home/.config/keep":         "mine",
		"state/clusters/other/keep": "another environment",
		"cache/keep":                "expensive",
		"work/file":                 "a file",
		"work/empty-folder/.keep":   "",
		"work/run/results.json":     `{"schema":"epi.results/v1","id":"20261123-100000"}`,
		"work/damaged/results.json": `{"id":`,
		"work/text.tar":             "no archive",
		"work/_artifacts/old/keep":  "an earlier run",
		"work/wrong.yaml":           "nodess: 2\n",
		"work/null.yaml":            "name: ~\n",
		"work/twice.yaml":           "nodes: 1\nnodes: 2\n",
		"work/documents.yaml":       "nodes: 1\n---\nnodes: 2\n",
		"work/list.yaml":            "- nodes\n",
		"work/latin1.yaml":          "name: caf\xe9\n",
		"work/all.yaml":             "all: true\n",
		"work/section.yaml":         "bench:\n  rates: 5\n",
		"work/type.yaml":            "nodes: [1, 2]\n",
		"work/traversal.yaml":       "name: ../../victim\n",
		"work/kubeconfig":           "apiVersion: v1\nkind: Config\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Each wrong input is reported in one or two lines: what is wrong, where, and what would be right. None removes or writes
// anything.
func TestWrongInputs(t *testing.T) {
	dir := place(t)
	t.Chdir(filepath.Join(dir, "work"))
	long := strings.Repeat("a", 33)
	existing := []string{"up", "--provider", "existing", "--cluster-name", "c", "--probe-image", "p"}
	rows := []struct {
		args      []string
		variables map[string]string
		says      []string
		code      int // 0 stands for exitUsage
	}{
		// Commands and flags.
		{args: []string{"tset"}, says: []string{`unknown command "tset"`, "epi test"}},
		{args: []string{"tset", "--label-filter", "x"}, says: []string{`unknown command "tset"`, "epi test"}},
		{args: []string{"dwon", "--help"}, says: []string{`unknown command "dwon"`, "epi down"}},
		{args: []string{"destroy"}, says: []string{`unknown command "destroy"`, "epi --help"}},
		{args: []string{"help", "foo"}, says: []string{`no help about "foo"`}},
		{args: []string{"help", "foo", "bar"}, says: []string{`no help about "foo"`}},
		{args: []string{"help", "up", "bar"}, says: []string{`epi up has no command "bar"`}},
		{args: []string{"exit-codes", "foo"}, says: []string{"epi exit-codes", "foo"}},
		{args: []string{"completion", "csh"}, says: []string{"epi completion", "csh"}},
		{args: []string{"completion", "bash", "foo"}, says: []string{"epi completion bash", "foo"}},
		{args: []string{"version", "foo"}, says: []string{"takes flags only", "foo"}},
		{args: []string{""}, says: []string{"unknown command"}},
		{args: []string{"--nodes", "2"}, says: []string{"unknown flag --nodes", "epi up"}},
		{args: []string{"up", "--agent-imgae", "x"}, says: []string{"--agent-imgae", "did you mean --agent-image?"}},
		{args: []string{"up", "--label-filter", "x"}, says: []string{"--label-filter", "epi run, epi test"}},
		{args: []string{"up", "-n", "2"}, says: []string{"-n", "epi up --help"}},
		{args: []string{"down", "epi"}, says: []string{"takes flags only", `"epi"`}},
		{args: []string{"down", "--all", "--name", "x"}, says: []string{"--all", "--name"}},
		{args: []string{"up", "--name"}, says: []string{"needs an argument", "--name"}},
		{args: []string{"version", "--output", "xml"}, says: []string{"--output", "xml", "json"}},
		{args: []string{"list", "--color", "red"}, says: []string{"--color", "red", "never"}},
		// Names.
		{args: []string{"down", "--name", ""}, says: []string{"--name"}},
		{args: []string{"down"}, variables: map[string]string{"EPI_NAME": ""}, says: []string{"EPI_NAME"}},
		{args: []string{"down", "--name", "../../victim"}, says: []string{"--name", "../../victim", "a path", `"victim"`}},
		{args: []string{"down", "--name", "."}, says: []string{"--name", `"."`}},
		{args: []string{"down", "--name", ".."}, says: []string{"--name", `".."`}},
		{args: []string{"down"}, variables: map[string]string{"EPI_NAME": "/etc"}, says: []string{"EPI_NAME", "/etc", "a path"}},
		{args: []string{"down"}, variables: map[string]string{"EPI_NAME": " "}, says: []string{"EPI_NAME", `" "`}},
		{args: []string{"down", "--config", "traversal.yaml"}, says: []string{"traversal.yaml:1:1", "name", "../../victim", "a path"}},
		{args: []string{"test", "--name", "../../victim"}, says: []string{"--name", "a path"}},
		{args: []string{"test", "--list", "--name", "../../victim"}, says: []string{"--name", "a path"}},
		{args: []string{"bench", "--name", "../../victim"}, says: []string{"--name", "a path"}},
		{args: []string{"bench", "--url", "http://127.0.0.1:9/", "--name", "../../victim"}, says: []string{"--name", "a path"}},
		{args: []string{"aws", "--name", "../../victim", "--", "true"}, says: []string{"--name", "a path"}},
		{args: []string{"load", "my/app:dev", "--name", "../../victim"}, says: []string{"--name", "a path"}},
		{args: []string{"logs", "--name", "../../victim"}, says: []string{"--name", "a path"}},
		{args: []string{"status", "--name", "../../victim"}, says: []string{"--name", "a path"}},
		{args: []string{"list", "--name", "../../victim"}, says: []string{"--name"}},
		{args: []string{"report", "run", "--name", "../../victim"}, says: []string{"--name"}},
		{args: []string{"completion", "bash", "--name", "../../victim"}, says: []string{"--name"}},
		{args: []string{"list", "--state-dir", "file"}, says: []string{"--state-dir", "file", "not a folder"}},
		{args: []string{"down", "--all", "--state-dir", "file"}, says: []string{"--state-dir", "file", "not a folder", filepath.Join(dir, "work", "epi")}},
		{args: []string{"list", "--state-dir", "/dev/null"}, says: []string{"--state-dir", "not a folder", filepath.Join(os.TempDir(), "epi")}},
		{args: []string{"list", "--state-dir", "file/below"}, says: []string{"--state-dir", "file"}},
		{args: []string{"up", "--name", "My_Cluster"}, says: []string{"--name", "My_Cluster"}},
		{args: []string{"up", "--name", long}, says: []string{"--name", "32"}},
		{args: []string{"status", "../victim"}, says: []string{"../victim"}},
		{args: []string{"status", "a", "b"}, says: []string{"one NAME"}},
		{args: []string{"status", "a", "--name", "b"}, says: []string{"a", "b", "two environments"}},
		{args: []string{"status", "nosuch"}, says: []string{"nosuch", "epi up --name nosuch"}, code: exitEnvironment},
		{args: []string{"test", "--name", "nosuch"}, says: []string{"nosuch", "epi up --name nosuch"}, code: exitEnvironment},
		{args: []string{"logs", "agent", "--name", "nosuch"}, says: []string{"nosuch", "epi up --name nosuch"}, code: exitEnvironment},
		// Numbers.
		{args: []string{"up", "--nodes", "99"}, says: []string{"--nodes", "99", "20"}},
		{args: []string{"up", "--nodes", "-1"}, says: []string{"--nodes", "-1"}},
		{args: []string{"up", "--nodes", "two"}, says: []string{"--nodes", "two", "whole number"}},
		{args: []string{"up", "--nodes", "99999999999999999999"}, says: []string{"--nodes", "whole number"}},
		{args: []string{"test", "--order", "0"}, says: []string{"--order", "0", "less than 1"}},
		{args: []string{"up", "--compat", "upstraem"}, says: []string{"--compat", "upstraem", "upstream"}},
		{args: []string{"run", "--provider", "existing", "--compat", "upstream"}, says: []string{"--compat", "existing"}},
		{args: []string{"up", "--imds-hop-limit", "3"}, says: []string{"--imds-hop-limit", "3", "1 or 2"}},
		{args: []string{"test", "--procs", "0"}, says: []string{"--procs", "0"}},
		{args: []string{"bench", "--rate", "NaN"}, says: []string{"--rate", "NaN"}},
		{args: []string{"bench", "--rate", "-5"}, says: []string{"--rate", "-5"}},
		{args: []string{"bench", "--duration", "5"}, says: []string{"--duration", "5s"}},
		{args: []string{"bench", "--duration", "48h"}, says: []string{"--duration", "48h"}},
		{args: []string{"bench", "--repeats", "-1"}, says: []string{"--repeats", "-1"}},
		{args: []string{"bench", "--seed", "-1"}, says: []string{"--seed", "-1"}},
		{args: []string{"bench", "--tolerance", "much"}, says: []string{"--tolerance", "much", "10%"}},
		{args: []string{"logs", "--tail", "0"}, says: []string{"--tail", "0"}},
		{args: []string{"up"}, variables: map[string]string{"EPI_NODES": "99"}, says: []string{"EPI_NODES", "99", "20"}},
		// epi.yaml.
		{args: []string{"up", "--config", "wrong.yaml"}, says: []string{"wrong.yaml:1:1", "nodess", "nodes"}},
		{args: []string{"up", "--config", "null.yaml"}, says: []string{"null.yaml:1:1", "name", "no value"}},
		{args: []string{"down", "--config", "null.yaml"}, says: []string{"null.yaml:1:1", "name", "no value"}},
		{args: []string{"up", "--config", "twice.yaml"}, says: []string{"twice.yaml:2:1", "nodes", "second time"}},
		{args: []string{"up", "--config", "documents.yaml"}, says: []string{"documents.yaml:2:1", "second YAML document"}},
		{args: []string{"up", "--config", "list.yaml"}, says: []string{"list.yaml:1:1", "a list"}},
		{args: []string{"up", "--config", "latin1.yaml"}, says: []string{"latin1.yaml:1:10", "UTF-8"}},
		{args: []string{"up", "--config", "all.yaml"}, says: []string{"all.yaml:1:1", "--all"}},
		{args: []string{"up", "--config", "section.yaml"}, says: []string{"section.yaml:2:3", "rates", "rate?"}},
		{args: []string{"up", "--config", "type.yaml"}, says: []string{"type.yaml:1:1", "nodes", "list"}},
		{args: []string{"up", "--config", "gone.yaml"}, says: []string{"gone.yaml", "no such file"}},
		{args: []string{"up", "--config", "empty-folder"}, says: []string{"empty-folder", "folder"}},
		{args: []string{"up", "--config", ""}, says: []string{"--config"}},
		// Paths.
		{args: []string{"down", "--state-dir", ""}, says: []string{"--state-dir"}},
		{args: []string{"report", "file"}, says: []string{"file", "_artifacts/latest"}},
		{args: []string{"report", "empty-folder"}, says: []string{"empty-folder", "results.json", "_artifacts/latest"}},
		{args: []string{"report", "gone"}, says: []string{"gone"}},
		{args: []string{"report", "damaged"}, says: []string{"damaged"}},
		{args: []string{"report"}, says: []string{"folder of a run"}},
		{args: []string{"compare", "run", "run"}, says: []string{"run", "same"}},
		{args: []string{"compare", "run", "run/results.json"}, says: []string{"same"}},
		{args: []string{"compare", "run"}, says: []string{"OLD", "NEW"}},
		{args: []string{"compare", "run", "gone"}, says: []string{"gone"}},
		{args: []string{"compare", "run", "file"}, says: []string{"file"}},
		{args: []string{"compare", "run", "empty-folder"}, says: []string{"empty-folder"}},
		{args: []string{"bench", "--baseline", "gone"}, says: []string{"--baseline", "gone", "bench.json"}},
		{args: []string{"bench", "--url", "http://127.0.0.1:9/", "--artifacts", "file"}, says: []string{"--artifacts", "file"}},
		{args: []string{"images", "--file", ""}, says: []string{"--file"}},
		{args: append(existing[:len(existing):len(existing)], "--kubeconfig", "gone"), says: []string{"--kubeconfig", "gone"}},
		{args: append(existing[:len(existing):len(existing)], "--kubeconfig", "empty-folder"), says: []string{"--kubeconfig", "empty-folder"}},
		// Images.
		{args: []string{"load"}, says: []string{"no image"}},
		{args: []string{"load", "a", "b"}, says: []string{"one image"}},
		{args: []string{"load", " "}, says: []string{"no image"}},
		{args: []string{"up", "--agent-image", ""}, says: []string{"flag --agent-image: it is empty"}},
		{args: []string{"cloud", "up", "--agent-image", ""}, says: []string{"flag --agent-image: it is empty"}},
		{args: []string{"cloud", "up", "--agent-image="}, says: []string{"flag --agent-image: it is empty"}},
		{args: []string{"cloud", "up", "--node-image", ""}, says: []string{"flag --node-image: it is empty"}},
		{args: []string{"cloud", "up", "--clients", ""}, says: []string{"flag --clients: it is empty"}},
		{args: []string{"cloud", "up", "--region", ""}, says: []string{"flag --region: it is empty"}},
		{args: []string{"up", "--agent-image", "./empty-folder"}, says: []string{"--agent-image", "empty-folder", "it is a folder"}},
		{args: []string{"up", "--webhook-image", "empty-folder/"}, says: []string{"--webhook-image", "empty-folder", "it is a folder"}},
		{args: []string{"cloud", "up", "--agent-image", "./empty-folder"}, says: []string{"--agent-image", "empty-folder", "it is a folder"}},
		{args: []string{"cloud", "up", "--agent-image", "."}, says: []string{"--agent-image", "it is a folder"}},
		{args: []string{"cloud", "up", "--agent-image", "./gone.tar"}, says: []string{"--agent-image", "gone.tar", "there is no such file"}},
		{args: []string{"janitor", "--region", ""}, says: []string{"flag --region: it is empty"}},
		{args: []string{"janitor", "--region="}, says: []string{"flag --region: it is empty"}},
		{args: []string{"janitor", "--region", "us-east-1,"}, says: []string{"flag --region: it is empty"}},
		{args: []string{"janitor", "--region", " "}, says: []string{"flag --region", "not the name of an AWS region"}},
		{args: []string{"janitor", "--region", "us-east"}, says: []string{"flag --region", "us-east", "not the name of an AWS region"}},
		{args: []string{"janitor", "--account", ""}, says: []string{"flag --account: it is empty"}},
		{args: []string{"janitor", "--run", ""}, says: []string{"flag --run: it is empty"}},
		{args: []string{"up", "--provider", "eks", "--yes", "--region", ""}, says: []string{"flag --region: it is empty"}},
		{args: []string{"up", "--provider", "eks", "--yes", "--context", "x"}, says: []string{"flag --context goes with --provider existing"}},
		{args: []string{"up", "--provider", "eks", "--yes", "--cluster-name", "a b", "--region", "us west"}, says: []string{"flag --cluster-name", "flag --region"}},
		{args: []string{"janitor", "--region", "us-east-1a", "--aws-endpoint-url", "127.0.0.1"}, says: []string{"flag --region", "flag --aws-endpoint-url"}},
		{args: []string{"up", "--agent-env", "HTTPS_PROXY"}, says: []string{"--agent-env", "KEY=value"}},
		{args: []string{"up", "--webhook-layout", "eks"}, says: []string{"--webhook-layout", "--webhook-image"}},
		{args: []string{"up", "--kubernetes-version", "1.36"}, says: []string{"--kubernetes-version", "v1.36"}},
		{args: []string{"up", "--provider", "gke"}, says: []string{"--provider", "gke", "existing"}},
		{args: []string{"up", "--provider", "existing"}, says: []string{"--cluster-name", "--probe-image"}},
		{args: []string{"up", "--kubeconfig", "k"}, says: []string{"--kubeconfig", "--provider existing"}},
		{args: []string{"up", "--clients", "cobol"}, says: []string{"--clients", "cobol"}},
		// What to test and to measure.
		{args: []string{"test", "--list=nonsense"}, says: []string{"--list", "nonsense", "specs"}},
		{args: []string{"test", "--list", "--profile", "agnet"}, says: []string{"agnet", "agent"}},
		{args: []string{"test", "--list", "--suites", "injektion"}, says: []string{"injektion", "injection"}},
		{args: []string{"test", "--list", "--focus", "("}, says: []string{"focus", "("}},
		{args: []string{"test", "--list", "--label-filter", "INJ-01 &&&"}, says: []string{"label filter", "INJ-01"}},
		{args: []string{"test", "--list", "--label-filter", "NOSUCH-99"}, says: []string{"nothing matches", "NOSUCH-99"}},
		{args: []string{"test", "--list", "--break", "everything"}, says: []string{"everything", "role-without-policy"}},
		{args: []string{"bench", "--scenario", "wram"}, says: []string{"--scenario", "wram", "warm"}},
		{args: []string{"run", "--bench", "wram"}, says: []string{"--bench", "wram", "warm"}},
		{args: []string{"bench", "--slo", "warm.p99"}, says: []string{"--slo", "warm.p99<5ms"}},
		{args: []string{"bench", "--slo", "warm.p42<1s"}, says: []string{"--slo", "p42", "p99"}},
		{args: []string{"bench", "--slo", "wram.p99<1s"}, says: []string{"--slo", "wram"}},
		{args: []string{"run", "--bench", "none", "--slo", "warm.p99<1s"}, says: []string{"--slo", "--bench is none"}},
		{args: []string{"bench", "--ab", "my/agent"}, says: []string{"--ab", "A and B", "not 1"}},
		{args: []string{"bench", "--ab", " ", "reference"}, says: []string{"agent A is empty"}},
		{args: []string{"bench", "my/agent"}, says: []string{"my/agent", "--ab"}},
		{args: []string{"bench", "--url", "localhost:80"}, says: []string{"--url", "http://127.0.0.1:8080/path"}},
		{args: []string{"bench", "--url", "ftp://127.0.0.1/"}, says: []string{"--url", "ftp"}},
		{args: []string{"bench", "--url", "http://"}, says: []string{"--url", "http://127.0.0.1:8080/path"}},
		{args: []string{"bench", "--url", ""}, says: []string{"--url"}},
		{args: []string{"bench", "--url", "http://127.0.0.1/", "--scenario", "warm"}, says: []string{"--url", "--scenario"}},
		{args: []string{"bench", "--new-connections"}, says: []string{"--new-connections", "--url"}},
		{args: []string{"logs", "agnet"}, says: []string{"agnet", "agent"}},
		{args: []string{"logs", "agent", "webhook"}, says: []string{"one PART"}},
		{args: []string{"aws"}, says: []string{"no command"}},
		// Commands below others.
		{args: []string{"cloud", "upp"}, says: []string{"epi cloud", "upp", "epi cloud up?"}},
		{args: []string{"cloud", "destroy"}, says: []string{"destroy", "down, env, load, status, up"}},
		{args: []string{"history", "pge"}, says: []string{"epi history", "pge", "epi history page?"}},
		{args: []string{"completion", "bahs"}, says: []string{"bahs", "epi completion bash?"}},
		{args: []string{"cloud", "--name", "x"}, says: []string{"--name", "epi cloud up"}},
		{args: []string{"status", "--store", "x"}, says: []string{"--store", "epi history add, epi history page"}},
		// Regions.
		{args: []string{"cloud", "up", "extra"}, says: []string{"takes flags only", `"extra"`}},
		{args: []string{"cloud", "up", "--name", ""}, says: []string{"--name", "it is empty"}},
		{args: []string{"cloud", "down", "--name", "../../victim"}, says: []string{"--name", "a path"}},
		{args: []string{"cloud", "down", "--naem", "x"}, says: []string{"--naem", "did you mean --name?"}},
		{args: []string{"cloud", "env"}, says: []string{`region "cloud"`, "epi cloud up --name cloud"}, code: exitEnvironment},
		{args: []string{"cloud", "env", "--name", "no\nsuch"}, says: []string{`"no\nsuch"`}},
		{args: []string{"cloud", "status", "--name", "nosuch"}, says: []string{`region "nosuch"`, "epi cloud up --name nosuch"}, code: exitEnvironment},
		{args: []string{"cloud", "status", "-o", "xml"}, says: []string{"--output", "xml"}},
		{args: []string{"cloud", "up", "--region", "nowhere"}, says: []string{"--region", "nowhere", "us-east-1"}},
		{args: []string{"cloud", "up", "--region", ""}, says: []string{"--region", "empty"}},
		{args: []string{"cloud", "up", "--iam-propagation-delay", "-5s"}, says: []string{"--iam-propagation-delay", "negative"}},
		{args: []string{"cloud", "up", "--iam-propagation-delay", "5"}, says: []string{"--iam-propagation-delay", "5s"}},
		{args: []string{"cloud", "up", "--agent-layout", "eks"}, says: []string{"--agent-layout", "--agent-image"}},
		// AWS accounts.
		{args: []string{"janitor", "extra"}, says: []string{"takes flags only", `"extra"`}},
		{args: []string{"janitor", "--account", "12"}, says: []string{"--account", "twelve digits"}},
		{args: []string{"janitor", "--older-than", "-5h"}, says: []string{"--older-than", "6h"}},
		{args: []string{"janitor", "--name", ""}, says: []string{"--name", "it is empty"}},
		{args: []string{"janitor", "--rgion", "x"}, says: []string{"--rgion", "did you mean --region?"}},
		// Many runs, and what is published.
		{args: []string{"history", "add"}, says: []string{"folder of a run"}},
		{args: []string{"history", "add", ""}, says: []string{"folder of a run", "empty"}},
		{args: []string{"history", "add", "run"}, says: []string{"--store", "--store history"}},
		{args: []string{"history", "add", "run", "--stroe", "st"}, says: []string{"--stroe", "did you mean --store?"}},
		{args: []string{"history", "add", "run", "--store", "file"}, says: []string{"--store", "file", "not a directory"}},
		{args: []string{"history", "add", "run", "--store", "file/below"}, says: []string{"--store", "file"}},
		{args: []string{"history", "add", "run", "--store", "run"}, says: []string{"--store", "no store of runs", "results.json"}},
		{args: []string{"history", "add", "run", "--store", "dangling"}, says: []string{"--store", "symbolic link to nowhere"}},
		{args: []string{"history", "add", "gone", "--store", "st"}, says: []string{"gone"}},
		{args: []string{"history", "add", "run", "file", "--store", "st"}, says: []string{"file"}},
		{args: []string{"history", "add", "empty-folder", "--store", "st"}, says: []string{"empty-folder", "results.json"}},
		{args: []string{"history", "page", "--store", "gone", "--out", "p"}, says: []string{"--store", "gone"}},
		{args: []string{"history", "page", "--store", "run", "--out", "file"}, says: []string{"--out", "file is a file"}},
		{args: []string{"history", "page", "--store", "run"}, says: []string{"--out", "--out public"}},
		{args: []string{"history", "page", "--store", "run", "--out", "p", "--reports", "-1"}, says: []string{"--reports", "negative"}},
		{args: []string{"history", "page", "extra"}, says: []string{"takes flags only", `"extra"`}},
		{args: []string{"badge"}, says: []string{"a run", "not 0 arguments"}},
		{args: []string{"badge", ""}, says: []string{"argument 1 is empty"}},
		{args: []string{"badge", "empty-folder"}, says: []string{"empty-folder", "results.json"}},
		{args: []string{"badge", "run", "--endpiont"}, says: []string{"--endpiont", "did you mean --endpoint?"}},
		{args: []string{"verify"}, says: []string{"folder of published reports"}},
		{args: []string{"verify", ""}, says: []string{"argument 1 is empty"}},
		{args: []string{"verify", "file"}, says: []string{"file is a file", "SUBJECT/VERSION"}},
		{args: []string{"verify", "gone"}, says: []string{"gone", "no such file"}},
		{args: []string{"verify", "empty-folder"}, says: []string{"no conformance.yaml below empty-folder"}},
		{args: []string{"verify", "dangling"}, says: []string{"dangling", "no such file"}},
		{args: []string{"compare", "run", ""}, says: []string{"argument 2 is empty"}},
		{args: []string{"compare", "run"}, says: []string{"not 1 argument\n"}},
		{args: []string{"load", "app.tar", "--name", "nosuch"}, says: []string{"nosuch", "epi up --name nosuch"}, code: exitEnvironment},
		{args: []string{"load", "app.tar", "--naem", "x"}, says: []string{"--naem", "did you mean --name?"}},
		{args: []string{"list", "extra"}, says: []string{"takes flags only", `"extra"`}},
		{args: []string{"logs", "--tial", "3"}, says: []string{"--tial", "did you mean --tail?"}},
	}
	if err := os.Symlink("nowhere", "dangling"); err != nil {
		t.Fatal(err)
	}
	if len(rows) < 40 {
		t.Fatalf("only %d rows", len(rows))
	}
	before := contentsBelow(t, dir)
	for _, row := range rows {
		var out, errs bytes.Buffer
		variables := map[string]string{"EPI_STATE_DIR": filepath.Join(dir, "state"), "EPI_CACHE_DIR": filepath.Join(dir, "cache")}
		maps.Copy(variables, row.variables)
		a := newApp(&out, &errs, func(key string) (string, bool) {
			value, ok := variables[key]
			return value, ok
		})
		want := row.code
		if want == 0 {
			want = exitUsage
		}
		if code := run(t.Context(), a, row.args); code != want {
			t.Errorf("%q: exit code %d, want %d", row.args, code, want)
		}
		if out.Len() > 0 {
			t.Errorf("%q: standard output is for answers, got %q", row.args, out.String())
		}
		for _, text := range row.says {
			if !strings.Contains(errs.String(), text) {
				t.Errorf("%q: lacks %q:\n%s", row.args, text, errs.String())
			}
		}
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		if len(lines) > 3 || len(lines[0]) > 400 || strings.Contains(errs.String(), "\x1b") {
			t.Errorf("%q: wants a line or two without colour, got %d:\n%s", row.args, len(lines), errs.String())
		}
		for _, word := range []string{"strconv", "panic", "<nil>", "%!", "0x"} {
			if strings.Contains(errs.String(), word) {
				t.Errorf("%q: Go's own words %q:\n%s", row.args, word, errs.String())
			}
		}
		if after := contentsBelow(t, dir); !maps.Equal(before, after) {
			t.Errorf("%q changed something: %s", row.args, difference(before, after))
			before = after
		}
	}
}

func difference(before, after map[string]string) string {
	var list []string
	for path, what := range before {
		if after[path] != what {
			list = append(list, fmt.Sprintf("%s was %q, is %q", path, what, after[path]))
		}
	}
	for path := range after {
		if _, was := before[path]; !was {
			list = append(list, path+" is new")
		}
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}
