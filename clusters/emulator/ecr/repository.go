package ecr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// user is the user name for every password.
const user = "AWS"

func basic(name, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(name + ":" + password))
}

// repositoryName is the pattern of API_CreateRepository.
var repositoryName = regexp.MustCompile(`^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

const (
	maxName = 256
	maxTags = 50
	maxPage = 1000
)

// repository is one repository of an account. mu guards the fields after it.
type repository struct {
	name    string
	created time.Time
	blobs   *blobs
	// registry has the manifests. Each repository has its own registry, so that all of it is deleted with the repository.
	registry http.Handler
	uploads  uploads

	mu     sync.Mutex
	tags   map[string]string
	images map[string]*image
	// gone says that the repository was deleted.
	gone bool
}

// record is the stored form of a repository.
type record struct {
	Name    string            `json:"name"`
	Created time.Time         `json:"created"`
	Tags    map[string]string `json:"tags,omitempty"`
}

const (
	repositoryRecords = "repository/"
	imageRecords      = "image/"
)

func (s *Service) put(key string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode record %s: %w", key, err)
	}
	return s.options.Table.Put(key, encoded)
}

func (s *Service) newRepository(r record) *repository {
	tags := map[string]string{}
	maps.Copy(tags, r.Tags)
	made := &repository{
		name: r.Name, created: r.Created, tags: tags, images: map[string]*image{},
		blobs: &blobs{space: s.space, table: s.options.Blobs, repository: r.Name, held: map[string][]byte{}},
	}
	made.registry, made.uploads.all = newRegistry(made.blobs), map[string]*upload{}
	return made
}

func checkRepositoryName(name string) error {
	if len(name) < 2 || len(name) > maxName || !repositoryName.MatchString(name) {
		return invalid("Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '%s' and have 2 to %d characters'", repositoryName, maxName)
	}
	return nil
}

// find returns the repository of a name, if the caller may do action with it.
func (s *Service) find(ctx context.Context, action, name string) (*repository, error) {
	if err := checkRepositoryName(name); err != nil {
		return nil, err
	}
	s.mu.RLock()
	found := s.repositories[name]
	s.mu.RUnlock()
	keys := map[string][]string{}
	if found != nil {
		found.addTags(keys)
	}
	if err := s.authorize(ctx, action, s.repositoryARN(name), keys); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, s.notFound(name)
	}
	return found, nil
}

func (s *Service) notFound(name string) error {
	return restjson.Errorf(codeNotFound, http.StatusBadRequest, "The repository with name '%s' does not exist in the registry with id '%s'", name, s.options.Account)
}

// addTags adds the condition keys of the repository's tags.
func (r *repository) addTags(keys map[string][]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, value := range r.tags {
		keys["aws:ResourceTag/"+key], keys["ecr:ResourceTag/"+key] = []string{value}, []string{value}
	}
}

type shape struct {
	ARN        string        `json:"repositoryArn"`
	Registry   string        `json:"registryId"`
	Name       string        `json:"repositoryName"`
	URI        string        `json:"repositoryUri"`
	Created    restjson.Time `json:"createdAt"`
	Mutability string        `json:"imageTagMutability"`
}

func (s *Service) shape(r *http.Request, of *repository) shape {
	return shape{s.repositoryARN(of.name), s.options.Account, of.name, s.host(r) + "/" + of.name, restjson.Time(of.created), "MUTABLE"}
}

func (s *Service) createRepository(r *http.Request, in *input) (any, error) {
	if err := checkRepositoryName(in.RepositoryName); err != nil {
		return nil, err
	}
	keys, arn := tagKeys(in.Tags), s.repositoryARN(in.RepositoryName)
	if err := s.authorize(r.Context(), "CreateRepository", arn, keys); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		// Creation with tags also requires "ecr:TagResource"
		// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-supported-iam-actions-tagging.html).
		if err := s.authorize(r.Context(), "TagResource", arn, keys); err != nil {
			return nil, err
		}
	}
	tags, err := changedTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if in.ImageTagMutability != "" && in.ImageTagMutability != "MUTABLE" {
		return nil, invalid("The emulator's ECR has no repositories whose tags are %s.", in.ImageTagMutability)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repositories[in.RepositoryName] != nil {
		return nil, restjson.Errorf(codeExists, http.StatusBadRequest, "The repository with name '%s' already exists in the registry with id '%s'", in.RepositoryName, s.options.Account)
	}
	if len(s.repositories) >= maxRepositories {
		return nil, restjson.Errorf(codeLimit, http.StatusBadRequest, "The emulator's ECR has %d repositories at most.", maxRepositories)
	}
	kept := record{in.RepositoryName, s.options.Now(), tags}
	if err := s.put(repositoryRecords+kept.Name, kept); err != nil {
		return nil, err
	}
	made := s.newRepository(kept)
	s.repositories[kept.Name] = made
	return map[string]any{"repository": s.shape(r, made)}, nil
}

func (s *Service) describeRepositories(r *http.Request, in *input) (any, error) {
	if len(in.RepositoryNames) > 0 {
		if in.MaxResults != nil || in.NextToken != "" {
			return nil, invalid("Invalid parameter: maxResults and nextToken cannot be used with repositoryNames.")
		}
		list := []shape{}
		for _, name := range in.RepositoryNames {
			found, err := s.find(r.Context(), "DescribeRepositories", name)
			if err != nil {
				return nil, err
			}
			list = append(list, s.shape(r, found))
		}
		return map[string]any{"repositories": list}, nil
	}
	if err := s.authorize(r.Context(), "DescribeRepositories", s.repositoryARN("*"), nil); err != nil {
		return nil, err
	}
	s.mu.RLock()
	names := slices.Sorted(maps.Keys(s.repositories))
	list := []shape{}
	for _, name := range names {
		list = append(list, s.shape(r, s.repositories[name]))
	}
	s.mu.RUnlock()
	return page(in, "repositories", list, func(of shape) string { return of.Name })
}

// page returns the requested part of a sorted list. The token is the last key of the page before.
func page[T any](in *input, member string, list []T, key func(T) string) (any, error) {
	size := 100
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	if size < 1 || size > maxPage {
		return nil, invalid("Invalid parameter at 'maxResults' failed to satisfy constraint: 'must be between 1 and %d'", maxPage)
	}
	if in.NextToken != "" {
		after, err := base64.RawURLEncoding.DecodeString(in.NextToken)
		if err != nil {
			return nil, invalid("Invalid parameter at 'nextToken'.")
		}
		start := slices.IndexFunc(list, func(item T) bool { return key(item) > string(after) })
		if start < 0 {
			start = len(list)
		}
		list = list[start:]
	}
	answer := map[string]any{member: list}
	if len(list) > size {
		answer[member] = list[:size]
		answer["nextToken"] = base64.RawURLEncoding.EncodeToString([]byte(key(list[size-1])))
	}
	return answer, nil
}

func (s *Service) deleteRepository(r *http.Request, in *input) (any, error) {
	found, err := s.find(r.Context(), "DeleteRepository", in.RepositoryName)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repositories[found.name] != found {
		return nil, s.notFound(found.name)
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	if len(found.images) > 0 && !in.Force {
		return nil, restjson.Errorf(codeNotEmpty, http.StatusBadRequest, "The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", found.name, s.options.Account)
	}
	// The repository's own record is deleted last, so that a deletion that did not end can be repeated.
	for digest := range found.images {
		if err := s.options.Table.Delete(imageRecords + found.name + "@" + digest); err != nil {
			return nil, err
		}
	}
	if err := found.blobs.clear(); err != nil {
		return nil, err
	}
	if err := s.options.Table.Delete(repositoryRecords + found.name); err != nil {
		return nil, err
	}
	for _, i := range found.images {
		s.space.give(int64(len(i.Manifest)))
	}
	found.uploads.clear(s.space)
	found.gone, found.images = true, map[string]*image{}
	delete(s.repositories, found.name)
	return map[string]any{"repository": s.shape(r, found)}, nil
}

// tagKeys are the condition keys of the tags in a request.
func tagKeys(tags []tag) map[string][]string {
	keys := map[string][]string{}
	for _, t := range tags {
		keys["aws:RequestTag/"+t.Key] = []string{t.Value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], t.Key)
	}
	return keys
}

// changedTags returns tags with others added (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_Tag.html).
func changedTags(now map[string]string, add []tag) (map[string]string, error) {
	tags := map[string]string{}
	maps.Copy(tags, now)
	for _, t := range add {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return nil, restjson.Errorf(codeInvalidTag, http.StatusBadRequest, "Invalid tag '%s': a key has 1 to 128 characters and does not begin with aws:, a value has up to 256.", t.Key)
		}
		tags[t.Key] = t.Value
	}
	if len(tags) > maxTags {
		return nil, restjson.Errorf(codeTooManyTags, http.StatusBadRequest, "A repository has %d tags at most.", maxTags)
	}
	return tags, nil
}

// ofARN returns the repository of an ARN, if the caller may do action with it.
func (s *Service) ofARN(ctx context.Context, action, arn string, keys map[string][]string) (*repository, error) {
	name, ours := strings.CutPrefix(arn, s.repositoryARN(""))
	if !ours {
		return nil, invalid("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'must be the ARN of a repository of this registry'")
	}
	s.mu.RLock()
	found := s.repositories[name]
	s.mu.RUnlock()
	all := maps.Clone(keys)
	if all == nil {
		all = map[string][]string{}
	}
	if found != nil {
		found.addTags(all)
	}
	if err := s.authorize(ctx, action, arn, all); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, s.notFound(name)
	}
	return found, nil
}

// retag changes a repository's tags. The function gets the current tags.
func (s *Service) retag(of *repository, change func(map[string]string) (map[string]string, error)) error {
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.gone {
		return s.notFound(of.name)
	}
	tags, err := change(of.tags)
	if err != nil {
		return err
	}
	if err := s.put(repositoryRecords+of.name, record{of.name, of.created, tags}); err != nil {
		return err
	}
	of.tags = tags
	return nil
}

func (s *Service) tagResource(r *http.Request, in *input) (any, error) {
	found, err := s.ofARN(r.Context(), "TagResource", in.ResourceARN, tagKeys(in.Tags))
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.retag(found, func(tags map[string]string) (map[string]string, error) { return changedTags(tags, in.Tags) })
}

func (s *Service) untagResource(r *http.Request, in *input) (any, error) {
	found, err := s.ofARN(r.Context(), "UntagResource", in.ResourceARN, map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.retag(found, func(tags map[string]string) (map[string]string, error) {
		left := maps.Clone(tags)
		for _, key := range in.TagKeys {
			delete(left, key)
		}
		return left, nil
	})
}

func (s *Service) listTagsForResource(r *http.Request, in *input) (any, error) {
	found, err := s.ofARN(r.Context(), "ListTagsForResource", in.ResourceARN, nil)
	if err != nil {
		return nil, err
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	list := []tag{}
	for _, key := range slices.Sorted(maps.Keys(found.tags)) {
		list = append(list, tag{key, found.tags[key]})
	}
	return map[string]any{"tags": list}, nil
}
