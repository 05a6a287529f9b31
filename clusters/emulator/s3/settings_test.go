package s3_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/s3"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

// What Terraform's provider reads of a new bucket. Each row is from that operation's page of the API reference.
func TestNewBucketSettings(t *testing.T) {
	c, server := setUp(t)
	ctx, bucket := t.Context(), aws.String("bucket")
	for code, read := range map[string]func() error{
		"NoSuchLifecycleConfiguration": func() error {
			return second(c.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: bucket}))
		},
		"NoSuchCORSConfiguration":    func() error { return second(c.GetBucketCors(ctx, &sdk.GetBucketCorsInput{Bucket: bucket})) },
		"NoSuchWebsiteConfiguration": func() error { return second(c.GetBucketWebsite(ctx, &sdk.GetBucketWebsiteInput{Bucket: bucket})) },
		"ReplicationConfigurationNotFoundError": func() error {
			return second(c.GetBucketReplication(ctx, &sdk.GetBucketReplicationInput{Bucket: bucket}))
		},
		"ObjectLockConfigurationNotFoundError": func() error {
			return second(c.GetObjectLockConfiguration(ctx, &sdk.GetObjectLockConfigurationInput{Bucket: bucket}))
		},
	} {
		wantError(t, read(), code, 404)
	}
	encryption, err := c.GetBucketEncryption(ctx, &sdk.GetBucketEncryptionInput{Bucket: bucket})
	if err != nil || encryption.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAes256 {
		t.Errorf("encryption %+v, %v", encryption, err)
	}
	logging, err := c.GetBucketLogging(ctx, &sdk.GetBucketLoggingInput{Bucket: bucket})
	if err != nil || logging.LoggingEnabled != nil {
		t.Errorf("logging %+v, %v", logging, err)
	}
	notification, err := c.GetBucketNotificationConfiguration(ctx, &sdk.GetBucketNotificationConfigurationInput{Bucket: bucket})
	if err != nil || len(notification.QueueConfigurations) != 0 {
		t.Errorf("notification %+v, %v", notification, err)
	}
	payer, err := c.GetBucketRequestPayment(ctx, &sdk.GetBucketRequestPaymentInput{Bucket: bucket})
	if err != nil || payer.Payer != types.PayerBucketOwner {
		t.Errorf("payer %+v, %v", payer, err)
	}
	accelerate, err := c.GetBucketAccelerateConfiguration(ctx, &sdk.GetBucketAccelerateConfigurationInput{Bucket: bucket})
	if err != nil || accelerate.Status != "" {
		t.Errorf("accelerate %+v, %v", accelerate, err)
	}
	acl, err := c.GetBucketAcl(ctx, &sdk.GetBucketAclInput{Bucket: bucket})
	if err != nil || len(acl.Grants) != 1 || acl.Grants[0].Permission != types.PermissionFullControl || *acl.Grants[0].Grantee.ID != *acl.Owner.ID || acl.Grants[0].Grantee.Type != types.TypeCanonicalUser {
		t.Errorf("ACL %+v, %v", acl, err)
	}
	object, err := c.GetObjectAcl(ctx, &sdk.GetObjectAclInput{Bucket: bucket, Key: aws.String("top.txt")})
	if err != nil || *object.Owner.ID != *acl.Owner.ID || len(*acl.Owner.ID) != 64 {
		t.Errorf("ACL %+v, %v", object, err)
	}
	_, err = c.GetObjectAcl(ctx, &sdk.GetObjectAclInput{Bucket: bucket, Key: aws.String("missing")})
	wantError(t, err, "NoSuchKey", 404)
	// These reads need a permission too.
	denied := session(t, server, allowing(`"s3:ListBucket"`, "*"), nil)
	_, err = denied.GetBucketEncryption(ctx, &sdk.GetBucketEncryptionInput{Bucket: bucket})
	wantError(t, err, "AccessDenied", 403)
}

func second[T any](_ T, err error) error { return err }

func TestOwnershipControls(t *testing.T) {
	// about-object-ownership.
	c, _ := setUp(t)
	ctx, bucket := t.Context(), aws.String("bucket")
	ownership := func() (types.ObjectOwnership, error) {
		out, err := c.GetBucketOwnershipControls(ctx, &sdk.GetBucketOwnershipControlsInput{Bucket: bucket})
		if err != nil {
			return "", err
		}
		return out.OwnershipControls.Rules[0].ObjectOwnership, nil
	}
	if got, err := ownership(); err != nil || got != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("%s, %v", got, err)
	}
	public := func() error {
		return second(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("x"), ACL: types.ObjectCannedACLPublicRead}))
	}
	wantError(t, public(), "AccessControlListNotSupported", 400)
	set := func(ownership types.ObjectOwnership) error {
		return second(c.PutBucketOwnershipControls(ctx, &sdk.PutBucketOwnershipControlsInput{Bucket: bucket, OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: ownership}}}}))
	}
	wantError(t, set("Nobody"), "MalformedXML", 400)
	wantError(t, set(types.ObjectOwnershipObjectWriter), "", 0)
	if got, err := ownership(); err != nil || got != types.ObjectOwnershipObjectWriter {
		t.Errorf("%s, %v", got, err)
	}
	wantError(t, public(), "NotImplemented", 501)
	_, err := c.DeleteBucketOwnershipControls(ctx, &sdk.DeleteBucketOwnershipControlsInput{Bucket: bucket})
	wantError(t, err, "", 0)
	_, err = ownership()
	wantError(t, err, "OwnershipControlsNotFoundError", 404)
}

func TestCreateBucket(t *testing.T) {
	// CreateBucket.
	c, server := setUp(t)
	create := func(c *sdk.Client, change func(*sdk.CreateBucketInput)) error {
		in := &sdk.CreateBucketInput{Bucket: aws.String("another"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: iamtest.Region}}
		change(in)
		_, err := c.CreateBucket(t.Context(), in)
		return err
	}
	for name, test := range map[string]struct {
		change func(*sdk.CreateBucketInput)
		code   string
		status int
	}{
		"a public ACL":      {func(in *sdk.CreateBucketInput) { in.ACL = types.BucketCannedACLPublicRead }, "InvalidBucketAclWithObjectOwnership", 400},
		"unknown ownership": {func(in *sdk.CreateBucketInput) { in.ObjectOwnership = "Nobody" }, "InvalidArgument", 400},
		"object lock":       {func(in *sdk.CreateBucketInput) { in.ObjectLockEnabledForBucket = aws.Bool(true) }, "NotImplemented", 501},
		"a system tag":      {func(in *sdk.CreateBucketInput) { in.CreateBucketConfiguration.Tags = tagSet(1, "aws:%d", "v").TagSet }, "InvalidTag", 400},
		"a directory bucket": {func(in *sdk.CreateBucketInput) {
			in.CreateBucketConfiguration.Bucket = &types.BucketInfo{DataRedundancy: types.DataRedundancySingleAvailabilityZone}
		}, "NotImplemented", 501},
		"all that there is": {func(in *sdk.CreateBucketInput) {
			in.ACL, in.ObjectOwnership, in.CreateBucketConfiguration.Tags = types.BucketCannedACLPrivate, types.ObjectOwnershipBucketOwnerPreferred, tagSet(2, "k%d", "v").TagSet
		}, "", 0},
	} {
		err := create(c, test.change)
		if wantError(t, err, test.code, test.status); t.Failed() {
			t.Log(name)
		}
	}
	out, err := c.GetBucketTagging(t.Context(), &sdk.GetBucketTaggingInput{Bucket: aws.String("another")})
	if err != nil || len(out.TagSet) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
	// Tags and ownership have permissions of their own.
	plain := session(t, server, allowing(`"s3:CreateBucket"`, "*"), nil)
	for _, change := range []func(*sdk.CreateBucketInput){
		func(in *sdk.CreateBucketInput) { in.CreateBucketConfiguration.Tags = tagSet(1, "k%d", "v").TagSet },
		func(in *sdk.CreateBucketInput) { in.ObjectOwnership = types.ObjectOwnershipBucketOwnerEnforced },
	} {
		wantError(t, create(plain, func(in *sdk.CreateBucketInput) {
			change(in)
			in.Bucket = aws.String("theirs")
		}), "AccessDenied", 403)
	}
}

func TestListBuckets(t *testing.T) {
	// ListBuckets: max-buckets, continuation-token, prefix, bucket-region.
	c, _ := setUp(t)
	for _, name := range []string{"a-1", "a-2", "a-3"} {
		makeBucket(t, c, name)
	}
	var names []string
	pages := sdk.NewListBucketsPaginator(c, &sdk.ListBucketsInput{MaxBuckets: aws.Int32(2), Prefix: aws.String("a-")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.Buckets {
			names = append(names, *b.Name)
		}
	}
	if !slices.Equal(names, []string{"a-1", "a-2", "a-3"}) {
		t.Errorf("names %v", names)
	}
	out, err := c.ListBuckets(t.Context(), &sdk.ListBucketsInput{BucketRegion: aws.String("eu-west-1")})
	if err != nil || len(out.Buckets) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = c.ListBuckets(t.Context(), &sdk.ListBucketsInput{MaxBuckets: aws.Int32(0)})
	wantError(t, err, "InvalidArgument", 400)
	_, err = c.ListBuckets(t.Context(), &sdk.ListBucketsInput{ContinuationToken: aws.String("x")})
	wantError(t, err, "InvalidArgument", 400)
}

func TestListingParameters(t *testing.T) {
	// ListObjects, ListObjectsV2.
	c, server := setUp(t)
	put(t, c, "a b+c/ü&<>", "x")
	for target, want := range map[string][]string{
		"?list-type=2&max-keys=0":                    {"<KeyCount>0</KeyCount>", "<MaxKeys>0</MaxKeys>", "<IsTruncated>false</IsTruncated>"},
		"?list-type=2&max-keys=5000":                 {"<KeyCount>4</KeyCount>", "<MaxKeys>1000</MaxKeys>"},
		"?list-type=2&delimiter=/":                   {"<KeyCount>3</KeyCount>", "<CommonPrefixes><Prefix>a b+c/</Prefix></CommonPrefixes>", "<Key>top.txt</Key>"},
		"?list-type=2&encoding-type=url&prefix=a%20": {"<Key>a+b%2Bc/%C3%BC%26%3C%3E</Key>", "<Prefix>a+</Prefix>", "<EncodingType>url</EncodingType>"},
		"?list-type=2&start-after=epi/hoge/test.txt": {"<StartAfter>epi/hoge/test.txt</StartAfter>", "<KeyCount>1</KeyCount>"},
		"?list-type=2&fetch-owner=true&prefix=top":   {"<Owner><ID>"},
		"?prefix=top": {"<Owner><ID>", "<Marker></Marker>", "<ETag>&#34;c129ca6f8897438f32e9feb27d5724d4&#34;</ETag>", "<StorageClass>STANDARD</StorageClass>"},
		"?max-keys=1&delimiter=/&encoding-type=url":            {"<NextMarker>a+b%2Bc/</NextMarker>", "<IsTruncated>true</IsTruncated>"},
		"?max-keys=1&delimiter=/&marker=a%20b%2Bc/":            {"<NextMarker>epi/</NextMarker>", "<Marker>a b+c/</Marker>"},
		"?max-keys=1&marker=epi/hoge/test.txt&delimiter=":      {"<Key>top.txt</Key>", "<IsTruncated>false</IsTruncated>"},
		"?versions&max-keys=1&encoding-type=url":               {"<Version><Key>a+b%2Bc/%C3%BC%26%3C%3E</Key>", "<NextVersionIdMarker>null</NextVersionIdMarker>"},
		"?list-type=2&max-keys=-1":                             {"<Code>InvalidArgument</Code>"},
		"?list-type=2&max-keys=x":                              {"<Code>InvalidArgument</Code>"},
		"?list-type=2&encoding-type=base64":                    {"<Code>InvalidArgument</Code>"},
		"?list-type=2&continuation-token=junk":                 {"<Code>InvalidArgument</Code>"},
		"?list-type=1":                                         {"<Code>InvalidArgument</Code>"},
		"?list-type=2&prefix=a&prefix=b":                       {"<Code>InvalidArgument</Code>"},
		"?uploads&max-uploads=x":                               {"<Code>InvalidArgument</Code>"},
		"?uploads&max-uploads=0":                               {"<MaxUploads>0</MaxUploads>", "<IsTruncated>false</IsTruncated>"},
		"?versions&key-marker=epi/hoge/test.txt&max-keys=1000": {"<KeyMarker>epi/hoge/test.txt</KeyMarker>", "<Key>top.txt</Key>"},
	} {
		status, body := raw(t, server, http.MethodGet, "/bucket"+target, nil)
		for _, part := range want {
			if !strings.Contains(body, part) {
				t.Errorf("%s: no %s in %d %s", target, part, status, body)
			}
		}
	}
	if status, body := raw(t, server, http.MethodGet, "/bucket?list-type=2&max-keys=1", nil); status != 200 || strings.Contains(body, "xmlns=\"\"") || strings.Contains(body, "<Owner>") {
		t.Errorf("%d %s", status, body)
	}
}

// table is an objects.Table in memory.
type table map[string][]byte

func (t table) Put(key string, value []byte) error {
	t[key] = slices.Clone(value)
	return nil
}

func (t table) Delete(key string) error {
	delete(t, key)
	return nil
}

func (t table) Each(visit func(key string, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(t)) {
		if err := visit(key, t[key]); err != nil {
			return err
		}
	}
	return nil
}

func TestRestart(t *testing.T) {
	tables := objects.Tables{Buckets: table{}, Objects: table{}, Contents: table{}, Uploads: table{}}
	before, _ := serveHandler(t, s3.Options{Tables: tables})
	c := clientOf(before.Admin())
	makeBucket(t, c, "bucket")
	put(t, c, "k", "text")
	openUp(t, c)
	wantError(t, setPolicy(t.Context(), c, `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}`), "", 0)

	after, _ := serveHandler(t, s3.Options{Tables: tables})
	if text, err := get(t.Context(), anonymous(after), "k"); err != nil || text != "text" {
		t.Errorf("%q, %v", text, err)
	}
	tables.Contents = table{}
	if _, err := s3.NewHandler(s3.Options{Authorizer: after.Accounts, Region: iamtest.Region, Tables: tables}); err == nil {
		t.Error("a store without its contents is loaded")
	}
}

// A fault applies once the operation is known, before anything is looked up.
func TestFaults(t *testing.T) {
	_, handler := serveHandler(t, s3.Options{})
	set := faults.New(faults.Options{Now: time.Now})
	if _, err := set.Add(faults.Rule{Operation: "GetObject", Error: &faults.Refusal{Kind: faults.Throttling}}); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]struct {
		status int
		code   string
	}{
		"/no-such-bucket/k": {503, "SlowDown"}, "/no-such-bucket/k?tagging": {404, "NoSuchBucket"}, "/no-such-bucket/k?torrent": {501, "NotImplemented"},
	} {
		call := &journal.Call{Service: "s3"}
		w := &sink{header: http.Header{}}
		r, err := http.NewRequestWithContext(faults.NewContext(journal.NewContext(t.Context(), call), set), http.MethodGet, "http://emu"+target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if handler.ServeHTTP(w, r); w.status != want.status || call.ErrorCode != want.code {
			t.Errorf("%s: %d %s", target, w.status, call.ErrorCode)
		}
	}
}
