package emulator_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

func userPolicy(user, document string) *iam.PutUserPolicyInput {
	name := "more"
	return &iam.PutUserPolicyInput{UserName: &user, PolicyName: &name, PolicyDocument: &document}
}

// message is a request on the wire: its request line, its header lines and the rest.
type message struct {
	line  string
	lines []string
	body  string
}

// message returns a captured request in this form.
func (x *target) message(request *http.Request, body string) *message {
	m := &message{line: request.Method + " " + request.URL.RequestURI() + " HTTP/1.1", body: body}
	m.lines = append(m.lines, "Host: "+request.URL.Host)
	if body != "" {
		m.lines = append(m.lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	for _, name := range slices.Sorted(maps.Keys(request.Header)) {
		for _, value := range request.Header[name] {
			m.lines = append(m.lines, name+": "+value)
		}
	}
	return m
}

// again repeats a header's line.
func (m *message) again(name string) {
	for _, line := range m.lines {
		if strings.HasPrefix(line, name+":") {
			m.lines = append(m.lines, line)
			return
		}
	}
}

// replace replaces a header's line.
func (m *message) replace(name string, lines ...string) {
	m.lines = slices.DeleteFunc(m.lines, func(line string) bool { return strings.HasPrefix(line, name+":") })
	m.lines = append(m.lines, lines...)
}

// write sends a message over a new connection, and reads one answer.
func (x *target) write(m *message) {
	x.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(x.URL, "http://"))
	x.must(err)
	defer func() { _ = connection.Close() }()
	x.must(connection.SetDeadline(time.Now().Add(20 * time.Second)))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		// The server may answer and close the connection before it has read everything.
		_, _ = io.WriteString(connection, m.line+"\r\n"+strings.Join(m.lines, "\r\n")+"\r\n\r\n"+m.body)
	}()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	x.must(err)
	_, err = x.wire.read(response)
	x.must(err)
	_ = connection.Close() // ends a write that the server does not read
	<-sent
}

// wireAttacks are messages that HTTP clients do not send. Two readers may understand them differently.
func wireAttacks() []attack {
	var rows []attack
	for _, to := range fronts() {
		if to.service != "s3" && to.service != "sts" {
			continue // one for each protocol that the emulator reads by itself, with a body and with a form
		}
		row := func(name string, want refusal, change func(*message)) attack {
			return attack{to.service + ": " + name, func(x *target) {
				request := to.request(x)
				m := x.message(x.captured(x.Admin(), request), request.Body)
				x.write(m)
				if got, body := x.wire.last(); got.status != http.StatusOK {
					x.Fatalf("the message is refused as it is: %v %s", got, body)
				}
				change(m)
				x.write(m)
			}, want}
		}
		bad := refusal{http.StatusBadRequest, ""} // the answer of HTTP itself
		chunked := func(m *message) {
			m.body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(m.body), m.body)
		}
		rows = append(
			rows,
			row("two Authorization headers", to.incomplete, func(m *message) { m.again("Authorization") }),
			row("a second Authorization header of another kind", to.incomplete, func(m *message) { m.lines = append(m.lines, "Authorization: Bearer token") }),
			row("a first Authorization header of another kind", to.incomplete, func(m *message) { m.lines = append([]string{"Authorization: Bearer token"}, m.lines...) }),
			row("two Host headers", bad, func(m *message) { m.again("Host") }),
			row("no Host header", bad, func(m *message) { m.replace("Host") }),
			row("another host in the request line", to.mismatch, func(m *message) {
				method, rest, _ := strings.Cut(m.line, " ")
				m.line = method + " http://elsewhere.example.com" + rest
			}),
			row("two dates", to.incomplete, func(m *message) { m.again("X-Amz-Date") }),
			row("two hashes of the body", to.incomplete, func(m *message) { m.again("X-Amz-Content-Sha256") }),
			row("a token in the header that was not signed", to.otherToken, func(m *message) { m.lines = append(m.lines, "X-Amz-Security-Token: token") }),
			row("a token in the query of a signed header", to.mismatch, func(m *message) {
				method, rest, _ := strings.Cut(m.line, " ")
				path, protocol, _ := strings.Cut(rest, " ")
				m.line = method + " " + path + "?X-Amz-Security-Token=token " + protocol
			}),
			row("Transfer-Encoding with Content-Length", to.mismatch, func(m *message) {
				m.lines = append(m.lines, "Transfer-Encoding: chunked")
				chunked(m)
			}),
			row("Transfer-Encoding twice", refusal{http.StatusNotImplemented, ""}, func(m *message) {
				m.replace("Content-Length", "Transfer-Encoding: chunked", "Transfer-Encoding: identity")
				chunked(m)
			}),
			row("an unknown Transfer-Encoding", refusal{http.StatusNotImplemented, ""}, func(m *message) { m.replace("Content-Length", "Transfer-Encoding: xchunked") }),
			row("two lengths", bad, func(m *message) { m.lines = append(m.lines, "Content-Length: 0") }),
			row("a length with a sign", bad, func(m *message) { m.replace("Content-Length", fmt.Sprintf("Content-Length: +%d", len(m.body))) }),
			row("a space before a colon", bad, func(m *message) { m.lines = append(m.lines, "X-Amz-Acl : public-read") }),
			row("a header folded over two lines", to.unsignedHeader, func(m *message) { m.lines = append(m.lines, "X-Amz-Acl:\r\n public-read") }),
			row("a line feed in a value", to.unsignedHeader, func(m *message) { m.lines = append(m.lines, "Accept: all\nX-Amz-Acl: public-read") }),
			row("a carriage return in a value", bad, func(m *message) { m.lines = append(m.lines, "Accept: all\rX-Amz-Acl: public-read") }),
			row("a NUL in a value", bad, func(m *message) { m.lines = append(m.lines, "Accept: a\x00b") }),
			row("a header of two MiB", refusal{http.StatusRequestHeaderFieldsTooLarge, ""}, func(m *message) { m.lines = append(m.lines, "Accept: "+strings.Repeat("a", 2<<20)) }),
			row("an Authorization header of nine KiB", to.incomplete, func(m *message) {
				m.replace("Authorization", "Authorization: AWS4-HMAC-SHA256 Credential="+strings.Repeat("a", 9<<10))
			}),
		)
	}
	return rows
}

// sizeAttacks announce more than a service accepts. They are refused before the body is read.
func sizeAttacks() []attack {
	var rows []attack
	for _, to := range fronts() {
		rows = append(rows, attack{to.service + ": a body over the limit", func(x *target) {
			m := x.message(x.captured(x.Admin(), to.request(x)), "")
			m.replace("Content-Length", fmt.Sprintf("Content-Length: %d", objects.MaxSize+1)) // nothing of it is sent
			x.write(m)
		}, to.tooLarge})
	}
	return append(
		rows,
		attack{"an unsigned form of two MiB", func(x *target) {
			x.try(x.Anonymous(), emulatortest.Request{
				Method: http.MethodPost, Path: "/", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
				Body: "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=" + strings.Repeat("a", 2<<20),
			})
		}, refusal{413, "RequestEntityTooLarge"}},
	)
}

const harnessToken = "token-of-the-harness" // #nosec G101: it is the test server's

// controlAttacks send requests for the control API to the AWS port, and AWS requests to the control API. The answers of the
// AWS port are S3's, EKS's or the verifier's, because it has no such path.
func controlAttacks() []attack {
	var rows []attack
	for path, want := range map[string]refusal{
		"/v1/calls": {400, "AuthorizationHeaderMalformed"}, "/v1/faults": {400, "AuthorizationHeaderMalformed"}, "/v1/reset": {400, "AuthorizationHeaderMalformed"},
		"/v1/clusters/any": {400, "AuthorizationHeaderMalformed"}, "/healthz": {400, "AuthorizationHeaderMalformed"},
	} {
		rows = append(rows, attack{"the AWS port: " + path + " with the harness's token", func(x *target) {
			x.hide(harnessToken)
			x.get(http.MethodGet, x.URL+path, http.Header{"Authorization": {"Bearer " + harnessToken}})
		}, want})
	}
	handler := func(x *target) *httptest.Server {
		x.Helper()
		h, err := x.Emulator.ControlHandler(nil)
		x.must(err)
		server := httptest.NewServer(h)
		x.Cleanup(server.Close)
		// The control API answers, and with the token it accepts the request.
		client := control.New(server.URL, harnessToken)
		_, err = client.Calls(x.Context(), 0)
		x.must(err)
		return server
	}
	for _, path := range []string{"/v1/calls", "/v1/faults", "/v1/counts", "/v1/clusters/any/identities"} {
		rows = append(rows, attack{"the control API: " + path + " with the administrator's signature", func(x *target) {
			server := handler(x)
			request := x.captured(x.Admin(), emulatortest.Query("sts", "GetCallerIdentity", nil))
			out, err := http.NewRequestWithContext(x.Context(), http.MethodGet, server.URL+path, nil)
			x.must(err)
			out.Header = request.Header
			response, err := x.HTTP.Do(out)
			x.must(err)
			x.must(response.Body.Close())
			var failure map[string]any
			if _, body := x.wire.last(); json.NewDecoder(bytes.NewReader([]byte(body))).Decode(&failure) != nil || len(failure) != 1 {
				x.Errorf("the answer is not one error: %s", body)
			}
		}, refusal{401, ""}})
	}
	return append(rows, attack{"the control API: without a token", func(x *target) { x.get(http.MethodGet, handler(x).URL+"/v1/calls", nil) }, refusal{401, ""}})
}
