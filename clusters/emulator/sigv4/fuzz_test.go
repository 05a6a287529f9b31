package sigv4

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzAuthorization reads signatures of any form. None is accepted without the key.
func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature="+strings.Repeat("0", 64), "")
	f.Add("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="+strings.Repeat("f", 64), "list-type=2")
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="+strings.Repeat("0", 64))
	verifier := at(documentedTime)
	f.Fuzz(func(t *testing.T, header, query string) {
		r := httptest.NewRequest("GET", "/", http.NoBody)
		r.URL.RawQuery = query
		r.Header.Set("X-Amz-Date", "20130524T000000Z")
		r.Header.Set(contentHashHeader, emptyHash)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		_, err := verifier.Verify(r)
		if err == nil {
			t.Fatalf("%q %q was accepted", header, query)
		}
		if len(err.Error()) > 2*maxCredential+maxAuthorization || !utf8.ValidString(header) {
			return
		}
		if s, problem := readSignature(r); problem == nil && strings.Contains(err.Error(), s.claimed) {
			t.Fatalf("the error repeats the signature: %v", err)
		}
		if region, service, ok := Scope(r); ok != (region != "" && service != "") {
			t.Fatalf("scope %q %q %v", region, service, ok)
		}
	})
}

// FuzzPresignedQuery alters a presigned URL's query. Only a query with the same meaning is accepted.
func FuzzPresignedQuery(f *testing.F) {
	good := presign(f)
	f.Add(good.URL.RawQuery)
	f.Add(good.URL.RawQuery + "&")
	f.Add("&&" + good.URL.RawQuery)
	f.Add(good.URL.RawQuery + "&x-id=GetObject")
	f.Add(strings.Replace(good.URL.RawQuery, "x-id", "%78-id", 1))
	f.Add(strings.Replace(good.URL.RawQuery, "&", ";", 1))
	want := good.URL.Query()
	verifier := at(now)
	f.Fuzz(func(t *testing.T, query string) {
		r := good.Clone(t.Context())
		r.URL.RawQuery = query
		if _, err := verifier.Verify(r); err != nil {
			return
		}
		got, err := url.ParseQuery(query)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q was accepted", query)
		}
	})
}

// FuzzSignedChunks alters a signed body. A handler reads only what was signed.
func FuzzSignedChunks(f *testing.F) {
	const plain = "hello"
	const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // its SHA-256
	good := sign(f, temporary, "s3", "PUT", "http://emu/bucket/key", "", now, setHeader(contentHashHeader, streamingSigned), setHeader(decodedLengthHeader, "5"))
	authorization, err := readAuthorization(good.Header.Get("Authorization"))
	if err != nil {
		f.Fatal(err)
	}
	chunks := chunkSigner{temporary.SecretAccessKey, authorization.signature}
	body := fmt.Sprintf("5;chunk-signature=%s\r\n%s\r\n", chunks.sign("AWS4-HMAC-SHA256-PAYLOAD", emptyHash, hello), plain)
	body += fmt.Sprintf("0;chunk-signature=%s\r\n\r\n", chunks.sign("AWS4-HMAC-SHA256-PAYLOAD", emptyHash, emptyHash))
	f.Add([]byte(body))
	f.Add([]byte(body + body))
	f.Add([]byte(strings.TrimSuffix(body, "\r\n")))
	f.Add([]byte(strings.Replace(body, plain, "jello", 1)))
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"))
	verifier := at(now)
	accepted := good.Clone(f.Context())
	accepted.ContentLength, accepted.Body = -1, io.NopCloser(strings.NewReader(body))
	if _, err := verifier.Verify(accepted); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := good.Clone(t.Context())
		r.ContentLength, r.Body = -1, io.NopCloser(bytes.NewReader(body))
		if _, err := verifier.Verify(r); err != nil {
			return
		}
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != plain {
			t.Fatalf("the handler reads %q, %v", got, err)
		}
	})
}

// FuzzUnsignedChunks gives the decoder bodies without signatures.
func FuzzUnsignedChunks(f *testing.F) {
	f.Add("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n", int64(3))
	f.Add("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AA==\n\r\n\r\n", int64(3))
	f.Add("0\r\n\r\n", int64(0))
	f.Add("ffffffffffffffff\r\n", int64(1))
	f.Add("2001\r\n", int64(8193))
	f.Fuzz(func(t *testing.T, body string, length int64) {
		if length < 0 {
			return // decodeChunks has refused it
		}
		d := newChunkDecoder(bufio.NewReader(strings.NewReader(body)), &signature{}, streamingUnsignedTrailer, length)
		found, err := d.decode([]string{"x-amz-checksum-crc32"})
		if err == nil && (int64(len(d.plain)) != length || len(found) != 1) {
			t.Fatalf("decoded %d bytes and %d trailers from %q without an error", len(d.plain), len(found), body)
		}
		if len(d.plain) > len(body) {
			t.Fatalf("%d bytes from a body of %d", len(d.plain), len(body))
		}
	})
}

// FuzzCanonicalRequest checks that no part of a request can be taken for another. The signed text has one line for each
// part, with only the characters that the part may have.
func FuzzCanonicalRequest(f *testing.F) {
	f.Add("GET", "/a/../b//c", "x=1&x=0&y", " a  b ", true)
	f.Add("PUT", "/%2f%0a/%E1%88%B4", "a%0Ab=%0D&+=%2B", "1\t2", false)
	f.Add("POST", "", "&&=&=x", "", false)
	f.Fuzz(func(t *testing.T, method, target, query, value string, s3 bool) {
		raw := method + " /" + target + "?" + query + " HTTP/1.1\r\nHost: emu\r\nX-Amz-Meta-A: " + value + "\r\n\r\n"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		parameters, err := readQuery(r.URL.RawQuery)
		if _, problem := url.ParseQuery(r.URL.RawQuery); (problem != nil) != (err != nil) {
			t.Fatalf("query %q: we say %v, url.ParseQuery %v", r.URL.RawQuery, err, problem)
		}
		if err != nil {
			return
		}
		s := &signature{service: "sts", signedHeaders: []string{"host", "x-amz-meta-a"}, signedNames: "host;x-amz-meta-a"}
		if s3 {
			s.service = s3Service
		}
		if s.readHeaders(r) != nil {
			return
		}
		lines := strings.Split(string(s.appendCanonical(nil, r, emptyHash, parameters.canonical(func(int, string) bool { return false }))), "\n")
		if len(lines) != 8 || lines[0] != r.Method || lines[5] != "" || lines[6] != s.signedNames || lines[7] != emptyHash {
			t.Fatalf("%q has the canonical form %q", raw, lines)
		}
		if strings.Trim(lines[1], escapedPath) != "" || strings.Trim(lines[2], escapedPath+"=&") != "" || !strings.HasPrefix(lines[1], "/") && r.URL.Path != "*" {
			t.Fatalf("%q has the path %q and the query %q", raw, lines[1], lines[2])
		}
	})
}

const escapedPath = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%/"
