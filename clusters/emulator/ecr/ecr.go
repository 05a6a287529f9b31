// Package ecr is the part of the ECR API that epi and its users need: repositories with their tags and images, tokens, and
// the registry itself. OCI clients with such tokens push to the registry, and nodes pull from it. Wire forms, codes and
// limits are those of https://docs.aws.amazon.com/AmazonECR/latest/APIReference/; the permissions that the registry
// requires are in https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html.
package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/restjson"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// target is the beginning of the header X-Amz-Target of all requests.
const target = "AmazonEC2ContainerRegistry_V20150921."

// Codes of errors.
const (
	codeInvalid       = "InvalidParameterException"
	codeInvalidTag    = "InvalidTagParameterException"
	codeTooManyTags   = "TooManyTagsException"
	codeExists        = "RepositoryAlreadyExistsException"
	codeNotFound      = "RepositoryNotFoundException"
	codeNotEmpty      = "RepositoryNotEmptyException"
	codeImageNotFound = "ImageNotFoundException"
	codeLimit         = "LimitExceededException"
	codeAccessDenied  = "AccessDeniedException"
	codeServer        = "ServerException"
)

// TokenLife is how long a token is valid.
const TokenLife = 12 * time.Hour

// maxRepositories is the limit of an account. It is far below AWS's quota, because each repository is in memory.
const maxRepositories = 1000

// Authorizer decides about the caller of a request. It finds the caller in the context.
type Authorizer interface {
	// Authorize returns nil, or an error whose text may be shown to the caller. keys are the condition keys of this action,
	// besides those of every request.
	Authorize(ctx context.Context, action, resource string, keys map[string][]string) error
}

// Options of a Service.
type Options struct {
	// Region such as "us-west-2" and Account of twelve digits.
	Region, Account string
	Authorizer      Authorizer
	// Token makes a password for the caller of a request, which is valid until expires.
	Token func(ctx context.Context, expires time.Time) (string, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Capacity is how many bytes of images, with unfinished uploads, may be in memory; 0 means 1 GiB.
	Capacity int64
	// Table keeps repositories and manifests, and Blobs the blobs of the manifests. If they are nil, the service keeps all
	// in memory only.
	Table, Blobs store.Table
}

// Service serves the API and the registry. It is safe for concurrent use.
type Service struct {
	options Options
	space   *space

	mu           sync.RWMutex
	repositories map[string]*repository
}

// New makes a service with the content of its tables.
func New(options Options) (*Service, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Capacity == 0 {
		options.Capacity = 1 << 30
	}
	options.Table, options.Blobs = store.OrNowhere(options.Table), store.OrNowhere(options.Blobs)
	s := &Service{options: options, space: &space{free: options.Capacity}, repositories: map[string]*repository{}}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("load ECR state: %w", err)
	}
	return s, nil
}

// operation is an operation of the API.
type operation func(*Service, *http.Request, *input) (any, error)

var operations = map[string]operation{
	"GetAuthorizationToken": (*Service).getAuthorizationToken,
	"CreateRepository":      (*Service).createRepository,
	"DescribeRepositories":  (*Service).describeRepositories,
	"DeleteRepository":      (*Service).deleteRepository,
	"ListImages":            (*Service).listImages,
	"DescribeImages":        (*Service).describeImages,
	"BatchDeleteImage":      (*Service).batchDeleteImage,
	"TagResource":           (*Service).tagResource,
	"UntagResource":         (*Service).untagResource,
	"ListTagsForResource":   (*Service).listTagsForResource,
}

// Operations are the names of all operations of the API, sorted.
func Operations() []string {
	var names []string
	for name := range operations {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Targets says whether a request is for this API.
func Targets(r *http.Request) bool { return strings.HasPrefix(r.Header.Get("X-Amz-Target"), target) }

// input has the members of all requests.
type input struct {
	RegistryID         string    `json:"registryId"`
	RepositoryName     string    `json:"repositoryName"`
	RepositoryNames    []string  `json:"repositoryNames"`
	ResourceARN        string    `json:"resourceArn"`
	Tags               []tag     `json:"tags"`
	TagKeys            []string  `json:"tagKeys"`
	Force              bool      `json:"force"`
	ImageIDs           []imageID `json:"imageIds"`
	ImageTagMutability string    `json:"imageTagMutability"`
	NextToken          string    `json:"nextToken"`
	MaxResults         *int      `json:"maxResults"`
	Filter             struct {
		TagStatus string `json:"tagStatus"`
	} `json:"filter"`
}

type tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

// ServeHTTP answers a request to the API whose signature was verified.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := journal.FromContext(r.Context())
	answer, err := s.serve(r, call)
	if err != nil {
		call.Cause = restjson.Cause(err)
		call.ErrorCode = WriteError(w, err)
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		call.ErrorCode = WriteError(w, fmt.Errorf("encode answer: %w", err))
		return
	}
	write(w, http.StatusOK, body)
}

func (s *Service) serve(r *http.Request, call *journal.Call) (any, error) {
	name := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), target)
	do, known := operations[name]
	if !known || !Targets(r) || r.Method != http.MethodPost {
		return nil, restjson.Errorf("UnknownOperationException", http.StatusBadRequest, "The emulator's ECR has no operation %q.", name)
	}
	call.Operation = name
	if err := at(r.Context(), name); err != nil {
		return nil, err
	}
	in := &input{}
	if err := restjson.Read(r, in, codeInvalid); err != nil {
		return nil, err
	}
	if in.RegistryID != "" && in.RegistryID != s.options.Account {
		// No account has a policy that gives another account access.
		return nil, restjson.Errorf(codeNotFound, http.StatusBadRequest, "The registry with id '%s' is not this account's.", in.RegistryID)
	}
	return do(s, r, in)
}

func at(ctx context.Context, operation string) error {
	err := faults.At(ctx, faults.Target{Operation: operation})
	if fault, ok := errors.AsType[*faults.Error](err); ok {
		return restjson.Errorf(fault.Code, fault.Status, "%s", fault.Message)
	}
	return err
}

// WriteError answers with err in AWS JSON 1.1, and returns the code that it wrote. A *restjson.Error has its own code
// (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html).
func WriteError(w http.ResponseWriter, err error) string {
	refusal, ok := errors.AsType[*restjson.Error](err)
	if !ok {
		refusal = restjson.Errorf(codeServer, http.StatusInternalServerError, "Internal error.")
	}
	body, _ := json.Marshal(map[string]string{"__type": refusal.Code, "message": refusal.Message}) // strings can always be encoded
	write(w, refusal.Status, body)
	return refusal.Code
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client closed the connection
}

func invalid(format string, args ...any) error {
	return restjson.Errorf(codeInvalid, http.StatusBadRequest, format, args...)
}

// authorize turns a refusal into the API's error.
func (s *Service) authorize(ctx context.Context, action, resource string, keys map[string][]string) error {
	if err := s.options.Authorizer.Authorize(ctx, "ecr:"+action, resource, keys); err != nil {
		return restjson.Errorf(codeAccessDenied, http.StatusBadRequest, "%s", err)
	}
	return nil
}

// repositoryARN of a name.
func (s *Service) repositoryARN(name string) string {
	return "arn:aws:ecr:" + s.options.Region + ":" + s.options.Account + ":repository/" + name
}

// host is the registry's host for the client of a request: the registry's own name under AWS's names, and otherwise the
// host that the client uses.
func (s *Service) host(r *http.Request) string {
	if strings.HasSuffix(r.Host, ".amazonaws.com") {
		return s.options.Account + ".dkr.ecr." + s.options.Region + ".amazonaws.com"
	}
	return r.Host
}

func (s *Service) getAuthorizationToken(r *http.Request, _ *input) (any, error) {
	if err := s.authorize(r.Context(), "GetAuthorizationToken", "*", nil); err != nil {
		return nil, err
	}
	expires := s.options.Now().Add(TokenLife)
	password, err := s.options.Token(r.Context(), expires)
	if err != nil {
		return nil, err
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return map[string]any{"authorizationData": []any{map[string]any{
		"authorizationToken": basic(user, password), "expiresAt": restjson.Time(expires), "proxyEndpoint": scheme + "://" + s.host(r),
	}}}, nil
}
