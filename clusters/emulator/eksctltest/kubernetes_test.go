package eksctltest

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

// apiServer answers eksctl's requests to Kubernetes: discovery, one Ready node for each label selector, and empty lists. It
// accepts the users that the emulator's webhook for tokens accepts.
type apiServer struct {
	*httptest.Server
	// authenticate returns the groups of a token's bearer; nil for an unknown one.
	authenticate func(token string) []string

	mu sync.Mutex
	// asked are the accepted requests, and refused the others.
	asked, refused []string
	// accounts are service accounts by NAMESPACE/NAME.
	accounts map[string]*corev1.ServiceAccount
}

// account returns a service account.
func (s *apiServer) account(namespace, name string) (*corev1.ServiceAccount, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.accounts[namespace+"/"+name]
	return found, ok
}

// put makes or changes a service account.
func (s *apiServer) put(made *corev1.ServiceAccount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	made.Kind, made.APIVersion = "ServiceAccount", "v1"
	s.accounts[made.Namespace+"/"+made.Name] = made
}

func newAPIServer(t *testing.T) *apiServer {
	s := &apiServer{accounts: map[string]*corev1.ServiceAccount{}}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// certificate is the server's own, in PEM.
func (s *apiServer) certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func (s *apiServer) note(list *[]string, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, r.Method+" "+r.URL.Path)
}

func (s *apiServer) serve(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	groups := s.authenticate(token)
	if len(groups) == 0 {
		s.note(&s.refused, r)
		answer(w, http.StatusUnauthorized, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401})
		return
	}
	s.note(&s.asked, r)
	if !s.serveAccounts(w, r) && !known(w, r) {
		answer(w, http.StatusNotFound, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})
	}
}

// serveAccounts answers requests about service accounts, and about a namespace, which always exists. It returns false for
// other requests.
func (s *apiServer) serveAccounts(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == "/api/v1/serviceaccounts" {
		s.mu.Lock()
		defer s.mu.Unlock()
		items := slices.Collect(maps.Values(s.accounts))
		answer(w, http.StatusOK, map[string]any{"kind": "ServiceAccountList", "apiVersion": "v1", "metadata": map[string]string{"resourceVersion": "1"}, "items": items})
		return true
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/"), "/")
	if !strings.HasPrefix(r.URL.Path, "/api/v1/namespaces/") || len(parts) > 1 && parts[1] != "serviceaccounts" {
		return false
	}
	if len(parts) == 1 {
		answer(w, http.StatusOK, map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]string{"name": parts[0]}})
		return true
	}
	switch r.Method {
	case http.MethodGet:
		found, ok := s.account(parts[0], parts[len(parts)-1])
		if ok {
			answer(w, http.StatusOK, found)
		}
		return ok
	case http.MethodPost, http.MethodPut:
		// The body is JSON or Protobuf.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		decoded, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
		sent, ok := decoded.(*corev1.ServiceAccount)
		if err != nil || !ok {
			return false
		}
		sent.Namespace = parts[0]
		s.put(sent)
		answer(w, http.StatusOK, sent)
		return true
	case http.MethodDelete:
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.accounts, strings.Join([]string{parts[0], parts[len(parts)-1]}, "/"))
		answer(w, http.StatusOK, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
		return true
	}
	return false
}

// known answers requests about the objects that exist; false for anything else.
func known(w http.ResponseWriter, r *http.Request) bool {
	switch path := r.URL.Path; {
	case path == "/version":
		answer(w, http.StatusOK, map[string]string{"major": "1", "minor": "36", "gitVersion": "v1.36.3-eks-0000000"})
	case path == "/api":
		answer(w, http.StatusOK, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}})
	case path == "/apis":
		answer(w, http.StatusOK, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": []any{}})
	case path == "/api/v1":
		answer(w, http.StatusOK, map[string]any{"kind": "APIResourceList", "groupVersion": "v1", "resources": []any{
			map[string]any{"name": "nodes", "kind": "Node", "namespaced": false, "verbs": []string{"get", "list", "watch"}},
			map[string]any{"name": "services", "kind": "Service", "namespaced": true, "verbs": []string{"get", "list"}},
		}})
	case path == "/api/v1/nodes" && r.URL.Query().Get("watch") != "":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "ADDED", "object": node(r)}) // eksctl may have closed the connection
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case path == "/api/v1/nodes":
		answer(w, http.StatusOK, map[string]any{"kind": "NodeList", "apiVersion": "v1", "metadata": map[string]string{"resourceVersion": "1"}, "items": []any{node(r)}})
	case r.Method == http.MethodGet && strings.Count(path, "/") <= 4:
		kind := map[string]string{"services": "ServiceList", "pods": "PodList", "serviceaccounts": "ServiceAccountList", "ingresses": "IngressList"}[path[strings.LastIndexByte(path, '/')+1:]]
		if kind == "" {
			return false
		}
		version := "v1"
		if group, ok := strings.CutPrefix(path, "/apis/"); ok {
			version = strings.Join(strings.SplitN(group, "/", 3)[:2], "/")
		}
		answer(w, http.StatusOK, map[string]any{"kind": kind, "apiVersion": version, "metadata": map[string]string{"resourceVersion": "1"}, "items": []any{}})
	default:
		return false
	}
	return true
}

// node has the label of the request's selector.
func node(r *http.Request) map[string]any {
	labels := map[string]string{}
	for selector := range strings.SplitSeq(r.URL.Query().Get("labelSelector"), ",") {
		if key, value, ok := strings.Cut(selector, "="); ok {
			labels[key] = value
		}
	}
	return map[string]any{
		"kind": "Node", "apiVersion": "v1", "metadata": map[string]any{"name": "ip-192-168-0-4.us-west-2.compute.internal", "labels": labels, "resourceVersion": "1"},
		"status": map[string]any{"conditions": []any{map[string]string{"type": "Ready", "status": "True"}}, "nodeInfo": map[string]string{"kubeletVersion": "v1.36.3-eks-0000000"}},
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // eksctl may have closed the connection
}
