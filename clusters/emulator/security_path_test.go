package emulator_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// shelf has a bucket with one object that a caller may not read and one that it may, and a bucket of another owner.
type shelf struct {
	bucket, other string
	caller        *emulatortest.Clients
}

const hidden = "what nobody may read"

func (x *target) shelf() shelf {
	x.Helper()
	name := x.Name
	s := shelf{bucket: x.Bucket()}
	x.Object(s.bucket, "secret", hidden)
	x.Object(s.bucket, "epi/own", "own")
	x.Fixture = x.Server.Fixture(x.T, name+"-other")
	s.other = x.Bucket()
	x.Object(s.other, "epi/secret", hidden)
	x.hide(hidden)
	s.caller = x.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::` + s.bucket + `/epi/*"}}`)
	x.must(x.Send(x.Context(), s.caller, emulatortest.Request{Service: "s3", Method: http.MethodGet, Path: "/" + s.bucket + "/epi/own"}))
	return s
}

// unharmed checks that only the caller's own keys were written or deleted.
func (x *target) unharmed(s shelf) {
	x.Helper()
	answer, body := x.wire.last()
	defer x.wire.set(answer, body)
	for bucket, key := range map[string]string{s.bucket: "secret", s.other: "epi/secret"} {
		out, err := x.Admin().S3.GetObject(x.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		x.must(err)
		text, err := io.ReadAll(out.Body)
		x.must(err)
		if string(text) != hidden {
			x.Errorf("%s/%s is now %q", bucket, key, text)
		}
		list, err := x.Admin().S3.ListObjectsV2(x.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
		x.must(err)
		for _, object := range list.Contents {
			own := bucket == s.bucket && strings.HasPrefix(*object.Key, "epi/")
			if *object.Key != key && !own {
				x.Errorf("%s has the key %q", bucket, *object.Key)
			}
		}
	}
}

// knock sends a path as it is. The signature covers the path's canonical form, with everything escaped that is not
// unreserved. Both sides derive that form from any other.
func (x *target) knock(who *emulatortest.Clients, method, path string) {
	x.Helper()
	decoded, err := url.PathUnescape(path)
	x.must(err)
	canonical := strings.ReplaceAll(url.QueryEscape(decoded), "+", "%20")
	x.try(who, emulatortest.Request{
		Service: "s3", Method: method, Path: strings.NewReplacer("%2F", "/", "%7E", "~").Replace(canonical),
		Tamper: func(out *http.Request) {
			out.URL.RawPath = path
			if sent := out.URL.EscapedPath(); sent != path {
				x.Fatalf("the path would be sent as %s", sent)
			}
		},
	})
}

// keyAttacks are paths that would reach other keys if the emulator resolved them. In S3 dots and repeated slashes are
// characters of a key (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
func keyAttacks() []attack {
	denied := refusal{403, "AccessDenied"}
	var rows []attack
	// BUCKET and OTHER stand for the two buckets. The keys under the caller's prefix do not exist, which the caller may not
	// learn without s3:ListBucket.
	for _, path := range []string{
		"/BUCKET/epi/../secret", "/BUCKET/epi/%2e%2e/secret", "/BUCKET/epi/%2E%2E%2Fsecret", "/BUCKET/epi%2F..%2Fsecret", "/BUCKET/epi/..%5csecret",
		"/BUCKET/epi/./../secret", "/BUCKET/epi//../secret", "/BUCKET/epi/..;/secret", "/BUCKET/epi/%252e%252e/secret",
		"/BUCKET/epi/../../OTHER/epi/secret", "/BUCKET/epi/../../../../etc/passwd",
		"/BUCKET//secret", "/BUCKET/./secret", "/BUCKET/%2fsecret", "/BUCKET/secret", "/BUCKET/secret/", "/BUCKET/EPI/own", "/BUCKET/epi",
		"/OTHER/../BUCKET/epi/own", "/OTHER/epi/../../BUCKET/epi/own", "/OTHER/epi/secret", "/OTHER/BUCKET/epi/own",
	} {
		at := func(s shelf) string { return strings.NewReplacer("BUCKET", s.bucket, "OTHER", s.other).Replace(path) }
		rows = append(
			rows,
			attack{"s3: GET " + path, func(x *target) {
				s := x.shelf()
				x.knock(s.caller, http.MethodGet, at(s))
			}, denied},
			attack{"s3: a copy of " + path, func(x *target) {
				s := x.shelf()
				x.wire.set(refusal{}, "")
				_, _ = s.caller.S3.CopyObject(x.Context(), &s3.CopyObjectInput{ // the answer is read from the wire
					Bucket: &s.bucket, Key: aws.String("epi/copy"), CopySource: aws.String(at(s)),
				})
				x.unharmed(s)
			}, denied},
		)
	}
	for _, path := range []string{"/BUCKET//secret", "/BUCKET/./secret", "/BUCKET/%2fsecret", "/BUCKET/../OTHER/epi/secret", "/BUCKET/%2e%2e/OTHER/epi/secret", "/OTHER/../BUCKET/epi/own"} {
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			rows = append(rows, attack{"s3: " + method + " " + path, func(x *target) {
				s := x.shelf()
				x.knock(s.caller, method, strings.NewReplacer("BUCKET", s.bucket, "OTHER", s.other).Replace(path))
				x.unharmed(s)
			}, denied})
		}
	}
	for path, want := range map[string]refusal{
		"//BUCKET/epi/own": {400, "InvalidBucketName"}, "/../BUCKET/epi/own": {400, "InvalidBucketName"}, "/%2e%2e/BUCKET/epi/own": {400, "InvalidBucketName"},
		"/./BUCKET/epi/own": {400, "InvalidBucketName"}, "/*/epi/own": {400, "InvalidBucketName"}, "/BUCKET%00/epi/own": {400, "InvalidBucketName"},
		"/BUCKET/epi/own%00": {400, "InvalidURI"}, "/BUCKET/epi/%c0%ae%c0%ae/secret": {400, "InvalidURI"}, "/BUCKET/epi/%ff": {400, "InvalidURI"},
		"/BUCKET/epi/" + strings.Repeat("x", 1021): {400, "KeyTooLongError"},
	} {
		name := path[:min(len(path), 40)]
		rows = append(rows, attack{"s3: " + name, func(x *target) {
			s := x.shelf()
			x.knock(s.caller, http.MethodGet, strings.NewReplacer("BUCKET", s.bucket).Replace(path))
		}, want})
	}
	return append(
		rows,
		attack{"s3: what was put under ../ is read at where that would lead", func(x *target) {
			s := x.shelf()
			put := emulatortest.Request{Service: "s3", Method: http.MethodPut, Path: "/" + s.bucket + "/epi/../secret", Body: "written through"}
			x.must(x.Send(x.Context(), s.caller, put)) // a key of the caller's own, which S3 accepts
			x.unharmed(s)
			list, err := x.Admin().S3.ListObjectsV2(x.Context(), &s3.ListObjectsV2Input{Bucket: &s.bucket})
			x.must(err)
			var keys []string
			for _, object := range list.Contents {
				keys = append(keys, *object.Key)
			}
			if want := []string{"epi/../secret", "epi/own", "secret"}; !slices.Equal(keys, want) {
				x.Errorf("the bucket has %q, want %q", keys, want)
			}
			x.try(s.caller, emulatortest.Request{Service: "s3", Method: http.MethodGet, Path: "/" + s.bucket + "/secret"})
		}, denied},
		attack{"s3: a list of all keys by a prefix with ../", func(x *target) {
			s := x.shelf()
			_, err := x.Admin().IAM.PutUserPolicy(x.Context(), userPolicy(x.Name+"-user", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket",
				"Resource":"arn:aws:s3:::`+s.bucket+`","Condition":{"StringLike":{"s3:prefix":"epi/*"}}}}`))
			x.must(err)
			list := emulatortest.Request{Service: "s3", Method: http.MethodGet, Path: "/" + s.bucket + "?list-type=2&prefix=epi%2F..%2F"}
			x.must(x.Send(x.Context(), s.caller, list))
			if _, body := x.wire.last(); strings.Contains(body, "<Key>") {
				x.Errorf("the list has keys: %s", body)
			}
			list.Path = "/" + s.bucket + "?list-type=2&prefix=epi%2F&prefix="
			x.try(s.caller, list)
		}, refusal{400, "InvalidArgument"}},
		attack{"s3: another object among those of DeleteObjects", func(x *target) {
			s := x.shelf()
			out, err := s.caller.S3.DeleteObjects(x.Context(), &s3.DeleteObjectsInput{Bucket: &s.bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
				{Key: aws.String("secret")}, {Key: aws.String("epi/../../secret")}, {Key: aws.String("epi/own")},
			}}})
			x.must(err)
			if len(out.Errors) != 1 || *out.Errors[0].Key != "secret" || *out.Errors[0].Code != "AccessDenied" {
				x.Errorf("errors = %+v", out.Errors)
			}
			x.unharmed(s)
			x.knock(s.caller, http.MethodDelete, "/"+s.bucket+"/secret")
		}, denied},
	)
}
