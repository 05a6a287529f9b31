// Package ecrtest is as much of ECR as tests of its callers need, in front of another handler that has the
// rest of AWS: repositories with tags, and a token for a registry.
package ecrtest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const target = "AmazonEC2ContainerRegistry_V20150921."

// Registry answers ECR's requests and hands all others on. It verifies no signature.
type Registry struct {
	// Next has all other services.
	Next http.Handler
	// Account and Region are those of repositories. Host is where images are pushed to, such as 127.0.0.1:5000.
	Account, Region, Host string

	mu           sync.Mutex
	repositories map[string][]tag
}

type tag struct{ Key, Value string }

// Names are those of the repositories, sorted.
func (r *Registry) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := []string{}
	for name := range r.repositories {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	operation, ours := strings.CutPrefix(request.Header.Get("X-Amz-Target"), target)
	if !ours {
		r.Next.ServeHTTP(w, request)
		return
	}
	var in struct {
		RepositoryName  string
		RepositoryNames []string
		ResourceArn     string
		Tags            []tag
	}
	_ = json.NewDecoder(request.Body).Decode(&in) // what is not said is empty
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.repositories == nil {
		r.repositories = map[string][]tag{}
	}
	_, exists := r.repositories[in.RepositoryName]
	switch operation {
	case "CreateRepository":
		if exists {
			refuse(w, "RepositoryAlreadyExistsException")
			return
		}
		r.repositories[in.RepositoryName] = in.Tags
		answer(w, map[string]any{"repository": r.shape(in.RepositoryName)})
	case "DescribeRepositories":
		list := []any{}
		for name := range r.repositories {
			if len(in.RepositoryNames) == 0 || slices.Contains(in.RepositoryNames, name) {
				list = append(list, r.shape(name))
			}
		}
		if len(list) == 0 && len(in.RepositoryNames) > 0 {
			refuse(w, "RepositoryNotFoundException")
			return
		}
		answer(w, map[string]any{"repositories": list})
	case "ListTagsForResource":
		_, name, _ := strings.Cut(in.ResourceArn, ":repository/")
		answer(w, map[string]any{"tags": r.repositories[name]})
	case "DeleteRepository":
		if !exists {
			refuse(w, "RepositoryNotFoundException")
			return
		}
		delete(r.repositories, in.RepositoryName)
		answer(w, map[string]any{})
	case "GetAuthorizationToken":
		token := base64.StdEncoding.EncodeToString([]byte("AWS:password"))
		answer(w, map[string]any{"authorizationData": []any{map[string]any{"authorizationToken": token, "proxyEndpoint": "https://" + r.Host, "expiresAt": time.Now().Add(12 * time.Hour).Unix()}}})
	default:
		refuse(w, "UnknownOperationException")
	}
}

func (r *Registry) shape(name string) map[string]any {
	return map[string]any{
		"repositoryArn": "arn:aws:ecr:" + r.Region + ":" + r.Account + ":repository/" + name, "registryId": r.Account, "repositoryName": name,
		"repositoryUri": r.Host + "/" + name, "createdAt": time.Now().Unix(),
	}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(body) // the caller may have gone
}

func refuse(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "test"}) // the caller may have gone
}
