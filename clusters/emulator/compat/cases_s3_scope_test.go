package compat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	s3service "github.com/podidentity/epi/clusters/emulator/s3"
)

// s3ScopeCases ask for each feature that is out of scope.
func s3ScopeCases() []testCase {
	var list []testCase
	for _, feature := range s3service.Scope() {
		for _, request := range feature.Requests {
			list = append(list, testCase{"s3", anyOperation, "out of scope: " + request.Text(), refused(501, "NotImplemented"), func(ctx context.Context, f *fixture) error {
				path := "/" + *f.object()
				if request.Object {
					path += "/" + key
				}
				sent := emulatortest.Request{Service: "s3", Method: request.Method, Path: path}
				if request.Query != "" {
					sent.Path += "?" + request.Query
				}
				if request.Header != "" {
					sent.Header = http.Header{request.Header: {request.Value}}
				}
				return f.Send(ctx, f.Admin(), sent)
			}})
		}
	}
	return list
}

// s3FormCases: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
func s3FormCases() []testCase {
	post := func(change func(f *fixture, fields map[string]string), conditions []any, file string) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			bucket := f.Bucket()
			presigned, err := s3.NewPresignClient(f.Admin().S3).PresignPostObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("user/${filename}")}, func(o *s3.PresignPostOptions) {
				o.Conditions, o.Expires = conditions, time.Minute
			})
			if err != nil {
				return err
			}
			presigned.Values["key"] = "user/${filename}"
			if change != nil {
				change(f, presigned.Values)
			}
			var fields []emulatortest.Field
			for name, value := range presigned.Values {
				fields = append(fields, emulatortest.Field{Name: name, Value: value})
			}
			status, _, body, err := emulatortest.PostForm(ctx, f.HTTP, f.URL+"/"+bucket, fields, "a.txt", file)
			if err == nil && status >= 300 {
				err = fmt.Errorf("%d %s", status, body)
			}
			return err
		}
	}
	set := func(name, value string) func(*fixture, map[string]string) {
		return func(_ *fixture, fields map[string]string) { fields[name] = value }
	}
	starts := []any{[]any{"starts-with", "$key", "user/"}}
	ranged := []any{[]any{"starts-with", "$key", "user/"}, []any{"content-length-range", 1, 5}}
	return []testCase{
		{"s3", "PostObject", "a form with a signed policy", accepted, post(nil, starts, "text")},
		{"s3", "PostObject", "a form that asks for status 201", accepted, post(set("success_action_status", "201"), append([]any{map[string]string{"success_action_status": "201"}}, starts...), "text")},
		{"s3", "PostObject", "a file of the length that the policy wants", accepted, post(nil, ranged, "text")},
		{"s3", "PostObject", "a file that is too long for the policy", refused(400, "EntityTooLarge"), post(nil, ranged, "a longer text")},
		{"s3", "PostObject", "a file that is too short for the policy", refused(400, "EntityTooSmall"), post(nil, ranged, "")},
		{"s3", "PostObject", "a field that is not the one of the policy", refused(403, "AccessDenied"), post(set("key", "others/x"), starts, "text")},
		{"s3", "PostObject", "a field that the policy does not name", refused(403, "AccessDenied"), post(set("x-amz-meta-a", "b"), starts, "text")},
		{"s3", "PostObject", "a policy by another secret key", refused(403, "SignatureDoesNotMatch"), post(set("X-Amz-Signature", strings.Repeat("0", 64)), starts, "text")},
		{"s3", "PostObject", "a policy that has expired", refused(403, "AccessDenied"), post(func(f *fixture, _ map[string]string) { f.SetClock(2 * time.Minute) }, starts, "text")},
		{"s3", "PostObject", "a form without a key", refused(400, "InvalidArgument"), post(func(_ *fixture, fields map[string]string) { delete(fields, "key") }, starts, "text")},
		{"s3", "PostObject", "a policy of Signature Version 2", refused(400, "InvalidRequest"), post(func(_ *fixture, fields map[string]string) {
			for name := range fields {
				if strings.HasPrefix(name, "X-Amz-") {
					delete(fields, name)
				}
			}
			fields["AWSAccessKeyId"], fields["signature"] = "AKIAEPIEXAMPLE000000", "c2lnbmF0dXJl"
		}, starts, "text")},
		{"s3", anyOperation, "a URL presigned with Signature Version 2", refused(400, "InvalidRequest"), func(ctx context.Context, f *fixture) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+"/"+*f.object()+"/"+key+"?AWSAccessKeyId=AKIAEPIEXAMPLE000000&Signature=c2ln&Expires=2000000000", nil)
			if err != nil {
				return err
			}
			response, err := f.HTTP.Do(request)
			if err != nil {
				return err
			}
			_ = response.Body.Close() // the recorder has read the body
			if response.StatusCode >= http.StatusBadRequest {
				return errors.New(response.Status)
			}
			return nil
		}},
	}
}
