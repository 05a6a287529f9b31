package s3

import "testing"

func TestVirtualBucket(t *testing.T) {
	// https://docs.aws.amazon.com/general/latest/gr/s3.html, VirtualHosting
	endpoints := []string{
		"s3.us-west-2.amazonaws.com", "s3-us-west-2.amazonaws.com", "s3.amazonaws.com", "s3-external-1.amazonaws.com", "s3.dualstack.us-west-2.amazonaws.com",
		"s3-fips.us-west-2.amazonaws.com", "s3-fips.dualstack.us-west-2.amazonaws.com", "s3.eu-central-1.amazonaws.com", "s3.us-gov-west-1.amazonaws.com",
		"s3.localhost", "s3.us-west-2.localhost", "s3.dualstack.us-west-2.localhost", "s3-us-west-2.localhost", "localhost:4566", "s3.localhost:4566",
		"S3.US-West-2.LocalHost:4566", "s3.us-west-2.localhost.:80",
	}
	for _, endpoint := range endpoints {
		if got := virtualBucket(endpoint); got != "" {
			t.Errorf("%s is bucket %q", endpoint, got)
		}
		for _, bucket := range []string{"bucket", "my.dotted.bucket", "s3", "us-west-2", "bucket-s3", "dualstack"} {
			if endpoint == "localhost:4566" && (bucket == "s3") {
				continue // this is the endpoint itself
			}
			if got := virtualBucket(bucket + "." + endpoint); got != bucket {
				t.Errorf("%s.%s is bucket %q", bucket, endpoint, got)
			}
		}
	}
	for host, want := range map[string]string{
		"bucket.localhost": "bucket", "bucket.localhost:80": "bucket", "my.bucket.localhost": "my.bucket",
		"127.0.0.1:4566": "", "[::1]:4566": "", "emulator.epi.svc": "", "emulator": "", "": "", "bucket.s3.example.com": "",
		"eks.us-west-2.amazonaws.com": "", "sts.amazonaws.com": "", "mys3.amazonaws.com": "", "notlocalhost": "", "bucket.notlocalhost": "",
		"a.s3x.us-west-2.amazonaws.com": "", ".localhost": "", "s3.us-west-0.localhost": "s3.us-west-0",
	} {
		if got := virtualBucket(host); got != want {
			t.Errorf("%q is bucket %q, want %q", host, got, want)
		}
	}
}

func FuzzVirtualBucket(f *testing.F) {
	for _, host := range []string{"bucket.s3.us-west-2.localhost:80", "a.b.s3-fips.dualstack.us-west-2.amazonaws.com", "[::1]", "..", "s3"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		bucket := virtualBucket(host)
		if bucketName.MatchString(bucket) && virtualBucket(bucket+".s3.us-west-2.amazonaws.com") != bucket {
			t.Errorf("%q gives %q, which is another bucket on its own", host, bucket)
		}
	})
}
