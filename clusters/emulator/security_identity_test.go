package emulator_test

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// trustWithoutTags lets the account assume a role, but not pass session tags.
const trustWithoutTags = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + emulatortest.Account + `"},"Action":"sts:AssumeRole"}}`

// accountAttacks come from the administrator of another account, whose own policies allow everything.
func accountAttacks() []attack {
	var rows []attack
	for _, row := range []struct {
		name    string
		request func(*target) emulatortest.Request
		want    refusal
	}{
		{"reads a role, of which it has none by that name", func(x *target) emulatortest.Request {
			x.Role(x.Name, emulatortest.TrustPods, "")
			return emulatortest.Query("iam", "GetRole", map[string]string{"RoleName": x.Name})
		}, refusal{404, "NoSuchEntity"}},
		{"reads a managed policy by its ARN", func(x *target) emulatortest.Request {
			out, err := x.Admin().IAM.CreatePolicy(x.Context(), &iam.CreatePolicyInput{PolicyName: aws.String(x.Name), PolicyDocument: aws.String(emulatortest.AllowAll)})
			x.must(err)
			return emulatortest.Query("iam", "GetPolicy", map[string]string{"PolicyArn": *out.Policy.Arn})
		}, refusal{404, "NoSuchEntity"}},
		{"assumes a role that trusts its own account only", func(x *target) emulatortest.Request {
			return emulatortest.Query("sts", "AssumeRole", map[string]string{"RoleArn": x.Role(x.Name, emulatortest.TrustAccount, ""), "RoleSessionName": "session"})
		}, refusal{403, "AccessDenied"}},
		{"reads an object", func(x *target) emulatortest.Request {
			bucket := x.Bucket()
			x.Object(bucket, "key", "an object")
			return emulatortest.Request{Service: "s3", Method: http.MethodGet, Path: "/" + bucket + "/key"}
		}, refusal{403, "AccessDenied"}},
		{"deletes a bucket", func(x *target) emulatortest.Request {
			return emulatortest.Request{Service: "s3", Method: http.MethodDelete, Path: "/" + x.Bucket()}
		}, refusal{403, "AccessDenied"}},
		{"lists a cluster's associations", func(x *target) emulatortest.Request {
			return emulatortest.Request{Service: "eks", Method: http.MethodGet, Path: "/clusters/" + x.Cluster() + "/pod-identity-associations"}
		}, refusal{404, "ResourceNotFoundException"}},
		{"reads a cluster's tags by its ARN", func(x *target) emulatortest.Request {
			arn := "arn:aws:eks:" + emulatortest.Region + ":" + emulatortest.Account + ":cluster/" + x.Cluster()
			return emulatortest.Request{Service: "eks", Method: http.MethodGet, Path: "/tags/" + url.PathEscape(arn)}
		}, refusal{404, "NotFoundException"}},
		{"makes an association", func(x *target) emulatortest.Request {
			return emulatortest.Request{
				Service: "eks", Method: http.MethodPost, Path: "/clusters/" + x.Cluster() + "/pod-identity-associations",
				Body: `{"namespace":"default","serviceAccount":"app","roleArn":"` + x.Role(x.Name, emulatortest.TrustPods, "") + `"}`,
			}
		}, refusal{400, "InvalidParameterException"}},
		{"trades a pod's token", func(x *target) emulatortest.Request {
			cluster, token := x.Cluster(), x.Token("default", "app", nil)
			x.Associate(cluster, "app", x.Role(x.Name, emulatortest.TrustPods, ""), nil)
			x.hide(token)
			return emulatortest.Request{Service: "eks-auth", Method: http.MethodPost, Path: "/clusters/" + cluster + "/assume-role-for-pod-identity", Body: `{"token":"` + token + `"}`}
		}, refusal{400, "AccessDeniedException"}},
	} {
		rows = append(rows, attack{"another account's administrator " + row.name, func(x *target) {
			request := row.request(x)
			member, _ := x.member()
			x.try(member, request)
		}, row.want})
	}
	return rows
}

// tagAttacks try to get session tags that the caller may not have.
func tagAttacks() []attack {
	forged := []types.Tag{{Key: aws.String("kubernetes-namespace"), Value: aws.String("kube-system")}}
	// pod has the tags of namespace "default", all transitive, and may assume every role that trusts its account.
	pod := func(x *target) *emulatortest.Clients {
		cluster := x.Cluster()
		x.Associate(cluster, "app", x.Role(x.Name+"-pod", emulatortest.TrustPods, emulatortest.AllowAll), nil)
		return x.Pod(cluster, "app")
	}
	assume := func(x *target, who *emulatortest.Clients, trust string, tags []types.Tag) {
		x.wire.set(refusal{}, "")
		_, _ = who.STS.AssumeRole(x.Context(), &sts.AssumeRoleInput{ // the answer is read from the wire
			RoleArn: aws.String(x.Role(x.Name, trust, "")), RoleSessionName: aws.String("session"), Tags: tags,
		})
	}
	return []attack{
		{"kubernetes-* tags by a caller without sts:TagSession", func(x *target) {
			caller := x.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`)
			assume(x, caller, strings.Replace(emulatortest.TrustAccount, `"sts:TagSession"`, `"sts:SetSourceIdentity"`, 1), forged)
		}, refusal{403, "AccessDenied"}},
		{"kubernetes-* tags where the trust policy has no sts:TagSession", func(x *target) { assume(x, x.Admin(), trustWithoutTags, forged) }, refusal{403, "AccessDenied"}},
		{"kubernetes-* tags of a role that trusts EKS only", func(x *target) { assume(x, x.Admin(), emulatortest.TrustPods, forged) }, refusal{403, "AccessDenied"}},
		{"another namespace by the session of a pod", func(x *target) { assume(x, pod(x), emulatortest.TrustAccount, forged) }, refusal{400, "InvalidParameterValue"}},
		{"another namespace by the session of a pod, in another case", func(x *target) {
			assume(x, pod(x), emulatortest.TrustAccount, []types.Tag{{Key: aws.String("Kubernetes-Namespace"), Value: aws.String("kube-system")}})
		}, refusal{400, "InvalidParameterValue"}},
		{"a pod's session loses its tags in a role that may not be tagged", func(x *target) { assume(x, pod(x), trustWithoutTags, nil) }, refusal{403, "AccessDenied"}},
		{"a pod's tags by TagRole of its own role", func(x *target) {
			cluster := x.Cluster()
			x.Associate(cluster, "app", x.Role(x.Name+"-pod", emulatortest.TrustPods, `{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Action":"iam:TagRole","Resource":"*"},
				{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::`+x.Name+`/${aws:PrincipalTag/kubernetes-namespace}/*"}]}`), nil)
			bucket := x.Bucket()
			x.Object(bucket, "kube-system/key", "an object")
			caller := x.Pod(cluster, "app")
			x.must(x.Send(x.Context(), caller, emulatortest.Query("iam", "TagRole", map[string]string{
				"RoleName": x.Name + "-pod", "Tags.member.1.Key": "kubernetes-namespace", "Tags.member.1.Value": "kube-system",
			})))
			x.try(caller, emulatortest.Request{Service: "s3", Method: http.MethodGet, Path: "/" + bucket + "/kube-system/key"})
		}, refusal{403, "AccessDenied"}},
	}
}

// addressAttacks claim another address than the connection's, or another region or time.
func addressAttacks() []attack {
	var rows []attack
	const from = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:ListRoles","s3:ListAllMyBuckets","eks:ListClusters"],"Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"ADDRESS"}}}}`
	requests := []struct {
		request emulatortest.Request
		want    refusal
	}{
		{emulatortest.Query("iam", "ListRoles", nil), refusal{403, "AccessDenied"}},
		{emulatortest.Request{Service: "s3", Method: http.MethodGet, Path: "/"}, refusal{403, "AccessDenied"}},
		{emulatortest.Request{Service: "eks", Method: http.MethodGet, Path: "/clusters"}, refusal{403, "AccessDeniedException"}},
	}
	for _, to := range requests {
		for header, value := range map[string]string{
			"X-Forwarded-For": "10.1.2.3", "X-Real-Ip": "10.1.2.3", "Forwarded": "for=10.1.2.3", "True-Client-Ip": "10.1.2.3", "X-Client-Ip": "10.1.2.3",
		} {
			rows = append(rows, attack{to.request.Service + ": another address by " + header, func(x *target) {
				caller := x.User(strings.Replace(from, "ADDRESS", "127.0.0.1/32", 1))
				x.must(x.Send(x.Context(), caller, to.request)) // allowed for the connection's address
				_, err := x.Admin().IAM.PutUserPolicy(x.Context(), &iam.PutUserPolicyInput{
					UserName: aws.String(x.Name + "-user"), PolicyName: aws.String("own"), PolicyDocument: aws.String(strings.Replace(from, "ADDRESS", "10.1.2.3/32", 1)),
				})
				x.must(err)
				forged := to.request
				forged.Tamper = func(out *http.Request) { out.Header.Set(header, value) }
				x.try(caller, forged)
			}, to.want})
		}
	}
	return rows
}

// bait is a listener that must get no connection.
type bait struct {
	listener net.Listener
	hits     atomic.Int64
}

func (x *target) bait() *bait {
	x.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	x.must(err)
	b := &bait{listener: listener}
	x.Cleanup(func() { _ = listener.Close() }) // its only error is that it is closed
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			b.hits.Add(1)
			_ = connection.Close() // nothing was written
		}
	}()
	return b
}

func (b *bait) host() string { return b.listener.Addr().String() }

// untouched ends an attack. Connections are accepted in order, so the test's own must be the first and only one.
func (x *target) untouched(b *bait) {
	x.Helper()
	connection, err := net.Dial("tcp", b.host())
	x.must(err)
	defer func() { _ = connection.Close() }()
	for deadline := time.Now().Add(5 * time.Second); b.hits.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if hits := b.hits.Load(); hits != 1 {
		x.Errorf("the listener got %d connections, 1 of them the test's", hits)
	}
}

// fetchAttacks try to make the emulator connect to an address of the caller's choice.
func fetchAttacks() []attack {
	invalidIdentity, invalidToken := refusal{400, "InvalidIdentityToken"}, refusal{400, "InvalidTokenException"}
	var rows []attack
	for _, name := range []string{"jku", "x5u"} {
		rows = append(
			rows,
			attack{"sts: keys by " + name + " of a token", func(x *target) {
				b := x.bait()
				f := x.federation()
				x.web(f.sign(x, f.webClaims(x, nil), map[string]any{name: "http://" + b.host() + "/keys"}, forgedKey), f)
				x.untouched(b)
			}, invalidIdentity},
			attack{"eks-auth: keys by " + name + " of a token", func(x *target) {
				b := x.bait()
				f := x.federation()
				x.pod(f.sign(x, f.podClaims(x, nil), map[string]any{name: "http://" + b.host() + "/keys"}, forgedKey), f.cluster)
				x.untouched(b)
			}, invalidToken},
		)
	}
	return append(
		rows,
		attack{"sts: keys of a provider that the caller made", func(x *target) {
			b := x.bait()
			f := x.federation()
			x.provider("https://" + b.host())
			x.web(f.sign(x, f.webClaims(x, map[string]any{"iss": "https://" + b.host()}), nil, f.key), f)
			x.untouched(b)
		}, invalidIdentity},
		attack{"sts: keys of an issuer of plain HTTP", func(x *target) {
			b := x.bait()
			f := x.federation()
			x.web(f.sign(x, f.webClaims(x, map[string]any{"iss": "http://" + b.host()}), nil, f.key), f)
			x.untouched(b)
		}, invalidIdentity},
		attack{"iam: a provider with a URL of plain HTTP", func(x *target) {
			b := x.bait()
			x.try(x.Admin(), emulatortest.Query("iam", "CreateOpenIDConnectProvider", map[string]string{"Url": "http://" + b.host(), "ClientIDList.member.1": "sts.amazonaws.com"}))
			x.untouched(b)
		}, refusal{400, "ValidationError"}},
		attack{"eks-auth: keys of the issuer in a token", func(x *target) {
			b := x.bait()
			f := x.federation()
			x.pod(f.sign(x, f.podClaims(x, map[string]any{"iss": "https://" + b.host()}), nil, f.key), f.cluster)
			x.untouched(b)
		}, invalidToken},
		attack{"s3: a copy from a URL", func(x *target) {
			b := x.bait()
			bucket := x.Bucket()
			x.wire.set(refusal{}, "")
			_, _ = x.Admin().S3.CopyObject(x.Context(), &s3.CopyObjectInput{ // the answer is read from the wire
				Bucket: &bucket, Key: aws.String("key"), CopySource: aws.String("http://" + b.host() + "/object"),
			})
			x.untouched(b)
		}, refusal{400, "InvalidArgument"}},
	)
}
