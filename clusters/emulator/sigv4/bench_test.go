package sigv4

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// BenchmarkVerifySigV4 verifies requests as the Go SDK sends them. It also measures the creation of a request with header
// and body, which every server pays anyway.
func BenchmarkVerifySigV4(b *testing.B) {
	headers := func(values map[string]string) func(*http.Request) {
		return func(r *http.Request) {
			for name, value := range values {
				r.Header.Set(name, value)
			}
		}
	}
	ordinary := map[string]string{
		"Accept-Encoding": "identity", "Amz-Sdk-Invocation-Id": "1c1e4b0f-0000-4000-8000-000000000000", "Amz-Sdk-Request": "attempt=1; max=3",
		"User-Agent": "aws-sdk-go-v2/1.48.0 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/s3#1.114.9",
	}
	body := `{"token":"` + strings.Repeat("x", 1024-12) + `"}`
	get := sign(b, temporary, "s3", "GET", "http://emu:4566/bucket/epi/default/test.txt?x-id=GetObject", "", now, headers(ordinary),
		headers(map[string]string{"X-Amz-Checksum-Mode": "ENABLED"}))
	post := sign(b, temporary, "eks-auth", "POST", "http://emu:4566/clusters/epi/assume-role-for-pod-identity", body, now, headers(ordinary),
		headers(map[string]string{"Content-Type": "application/json"}))

	r, err := http.NewRequest("GET", "http://emu:4566/bucket/epi/default/test.txt?X-Amz-Expires=900&x-id=GetObject", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	url, _, err := v4.NewSigner().PresignHTTP(b.Context(), temporary, r, unsignedPayload, "s3", "us-west-2", now, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		b.Fatal(err)
	}
	presigned := httptest.NewRequest("GET", url, http.NoBody)

	streamed, err := io.ReadAll(documentedChunks().Body)
	if err != nil {
		b.Fatal(err)
	}

	run := func(name string, verifier *Verifier, signed *http.Request, body string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				r := *signed
				r.Header = signed.Header.Clone()
				if body != "" {
					r.Body = io.NopCloser(strings.NewReader(body))
				}
				if _, err := verifier.Verify(&r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("GET", at(now), get, "")
	run("POST1KiB", at(now), post, body)
	run("presigned", at(now), presigned, "")
	run("chunks64KiB", at(documentedTime), documentedChunks(), string(streamed))
}
