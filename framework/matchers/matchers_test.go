package matchers

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework/identity"
	"github.com/podidentity/epi/framework/probe"
)

func TestMatchers(t *testing.T) {
	session := func(role, source string) identity.Caller {
		return identity.Of(probe.Identity{Source: source, ARN: "arn:aws:sts::123456789012:assumed-role/" + role + "/s"}, "epi-node")
	}
	agent, metadata := "CredentialsEndpointProvider", "EC2RoleProvider"
	anonymous := identity.Of(probe.Identity{Failure: &probe.Failure{Class: probe.NoCredentials}}, "epi-node")
	broken := identity.Of(probe.Identity{Failure: &probe.Failure{Class: probe.CredentialsFailed, Message: "dial timeout"}}, "epi-node")
	denied := func(operation string, status int) probe.Object {
		return probe.Object{Failure: &probe.Failure{Class: probe.APIError, Operation: operation, Status: status, Message: "Forbidden"}}
	}
	sum := sha256.Sum256([]byte("text"))
	object := probe.Object{Size: 4, SHA256: hex.EncodeToString(sum[:])}

	for name, row := range map[string]struct {
		matcher types.GomegaMatcher
		actual  any
		holds   bool
		says    string
	}{
		"anonymous":                  {HaveNoCredentials(), anonymous, true, ""},
		"anonymous, but the node":    {HaveNoCredentials(), session("epi-node", metadata), false, "WRONG IDENTITY, the node's role"},
		"anonymous, but broken":      {HaveNoCredentials(), broken, false, "gave no credentials: dial timeout"},
		"a session":                  {BeSessionOf("reader"), session("reader", agent), true, ""},
		"another role's":             {BeSessionOf("reader"), session("writer", agent), false, "session of role writer"},
		"a session, but the node":    {BeSessionOf("epi-node"), session("epi-node", metadata), false, "hop limit 1"},
		"a session, but anonymous":   {BeSessionOf("reader"), anonymous, false, "no credentials at all"},
		"the node":                   {BeTheNodeRole("epi-node"), session("epi-node", metadata), true, ""},
		"the node, but anonymous":    {BeTheNodeRole("epi-node"), anonymous, false, "no credentials at all"},
		"the file's tokens":          {FollowTheTokenFile(), []string{"file 1", "file 2", "file 3", "file 4"}, true, ""},
		"the first token again":      {FollowTheTokenFile(), []string{"file 1", "file 1"}, false, `["file 1" "file 1"]`},
		"one token of many":          {FollowTheTokenFile(), []string{"file 1", "file 2", "file 2"}, false, "3 requests"},
		"no renewal":                 {FollowTheTokenFile(), []string{"file 1"}, false, "1 requests"},
		"either":                     {Either(BeSessionOf("reader"), HaveNoCredentials()), anonymous, true, ""},
		"neither":                    {Either(BeSessionOf("reader"), BeSessionOf("writer")), anonymous, false, "\nor expected the pod to be a session of role writer"},
		"denied":                     {BeDenied("HeadObject"), denied("HeadObject", 403), true, ""},
		"denied, but missing":        {BeDenied("HeadObject"), denied("HeadObject", 404), false, "HeadObject answered 404"},
		"denied, but elsewhere":      {BeDenied("HeadObject"), denied("GetObject", 403), false, "GetObject answered 403"},
		"denied, but allowed":        {BeDenied("HeadObject"), object, false, "was not refused"},
		"denied, but no credentials": {BeDenied("HeadObject"), probe.Object{Failure: &probe.Failure{Class: probe.NoCredentials}}, false, "no credentials"},
		"a download":                 {BeDownloadOf([]byte("text")), object, true, ""},
		"a download of other bytes":  {BeDownloadOf([]byte("test")), object, false, "4 bytes with SHA-256"},
		"a download, but denied":     {BeDownloadOf([]byte("text")), denied("HeadObject", 403), false, "answered 403"},
		"no metadata":                {GetNoMetadata(), probe.Metadata{Outcome: probe.MetadataTimeout, Waited: 2 * time.Second}, true, ""},
		"no metadata, but refused":   {GetNoMetadata(), probe.Metadata{Outcome: probe.MetadataRefused}, false, "refused"},
		"no metadata, but answered":  {GetNoMetadata(), probe.Metadata{Outcome: probe.MetadataAnswered, Status: 200, Role: "epi-node"}, false, "HttpPutResponseHopLimit=1"},
		"metadata":                   {GetMetadataOf("epi-node"), probe.Metadata{Outcome: probe.MetadataAnswered, Status: 200, Role: "epi-node"}, true, ""},
		"metadata, but no answer":    {GetMetadataOf("epi-node"), probe.Metadata{Outcome: probe.MetadataTimeout, Waited: 2 * time.Second}, false, "no answer in 2s"},
	} {
		holds, err := row.matcher.Match(row.actual)
		if err != nil || holds != row.holds {
			t.Errorf("%s: %v (error %v), want %v", name, holds, err, row.holds)
		}
		if message := row.matcher.FailureMessage(row.actual); !strings.Contains(message, row.says) {
			t.Errorf("%s: message %q lacks %q", name, message, row.says)
		}
	}
	if _, err := HaveNoCredentials().Match("text"); err == nil {
		t.Error("a matcher accepted a value of the wrong type")
	}
}

func TestBeTheSameSpecAs(t *testing.T) {
	was := corev1.PodSpec{ServiceAccountName: "a", Containers: []corev1.Container{{Name: "main", WorkingDir: "/tmp"}}}
	same := *was.DeepCopy()
	same.ServiceAccountName, same.Volumes = "b", []corev1.Volume{}
	lost := *was.DeepCopy()
	lost.Containers[0].WorkingDir = ""
	matcher := BeTheSameSpecAs(was)
	if holds, err := matcher.Match(same); !holds || err != nil {
		t.Errorf("the same specification: %v, %v: %s", holds, err, matcher.FailureMessage(same))
	}
	if holds, _ := matcher.Match(lost); holds || !strings.Contains(matcher.FailureMessage(lost), "WorkingDir") {
		t.Errorf("a lost field: %v: %s", holds, matcher.FailureMessage(lost))
	}
}

func TestBeTokenOf(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{ServiceAccountName: "reader"}}
	pod.Namespace, pod.Name, pod.UID = "ns", "probe", "u1"
	good := probe.Token{Claims: probe.TokenClaims{
		Subject: "system:serviceaccount:ns:reader", Namespace: "ns",
		ServiceAccount: probe.Reference{Name: "reader", UID: "u2"}, Pod: probe.Reference{Name: "probe", UID: "u1"},
	}}
	for name, row := range map[string]struct {
		change func(*probe.Token)
		holds  bool
		says   string
	}{
		"its own":                    {func(*probe.Token) {}, true, ""},
		"of another service account": {func(t *probe.Token) { t.Claims.Subject = "system:serviceaccount:ns:other" }, false, "a token of system:serviceaccount:ns:other"},
		"of another pod":             {func(t *probe.Token) { t.Claims.Pod.UID = "u3" }, false, "pod probe (u3)"},
		"of another namespace":       {func(t *probe.Token) { t.Claims.Namespace = "other" }, false, "service account other/reader"},
		"bound to no pod":            {func(t *probe.Token) { t.Claims.Pod = probe.Reference{} }, false, "pod  ()"},
		"none":                       {func(t *probe.Token) { t.Failure = &probe.Failure{Message: "no such file"} }, false, "no token"},
	} {
		token := good
		row.change(&token)
		matcher := BeTokenOf(pod)
		holds, err := matcher.Match(token)
		if err != nil || holds != row.holds || !strings.Contains(matcher.FailureMessage(token), row.says) {
			t.Errorf("%s: %v (error %v): %s", name, holds, err, matcher.FailureMessage(token))
		}
	}
}

func TestAnswerWith(t *testing.T) {
	for says, row := range map[string]struct {
		response probe.Response
		holds    bool
	}{
		"status 200": {probe.Response{Status: 200}, true},
		"status 400: Service account token cannot be empty": {probe.Response{Status: 400, Body: "Service account token cannot be empty"}, false},
		"GET got no answer: connect: connection refused":    {probe.Response{Failure: &probe.Failure{Class: probe.NetworkError, Operation: "GET", Message: "connect: connection refused"}}, false},
	} {
		matcher := AnswerWith(200)
		holds, err := matcher.Match(row.response)
		if err != nil || holds != row.holds || !strings.Contains(matcher.FailureMessage(row.response), says) {
			t.Errorf("%v (error %v): %s", holds, err, matcher.FailureMessage(row.response))
		}
	}
}
