package iam_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
)

// failingTable keeps records until a test makes it fail. From then on it accepts no change.
type failingTable struct {
	mu      sync.Mutex
	fails   bool
	records map[string]string
}

func (f *failingTable) fail(fails bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = fails
}

var errDisk = errors.New("the disk is full")

func (f *failingTable) Put(key string, value []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails {
		return errDisk
	}
	f.records[key] = string(value)
	return nil
}

func (f *failingTable) Delete(key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails {
		return errDisk
	}
	delete(f.records, key)
	return nil
}

func (f *failingTable) Each(visit func(key string, value []byte) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(f.records)) {
		if err := visit(key, []byte(f.records[key])); err != nil {
			return err
		}
	}
	return nil
}

func (f *failingTable) copy() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.records)
}

// post sends an operation with its parameters, "Name=value" joined by "&". It returns the answer without its request ID, so
// that answers can be compared.
func post(t *testing.T, config aws.Config, operation, parameters string) (status int, body string) {
	t.Helper()
	form, err := url.ParseQuery(parameters)
	if err != nil {
		t.Fatal(err)
	}
	form.Set("Action", operation)
	form.Set("Version", "2010-05-08")
	text := form.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, *config.BaseEndpoint+"/", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	credentials, err := config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hex.EncodeToString(sum[:]), "iam", config.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read)
}

const (
	ownPolicy   = "arn:aws:iam::" + iamtest.AccountID + ":policy/p"
	sparePolicy = "arn:aws:iam::" + iamtest.AccountID + ":policy/spare"
	ownProvider = "arn:aws:iam::" + iamtest.AccountID + ":oidc-provider/id.example.com"
	s3ReadOnly  = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
)

// inhabitants are the entities that each failure test starts with: of each kind one that is in use and one that is not.
var inhabitants = [][2]string{
	{"CreatePolicy", "PolicyName=p&Tags.member.1.Key=a&Tags.member.1.Value=b&PolicyDocument=" + url.QueryEscape(readObjects)},
	{"CreatePolicyVersion", "PolicyArn=" + ownPolicy + "&PolicyDocument=" + url.QueryEscape(readObjects)},
	{"CreatePolicy", "PolicyName=spare&PolicyDocument=" + url.QueryEscape(readObjects)},
	{"CreateRole", "RoleName=r&Tags.member.1.Key=a&Tags.member.1.Value=b&PermissionsBoundary=" + s3ReadOnly + "&AssumeRolePolicyDocument=" + url.QueryEscape(trustPods)},
	{"AttachRolePolicy", "RoleName=r&PolicyArn=" + ownPolicy},
	{"PutRolePolicy", "RoleName=r&PolicyName=inline&PolicyDocument=" + url.QueryEscape(readObjects)},
	{"CreateRole", "RoleName=spare&AssumeRolePolicyDocument=" + url.QueryEscape(trustPods)},
	{"CreateUser", "UserName=u&Tags.member.1.Key=a&Tags.member.1.Value=b&PermissionsBoundary=" + s3ReadOnly},
	{"AttachUserPolicy", "UserName=u&PolicyArn=" + ownPolicy},
	{"PutUserPolicy", "UserName=u&PolicyName=inline&PolicyDocument=" + url.QueryEscape(readObjects)},
	{"CreateUser", "UserName=spare"},
	{"CreateInstanceProfile", "InstanceProfileName=i&Tags.member.1.Key=a&Tags.member.1.Value=b"},
	{"AddRoleToInstanceProfile", "InstanceProfileName=i&RoleName=r"},
	{"CreateInstanceProfile", "InstanceProfileName=spare"},
	{"CreateOpenIDConnectProvider", "Url=" + url.QueryEscape("https://id.example.com") + "&ClientIDList.member.1=one&Tags.member.1.Key=a&Tags.member.1.Value=b"},
}

// readings returns all that can be read about the inhabitants.
var readings = [][2]string{
	{"ListRoles", ""}, {"ListUsers", ""}, {"ListPolicies", "Scope=Local"}, {"ListInstanceProfiles", ""}, {"ListOpenIDConnectProviders", ""},
	{"GetRole", "RoleName=r"}, {"ListAttachedRolePolicies", "RoleName=r"}, {"ListRolePolicies", "RoleName=r"}, {"GetRolePolicy", "RoleName=r&PolicyName=inline"},
	{"ListInstanceProfilesForRole", "RoleName=r"}, {"ListInstanceProfilesForRole", "RoleName=spare"},
	{"GetUser", "UserName=u"}, {"ListAttachedUserPolicies", "UserName=u"}, {"ListUserPolicies", "UserName=u"}, {"GetUserPolicy", "UserName=u&PolicyName=inline"},
	{"ListAccessKeys", "UserName=u"}, {"ListAccessKeys", "UserName=spare"},
	{"GetPolicy", "PolicyArn=" + ownPolicy}, {"ListPolicyVersions", "PolicyArn=" + ownPolicy}, {"ListEntitiesForPolicy", "PolicyArn=" + ownPolicy},
	{"GetInstanceProfile", "InstanceProfileName=i"}, {"GetInstanceProfile", "InstanceProfileName=spare"},
	{"GetOpenIDConnectProvider", "OpenIDConnectProviderArn=" + ownProvider},
}

// changes has one call of each operation that changes something. KEY stands for the ID of u's access key.
var changes = map[string]string{
	"CreateRole":               "RoleName=new&AssumeRolePolicyDocument=" + url.QueryEscape(trustPods),
	"DeleteRole":               "RoleName=spare",
	"UpdateRole":               "RoleName=r&Description=new&MaxSessionDuration=7200",
	"UpdateRoleDescription":    "RoleName=r&Description=new",
	"UpdateAssumeRolePolicy":   "RoleName=r&PolicyDocument=" + url.QueryEscape(strings.Replace(trustPods, "pods.eks", "ec2", 1)),
	"CreateUser":               "UserName=new",
	"DeleteUser":               "UserName=spare",
	"CreateAccessKey":          "UserName=u",
	"UpdateAccessKey":          "UserName=u&Status=Inactive&AccessKeyId=KEY",
	"DeleteAccessKey":          "UserName=u&AccessKeyId=KEY",
	"CreatePolicy":             "PolicyName=new&PolicyDocument=" + url.QueryEscape(readObjects),
	"DeletePolicy":             "PolicyArn=" + sparePolicy,
	"CreatePolicyVersion":      "SetAsDefault=true&PolicyArn=" + ownPolicy + "&PolicyDocument=" + url.QueryEscape(readObjects),
	"SetDefaultPolicyVersion":  "VersionId=v2&PolicyArn=" + ownPolicy,
	"DeletePolicyVersion":      "VersionId=v2&PolicyArn=" + ownPolicy,
	"CreateInstanceProfile":    "InstanceProfileName=new",
	"DeleteInstanceProfile":    "InstanceProfileName=spare",
	"AddRoleToInstanceProfile": "InstanceProfileName=spare&RoleName=spare",

	"RemoveRoleFromInstanceProfile":           "InstanceProfileName=i&RoleName=r",
	"CreateOpenIDConnectProvider":             "Url=" + url.QueryEscape("https://new.example.com"),
	"DeleteOpenIDConnectProvider":             "OpenIDConnectProviderArn=" + ownProvider,
	"AddClientIDToOpenIDConnectProvider":      "ClientID=two&OpenIDConnectProviderArn=" + ownProvider,
	"RemoveClientIDFromOpenIDConnectProvider": "ClientID=one&OpenIDConnectProviderArn=" + ownProvider,
	"UpdateOpenIDConnectProviderThumbprint":   "ThumbprintList.member.1=" + strings.Repeat("0a", 20) + "&OpenIDConnectProviderArn=" + ownProvider,

	"AttachRolePolicy": "RoleName=r&PolicyArn=" + sparePolicy, "AttachUserPolicy": "UserName=u&PolicyArn=" + sparePolicy,
	"DetachRolePolicy": "RoleName=r&PolicyArn=" + ownPolicy, "DetachUserPolicy": "UserName=u&PolicyArn=" + ownPolicy,
	"PutRolePolicy":                 "RoleName=r&PolicyName=new&PolicyDocument=" + url.QueryEscape(readObjects),
	"PutUserPolicy":                 "UserName=u&PolicyName=new&PolicyDocument=" + url.QueryEscape(readObjects),
	"DeleteRolePolicy":              "RoleName=r&PolicyName=inline",
	"DeleteUserPolicy":              "UserName=u&PolicyName=inline",
	"PutRolePermissionsBoundary":    "RoleName=r&PermissionsBoundary=" + sparePolicy,
	"PutUserPermissionsBoundary":    "UserName=u&PermissionsBoundary=" + sparePolicy,
	"DeleteRolePermissionsBoundary": "RoleName=r", "DeleteUserPermissionsBoundary": "UserName=u",

	"TagRole": "RoleName=r&" + newTag, "UntagRole": "RoleName=r&TagKeys.member.1=a",
	"TagUser": "UserName=u&" + newTag, "UntagUser": "UserName=u&TagKeys.member.1=a",
	"TagPolicy": "PolicyArn=" + ownPolicy + "&" + newTag, "UntagPolicy": "PolicyArn=" + ownPolicy + "&TagKeys.member.1=a",
	"TagInstanceProfile": "InstanceProfileName=i&" + newTag, "UntagInstanceProfile": "InstanceProfileName=i&TagKeys.member.1=a",
	"TagOpenIDConnectProvider":   "OpenIDConnectProviderArn=" + ownProvider + "&" + newTag,
	"UntagOpenIDConnectProvider": "OpenIDConnectProviderArn=" + ownProvider + "&TagKeys.member.1=a",
}

const newTag = "Tags.member.1.Key=new&Tags.member.1.Value=x"

// TestFailedWrites: an operation whose record cannot be written answers an internal failure and changes nothing: not the
// API's answers, not the table, and not which keys work.
func TestFailedWrites(t *testing.T) {
	for _, operation := range iam.Operations() {
		if strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "List") {
			continue
		}
		t.Run(operation, func(t *testing.T) {
			parameters, ok := changes[operation]
			if !ok {
				t.Fatal("has no request here")
			}
			table := &failingTable{records: map[string]string{}}
			_, server := clientOf(t, iam.Options{Table: table})
			admin := server.Admin()
			for _, made := range inhabitants {
				if status, body := post(t, admin, made[0], made[1]); status != http.StatusOK {
					t.Fatalf("%s %s: %d %s", made[0], made[1], status, body)
				}
			}
			key, secret := newKey(t, server, "u")
			parameters = strings.ReplaceAll(parameters, "KEY", key)
			look := func(server *iamtest.Server) []string {
				var seen []string
				for _, question := range readings {
					_, body := post(t, server.Admin(), question[0], question[1])
					seen = append(seen, body)
				}
				_, body := post(t, server.Config(key, secret, ""), "GetUser", "")
				return append(seen, body)
			}
			seen, records := look(server), table.copy()
			if answer := strings.Join(seen[:len(seen)-1], ""); strings.Contains(answer, "<Error>") {
				t.Fatalf("a question is refused: %s", answer)
			}

			table.fail(true)
			status, body := post(t, admin, operation, parameters)
			if status != http.StatusInternalServerError || !strings.Contains(body, "<Code>InternalFailure</Code>") {
				t.Errorf("got %d %s", status, body)
			}
			if strings.Contains(body, errDisk.Error()) {
				t.Errorf("the answer reveals the cause: %s", body)
			}
			if after := look(server); !slices.Equal(after, seen) {
				t.Errorf("changed\n%s\nto\n%s", seen, after)
			}
			if after := table.copy(); !maps.Equal(after, records) {
				t.Errorf("records changed")
			}

			// The same request succeeds once the table works. The table then has what the API reports.
			table.fail(false)
			if status, body := post(t, admin, operation, parameters); status != http.StatusOK {
				t.Fatalf("afterwards: %d %s", status, body)
			}
			if maps.Equal(table.copy(), records) {
				t.Error("nothing was written")
			}
			_, restarted := clientOf(t, iam.Options{Table: table})
			if now, then := look(server), look(restarted); !slices.Equal(now, then) {
				t.Errorf("after a restart\n%s\nbefore\n%s", then, now)
			}
		})
	}
}

// newKey creates an access key of a user.
func newKey(t *testing.T, server *iamtest.Server, user string) (id, secret string) {
	t.Helper()
	status, body := post(t, server.Admin(), "CreateAccessKey", "UserName="+user)
	if status != http.StatusOK {
		t.Fatalf("create access key: %d %s", status, body)
	}
	return between(body, "AccessKeyId"), between(body, "SecretAccessKey")
}

// between returns the text of the first element of that name.
func between(body, element string) string {
	_, rest, _ := strings.Cut(body, "<"+element+">")
	text, _, _ := strings.Cut(rest, "</"+element+">")
	return text
}
