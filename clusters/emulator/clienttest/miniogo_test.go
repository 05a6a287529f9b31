package clienttest

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// minioVariable, set to 1, makes TestMinIO run. It takes minutes.
const minioVariable = "EPI_TEST_MINIO"

//go:embed miniogo.txt
var minioList string

// minioSections reads the list of failing tests: names by section.
func minioSections(t *testing.T) map[string][]string {
	t.Helper()
	sections, section := map[string][]string{}, ""
	for line := range strings.Lines(minioList) {
		line = strings.TrimSpace(line)
		name, begins := strings.CutPrefix(line, "== ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case begins:
			section = name
		case section == "":
			t.Fatalf("%s is in no section", line)
		default:
			sections[section] = append(sections[section], line)
		}
	}
	return sections
}

// TestMinIO runs minio-go's functional tests over HTTP and over TLS as they are. It runs them once more without the code
// that makes half of them end at their beginning.
func TestMinIO(t *testing.T) {
	if os.Getenv(minioVariable) != "1" {
		t.Skip("takes some minutes: make minio, or " + minioVariable + "=1")
	}
	sections := minioSections(t)
	asItIs := map[string]bool{}
	for section, names := range sections {
		if section != "relaxed" {
			maps.Copy(asItIs, setOf(names))
		}
	}
	relaxed := setOf(sections["relaxed"])
	for section, names := range sections {
		if section != "signature-version-2" && section != "object-lock" {
			maps.Copy(relaxed, setOf(names))
		}
	}
	program, err := BuildMinIOTests(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	relaxedProgram, err := BuildMinIOTests(t.Context(), t.TempDir(), "ObjectLocking: true", "ObjectLocking: false", "CredsV2: true", "CredsV2: false")
	if err != nil {
		t.Fatal(err)
	}
	overTLS := setOf(sections["customer-keys"])
	overTLS["testEncryptedCopyObjectV2"] = true
	for _, test := range []struct {
		name, program string
		tls           bool
		listed        map[string]bool
	}{
		{"over HTTP", program, false, asItIs},
		{"over TLS", program, true, asItIs},
		{"without Object Lock and Signature Version 2", relaxedProgram, false, relaxed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			outcomes := runMinIO(t, test.program, test.tls)
			passed := 0
			for _, name := range slices.Sorted(maps.Keys(outcomes)) {
				// Some tests have several outcomes.
				bad := slices.DeleteFunc(slices.Clone(outcomes[name]), func(line string) bool { return line == "" })
				passed += len(outcomes[name]) - len(bad)
				switch {
				case len(bad) > 0 && !test.listed[name]:
					t.Errorf("%s: %s", name, strings.Join(bad, "\n"))
				case len(bad) == 0 && test.listed[name]:
					t.Errorf("%s passes: take it off miniogo.txt", name)
				}
			}
			for name := range test.listed {
				if len(outcomes[name]) == 0 && (test.tls || !overTLS[name]) {
					t.Errorf("%s was not run", name)
				}
			}
			if passed < 50 {
				t.Errorf("%d passed; did the program end early?", passed)
			}
			t.Logf("%d passed of %d tests, %d are listed", passed, len(outcomes), len(test.listed))
		})
	}
}

func setOf(names []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// runMinIO runs the program and returns its outcomes by test: "" for a pass, otherwise the outcome's text.
func runMinIO(t *testing.T, program string, tls bool) map[string][]string {
	t.Helper()
	server := emulatortest.Start(t)
	url, https := server.URL, "0"
	if tls {
		url, https = server.TLS.URL, "1"
	}
	_, host, _ := strings.Cut(url, "://")
	command := exec.CommandContext(t.Context(), program)
	command.Dir = t.TempDir()
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + command.Dir, "TMPDIR=" + t.TempDir(), "SERVER_ENDPOINT=" + host, "ENABLE_HTTPS=" + https, "SKIP_CERT_VALIDATION=1",
		"ACCESS_KEY=" + emulatortest.AccessKeyID, "SECRET_KEY=" + emulatortest.SecretAccessKey, "SERVER_REGION=" + emulatortest.Region,
		"MINT_MODE=full", "RUN_ON_FAIL=1",
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	outcomes := map[string][]string{}
	lines := bufio.NewScanner(&stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct{ Name, Status, Alert, Message, Error string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("read %.200q: %v", lines.Text(), err)
		}
		said := ""
		if line.Status != "PASS" {
			said = strings.Join([]string{line.Status, line.Alert, line.Message, line.Error}, " ")
		}
		name := strings.TrimPrefix(line.Name, "minio-go: ")
		outcomes[name] = append(outcomes[name], said)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return outcomes
}
