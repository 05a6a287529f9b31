package emulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	awseksauth "github.com/aws/aws-sdk-go-v2/service/eksauth"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

// Kinds of request that differ in their global condition keys.
const (
	byUserKey = iota
	bySessionOfUser
	byChainedSession
	byPod
	byWebSession
	byInstance
	byNobody
	// A trust policy decides about these three: EKS for a pod, a web identity, and EKS with a role's credentials for a
	// target role.
	byEKS
	byWebToken
	bySecondHop
	kinds
)

var kindNames = [kinds]string{
	"user", "session", "chained session", "pod", "web identity's session", "instance", "anonymous", "EKS for a pod", "web identity", "second hop",
}

const (
	// lacks says that requests of a kind do not have a key. Any other text is a pattern of its value.
	lacks = ""
	has   = "*"

	webProvider = "arn:aws:iam::" + accountID12 + ":oidc-provider/kubernetes.default.svc.cluster.local"
	webKeys     = "kubernetes.default.svc.cluster.local"
	webClaims   = "reference_policies_iam-condition-keys#condition-keys-wif"
)

type globalKeyRow struct {
	key, source string
	cells       [kinds]string
}

// every returns a row for a key that all requests have, with changes.
func every(value string, changes map[int]string) (cells [kinds]string) {
	for kind := range cells {
		cells[kind] = value
	}
	for kind, value := range changes {
		cells[kind] = value
	}
	return cells
}

func only(cells map[int]string) [kinds]string { return every(lacks, cells) }

// globalKeyRows: sources are pages of https://docs.aws.amazon.com/IAM/latest/UserGuide/, by default
// "Availability" of the key in reference_policies_condition-keys.
func globalKeyRows() []globalKeyRow {
	const redacted = "note: service-to-service calls are redacted"
	sessions := map[int]string{bySessionOfUser: has, byChainedSession: has, byPod: has, byWebSession: has, byInstance: has, bySecondHop: has}
	organized := every("o-epiemulator", map[int]string{byNobody: lacks, byEKS: lacks, byWebToken: lacks})
	paths := every("o-epiemulator/*", map[int]string{byNobody: lacks, byEKS: lacks, byWebToken: lacks})
	rows := []globalKeyRow{
		{"aws:CurrentTime", "always", every(has, nil)},
		{"aws:EpochTime", "always", every(has, nil)},
		{"aws:RequestedRegion", "always", every(region, nil)},
		{"aws:SecureTransport", "always; services call each other over TLS", every("false", map[int]string{byEKS: "true", bySecondHop: "true"})},
		{"aws:UserAgent", "always", every("*aws-sdk-go*", map[int]string{byEKS: "pods.eks.amazonaws.com", bySecondHop: "pods.eks.amazonaws.com"})},
		{"aws:SourceIp", "all but VPC endpoints; " + redacted, every("127.0.0.1", map[int]string{byEKS: lacks})},
		{"aws:ViaAWSService", "always", every("false", nil)},
		{"aws:PrincipalAccount", "all, anonymous ones too", every(accountID12, map[int]string{byNobody: "anonymous", byWebToken: "anonymous", byEKS: has})},
		{"aws:PrincipalType", "all, anonymous ones too; reference_policies_variables, Principal key values",
			every("AssumedRole", map[int]string{byUserKey: "User", byNobody: "Anonymous", byWebToken: "Anonymous", byEKS: has})},
		{"aws:userid", "all, anonymous ones too; reference_policies_variables, Principal key values",
			every("AROA*:*", map[int]string{byUserKey: "AIDA*", byNobody: "anonymous", byWebToken: "anonymous", byEKS: has})},
		{"aws:username", "IAM users", only(map[int]string{byUserKey: "matrix"})},
		{"aws:PrincipalArn", "all signed requests; the role's for roles", every("arn:aws:iam::*:role/*", map[int]string{
			byUserKey: "arn:aws:iam::*:user/matrix", byNobody: lacks, byWebToken: lacks, byEKS: lacks})},
		{"aws:PrincipalIsAWSService", "all signed requests", every("false", map[int]string{byEKS: "true", byNobody: lacks, byWebToken: lacks})},
		{"aws:PrincipalServiceName", "service principals", only(map[int]string{byEKS: "pods.eks.amazonaws.com"})},
		{"aws:PrincipalServiceNamesList", "service principals", only(map[int]string{byEKS: "pods.eks.amazonaws.com"})},
		{"aws:SourceArn", "service principals, for a resource", only(map[int]string{byEKS: clusterARN})},
		{"aws:SourceAccount", "service principals, for a resource", only(map[int]string{byEKS: accountID12})},
		{"aws:SourceOrgID", "service principals, for a resource of an organisation", only(map[int]string{byEKS: "o-epiemulator"})},
		{"aws:SourceOrgPaths", "service principals, for a resource of an organisation", only(map[int]string{byEKS: "o-epiemulator/*"})},
		{"aws:PrincipalOrgID", "principals of an organisation", organized},
		{"aws:PrincipalOrgPaths", "principals of an organisation", paths},
		{"aws:ResourceAccount", "always", every(accountID12, nil)},
		{"aws:ResourceOrgID", "resources of an organisation", every("o-epiemulator", nil)},
		{"aws:ResourceOrgPaths", "resources of an organisation", every("o-epiemulator/*", nil)},
		{"aws:TokenIssueTime", "temporary credentials", only(sessions)},
		{"aws:MultiFactorAuthPresent", "temporary credentials, but not of federated identities", func() [kinds]string {
			cells := only(sessions)
			cells[byWebSession] = lacks
			return cells
		}()},
		{"aws:MultiFactorAuthPresent", "false without MFA", every(lacks, map[int]string{
			bySessionOfUser: "false", byChainedSession: "false", byPod: "false", byInstance: "false", bySecondHop: "false"})},
		{"aws:FederatedProvider", "web identities and their sessions", only(map[int]string{byWebSession: webProvider, byWebToken: webProvider})},
		{"aws:SourceIdentity", "where one was set; stays with a chain", only(map[int]string{bySessionOfUser: "Saanvi", byChainedSession: "Saanvi"})},
		{"aws:PrincipalTag/kubernetes-namespace", "sessions with the tag", only(map[int]string{byPod: "default", bySecondHop: "default"})},
		{"aws:PrincipalTag/team", "sessions with the tag; transitive ones stay with a chain", only(map[int]string{bySessionOfUser: "red", byChainedSession: "red"})},
		{"aws:RequestTag/kubernetes-namespace", "tags in the request", only(map[int]string{byEKS: "default", bySecondHop: "default"})},
		{"aws:TagKeys", "tags in the request", only(map[int]string{byEKS: "kubernetes-*", bySecondHop: "kubernetes-*"})},
		{"aws:CalledVia", "forward access sessions", only(nil)},
		{"aws:CalledViaFirst", "forward access sessions", only(nil)},
		{"aws:CalledViaLast", "forward access sessions", only(nil)},
		{"aws:Referer", "browsers", only(nil)},
		{"ec2:SourceInstanceArn", "credentials of an instance", only(map[int]string{byInstance: "arn:aws:ec2:us-west-2:123456789012:instance/i-*"})},
		{"ec2:RoleDelivery", "credentials of an instance", only(map[int]string{byInstance: "2.0"})},
		{"aws:Ec2InstanceSourceVpc", "credentials of an instance", only(map[int]string{byInstance: "vpc-*"})},
		{"aws:Ec2InstanceSourcePrivateIPv4", "credentials of an instance", only(map[int]string{byInstance: "10.0.0.2"})},
		{webKeys + ":sub", webClaims + ", Available in session", only(map[int]string{byWebSession: "system:serviceaccount:default:web", byWebToken: "system:serviceaccount:default:web"})},
		{webKeys + ":aud", webClaims + ", Available in session", only(map[int]string{byWebSession: "sts.amazonaws.com", byWebToken: "sts.amazonaws.com"})},
		{webKeys + ":amr", webClaims + ", Available in session", only(map[int]string{byWebSession: "pwd", byWebToken: "pwd"})},
		{webKeys + ":oaud", webClaims + ", not available in session", only(map[int]string{byWebToken: "sts.amazonaws.com"})},
		{webKeys + ":email", webClaims + ", not available in session", only(map[int]string{byWebToken: "web@example.com"})},
	}
	for _, key := range []string{
		"aws:SourceVpc", "aws:SourceVpcArn", "aws:SourceVpce", "aws:VpceAccount", "aws:VpceOrgID", "aws:VpceOrgPaths", "aws:VpcSourceIp",
	} {
		rows = append(rows, globalKeyRow{key, "VPC endpoints only", only(nil)})
	}
	for _, key := range []string{
		"aws:MultiFactorAuthAge", "aws:AssumedRoot", "aws:SignInSessionArn", "aws:ChatbotSourceArn", "aws:ViaAWSMCPService", "aws:CalledViaAWSMCP",
		"glue:RoleAssumedBy", "codebuild:BuildArn", "lambda:SourceFunctionArn", "ssm:SourceInstanceArn", "identitystore:UserId",
	} {
		rows = append(rows, globalKeyRow{key, "other ways to get credentials", only(nil)})
	}
	return rows
}

// listed are the keys with several values.
var listed = []string{"aws:PrincipalServiceNamesList", "aws:SourceOrgPaths", "aws:PrincipalOrgPaths", "aws:ResourceOrgPaths", "aws:TagKeys", webKeys + ":amr"}

// conditions are those that hold exactly if a kind of request is as the rows say.
func conditions(rows []globalKeyRow, kind int) string {
	block := map[string]map[string]string{}
	for _, row := range rows {
		operator, value := "StringLike", row.cells[kind]
		switch {
		case value == lacks:
			operator, value = "Null", "true"
		case slices.Contains(listed, row.key):
			operator = "ForAnyValue:StringLike"
		}
		if block[operator] == nil {
			block[operator] = map[string]string{}
		}
		block[operator][row.key] = value
	}
	text, _ := json.Marshal(block) // it has texts only
	return string(text)
}

// matrix has the sender of each kind of request.
type matrix struct {
	*world
	admin  clients
	bucket string
	// ask sends the request of a kind under conditions, and says whether it is allowed.
	ask [kinds]func(t *testing.T, conditions string) bool
}

func (m *matrix) setTrust(t *testing.T, role, statement string) {
	t.Helper()
	document := `{"Version":"2012-10-17","Statement":{"Effect":"Allow",` + statement + `}}`
	if _, err := m.admin.iam.UpdateAssumeRolePolicy(t.Context(), &awsiam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: &document}); err != nil {
		t.Fatalf("%s: %v", document, err)
	}
}

// reads asks for an object that the bucket's policy allows under conditions.
func (m *matrix) reads(who clients) func(*testing.T, string) bool {
	return func(t *testing.T, conditions string) bool {
		t.Helper()
		policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*","Condition":%s}}`, m.bucket, conditions)
		if _, err := m.admin.s3.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: &m.bucket, Policy: &policy}); err != nil {
			t.Fatal(err)
		}
		_, err := who.s3.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &m.bucket, Key: aws.String("k")})
		return err == nil
	}
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{world: newWorld(t), bucket: "matrix"}
	m.admin = m.world.admin()
	ctx, admin := t.Context(), m.admin
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := admin.s3.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &m.bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}})
	must(err)
	_, err = admin.s3.DeletePublicAccessBlock(ctx, &awss3.DeletePublicAccessBlockInput{Bucket: &m.bucket})
	must(err)
	_, err = admin.s3.PutObject(ctx, &awss3.PutObjectInput{Bucket: &m.bucket, Key: aws.String("k"), Body: strings.NewReader("text")})
	must(err)

	_, err = admin.iam.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("matrix")})
	must(err)
	key, err := admin.iam.CreateAccessKey(ctx, &awsiam.CreateAccessKeyInput{UserName: aws.String("matrix")})
	must(err)
	m.ask[byUserKey] = m.reads(m.clients(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, ""))
	m.ask[byNobody] = m.reads(m.anonymous())
	m.ask[byInstance] = m.reads(m.node(t))

	const open = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + accountID12 + `"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}`
	const mayAssume = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}`
	plain, chained := m.role(t, "plain", open, mayAssume), m.role(t, "chained", open, "")
	session := m.assume(t, admin, plain, func(in *awssts.AssumeRoleInput) {
		in.SourceIdentity = aws.String("Saanvi")
		in.Tags, in.TransitiveTagKeys = []ststypes.Tag{{Key: aws.String("team"), Value: aws.String("red")}}, []string{"team"}
	})
	m.ask[bySessionOfUser] = m.reads(session)
	m.ask[byChainedSession] = m.reads(m.assume(t, session, chained, nil))

	m.associate(t, "app", m.role(t, "app", seedTrust, ""), nil)
	pod, _ := m.pod(t, "app", "web-0")
	m.ask[byPod] = m.reads(pod)

	_, err = admin.iam.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{Url: aws.String(issuer), ClientIDList: []string{"sts.amazonaws.com"}})
	must(err)
	const webTrust = `"Principal":{"Federated":"` + webProvider + `"},"Action":"sts:AssumeRoleWithWebIdentity"`
	web := m.role(t, "web", `{"Version":"2012-10-17","Statement":{"Effect":"Allow",`+webTrust+`}}`, "")
	m.ask[byWebSession] = m.reads(m.webSession(t, web))
	m.ask[byWebToken] = func(t *testing.T, conditions string) bool {
		m.setTrust(t, "web", webTrust+`,"Condition":`+conditions)
		_, err := m.assumeWeb(t, web)
		return err == nil
	}

	m.ask[byEKS] = func(t *testing.T, conditions string) bool {
		m.setTrust(t, "app", `"Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":`+conditions)
		return m.asks(t, "app")
	}
	source := m.role(t, "source", seedTrust, mayAssume)
	hopTrust := `"Principal":{"AWS":"` + source + `"},"Action":["sts:AssumeRole","sts:TagSession"]`
	target := m.role(t, "target", `{"Version":"2012-10-17","Statement":{"Effect":"Allow",`+hopTrust+`}}`, "")
	m.associate(t, "hop", source, func(in *awseks.CreatePodIdentityAssociationInput) { in.TargetRoleArn = &target })
	m.ask[bySecondHop] = func(t *testing.T, conditions string) bool {
		m.setTrust(t, "target", hopTrust+`,"Condition":`+conditions)
		return m.asks(t, "hop")
	}
	return m
}

// TestGlobalKeys tests every global condition key with every kind of request, over HTTP.
func TestGlobalKeys(t *testing.T) {
	m, rows := newMatrix(t), globalKeyRows()
	for kind := range kinds {
		// A trust policy has at most 2,048 characters.
		for chunk := range slices.Chunk(rows, 12) {
			if m.ask[kind](t, conditions(chunk, kind)) {
				continue
			}
			for _, row := range chunk {
				if alone := conditions([]globalKeyRow{row}, kind); !m.ask[kind](t, alone) {
					t.Errorf("%s: %s does not hold (%s)", kindNames[kind], alone, row.source)
				}
			}
		}
		// A request that is allowed under any condition would prove nothing.
		if m.ask[kind](t, `{"StringEquals":{"aws:CurrentTime":"never"}}`) {
			t.Errorf("%s: allowed under a condition that does not hold", kindNames[kind])
		}
	}
}

// TestGlobalKeysOfPolicies: policies of all kinds get the same keys of a request. The two statements are those of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_examples_aws_deny-ip.html.
func TestGlobalKeysOfPolicies(t *testing.T) {
	const (
		allow   = `{"Effect":"Allow","Action":"*","Resource":"*"}`
		outside = `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"},"Bool":{"aws:ViaAWSService":"false"}}}`
		inside  = `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"127.0.0.0/8"},"Bool":{"aws:ViaAWSService":"false"}}}`
	)
	for name, deny := range map[string]string{"outside": outside, "inside": inside} {
		t.Run(name, func(t *testing.T) {
			m := newMatrix(t)
			document := `{"Version":"2012-10-17","Statement":[` + allow + `,` + deny + `]}`
			everything := `{"Version":"2012-10-17","Statement":[` + allow + `]}`
			boundary, err := m.admin.iam.CreatePolicy(t.Context(), &awsiam.CreatePolicyInput{PolicyName: aws.String("boundary"), PolicyDocument: &document})
			if err != nil {
				t.Fatal(err)
			}
			const open = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + accountID12 + `"},"Action":"sts:AssumeRole"}}`
			bounded := m.role(t, "bounded", open, everything)
			if _, err := m.admin.iam.PutRolePermissionsBoundary(t.Context(), &awsiam.PutRolePermissionsBoundaryInput{RoleName: aws.String("bounded"), PermissionsBoundary: boundary.Policy.Arn}); err != nil {
				t.Fatal(err)
			}
			for kind, who := range map[string]clients{
				"identity": m.assume(t, m.admin, m.role(t, "limited", open, document), nil),
				"boundary": m.assume(t, m.admin, bounded, nil),
				"session":  m.assume(t, m.admin, m.role(t, "free", open, everything), func(in *awssts.AssumeRoleInput) { in.Policy = &document }),
			} {
				_, err := who.s3.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &m.bucket, Key: aws.String("k")})
				if allowed := err == nil; allowed != (name == "inside") {
					t.Errorf("%s policy that denies from %s: allowed %v", kind, name, allowed)
				}
			}
		})
	}
}

// TestTrustDeniesByAddress: a web identity has a source address too.
func TestTrustDeniesByAddress(t *testing.T) {
	m := newMatrix(t)
	for _, test := range []struct {
		block string
		want  bool
	}{{"127.0.0.0/8", false}, {"192.0.2.0/24", true}} {
		document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + webProvider + `"},"Action":"sts:AssumeRoleWithWebIdentity"},
			{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity","Condition":{"IpAddress":{"aws:SourceIp":"` + test.block + `"}}}]}`
		if _, err := m.admin.iam.UpdateAssumeRolePolicy(t.Context(), &awsiam.UpdateAssumeRolePolicyInput{RoleName: aws.String("web"), PolicyDocument: &document}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.assumeWeb(t, "arn:aws:iam::"+accountID12+":role/web"); (err == nil) != test.want {
			t.Errorf("a trust policy that denies %s: %v", test.block, err)
		}
	}
}

// TestRegionOfIAM: "IAM calls are always made to the us-east-1 Region" (aws:RequestedRegion).
func TestRegionOfIAM(t *testing.T) {
	w := newWorld(t)
	user := w.user(t, "regional", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}}`)
	if _, err := user.iam.ListRoles(t.Context(), &awsiam.ListRolesInput{}); err != nil {
		t.Errorf("signed for %s: %v", region, err)
	}
}

func (w *world) user(t *testing.T, name, policy string) clients {
	t.Helper()
	ctx, admin := t.Context(), w.admin()
	if _, err := admin.iam.CreateUser(ctx, &awsiam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.iam.PutUserPolicy(ctx, &awsiam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("own"), PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
	key, err := admin.iam.CreateAccessKey(ctx, &awsiam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return w.clients(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
}

func (w *world) anonymous() clients {
	config := aws.Config{Region: region, BaseEndpoint: &w.url, RetryMaxAttempts: 1, Credentials: aws.AnonymousCredentials{}}
	return clients{config: config, sts: awssts.NewFromConfig(config), s3: awss3.NewFromConfig(config, func(o *awss3.Options) { o.UsePathStyle = true })}
}

func (w *world) assume(t *testing.T, who clients, role string, change func(*awssts.AssumeRoleInput)) clients {
	t.Helper()
	input := &awssts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("matrix")}
	if change != nil {
		change(input)
	}
	out, err := who.sts.AssumeRole(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	return w.clients(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
}

// asks says whether a pod of a service account gets credentials.
func (w *world) asks(t *testing.T, serviceAccount string) bool {
	t.Helper()
	_, err := w.node(t).eksauth.AssumeRoleForPodIdentity(t.Context(), &awseksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(clusterName), Token: aws.String(w.token(serviceAccount, "web-0", nil)),
	})
	return err == nil
}

func (w *world) assumeWeb(t *testing.T, role string) (*awssts.AssumeRoleWithWebIdentityOutput, error) {
	t.Helper()
	claims := oidctest.Pod{Issuer: issuer, Audience: "sts.amazonaws.com", Namespace: "default", ServiceAccount: "web", Name: "web-0"}.
		Claims(time.Now(), map[string]any{"amr": []string{"pwd", "otp"}, "email": "web@example.com"})
	return w.anonymous().sts.AssumeRoleWithWebIdentity(t.Context(), &awssts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("matrix"), WebIdentityToken: aws.String(w.tokens.Token(claims)),
	})
}

func (w *world) webSession(t *testing.T, role string) clients {
	t.Helper()
	out, err := w.assumeWeb(t, role)
	if err != nil {
		t.Fatal(err)
	}
	return w.clients(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
}
