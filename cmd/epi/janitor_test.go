package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/ownership"
)

// janitorAccount is an AWS account with a role that has expired and one that has not.
func janitorAccount(t *testing.T) *emulatortest.Fixture {
	t.Helper()
	f := emulatortest.Start(t).Fixture(t, "janitor")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": emulatortest.AccessKeyID, "AWS_SECRET_ACCESS_KEY": emulatortest.SecretAccessKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "NO_PROXY": "*", "AWS_REGION": emulatortest.Region, "AWS_ENDPOINT_URL": f.URL,
	} {
		t.Setenv(name, value)
	}
	for name, expires := range map[string]string{"old": "2026-01-01T00:00:00Z", "new": "2099-01-01T00:00:00Z"} {
		if _, err := f.Admin().IAM.CreateRole(t.Context(), &iam.CreateRoleInput{
			RoleName: aws.String("epi-" + name), Path: aws.String("/epi/" + name + "/"), AssumeRolePolicyDocument: aws.String(emulatortest.TrustPods),
			Tags: []iamtypes.Tag{
				{Key: aws.String(ownership.TagEnvironment), Value: aws.String(name)}, {Key: aws.String(ownership.TagRun), Value: aws.String("r")},
				{Key: aws.String(ownership.TagExpires), Value: &expires},
			},
		}); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestJanitor(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		code int
		says []string
		left []string
	}{
		"lists":                {nil, 0, []string{"Account " + emulatortest.Account, "IAM role epi-old", "expired", "add --yes"}, []string{"new", "old"}},
		"removes what expired": {[]string{"--yes"}, 0, []string{"IAM role epi-old"}, []string{"new"}},
		"nothing is old":       {[]string{"--older-than", "1h", "--yes"}, 0, []string{"Nothing of epi's is older than 1h"}, []string{"new", "old"}},
		"all there is":         {[]string{"--older-than", "0s", "--yes"}, 0, []string{"epi-old", "epi-new"}, nil},
		"one environment":      {[]string{"--older-than", "0s", "--name", "new", "--yes"}, 0, []string{"epi-new"}, []string{"old"}},
		"another run":          {[]string{"--older-than", "0s", "--run", "x", "--yes"}, 0, []string{"Nothing"}, []string{"new", "old"}},
		"the account":          {[]string{"--account", emulatortest.Account, "--yes"}, 0, []string{"epi-old"}, []string{"new"}},
		"another account":      {[]string{"--account", emulatortest.Member, "--older-than", "0s", "--yes"}, 3, []string{emulatortest.Member, "Hint: use credentials of account"}, []string{"new", "old"}},
		"no account":           {[]string{"--account", "12345", "--yes"}, 2, []string{"twelve digits"}, []string{"new", "old"}},
		"no age":               {[]string{"--older-than", "6", "--yes"}, 2, []string{"older-than"}, []string{"new", "old"}},
		"an age below nothing": {[]string{"--older-than=-1h", "--yes"}, 2, []string{"less than nothing"}, []string{"new", "old"}},
		"no name":              {[]string{"--name", "No!", "--yes"}, 2, []string{"is not a name of an environment"}, []string{"new", "old"}},
		"a word":               {[]string{"now"}, 2, []string{"now"}, []string{"new", "old"}},
		"json":                 {[]string{"-o", "json"}, 0, []string{`"ID": "epi-old"`, `"Expires": "2026-01-01T00:00:00Z"`}, []string{"new", "old"}},
		"a region that is not": {[]string{"--region", "eu-west-9", "--yes"}, 3, []string{"Hint:"}, []string{"new", "old"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := janitorAccount(t)
			var out, errs strings.Builder
			code := run(t.Context(), newApp(&out, &errs, func(string) (string, bool) { return "", false }), append([]string{"janitor", "--state-dir", t.TempDir() + "/epi"}, row.args...))
			text := out.String() + errs.String()
			if code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			for _, want := range row.says {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q:\n%s", want, text)
				}
			}
			var left []string
			for _, name := range []string{"new", "old"} {
				if _, err := f.Admin().IAM.GetRole(context.Background(), &iam.GetRoleInput{RoleName: aws.String("epi-" + name)}); err == nil {
					left = append(left, name)
				}
			}
			if strings.Join(left, " ") != strings.Join(row.left, " ") {
				t.Errorf("left: %q, want %q\n%s", left, row.left, text)
			}
		})
	}
}

// TestJanitorLeavesWhatIsInUseHere: another epi on this machine uses it.
func TestJanitorLeavesWhatIsInUseHere(t *testing.T) {
	f := janitorAccount(t)
	dirs := clusters.Dirs{State: t.TempDir() + "/epi"}
	if _, err := clusters.MakeEnvironmentDir(dirs, "new", "existing"); err != nil {
		t.Fatal(err)
	}
	release, err := clusters.Lock(dirs, "new", clusters.Use{Verb: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	var out, errs strings.Builder
	code := run(t.Context(), newApp(&out, &errs, func(string) (string, bool) { return "", false }), []string{"janitor", "--older-than", "0s", "--yes", "--state-dir", dirs.State})
	if code != 0 || !strings.Contains(out.String(), `"new" is in use`) {
		t.Errorf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	if _, err := f.Admin().IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("epi-new")}); err != nil {
		t.Error(err)
	}
	if _, err := f.Admin().IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("epi-old")}); err == nil {
		t.Error("the other one's is there")
	}
}
