package eksauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

// call sends a request as the emulator passes it on, and returns the journal's record.
func call(t *testing.T, s *Service, set *faults.Set, cluster, token string) (*httptest.ResponseRecorder, *journal.Call) {
	t.Helper()
	recorded := &journal.Call{Service: "eks-auth"}
	ctx := faults.NewContext(journal.NewContext(t.Context(), recorded), set)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/clusters/"+cluster+"/assume-role-for-pod-identity",
		strings.NewReader(`{"token":"`+token+`"}`)))
	return w, recorded
}

// TestDocumentedErrors: each error of the API reference, API_auth_AssumeRoleForPodIdentity, section
// "Errors", with its HTTP status (AUT-05).
func TestDocumentedErrors(t *testing.T) {
	s := newSigner()
	good := s.token(nil)
	fault := func(kind faults.Kind) *faults.Refusal { return &faults.Refusal{Kind: kind} }
	tests := []struct {
		code   string
		status int
		token  string
		// cause is the reason of the error: one of the fields of world, the cluster's name or a fault.
		denied, session error
		cluster         string
		fault           *faults.Refusal
	}{
		{code: "AccessDeniedException", status: 400, token: good, denied: errors.New("not authorized")},
		{code: "AccessDeniedException", status: 400, token: good, session: fmt.Errorf("assume: %w", ErrNotTrusted)},
		{code: "AccessDeniedException", status: 400, token: good, fault: fault(faults.AccessDenied)},
		{code: "ExpiredTokenException", status: 400, token: s.token(map[string]any{"exp": now.Unix()})},
		{code: "InternalServerException", status: 500, token: good, session: errors.New("disk on fire")},
		{code: "InternalServerException", status: 500, token: good, fault: fault(faults.Internal)},
		{code: "InvalidParameterException", status: 400, token: ""},
		{code: "InvalidParameterException", status: 400, token: good, session: &SessionError{Problem: "value of tag kubernetes-pod-name: is too long"}},
		{code: "InvalidRequestException", status: 400, token: `","token":7,"x":"`},
		{code: "InvalidRequestException", status: 400, token: good, session: &SessionError{Problem: "Packed size consumes 120%", Packed: true}},
		{code: "InvalidTokenException", status: 400, token: "a.b.c"},
		{code: "ResourceNotFoundException", status: 404, token: good, cluster: "green"},
		{code: "ServiceUnavailableException", status: 503, token: good, fault: fault(faults.Unavailable)},
		{code: "ThrottlingException", status: 429, token: good, fault: fault(faults.Throttling)},
	}
	for _, test := range tests {
		t.Run(test.code, func(t *testing.T) {
			w := newWorld(t, s)
			w.denied, w.sessionErr = test.denied, test.session
			set := faults.New(faults.Options{})
			if test.fault != nil {
				if _, err := set.Add(faults.Rule{Service: "eks-auth", Error: test.fault}); err != nil {
					t.Fatal(err)
				}
			}
			if test.cluster == "" {
				test.cluster = "blue"
			}
			got, recorded := call(t, w.service(), set, test.cluster, test.token)
			if got.Code != test.status || got.Header().Get("x-amzn-ErrorType") != test.code || !strings.Contains(got.Body.String(), `"message":"`) {
				t.Errorf("got %d %s %s", got.Code, got.Header(), got.Body)
			}
			if recorded.Operation != "AssumeRoleForPodIdentity" || recorded.ErrorCode != test.code || (test.fault != nil) != (recorded.Fault != "") {
				t.Errorf("journal: %+v", recorded)
			}
			if problem, ok := errors.AsType[*SessionError](test.session); ok && !strings.Contains(got.Body.String(), problem.Problem) {
				t.Errorf("the answer hides the problem: %s", got.Body)
			}
		})
	}
}

// TestFaultsComeFirst: a fault of the operation is answered before the decision about the caller. A fault of an association
// is answered when the association is known, and applies to no other request.
func TestFaultsComeFirst(t *testing.T) {
	s := newSigner()
	refusal := &faults.Refusal{Code: "TeapotException", Status: 418, Message: "short and stout"}
	tests := []struct {
		name   string
		rule   faults.Rule
		change func(*world)
		token  string
		want   int
		asked  bool
	}{
		{"operation, unauthorised caller", faults.Rule{Operation: operation}, func(w *world) { w.denied = errors.New("denied") }, "", 418, false},
		{"operation", faults.Rule{Operation: operation}, nil, s.token(nil), 418, false},
		{"another operation", faults.Rule{Operation: "AssumeRole"}, nil, s.token(nil), 200, true},
		{"association", faults.Rule{Association: "a-1"}, nil, s.token(nil), 418, true},
		{"another association", faults.Rule{Association: "a-2"}, nil, s.token(nil), 200, true},
		{"association, unauthorised caller", faults.Rule{Association: "a-1"}, func(w *world) { w.denied = errors.New("denied") }, s.token(nil), 400, true},
		{"association, no session yet", faults.Rule{Association: "a-1"}, func(w *world) { w.sessionErr = ErrNotTrusted }, s.token(nil), 418, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, s)
			if test.change != nil {
				test.change(w)
			}
			set := faults.New(faults.Options{})
			test.rule.Error = refusal
			if _, err := set.Add(test.rule); err != nil {
				t.Fatal(err)
			}
			got, _ := call(t, w.service(), set, "blue", test.token)
			if got.Code != test.want || (w.asked != "") != test.asked {
				t.Errorf("got %d %s; the authorizer was asked %q", got.Code, got.Body, w.asked)
			}
			if test.want == 418 && (got.Header().Get("x-amzn-ErrorType") != refusal.Code || !strings.Contains(got.Body.String(), refusal.Message)) {
				t.Errorf("got %s %s", got.Header(), got.Body)
			}
		})
	}
}

// TestJournal: the call names pod and token, and does not contain the token.
func TestJournal(t *testing.T) {
	s := newSigner()
	token, expired := s.token(nil), s.token(map[string]any{"exp": now.Unix()})
	for _, test := range []struct{ token, subject string }{{token, "blue/default/app/web-0"}, {expired, ""}, {"a.b.c", ""}} {
		_, recorded := call(t, newWorld(t, s).service(), nil, "blue", test.token)
		if recorded.Token != journal.Fingerprint(test.token) || recorded.Subject != test.subject {
			t.Errorf("got %+v", recorded)
		}
	}
}

// TestDeletedPod: AWS documents no revocation. The token of a deleted pod works until it expires, as users see from the
// agent's renewals (aws/eks-pod-identity-agent issues 89, 171). EKS Auth has nothing to ask about the pod, so the token's
// own expiry is the limit.
func TestDeletedPod(t *testing.T) {
	s := newSigner()
	service := newWorld(t, s)
	at := now
	handler := New(Options{Account: "123456789012", Clusters: service, Authorizer: service, Sessions: service, Now: func() time.Time { return at }})
	// The pod ran for a moment. Its token is for 24 hours, as the webhook asks for.
	token := s.token(map[string]any{"exp": now.Add(24 * time.Hour).Unix()})
	for _, test := range []struct {
		after  time.Duration
		status int
		code   string
	}{
		{0, 200, ""}, {time.Hour, 200, ""}, {24*time.Hour - time.Second, 200, ""},
		{24 * time.Hour, 400, codeExpiredToken}, {25 * time.Hour, 400, codeExpiredToken},
	} {
		at = now.Add(test.after)
		if got, _ := call(t, handler, nil, "blue", token); got.Code != test.status || got.Header().Get("x-amzn-ErrorType") != test.code {
			t.Errorf("after %v: got %d %s", test.after, got.Code, got.Body)
		}
	}
}

// TestAssociationCounts: the next request gets what the association says now.
func TestAssociationCounts(t *testing.T) {
	s := newSigner()
	w := newWorld(t, s)
	service, token := w.service(), s.token(nil)
	if got, _ := call(t, service, nil, "blue", token); got.Code != 200 || w.input.RoleARN != w.association.RoleARN {
		t.Fatalf("got %d, role %s", got.Code, w.input.RoleARN)
	}
	w.association.RoleARN = "arn:aws:iam::123456789012:role/other"
	if got, _ := call(t, service, nil, "blue", token); got.Code != 200 || w.input.RoleARN != "arn:aws:iam::123456789012:role/other" {
		t.Errorf("after the change of role: got %d, role %s", got.Code, w.input.RoleARN)
	}
	w.gone = true
	if got, _ := call(t, service, nil, "blue", token); got.Code != 404 || got.Header().Get("x-amzn-ErrorType") != codeNotFound {
		t.Errorf("after the deletion: got %d %s", got.Code, got.Body)
	}
}

func TestOperations(t *testing.T) {
	recorded := &journal.Call{}
	w := newWorld(t, newSigner())
	r := httptest.NewRequestWithContext(journal.NewContext(context.Background(), recorded), http.MethodPost, "/clusters/blue/assume-role-for-pod-identity", nil)
	w.service().ServeHTTP(httptest.NewRecorder(), r)
	if names := Operations(); len(names) != 1 || recorded.Operation != names[0] {
		t.Errorf("routes %q, names %q", recorded.Operation, names)
	}
}
