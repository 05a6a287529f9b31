package ecr

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// maxImages is the limit of a repository, because its manifests are in memory.
const maxImages = 1000

// image is a manifest of a repository with its data.
type image struct {
	Digest    string    `json:"digest"`
	MediaType string    `json:"mediaType"`
	Manifest  []byte    `json:"manifest"`
	Tags      []string  `json:"tags,omitempty"`
	Pushed    time.Time `json:"pushed"`
}

// imageID names an image by tag, by digest or by both.
type imageID struct {
	Digest string `json:"imageDigest,omitempty"`
	Tag    string `json:"imageTag,omitempty"`
}

// newRegistry makes the registry for the manifests of a repository.
func newRegistry(of *blobs) http.Handler {
	return registry.New(registry.WithBlobHandler(of), registry.Logger(log.New(io.Discard, "", 0)))
}

// content returns the digests of the blobs and of the manifests that a manifest names.
func (i *image) content() (blobs, manifests []string, err error) {
	if types.MediaType(i.MediaType).IsIndex() {
		index, err := v1.ParseIndexManifest(bytes.NewReader(i.Manifest))
		if err != nil {
			return nil, nil, err
		}
		for _, part := range index.Manifests {
			manifests = append(manifests, part.Digest.String())
		}
		return nil, manifests, nil
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(i.Manifest))
	if err != nil {
		return nil, nil, err
	}
	blobs = append(blobs, manifest.Config.Digest.String())
	for _, layer := range manifest.Layers {
		if layer.MediaType.IsDistributable() {
			blobs = append(blobs, layer.Digest.String())
		}
	}
	return blobs, nil, nil
}

func (s *Service) putImage(of *repository, i *image) error {
	return s.put(imageRecords+of.name+"@"+i.Digest, i)
}

// send lets the repository's registry serve a request about one manifest, and returns its answer.
func (r *repository) send(ctx context.Context, method, reference, mediaType string, manifest []byte) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(ctx, method, "/v2/"+r.name+"/manifests/"+reference, bytes.NewReader(manifest))
	request.Header.Set("Content-Type", mediaType)
	answer := httptest.NewRecorder()
	r.registry.ServeHTTP(answer, request)
	return answer
}

// take gives the registry a stored image.
func (r *repository) take(ctx context.Context, i *image) error {
	for _, reference := range append([]string{i.Digest}, i.Tags...) {
		if answer := r.send(ctx, http.MethodPut, reference, i.MediaType, i.Manifest); answer.Code != http.StatusCreated {
			return fmt.Errorf("image %s of %s: the registry answers %d: %s", reference, r.name, answer.Code, answer.Body)
		}
	}
	r.images[i.Digest] = i
	return nil
}

// load reads all records. The images of an index come before the index, because they were pushed before it.
func (s *Service) load() error {
	held := map[string][]*image{}
	if err := s.options.Table.Each(func(key string, value []byte) error {
		if strings.HasPrefix(key, repositoryRecords) {
			var r record
			if err := json.Unmarshal(value, &r); err != nil {
				return err
			}
			s.repositories[r.Name] = s.newRepository(r)
			return nil
		}
		rest, ok := strings.CutPrefix(key, imageRecords)
		name, _, cut := strings.Cut(rest, "@")
		if !ok || !cut {
			return fmt.Errorf("unknown record %q", key)
		}
		i := &image{}
		if err := json.Unmarshal(value, i); err != nil {
			return err
		}
		held[name] = append(held[name], i)
		return nil
	}); err != nil {
		return err
	}
	if err := s.options.Blobs.Each(func(key string, value []byte) error {
		name, digest, _ := strings.Cut(key, "@")
		of := s.repositories[name]
		if of == nil {
			return nil // a deletion did not end
		}
		if err := s.space.take(int64(len(value))); err != nil {
			return err
		}
		of.blobs.held[digest] = value
		return nil
	}); err != nil {
		return err
	}
	for name, images := range held {
		of := s.repositories[name]
		if of == nil {
			continue
		}
		slices.SortFunc(images, func(a, b *image) int { return a.Pushed.Compare(b.Pushed) })
		for _, i := range images {
			if err := s.space.take(int64(len(i.Manifest))); err != nil {
				return err
			}
			if err := of.take(context.Background(), i); err != nil {
				return err
			}
		}
	}
	return nil
}

// untag removes a tag from the image that has it. The caller holds mu.
func (s *Service) untag(of *repository, tag string, but *image) error {
	for _, i := range of.images {
		if i == but || !slices.Contains(i.Tags, tag) {
			continue
		}
		changed := *i
		changed.Tags = slices.DeleteFunc(slices.Clone(i.Tags), func(t string) bool { return t == tag })
		if err := s.putImage(of, &changed); err != nil {
			return err
		}
		i.Tags = changed.Tags
	}
	return nil
}

// named returns the image of an ID; nil for none. The caller holds mu.
func (r *repository) named(id imageID) *image {
	for _, i := range r.images {
		if (id.Digest == "" || id.Digest == i.Digest) && (id.Tag == "" || slices.Contains(i.Tags, id.Tag)) && id != (imageID{}) {
			return i
		}
	}
	return nil
}

// ids are those of all images, sorted. An image with several tags has several.
func (r *repository) ids(status string) []imageID {
	list := []imageID{}
	for _, digest := range slices.Sorted(maps.Keys(r.images)) {
		tags := slices.Sorted(slices.Values(r.images[digest].Tags))
		if len(tags) == 0 && status != "TAGGED" {
			list = append(list, imageID{Digest: digest})
		}
		for _, tag := range tags {
			if status != "UNTAGGED" {
				list = append(list, imageID{digest, tag})
			}
		}
	}
	return list
}

func (s *Service) listImages(r *http.Request, in *input) (any, error) {
	found, err := s.find(r.Context(), "ListImages", in.RepositoryName)
	if err != nil {
		return nil, err
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	return page(in, "imageIds", found.ids(in.Filter.TagStatus), func(id imageID) string { return id.Digest + " " + id.Tag })
}

type detail struct {
	Registry   string        `json:"registryId"`
	Repository string        `json:"repositoryName"`
	Digest     string        `json:"imageDigest"`
	Tags       []string      `json:"imageTags,omitempty"`
	Size       int64         `json:"imageSizeInBytes"`
	Pushed     restjson.Time `json:"imagePushedAt"`
	MediaType  string        `json:"imageManifestMediaType"`
}

func (s *Service) describeImages(r *http.Request, in *input) (any, error) {
	found, err := s.find(r.Context(), "DescribeImages", in.RepositoryName)
	if err != nil {
		return nil, err
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	var images []*image
	for _, id := range in.ImageIDs {
		i := found.named(id)
		if i == nil {
			return nil, restjson.Errorf(codeImageNotFound, http.StatusBadRequest,
				"The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'", id.Digest, id.Tag, found.name, s.options.Account)
		}
		images = append(images, i)
	}
	if len(in.ImageIDs) == 0 {
		for _, digest := range slices.Sorted(maps.Keys(found.images)) {
			images = append(images, found.images[digest])
		}
	}
	list := []detail{}
	for _, i := range images {
		size := int64(len(i.Manifest))
		names, _, _ := i.content() // it was readable when it was pushed
		for _, name := range names {
			hash, _ := v1.NewHash(name) // so was this one
			n, _ := found.blobs.Stat(r.Context(), "", hash)
			size += n
		}
		list = append(list, detail{s.options.Account, found.name, i.Digest, i.Tags, size, restjson.Time(i.Pushed), i.MediaType})
	}
	return page(in, "imageDetails", list, func(d detail) string { return d.Digest })
}

type failure struct {
	ID     imageID `json:"imageId"`
	Code   string  `json:"failureCode"`
	Reason string  `json:"failureReason"`
}

func (s *Service) batchDeleteImage(r *http.Request, in *input) (any, error) {
	found, err := s.find(r.Context(), "BatchDeleteImage", in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if len(in.ImageIDs) == 0 || len(in.ImageIDs) > 100 {
		return nil, invalid("Invalid parameter at 'imageIds' failed to satisfy constraint: 'must have between 1 and 100 members'")
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	deleted, failures := []imageID{}, []failure{}
	for _, id := range in.ImageIDs {
		i := found.named(id)
		switch {
		case id == (imageID{}):
			failures = append(failures, failure{id, "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"})
			continue
		case i == nil:
			failures = append(failures, failure{id, "ImageNotFound", "Requested image not found"})
			continue
		}
		tags := i.Tags
		if id.Digest == "" {
			tags = []string{id.Tag}
		}
		if err := s.removeImage(r.Context(), found, i, tags); err != nil {
			return nil, err
		}
		for _, tag := range tags {
			deleted = append(deleted, imageID{i.Digest, tag})
		}
		if len(tags) == 0 {
			deleted = append(deleted, imageID{Digest: i.Digest})
		}
	}
	return map[string]any{"imageIds": deleted, "failures": failures}, nil
}

// removeImage removes tags from an image. An image without tags is deleted
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html).
func (s *Service) removeImage(ctx context.Context, of *repository, i *image, tags []string) error {
	left := slices.DeleteFunc(slices.Clone(i.Tags), func(tag string) bool { return slices.Contains(tags, tag) })
	if len(left) > 0 {
		changed := *i
		changed.Tags = left
		if err := s.putImage(of, &changed); err != nil {
			return err
		}
		i.Tags = left
		for _, tag := range tags {
			of.send(ctx, http.MethodDelete, tag, "", nil)
		}
		return nil
	}
	if err := s.options.Table.Delete(imageRecords + of.name + "@" + i.Digest); err != nil {
		return err
	}
	for _, reference := range append(slices.Clone(i.Tags), i.Digest) {
		of.send(ctx, http.MethodDelete, reference, "", nil)
	}
	delete(of.images, i.Digest)
	s.space.give(int64(len(i.Manifest)))
	// Blobs of no image may belong to an image that is being pushed.
	wanted, own := of.wanted(), []string{}
	names, _, _ := i.content() // it was readable when it was pushed
	for _, name := range names {
		if !wanted[name] {
			own = append(own, name)
		}
	}
	return of.blobs.remove(own)
}

// wanted are the digests of all blobs of images.
func (r *repository) wanted() map[string]bool {
	wanted := map[string]bool{}
	for _, i := range r.images {
		names, _, _ := i.content() // it was readable when it was pushed
		for _, name := range names {
			wanted[name] = true
		}
	}
	return wanted
}
