package existing

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/ownership"
	"github.com/podidentity/epi/clusters/sweep"
)

// crashed returns an environment whose suites were killed: what they created in AWS exists.
func crashed(t *testing.T) (p *Provider, f *emulatortest.Fixture, dir string) {
	t.Helper()
	f = emulatortest.Start(t).Fixture(t, "users-cluster")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": emulatortest.AccessKeyID, "AWS_SECRET_ACCESS_KEY": emulatortest.SecretAccessKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "NO_PROXY": "*", "AWS_REGION": "eu-north-1",
	} {
		t.Setenv(name, value)
	}
	dirs := clusters.Dirs{State: filepath.Join(t.TempDir(), "epi")}
	env := &clusters.Environment{
		Name: "blue", Provider: Name, ClusterName: f.Cluster(), Region: emulatortest.Region, AccountID: emulatortest.Account,
		AWS: clusters.AWS{EndpointURL: f.URL}, Journal: "from elsewhere",
	}
	if err := clusters.SaveEnvironment(dirs, env); err != nil {
		t.Fatal(err)
	}
	env, err := clusters.LoadEnvironment(dirs, "blue")
	if err != nil {
		t.Fatal(err)
	}
	if dir, err = dirs.EnvironmentDir("blue"); err != nil || env.Journal != filepath.Join(dir, clusters.JournalFile) {
		t.Fatalf("the journal is %q, %v", env.Journal, err)
	}
	config := f.Config(credentials.NewStaticCredentialsProvider(emulatortest.AccessKeyID, emulatortest.SecretAccessKey, ""))
	owner := ownership.Owner{Environment: "blue", Run: "r1", Expires: time.Now().Add(time.Hour)}
	ownership.Stamp{Owner: owner, Account: env.AccountID, Region: env.Region, Journal: journal.File(env.Journal)}.On(&config)
	suites, ctx := emulatortest.NewClients(config), t.Context()
	role, err := suites.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("epi-blue-x"), AssumeRolePolicyDocument: aws.String(emulatortest.TrustPods)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = suites.EKS.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{ClusterName: &env.ClusterName, Namespace: aws.String("a"), ServiceAccount: aws.String("b"), RoleArn: role.Role.Arn})
	if err != nil {
		t.Fatal(err)
	}
	_, err = suites.IAM.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://issuer.example.com"), ClientIDList: []string{"sts.amazonaws.com"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = suites.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("epi-blue-y"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: emulatortest.Region}})
	if err != nil {
		t.Fatal(err)
	}
	return New(dirs, Options{EnvironmentLabel: "env", Poll: 20 * time.Millisecond}), f, dir
}

// left is what epi has in the account.
func left(t *testing.T, f *emulatortest.Fixture) []sweep.Found {
	t.Helper()
	config := f.Config(credentials.NewStaticCredentialsProvider(emulatortest.AccessKeyID, emulatortest.SecretAccessKey, ""))
	sweeper, err := sweep.New(t.Context(), config, sweep.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := sweeper.Find(t.Context(), sweep.Scope{Kinds: SuiteKinds()})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDownRemovesWhatSuitesLeftInAWS(t *testing.T) {
	elsewhere := journal.Entry{Account: emulatortest.Member, Region: "ap-south-1", Environment: "blue", Run: "r", Kind: journal.Role, Name: "epi-node"}
	for name, damage := range map[string]func(t *testing.T, dir, file string){
		"with the journal":       func(*testing.T, string, string) {},
		"without the journal":    func(t *testing.T, _, file string) { do(t, os.Remove(file)) },
		"with a damaged journal": func(t *testing.T, _, file string) { do(t, os.WriteFile(file, []byte("{\x00\n]]\n"), 0o600)) },
		"with another one's":     func(t *testing.T, _, file string) { do(t, os.Remove(file), journal.File(file).Record(elsewhere)) },
		"with the journal alone": func(t *testing.T, dir, _ string) { do(t, os.Remove(filepath.Join(dir, "environment.json"))) },
		"without the environment": func(t *testing.T, dir, _ string) {
			do(t, os.WriteFile(filepath.Join(dir, "environment.json"), []byte("{"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, f, dir := crashed(t)
			if found := left(t, f); len(found) != 4 {
				t.Fatalf("the suites have left %v", found)
			}
			damage(t, dir, filepath.Join(dir, clusters.JournalFile))
			t.Setenv("AWS_ENDPOINT_URL", f.URL) // its record may be lost
			if err := p.Down(t.Context(), "blue", quiet{}); err != nil {
				t.Fatal(err)
			}
			if found := left(t, f); len(found) != 0 {
				t.Errorf("left: %v", found)
			}
			if there, err := clusters.HasEnvironmentDir(p.dirs, "blue"); there || err != nil {
				t.Errorf("the folder is there: %t, %v", there, err)
			}
			if _, err := f.Admin().IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String(emulatortest.NodeRole)}); err != nil {
				t.Errorf("the nodes' role: %v", err)
			}
		})
	}
}

func do(t *testing.T, problems ...error) {
	t.Helper()
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
}

func TestDownWithCredentialsOfAnotherAccountRemovesNothing(t *testing.T) {
	p, f, _ := crashed(t)
	member := f.Session("arn:aws:iam::"+emulatortest.Member+":role/OrganizationAccountAccessRole", nil)
	retrieved, err := member.Config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", retrieved.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", retrieved.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", retrieved.SessionToken)
	err = p.Down(t.Context(), "blue", quiet{})
	if _, wrong := errors.AsType[*sweep.AccountError](err); !wrong || !strings.Contains(clusters.Remedy(err), emulatortest.Account) {
		t.Errorf("error %v, remedy %q", err, clusters.Remedy(err))
	}
	if found := left(t, f); len(found) != 4 {
		t.Errorf("left: %v", found)
	}
	if there, err := clusters.HasEnvironmentDir(p.dirs, "blue"); !there || err != nil {
		t.Errorf("the folder that knows of it is gone: %v", err)
	}
}
