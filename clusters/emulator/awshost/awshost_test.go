package awshost

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for host, want := range map[string]Name{
		// https://docs.aws.amazon.com/general/latest/gr/sts.html, iam-service.html, eks.html, ec2-service.html
		"sts.amazonaws.com":                                {Service: "sts"},
		"sts.us-west-2.amazonaws.com":                      {Service: "sts", Region: "us-west-2"},
		"STS.us-west-2.AmazonAWS.com.":                     {Service: "sts", Region: "us-west-2"},
		"sts.us-west-2.amazonaws.com:443":                  {Service: "sts", Region: "us-west-2"},
		"sts-fips.us-west-2.amazonaws.com":                 {Service: "sts", Region: "us-west-2"},
		"sts.us-west-2.api.aws":                            {Service: "sts", Region: "us-west-2"},
		"sts.cn-north-1.amazonaws.com.cn":                  {Service: "sts", Region: "cn-north-1"},
		"sts.us-gov-west-1.amazonaws.com":                  {Service: "sts", Region: "us-gov-west-1"},
		"iam.amazonaws.com":                                {Service: "iam"},
		"iam-fips.amazonaws.com":                           {Service: "iam"},
		"iam.global.api.aws":                               {},
		"eks.us-west-2.amazonaws.com":                      {Service: "eks", Region: "us-west-2"},
		"fips.eks.us-west-2.amazonaws.com":                 {Service: "eks", Region: "us-west-2"},
		"eks-auth.us-west-2.api.aws":                       {Service: "eks-auth", Region: "us-west-2"},
		"eks-auth-fips.us-west-2.api.aws":                  {Service: "eks-auth", Region: "us-west-2"},
		"eks-auth.cn-north-1.api.amazonwebservices.com.cn": {Service: "eks-auth", Region: "cn-north-1"},
		"eks.eusc-de-east-1.amazonaws.eu":                  {Service: "eks", Region: "eusc-de-east-1"},
		"ec2.us-west-2.amazonaws.com":                      {Service: "ec2", Region: "us-west-2"},
		"dynamodb.us-west-2.amazonaws.com":                 {Service: "dynamodb", Region: "us-west-2"},
		"ABCD.gr7.us-west-2.eks.amazonaws.com":             {},
		"oidc.eks.us-west-2.amazonaws.com":                 {},
		"amazonaws.com":                                    {},
		// https://docs.aws.amazon.com/general/latest/gr/s3.html
		"s3.amazonaws.com":                                {Service: "s3"},
		"s3.us-west-2.amazonaws.com":                      {Service: "s3", Region: "us-west-2"},
		"s3-us-west-2.amazonaws.com":                      {Service: "s3", Region: "us-west-2"},
		"s3-external-1.amazonaws.com":                     {Service: "s3", Region: "us-east-1"},
		"s3.dualstack.us-west-2.amazonaws.com":            {Service: "s3", Region: "us-west-2"},
		"s3-fips.us-west-2.amazonaws.com":                 {Service: "s3", Region: "us-west-2"},
		"s3-fips.dualstack.us-west-2.amazonaws.com":       {Service: "s3", Region: "us-west-2"},
		"s3.cn-north-1.amazonaws.com.cn":                  {Service: "s3", Region: "cn-north-1"},
		"b.s3.amazonaws.com":                              {Service: "s3", Bucket: "b"},
		"b.s3.us-west-2.amazonaws.com":                    {Service: "s3", Region: "us-west-2", Bucket: "b"},
		"b.s3-us-west-2.amazonaws.com":                    {Service: "s3", Region: "us-west-2", Bucket: "b"},
		"b.s3.dualstack.us-west-2.amazonaws.com":          {Service: "s3", Region: "us-west-2", Bucket: "b"},
		"b.s3-fips.us-west-2.amazonaws.com":               {Service: "s3", Region: "us-west-2", Bucket: "b"},
		"b.s3-fips.dualstack.us-west-2.amazonaws.com":     {Service: "s3", Region: "us-west-2", Bucket: "b"},
		"my.own.bucket.s3.us-west-2.amazonaws.com":        {Service: "s3", Region: "us-west-2", Bucket: "my.own.bucket"},
		"s3.s3.us-west-2.amazonaws.com":                   {Service: "s3", Region: "us-west-2", Bucket: "s3"},
		"us-west-2.s3.us-west-2.amazonaws.com":            {Service: "s3", Region: "us-west-2", Bucket: "us-west-2"},
		"s3-us-west-2.s3.us-west-2.amazonaws.com":         {Service: "s3", Region: "us-west-2", Bucket: "s3-us-west-2"},
		"sts.s3.amazonaws.com":                            {Service: "s3", Bucket: "sts"},
		"b.s3-accelerate.amazonaws.com":                   {},
		"b.s3-website-us-west-2.amazonaws.com":            {},
		"123456789012.s3-control.us-west-2.amazonaws.com": {},
	} {
		got, ok := Parse(host)
		if !ok || got != want {
			t.Errorf("%s: %+v, %t, want %+v", host, got, ok, want)
		}
	}
}

func TestOthersAreNotAWS(t *testing.T) {
	for _, host := range []string{
		"", ".", "example.com", "notamazonaws.com", "amazonaws.com.example.com", "s3.amazonaws.com.evil.example", "xapi.aws", "aws", "com",
		"kubernetes.default.svc.cluster.local", "10.0.0.1", "[::1]:443", "aws.amazon.com", "public.ecr.aws",
	} {
		if name, ok := Parse(host); ok {
			t.Errorf("%q is AWS's: %+v", host, name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("b.s3.us-west-2.amazonaws.com:443")
	f.Add("..amazonaws.com")
	f.Add("s3-.amazonaws.com")
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := Parse(host)
		if !ok && name != (Name{}) {
			t.Errorf("%q: %+v", host, name)
		}
		if name.Bucket != "" && (name.Service != "s3" || !strings.Contains(strings.ToLower(host), name.Bucket+".s3")) {
			t.Errorf("%q: bucket %q of %q", host, name.Bucket, name.Service)
		}
	})
}
