package clienttest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// TestJavaScript runs the tests of the folder javascript under Node.js, each as a test of its own.
func TestJavaScript(t *testing.T) {
	t.Parallel()
	node, npm, err := FindNode(t.Context())
	require(t, err)
	modules, err := InstallJavaScript(t.Context(), npm)
	require(t, err)
	w := newWorld(t)
	folder := t.TempDir()
	if err := copyJavaScript(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	world, err := json.Marshal(map[string]any{
		"url": w.URL, "region": emulatortest.Region, "bucket": w.bucket, "cluster": w.cluster, "roleArn": w.roleARN, "taggedRole": w.taggedRole,
		"ownKey": ownKey, "othersKey": othersKey, "admin": w.admin, "getter": w.getter, "nobody": w.nobody, "expired": w.expired, "invalid": w.invalid,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "world.json")
	if err := os.WriteFile(file, world, 0o600); err != nil {
		t.Fatal(err)
	}
	tests, err := filepath.Glob(filepath.Join(folder, "*.test.mjs"))
	if err != nil || len(tests) == 0 {
		t.Fatalf("found %d files of tests, %v", len(tests), err)
	}
	command := exec.CommandContext(t.Context(), node, append([]string{"--test", "--test-reporter=junit"}, tests...)...)
	command.Dir = folder
	command.Env = append(w.environment(t), "EPI_CLIENTTEST_WORLD="+file,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI="+w.containerURL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+w.tokenFile)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	failed := command.Run()
	if _, ended := errors.AsType[*exec.ExitError](failed); failed != nil && !ended {
		t.Fatal(failed)
	}
	results, err := readJUnit(&stdout)
	if err != nil || len(results) < len(tests) {
		t.Fatalf("%d results of %d files, %v, %v\n%s", len(results), len(tests), err, failed, stderr.String())
	}
	for _, result := range results {
		t.Run(result.Name, func(t *testing.T) {
			switch {
			case result.Skipped != nil:
				t.Skip(result.Skipped.Message)
			case result.Failure != nil:
				t.Error(result.Failure.Text)
			}
		})
	}
	if failed != nil && !t.Failed() {
		t.Errorf("%v, though no test failed\n%s", failed, stderr.String())
	}
}

// junitCase is a test in the report of Node.js.
type junitCase struct {
	Name    string `xml:"name,attr"`
	Failure *struct {
		Text string `xml:",chardata"`
	} `xml:"failure"`
	Skipped *struct {
		Message string `xml:"message,attr"`
	} `xml:"skipped"`
}

// readJUnit lists the test cases, however deep they are nested.
func readJUnit(report io.Reader) ([]junitCase, error) {
	var cases []junitCase
	for decoder := xml.NewDecoder(report); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return cases, nil
		}
		if err != nil {
			return cases, err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "testcase" {
			var found junitCase
			if err := decoder.DecodeElement(&found, &start); err != nil {
				return cases, err
			}
			cases = append(cases, found)
		}
	}
}
