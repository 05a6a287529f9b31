package emulator_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// A form may do what its signer may do, within its policy.
func TestFormsAreTheirSigners(t *testing.T) {
	server := emulatortest.Start(t)
	f := server.Fixture(t, "forms")
	bucket := f.Bucket()
	writer := server.Fixture(t, "writer").User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::` + bucket + `/user/*",
		"Condition":{"StringEquals":{"s3:authType":"POST"}}}}`)
	nobody := server.Fixture(t, "nobody").Unprivileged()
	post := func(who *emulatortest.Clients, key, filename string, more ...emulatortest.Field) (int, http.Header, string) {
		t.Helper()
		conditions := []any{[]any{"starts-with", "$key", ""}}
		for _, field := range more {
			conditions = append(conditions, []any{"eq", "$" + field.Name, field.Value})
		}
		presigned, err := s3.NewPresignClient(who.S3).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key}, func(o *s3.PresignPostOptions) {
			o.Conditions, o.Expires = conditions, time.Minute
		})
		if err != nil {
			t.Fatal(err)
		}
		fields := []emulatortest.Field{{Name: "key", Value: key}}
		for name, value := range presigned.Values {
			if name != "key" {
				fields = append(fields, emulatortest.Field{Name: name, Value: value})
			}
		}
		status, header, body, err := emulatortest.PostForm(context.Background(), server.HTTP, server.URL+"/"+bucket, append(fields, more...), filename, "text of the file")
		if err != nil {
			t.Fatal(err)
		}
		return status, header, body
	}
	if status, _, body := post(writer, "user/${filename}", "a.txt", emulatortest.Field{Name: "Content-Type", Value: "text/x"}, emulatortest.Field{Name: "x-amz-meta-color", Value: "red"}); status != http.StatusNoContent {
		t.Errorf("got %d %s", status, body)
	}
	head, err := f.Admin().S3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("user/a.txt")})
	if err != nil || *head.ContentLength != 16 || *head.ContentType != "text/x" || head.Metadata["color"] != "red" {
		t.Errorf("got %+v, %v", head, err)
	}
	if status, _, body := post(writer, "others/${filename}", "a.txt"); status != http.StatusForbidden || !strings.Contains(body, "s3:PutObject") {
		t.Errorf("got %d %s", status, body)
	}
	if status, _, body := post(nobody, "user/x", "a.txt"); status != http.StatusForbidden {
		t.Errorf("got %d %s", status, body)
	}
	if status, header, body := post(writer, "user/b", "", emulatortest.Field{Name: "success_action_status", Value: "201"}); status != http.StatusCreated || !strings.Contains(body, "<Key>user/b</Key>") || header.Get("Location") == "" {
		t.Errorf("got %d %s", status, body)
	}
	redirected := *server.HTTP
	redirected.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	server.HTTP = &redirected
	if status, header, body := post(writer, "user/c", "", emulatortest.Field{Name: "success_action_redirect", Value: "http://127.0.0.1/done?a=b"}); status != http.StatusSeeOther ||
		!strings.HasPrefix(header.Get("Location"), "http://127.0.0.1/done?a=b&bucket=") {
		t.Errorf("got %d %v %s", status, header, body)
	}
	// A tag needs its own permission.
	const tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
	if status, _, body := post(writer, "user/d", "", emulatortest.Field{Name: "tagging", Value: tags}); status != http.StatusForbidden || !strings.Contains(body, "s3:PutObjectTagging") {
		t.Errorf("got %d %s", status, body)
	}
	if status, _, body := post(f.Admin(), "user/d", "", emulatortest.Field{Name: "tagging", Value: tags}); status != http.StatusNoContent {
		t.Errorf("got %d %s", status, body)
	}
	// Without a policy the form is anonymous.
	status, _, body, err := emulatortest.PostForm(t.Context(), server.HTTP, server.URL+"/"+bucket, []emulatortest.Field{{Name: "key", Value: "user/e"}}, "", "x")
	if err != nil || status != http.StatusForbidden || !strings.Contains(body, "AccessDenied") {
		t.Errorf("got %d %s, %v", status, body, err)
	}
}

// A bucket that requires TLS cannot be used, not even by its owner, where there is no TLS.
func TestALockedBucketSaysHowToGetOut(t *testing.T) {
	server := emulatortest.Start(t)
	f := server.Fixture(t, "locked")
	bucket := f.Bucket()
	document := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::` + bucket + `","arn:aws:s3:::` + bucket + `/*"],
		"Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`
	if _, err := f.Admin().S3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &document}); err != nil {
		t.Fatal(err)
	}
	_, err := f.Admin().S3.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: &bucket})
	if err == nil || !strings.Contains(err.Error(), "--tls") || !strings.Contains(err.Error(), "/v1/reset") {
		t.Errorf("got %v", err)
	}
	_, err = server.Fixture(t, "nobody").Unprivileged().S3.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &bucket})
	if err == nil || strings.Contains(err.Error(), "--tls") {
		t.Errorf("who may do nothing gets %v", err)
	}
}
