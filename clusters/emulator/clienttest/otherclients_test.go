package clienttest

import (
	"bufio"
	"bytes"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

//go:embed python/boto3_s3.py
var boto3S3 string

// found returns a client's program, or skips or fails the test.
func found(t *testing.T, name string) string {
	t.Helper()
	program, err := FindPackage(t.Context(), name)
	require(t, err)
	return program
}

// output runs a program with the administrator's credentials and returns what it printed, and its exit code.
func (w *world) output(t *testing.T, variables []string, program string, args ...string) (string, int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env = append(append(w.environment(t), "AWS_ACCESS_KEY_ID="+w.admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+w.admin.SecretAccessKey), variables...)
	text, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatalf("run %s: %v", program, err)
	}
	return string(text), command.ProcessState.ExitCode()
}

// TestBoto3: its presigned URLs and forms have Signature Version 2 unless its configuration names another version
// (https://boto3.amazonaws.com/v1/documentation/api/latest/guide/s3-presigned-urls.html).
func TestBoto3(t *testing.T) {
	t.Parallel()
	python := found(t, "python3-boto3")
	w := newWorld(t)
	text, code := w.output(t, []string{"EPI_URL=" + w.URL, "EPI_BUCKET=" + w.bucket}, python, "-c", boto3S3)
	if code != 0 {
		t.Fatal(text)
	}
	type answer struct {
		Name, Body string
		Status     int
	}
	answers := map[string]answer{}
	for lines := bufio.NewScanner(bytes.NewBufferString(text)); lines.Scan(); {
		var one answer
		decode(t, lines.Text(), &one)
		answers[one.Name] = one
	}
	for name, want := range map[string]answer{
		"presigned by default":                       {Status: 400, Body: "signature_version"},
		"presigned with version 4":                   {Status: 200, Body: "content"},
		"form by default":                            {Status: 400, Body: "signature_version"},
		"form with version 4":                        {Status: 204},
		"what the form made":                         {Status: 200, Body: "content"},
		"form with fields":                           {Status: 201, Body: "<Key>boto3/form.txt</Key>"},
		"form that is too long":                      {Status: 400, Body: "EntityTooLarge"},
		"form with a field that is not the policy's": {Status: 403, Body: "Extra input fields: x-amz-meta-a"},
	} {
		if got := answers[name]; got.Status != want.Status || !strings.Contains(got.Body, want.Body) {
			t.Errorf("%s: %d %s, want %d with %q", name, got.Status, got.Body, want.Status, want.Body)
		}
	}
}

// tree makes a folder with names that need escaping, and with a file that is large enough to be sent in parts.
func tree(t *testing.T) string {
	t.Helper()
	folder := filepath.Dir(write(t, "a b+c.txt", []byte("one")))
	for name, data := range map[string][]byte{"q?&%.txt": []byte("two"), "ü.txt": []byte("three"), "large": noise(17 << 20)} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// sameTree compares two folders.
func sameTree(t *testing.T, one, other string) {
	t.Helper()
	if text, err := exec.CommandContext(t.Context(), "diff", "-r", one, other).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestRclone(t *testing.T) {
	t.Parallel()
	rclone := found(t, "rclone")
	w := newWorld(t)
	variables := []string{
		"RCLONE_CONFIG=" + write(t, "rclone.conf", nil), "RCLONE_CONFIG_EMU_TYPE=s3", "RCLONE_CONFIG_EMU_PROVIDER=Other", "RCLONE_CONFIG_EMU_ENV_AUTH=true",
		"RCLONE_CONFIG_EMU_REGION=" + emulatortest.Region, "RCLONE_CONFIG_EMU_LOCATION_CONSTRAINT=" + emulatortest.Region, "RCLONE_CONFIG_EMU_ENDPOINT=" + w.URL,
		"RCLONE_RETRIES=1", "RCLONE_LOW_LEVEL_RETRIES=1", "AWS_CA_BUNDLE=", // this version of rclone cannot set a CA bundle
	}
	run := func(args ...string) string {
		t.Helper()
		text, code := w.output(t, variables, rclone, args...)
		if code != 0 {
			t.Fatalf("rclone %s: %s", strings.Join(args, " "), text)
		}
		return text
	}
	folder, back := tree(t), t.TempDir()
	run("mkdir", "emu:rclone")
	run("sync", folder, "emu:rclone/tree")
	run("check", "--download", folder, "emu:rclone/tree")
	run("--s3-server-side-encryption", "AES256", "copy", folder, "emu:rclone/encrypted")
	run("--s3-copy-cutoff", "6M", "moveto", "emu:rclone/encrypted/large", "emu:rclone/tree/large 2")
	run("touch", "emu:rclone/tree/a b+c.txt") // a copy onto itself with other metadata
	run("deletefile", "emu:rclone/tree/large 2")
	run("sync", "emu:rclone/tree", back)
	sameTree(t, folder, back)
	link := strings.TrimSpace(run("link", "--expire", "1h", "emu:rclone/tree/ü.txt"))
	if response := fetch(t.Context(), t, w, link); response.StatusCode != 200 {
		t.Errorf("link %s: %s", link, response.Status)
	}
	run("purge", "emu:rclone")
}

func TestS3cmd(t *testing.T) {
	t.Parallel()
	s3cmd := found(t, "s3cmd")
	w := newWorld(t)
	_, host, _ := strings.Cut(w.URL, "://")
	config := write(t, "s3cfg", []byte("[default]\naccess_key = "+w.admin.AccessKeyID+"\nsecret_key = "+w.admin.SecretAccessKey+"\nhost_base = "+host+"\nhost_bucket = "+host+
		"\nuse_https = False\nbucket_location = "+emulatortest.Region+"\n"))
	run := func(args ...string) string {
		t.Helper()
		text, code := w.output(t, nil, s3cmd, append([]string{"-c", config}, args...)...)
		if code != 0 {
			t.Fatalf("s3cmd %s: %s", strings.Join(args, " "), text)
		}
		return text
	}
	folder, back := tree(t), t.TempDir()
	run("mb", "s3://s3cmd")
	run("sync", folder+"/", "s3://s3cmd/tree/")
	run("put", "--server-side-encryption", filepath.Join(folder, "large"), "s3://s3cmd/encrypted")
	run("modify", "--server-side-encryption", "s3://s3cmd/encrypted") // a copy onto itself with encryption
	run("mv", "s3://s3cmd/encrypted", "s3://s3cmd/moved")
	run("modify", "--add-header=x-amz-meta-a:b", "s3://s3cmd/moved")
	if text := run("info", "s3://s3cmd/moved"); !strings.Contains(text, "x-amz-meta-a: b") {
		t.Errorf("info: %s", text)
	}
	run("sync", "s3://s3cmd/tree/", back+"/")
	sameTree(t, folder, back)
	// signurl supports Signature Version 2 only.
	response := fetch(t.Context(), t, w, strings.TrimSpace(run("signurl", "s3://s3cmd/moved", "+600")))
	if response.StatusCode != 400 {
		t.Errorf("signurl: %s", response.Status)
	}
	run("rb", "--recursive", "--force", "s3://s3cmd")
}

// TestPresignWithVersion2: a URL that version 1 of the AWS CLI presigns for this region by default is refused. The refusal
// has the remedy.
func TestPresignWithVersion2(t *testing.T) {
	t.Parallel()
	program, err := FindOtherCLI()
	if err != nil {
		t.Skip(err) // Debian's presigns with version 4
	}
	c := newCLI(t, program)
	for name, test := range map[string]struct {
		config string
		status int
	}{
		"by default": {"[default]\nregion = " + emulatortest.Region + "\n", 400},
		"as given":   {cliConfiguration, 200},
	} {
		variables := []string{"AWS_CONFIG_FILE=" + write(t, "config", []byte(test.config)), "AWS_ACCESS_KEY_ID=" + c.admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.admin.SecretAccessKey}
		url := strings.TrimSpace(c.run(t, variables, "s3", "presign", "s3://"+c.bucket+"/"+ownKey).succeeded(t))
		if strings.Contains(url, "X-Amz-Algorithm=AWS4-HMAC-SHA256") {
			test.status = 200 // version 2 of the CLI
		}
		response := fetch(t.Context(), t, c.world, url)
		var body bytes.Buffer
		if _, err := body.ReadFrom(response.Body); err != nil || response.StatusCode != test.status {
			t.Errorf("%s: %s %s, %v", name, response.Status, body.String(), err)
		}
		if test.status == 400 && !strings.Contains(body.String(), "aws configure set default.s3.signature_version s3v4") {
			t.Errorf("%s: no remedy in %s", name, body.String())
		}
	}
}
