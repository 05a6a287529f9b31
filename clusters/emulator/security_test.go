package emulator_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// attack is a row of the security table: a request that must be refused, and the refusal.
type attack struct {
	name string
	// do sends the request as its last one. It creates what it needs before that.
	do   func(*target)
	want refusal
}

// refusal is an answer's status and its error code in the service's protocol; "" for an answer of HTTP itself, or of a
// HEAD.
type refusal struct {
	status int
	code   string
}

// TestSecurity sends every attack over HTTP. No answer may reveal a secret.
func TestSecurity(t *testing.T) {
	server := emulatortest.Start(t)
	wire := &wire{next: server.HTTP.Transport}
	server.HTTP.Transport = wire
	var secrets []string
	rows := slices.Concat(
		signatureAttacks(), replayAttacks(), presignedAttacks(), accountAttacks(), tagAttacks(), addressAttacks(),
		podTokenAttacks(), webTokenAttacks(), fetchAttacks(), keyAttacks(), wireAttacks(), sizeAttacks(), controlAttacks(),
	)
	for n, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			defer server.SetClock(0)
			x := &target{Fixture: server.Fixture(t, fmt.Sprintf("row-%04d", n)), T: t, wire: wire, secrets: []string{emulatortest.SecretAccessKey}}
			row.do(x)
			got, body := wire.last()
			if got != row.want {
				t.Errorf("answer is %v, want %v: %s", got, row.want, body)
			}
			for _, secret := range x.secrets {
				if strings.Contains(body, secret) {
					t.Errorf("the answer reveals a secret: %s", body)
				}
			}
			secrets = append(secrets, x.secrets...)
		})
	}
	// The journal, from which reports are made, must not reveal one either.
	page, err := server.Control.Calls(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Calls) < len(rows) {
		t.Errorf("the journal has %d calls of %d attacks", len(page.Calls), len(rows))
	}
	for _, secret := range secrets {
		if bytes.Contains(text, []byte(secret)) {
			t.Error("the journal reveals a secret")
		}
	}
}

// target has what one attack uses.
type target struct {
	*emulatortest.Fixture
	*testing.T
	wire *wire
	// secrets are the texts that no answer may contain.
	secrets []string
}

func (x *target) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatalf("prepare: %v", err)
	}
}

// hide adds texts to the secrets.
func (x *target) hide(secrets ...string) { x.secrets = append(x.secrets, secrets...) }

// try sends a request that is expected to be refused. The answer is read from the wire.
func (x *target) try(who *emulatortest.Clients, request emulatortest.Request) {
	x.Helper()
	x.wire.set(refusal{}, "")
	err := x.Send(x.Context(), who, request)
	if got, _ := x.wire.last(); got.status == 0 {
		x.Fatalf("no answer: %v", err)
	}
}

// captured sends a request that is accepted, and returns it in its signed form.
func (x *target) captured(who *emulatortest.Clients, request emulatortest.Request) *http.Request {
	x.Helper()
	var signed *http.Request
	request.Tamper = func(out *http.Request) {
		signed = out.Clone(x.Context())
		_, signature, _ := strings.Cut(out.Header.Get("Authorization"), "Signature=")
		x.hide(signature)
	}
	if err := x.Send(x.Context(), who, request); err != nil {
		_, body := x.wire.last()
		x.Fatalf("the request is refused as it is: %v %s", err, body)
	}
	signed.Body = io.NopCloser(strings.NewReader(request.Body))
	return signed
}

// again sends a captured request again.
func (x *target) again(request *http.Request) {
	x.Helper()
	response, err := x.HTTP.Do(request)
	x.must(err)
	x.must(response.Body.Close())
}

// session creates a role with all permissions and returns the caller of a session of it, with its credentials.
func (x *target) session() (*emulatortest.Clients, aws.Credentials) {
	x.Helper()
	out, err := x.Admin().STS.AssumeRole(x.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(x.Role(x.Name+"-session", emulatortest.TrustAccount, emulatortest.AllowAll)), RoleSessionName: aws.String("session"),
	})
	x.must(err)
	c := aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	x.hide(c.SecretAccessKey, c.SessionToken)
	return x.As(c.AccessKeyID, c.SecretAccessKey, c.SessionToken), c
}

// member is the administrator of the second account.
func (x *target) member() (*emulatortest.Clients, aws.Credentials) {
	x.Helper()
	out, err := x.Admin().STS.AssumeRole(x.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + emulatortest.Member + ":role/OrganizationAccountAccessRole"), RoleSessionName: aws.String("member"),
	})
	x.must(err)
	c := aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	x.hide(c.SecretAccessKey, c.SessionToken)
	return x.As(c.AccessKeyID, c.SecretAccessKey, c.SessionToken), c
}

// wire keeps the emulator's last answer.
type wire struct {
	next http.RoundTripper

	mu     sync.Mutex
	answer refusal
	body   string
}

func (w *wire) set(answer refusal, body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer, w.body = answer, body
}

func (w *wire) last() (refusal, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answer, w.body
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := w.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := w.read(response)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// read reads an answer from the wire.
func (w *wire) read(response *http.Response) ([]byte, error) {
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // the body was read to its end
	if err != nil {
		return nil, err
	}
	w.set(refusal{response.StatusCode, errorCode(response.Header, body)}, string(body))
	return body, nil
}

// errorCode is in REST-JSON's header, or in the XML of Query and S3.
func errorCode(header http.Header, body []byte) string {
	if kind := header.Get("x-amzn-ErrorType"); kind != "" {
		kind, _, _ = strings.Cut(kind, ":")
		return kind
	}
	var failure struct {
		XMLName xml.Name
		Code    string `xml:"Code"`
		Error   struct {
			Code string `xml:"Code"`
		} `xml:"Error"`
	}
	if xml.Unmarshal(body, &failure) != nil {
		return ""
	}
	switch failure.XMLName.Local {
	case "Error":
		return failure.Code
	case "ErrorResponse":
		return failure.Error.Code
	}
	return ""
}
