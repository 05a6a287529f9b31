package emulator_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/podidentity/epi/clusters/emulator"
	ecrservice "github.com/podidentity/epi/clusters/emulator/ecr"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// login returns what docker login does with a token of ECR's.
func login(t *testing.T, as *emulatortest.Clients) remote.Option {
	t.Helper()
	out, err := as.ECR.GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := strings.Cut(string(decoded), ":")
	if user != "AWS" {
		t.Errorf("user %q", user)
	}
	return remote.WithAuth(&authn.Basic{Username: user, Password: password})
}

func makeRepository(t *testing.T, f *emulatortest.Fixture, repository string) string {
	t.Helper()
	out, err := f.Admin().ECR.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &repository})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Repository.RepositoryUri
}

func reference(t *testing.T, text string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func randomImage(t *testing.T) v1.Image {
	t.Helper()
	image, err := random.Image(4<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// refusedWith is the code and the status of a registry's refusal.
func refusedWith(err error) (code string, status int) {
	if refusal, ok := errors.AsType[*transport.Error](err); ok {
		if len(refusal.Errors) > 0 {
			code = string(refusal.Errors[0].Code)
		}
		return code, refusal.StatusCode
	}
	return "", 0
}

func TestRegistry(t *testing.T) {
	f := emulatortest.Start(t).Fixture(t, "registry")
	uri, auth, ctx := makeRepository(t, f, "team/app"), login(t, f.Admin()), t.Context()
	first, second := randomImage(t), randomImage(t)
	for tag, image := range map[string]v1.Image{"one": first, "two": second, "again": second} {
		if err := remote.Write(reference(t, uri+":"+tag), image, auth); err != nil {
			t.Fatal(err)
		}
	}
	pulled, err := remote.Image(reference(t, uri+":two"), auth)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := second.Digest()
	if got, err := pulled.Digest(); err != nil || got != want {
		t.Errorf("pulled %s, pushed %s: %v", got, want, err)
	}
	layers, err := pulled.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("%v, %v", layers, err)
	}
	for _, layer := range layers {
		content, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		var all bytes.Buffer
		if _, err := all.ReadFrom(content); err != nil { // it verifies the digest
			t.Error(err)
		}
	}
	images := func() string {
		out, err := f.Admin().ECR.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: aws.String("team/app")})
		if err != nil {
			t.Fatal(err)
		}
		var tags []string
		for _, id := range out.ImageIds {
			tags = append(tags, aws.ToString(id.ImageTag))
		}
		return strings.Join(tags, " ")
	}
	if got := images(); !strings.Contains(got, "one") || len(strings.Fields(got)) != 3 {
		t.Errorf("images: %s", got)
	}
	// A tag moves to another image. The image that loses its only tag stays, without a tag.
	if err := remote.Write(reference(t, uri+":one"), second, auth); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(images()); len(got) != 3 {
		t.Errorf("images: %q", got)
	}
	digest, _ := first.Digest()
	out, err := f.Admin().ECR.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{
		RepositoryName: aws.String("team/app"), ImageIds: []ecrtypes.ImageIdentifier{{ImageDigest: aws.String(digest.String())}, {ImageTag: aws.String("none")}},
	})
	if err != nil || len(out.ImageIds) != 1 || len(out.Failures) != 1 || out.Failures[0].FailureCode != ecrtypes.ImageFailureCodeImageNotFound {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := remote.Image(reference(t, uri+"@"+digest.String()), auth); err == nil {
		t.Error("the deleted image is there")
	}
	// Blobs of one image alone are deleted with it. Blobs that others share stay.
	if _, err := remote.Image(reference(t, uri+":two"), auth); err != nil {
		t.Error(err)
	}
	_, err = f.Admin().ECR.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("team/app")})
	if _, ok := errors.AsType[*ecrtypes.RepositoryNotEmptyException](err); !ok {
		t.Errorf("a repository with images is deleted without force: %v", err)
	}
	if _, err := f.Admin().ECR.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("team/app"), Force: true}); err != nil {
		t.Fatal(err)
	}
	if code, status := refusedWith(remote.Write(reference(t, uri+":two"), second, auth)); code != "NAME_UNKNOWN" || status != http.StatusNotFound {
		t.Errorf("%s %d", code, status)
	}
}

func TestRegistryPermissions(t *testing.T) {
	f := emulatortest.Start(t).Fixture(t, "permissions")
	uri, image := makeRepository(t, f, "app"), randomImage(t)
	if err := remote.Write(reference(t, uri+":v1"), image, login(t, f.Admin())); err != nil {
		t.Fatal(err)
	}
	// The rows of https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html, each without one of the
	// actions.
	const all = `"ecr:GetAuthorizationToken","ecr:BatchCheckLayerAvailability","ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"`
	puller := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":[` + all + `],"Resource":"*"}}`)
	auth := login(t, puller)
	if _, err := remote.Image(reference(t, uri+":v1"), auth); err != nil {
		t.Errorf("pull: %v", err)
	}
	err := remote.Write(reference(t, uri+":v2"), randomImage(t), auth)
	if code, status := refusedWith(err); code != "DENIED" || status != http.StatusForbidden || !strings.Contains(err.Error(), "ecr:InitiateLayerUpload") {
		t.Errorf("push: %v", err)
	}
	for name, header := range map[string]string{
		"no password": "", "a wrong password": "Basic " + base64.StdEncoding.EncodeToString([]byte("AWS:x")),
		"a bearer": "Bearer x",
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL+"/v2/app/blobs/uploads/", strings.NewReader(strings.Repeat("x", 1<<20)))
			if err != nil {
				t.Fatal(err)
			}
			if header != "" {
				request.Header.Set("Authorization", header)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(response.Header.Get("Www-Authenticate"), "Basic realm=") {
				t.Errorf("%s, %q", response.Status, response.Header.Get("Www-Authenticate"))
			}
		})
	}
	f.SetClock(ecrservice.TokenLife)
	defer f.SetClock(0)
	if _, status := refusedWith(last(remote.Image(reference(t, uri+":v1"), auth))); status != http.StatusUnauthorized {
		t.Errorf("a token of 12 hours ago is good: %d", status)
	}
}

func last[T any](_ T, err error) error { return err }

// TestRegistryAfterRestart: images and tokens survive the process.
func TestRegistryAfterRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	start := func() (*emulatortest.Fixture, func()) {
		state, err := store.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		return emulatortest.StartWith(t, func(o *emulator.Options) { o.State = state }).Fixture(t, "restart"), func() {
			if err := state.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	f, stop := start()
	auth, image := login(t, f.Admin()), randomImage(t)
	uri := makeRepository(t, f, "app")
	if err := remote.Write(reference(t, uri+":v1"), image, auth); err != nil {
		t.Fatal(err)
	}
	index, err := random.Index(1<<10, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(reference(t, uri+":index"), index, auth); err != nil {
		t.Fatal(err)
	}
	stop()
	f, stop = start()
	defer stop()
	uri = strings.TrimPrefix(f.URL, "http://") + "/app"
	pulled, err := remote.Image(reference(t, uri+":v1"), auth)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := image.Digest()
	if got, err := pulled.Digest(); err != nil || got != want {
		t.Errorf("pulled %s, pushed %s: %v", got, want, err)
	}
	if _, err := remote.Index(reference(t, uri+":index"), auth); err != nil {
		t.Error(err)
	}
}
