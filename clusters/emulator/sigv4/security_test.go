package sigv4

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// tellsNothing checks that an error quotes no secret of its request.
func tellsNothing(t *testing.T, r *http.Request, err error) {
	t.Helper()
	if err == nil {
		return
	}
	authorization, _ := readAuthorization(r.Header.Get("Authorization")) // empty if it is malformed
	secrets := []string{temporary.SecretAccessKey, long.SecretAccessKey, temporary.SessionToken, authorization.signature, r.URL.Query().Get("X-Amz-Signature"), r.URL.Query().Get("X-Amz-Security-Token")}
	for _, secret := range append(secrets, strings.ReplaceAll(temporary.SecretAccessKey, " ", "+")) {
		if len(secret) > 3 && strings.Contains(err.Error(), secret) {
			t.Errorf("the error reveals a secret: %v", err)
		}
	}
}

// authorize edits the Authorization header.
func authorize(edit func(string) string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", edit(r.Header.Get("Authorization"))) }
}

func swap(old, new string) func(*http.Request) {
	return authorize(func(header string) string { return strings.Replace(header, old, new, 1) })
}

func setHeader(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = values }
}

// The security table of header signatures: a change to a good request, and its refusal. RFC numbers are of HTTP. Rows
// without a source follow the documented form of the signature
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
func TestTamperedHeaderSignatures(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*http.Request)
		want  Kind
	}{
		{"nothing", func(*http.Request) {}, ""},

		// The algorithm.
		{"no value", setHeader("Authorization", ""), Incomplete},
		{"Basic", setHeader("Authorization", "Basic QUtJQTpzZWNyZXQ="), Incomplete},
		{"Bearer", setHeader("Authorization", "Bearer e30.e30.AA"), Incomplete},
		{"signature version 2", setHeader("Authorization", "AWS AKIALONG:c2lnbmF0dXJl"), Version2},
		{"signature version 3", swap(algorithm, "AWS3-HTTPS"), Incomplete},
		{"signature version 4A", swap(algorithm, "AWS4-ECDSA-P256-SHA256"), Incomplete},
		{"SHA-1", swap(algorithm, "AWS4-HMAC-SHA1"), Incomplete},
		{"algorithm in lower case", swap(algorithm, "aws4-hmac-sha256"), Incomplete},
		{"algorithm alone", setHeader("Authorization", algorithm), Incomplete},
		{"algorithm twice", swap(algorithm, algorithm+" "+algorithm), Incomplete},

		// The parts.
		{"two headers, the first false", func(r *http.Request) {
			r.Header["Authorization"] = []string{algorithm + " Credential=x", r.Header.Get("Authorization")}
		}, Incomplete},
		{"two headers, the second empty", func(r *http.Request) { r.Header.Add("Authorization", "") }, Incomplete},
		{"credential twice", swap("Credential=", "Credential=AKIALONG/20260304/us-west-2/s3/aws4_request, Credential="), Incomplete},
		{"signature twice", authorize(func(h string) string { return h + ", Signature=" + h[len(h)-64:] }), Incomplete},
		{"signature as query parameter too", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=" + strings.Repeat("0", 64) }, Incomplete},
		{"credential as query parameter too", func(r *http.Request) {
			r.URL.RawQuery = "X-Amz-Credential=AKIALONG%2F20260304%2Fus-west-2%2Fs3%2Faws4_request"
		}, Incomplete},
		{"unknown part", authorize(func(h string) string { return h + ", Extra=1" }), Incomplete},
		{"empty part", authorize(func(h string) string { return h + "," }), Incomplete},
		{"oversize header", authorize(func(h string) string { return h + strings.Repeat(" ", maxAuthorization) }), Incomplete},
		{"oversize credential", swap("ASIATEMP", strings.Repeat("A", maxCredential)), Incomplete},
		{"too many signed headers", swap("SignedHeaders=", "SignedHeaders="+strings.Repeat("a;", maxSignedHeaders)), Incomplete},
		{"signed headers out of order", swap("host;x-amz-content-sha256", "x-amz-content-sha256;host"), Incomplete},
		{"signed header twice", swap("host;", "host;host;"), Incomplete},
		{"signed header in upper case", swap("host;", "Host;"), Incomplete},
		{"signed header without a name", swap("host;", ";host;"), Incomplete},

		// The signature.
		{"upper-case digits", authorize(func(h string) string {
			head, signature, _ := strings.Cut(h, "Signature=")
			return head + "Signature=" + strings.ToUpper(signature)
		}), SignatureMismatch},
		{"cut off", authorize(func(h string) string { return h[:len(h)-1] }), Incomplete},
		{"a digit more", authorize(func(h string) string { return h + "0" }), Incomplete},
		{"not hexadecimal", authorize(func(h string) string { return h[:len(h)-2] + "gg" }), Incomplete},
		{"all zeros", authorize(func(h string) string { return h[:len(h)-64] + strings.Repeat("0", 64) }), SignatureMismatch},

		// The scope.
		{"another region", swap("/us-west-2/", "/us-east-1/"), SignatureMismatch},
		{"another service", swap("/s3/", "/sts/"), SignatureMismatch},
		{"another day", swap("/20260304/", "/20260305/"), SignatureMismatch},
		{"day is no date", swap("/20260304/", "/yesterday/"), Incomplete},
		{"secret in place of the access key", swap("ASIATEMP", strings.ReplaceAll(temporary.SecretAccessKey, " ", "+")), UnknownAccessKey},
		{"another terminator", swap("aws4_request", "aws3_request"), Incomplete},
		{"no terminator", swap("/aws4_request", ""), Incomplete},
		{"six parts", swap("/aws4_request", "/x/aws4_request"), Incomplete},
		{"empty region", swap("/us-west-2/", "//"), Incomplete},
		{"another access key", swap("ASIATEMP", "AKIALONG"), InvalidToken},

		// The time.
		{"date with a fraction", setHeader("X-Amz-Date", "20260304T050607.0Z"), Incomplete},
		{"date with a zone", setHeader("X-Amz-Date", "20260304T050607+0000"), Incomplete},
		{"another date", setHeader("X-Amz-Date", "20260304T050608Z"), SignatureMismatch},
		{"Date instead of X-Amz-Date", func(r *http.Request) {
			r.Header.Del("X-Amz-Date")
			r.Header.Set("Date", now.Format(http.TimeFormat))
		}, SignatureMismatch},
		{"two Dates", func(r *http.Request) {
			r.Header.Del("X-Amz-Date")
			r.Header["Date"] = []string{now.Format(http.TimeFormat), now.Format(http.TimeFormat)}
		}, Incomplete},

		// What is signed.
		{"method", func(r *http.Request) { r.Method = "POST" }, SignatureMismatch},
		{"method in lower case", func(r *http.Request) { r.Method = "put" }, SignatureMismatch},
		{"path", func(r *http.Request) { r.URL.Path += "x" }, SignatureMismatch},
		{"slash at the end", func(r *http.Request) { r.URL.Path += "/" }, SignatureMismatch},
		{"path with dots", func(r *http.Request) { r.URL.Path = "/bucket/x/../key" }, SignatureMismatch},
		{"query added", func(r *http.Request) { r.URL.RawQuery = "x=1" }, SignatureMismatch},
		{"token in the query", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Security-Token=x" }, SignatureMismatch},
		{"broken escape in the query", func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, Incomplete},
		{"semicolon in the query", func(r *http.Request) { r.URL.RawQuery = "a;b" }, Incomplete},
		{"host", func(r *http.Request) { r.Host = "elsewhere" }, SignatureMismatch},
		{"port", func(r *http.Request) { r.Host += ":81" }, SignatureMismatch},

		// Header smuggling.
		{"Host among the headers", setHeader("Host", "elsewhere"), Incomplete},
		{"signed header missing", func(r *http.Request) { r.Header.Del("X-Amz-Meta-A") }, SignatureMismatch},
		{"signed header empty", setHeader("X-Amz-Meta-A", ""), SignatureMismatch},
		{"signed header without a value", setHeader("X-Amz-Meta-A"), SignatureMismatch},
		{"signed header twice", func(r *http.Request) { r.Header.Add("X-Amz-Meta-A", "1") }, SignatureMismatch},
		{"signed header twice, once empty", func(r *http.Request) { r.Header.Add("X-Amz-Meta-A", "") }, SignatureMismatch},
		{"X-Amz header that is not signed", setHeader("X-Amz-Acl", "public-read"), UnsignedHeaders},
		{"and with an empty value", setHeader("X-Amz-Acl", ""), UnsignedHeaders},
		{"and with a name in lower case", func(r *http.Request) { r.Header["x-amz-acl"] = []string{"public-read"} }, Incomplete},
		{"and with a name in odd case", func(r *http.Request) { r.Header["X-AMZ-Acl"] = []string{"public-read"} }, Incomplete},
		{"signed header again in odd case", func(r *http.Request) { r.Header["x-amz-meta-A"] = []string{"2"} }, Incomplete},
		{"name with a space", func(r *http.Request) { r.Header["X-Amz-Acl "] = []string{"public-read"} }, UnsignedHeaders},
		{"line end in a value", setHeader("X-Amz-Meta-A", "1\r\nX-Amz-Acl: public-read"), Incomplete},
		{"line feed in a value", setHeader("X-Amz-Meta-A", "1\n"), Incomplete},
		{"NUL in a value", setHeader("X-Amz-Meta-A", "1\x00"), Incomplete},
		{"token twice", func(r *http.Request) { r.Header.Add(securityToken, temporary.SessionToken) }, Incomplete},
		{"token missing", func(r *http.Request) { r.Header.Del(securityToken) }, InvalidToken},
		{"token altered", setHeader(securityToken, "token/+-"), InvalidToken},

		// The body.
		{"hash in upper case", func(r *http.Request) {
			r.Header.Set(contentHashHeader, strings.ToUpper(r.Header.Get(contentHashHeader)))
		}, Incomplete},
		{"hash cut off", func(r *http.Request) { r.Header.Set(contentHashHeader, r.Header.Get(contentHashHeader)[:63]) }, Incomplete},
		{"hash twice", func(r *http.Request) { r.Header.Add(contentHashHeader, r.Header.Get(contentHashHeader)) }, Incomplete},
		{"hash replaced by a marker", setHeader(contentHashHeader, unsignedPayload), SignatureMismatch},
		{"unknown marker", setHeader(contentHashHeader, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), Incomplete},
		{"body altered", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("hellO")) }, BodyMismatch},
		{"body missing", func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 5 }, BodyMismatch},
		{"body shorter than Content-Length", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("hell")) }, BadBody},
		{"body longer than Content-Length", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("hello!")) }, BadBody},
		{"body breaks off", func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("he"), broken{})) }, BadBody},
		{"Content-Length", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("hello!")), 6
		}, SignatureMismatch},
		{"Content-Length unknown", func(r *http.Request) { r.ContentLength = -1 }, SignatureMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := sign(t, temporary, "s3", "PUT", "http://emu/bucket/key", "hello", now, setHeader("X-Amz-Meta-A", "1"))
			test.spoil(r)
			_, err := at(now).Verify(r)
			wantKind(t, err, test.want)
			tellsNothing(t, r, err)
		})
	}
}

// broken fails like a connection that was lost.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// Header values that were signed as one value must not reach a handler in parts.
func TestSplitHeaderIsJoined(t *testing.T) {
	r := sign(t, temporary, "s3", "PUT", "http://emu/bucket/key", "", now, setHeader("X-Amz-Meta-A", "b/k,other"))
	r.Header["X-Amz-Meta-A"] = []string{"b/k", "other"}
	if _, err := at(now).Verify(r); err != nil {
		t.Fatal(err)
	}
	if got := r.Header["X-Amz-Meta-A"]; !slices.Equal(got, []string{"b/k,other"}) {
		t.Errorf("the handler sees %q", got)
	}
}

// Raw requests that net/http reads and this package verifies. None may be accepted.
func TestSmuggledRequests(t *testing.T) {
	var accepted atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := at(now).Verify(r)
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		accepted.Store(true)
	}))
	defer server.Close()
	signed := sign(t, temporary, "s3", "GET", "http://emu/bucket/key", "", now, setHeader("X-Amz-Meta-A", "1 2"))
	var good bytes.Buffer
	if err := signed.Write(&good); err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string { return strings.Replace(good.String(), old, new, 1) }
	tests := []struct {
		name, raw string
		accepted  bool
	}{
		{"as it is", good.String(), true},
		{"names in odd case", edit("X-Amz-Meta-A", "x-aMZ-mETA-a"), true},
		{"folded line, RFC 9112, section 5.2: the same value", edit("1 2", "1\r\n 2"), true},
		{"folded line with another header in it", edit("1 2", "1 2\r\n X-Amz-Acl: public-read"), false},
		{"two Hosts", edit("Host: emu", "Host: emu\r\nHost: elsewhere"), false},
		{"another Host in the request line", edit("GET /", "GET http://elsewhere/"), false},
		{"header without a colon", edit("X-Amz-Meta-A: 1 2", "X-Amz-Meta-A 1 2"), false},
		{"space before the colon", edit("X-Amz-Meta-A:", "X-Amz-Meta-A :"), false},
		{"header in the line of another", edit("1 2", "1 2\nX-Amz-Acl: public-read"), false},
		{"carriage return alone", edit("1 2", "1 2\rX-Amz-Acl: public-read"), false},
		{"two Content-Lengths", edit("Host: emu", "Host: emu\r\nContent-Length: 0\r\nContent-Length: 1"), false},
		{"Content-Length and chunks", edit("Host: emu", "Host: emu\r\nContent-Length: 5\r\nTransfer-Encoding: chunked") + "1\r\na\r\n0\r\n\r\n", false},
		{"unsigned header in odd case", edit("Host: emu", "Host: emu\r\nx-amz-ACL: public-read"), false},
		{"underscores for dashes", edit("X-Amz-Meta-A", "X_Amz_Meta_A"), false},
		{"dots in the path", edit("/bucket/key", "/bucket/x/../key"), false},
		{"escaped dots in the path", edit("/bucket/key", "/bucket/x/%2e%2e/key"), false},
		{"two slashes", edit("/bucket/key", "//bucket/key"), false},
		{"NUL in the path", edit("/bucket/key", "/bucket/key%00"), false},
		{"fragment", edit("/bucket/key", "/bucket/key#x"), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			accepted.Store(false)
			var dialer net.Dialer
			connection, err := dialer.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = connection.Close() }() // nothing more is read from it
			if _, err := io.WriteString(connection, test.raw); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close() // it is empty, or net/http's own text
			if ok := response.StatusCode == http.StatusOK; ok != test.accepted || accepted.Load() != test.accepted {
				t.Errorf("answered %s, accepted: %v", response.Status, accepted.Load())
			}
		})
	}
}

// The security table of presigned URLs.
func TestTamperedPresignedURLs(t *testing.T) {
	set := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	tests := []struct {
		name  string
		spoil func(url.Values)
		want  Kind
	}{
		{"nothing", func(url.Values) {}, ""},
		{"algorithm of another version", set(queryAlgorithm, "AWS4-ECDSA-P256-SHA256"), Incomplete},
		{"algorithm empty", set(queryAlgorithm, ""), Incomplete},
		{"algorithm missing", func(q url.Values) { q.Del(queryAlgorithm) }, Incomplete},
		{"algorithm twice", func(q url.Values) { q.Add(queryAlgorithm, algorithm) }, Incomplete},
		{"credential missing", func(q url.Values) { q.Del(queryCredential) }, Incomplete},
		{"credential twice", func(q url.Values) { q.Add(queryCredential, q.Get(queryCredential)) }, Incomplete},
		{"date missing", func(q url.Values) { q.Del(queryDate) }, Incomplete},
		{"date twice", func(q url.Values) { q.Add(queryDate, q.Get(queryDate)) }, Incomplete},
		{"date of another second", set(queryDate, "20260304T050608Z"), SignatureMismatch},
		{"date of another day", set(queryDate, "20260303T050607Z"), SignatureMismatch},
		{"signed headers missing", func(q url.Values) { q.Del(querySignedHeaders) }, Incomplete},
		{"host not signed", set(querySignedHeaders, "range"), Incomplete},
		{"one signed header more", set(querySignedHeaders, "host;range"), SignatureMismatch},
		{"no life", set(queryExpires, "0"), Incomplete},
		{"life of a fraction", set(queryExpires, "1.5"), Incomplete},
		{"life with a sign", set(queryExpires, "+900"), Incomplete},
		{"life empty", set(queryExpires, ""), Incomplete},
		{"life over 32 bits", set(queryExpires, "4294967297"), Incomplete},
		{"a second over a week", set(queryExpires, "604801"), Incomplete},
		{"a week", set(queryExpires, "604800"), SignatureMismatch},
		{"life twice", func(q url.Values) { q.Add(queryExpires, "900") }, Incomplete},
		{"life left out", func(q url.Values) { q.Del(queryExpires) }, SignatureMismatch},
		{"signature cut off", func(q url.Values) { q.Set(querySignature, q.Get(querySignature)[1:]) }, Incomplete},
		{"signature in upper case", func(q url.Values) { q.Set(querySignature, strings.ToUpper(q.Get(querySignature))) }, SignatureMismatch},
		{"signature as another parameter too", set("x-amz-signature", strings.Repeat("0", 64)), SignatureMismatch},
		{"another region", func(q url.Values) {
			q.Set(queryCredential, strings.Replace(q.Get(queryCredential), "us-west-2", "us-east-1", 1))
		}, SignatureMismatch},
		{"token of another session", set(securityToken, "gone"), InvalidToken},
		{"token twice", func(q url.Values) { q.Add(securityToken, q.Get(securityToken)) }, Incomplete},
		{"parameter added", set("versionId", "1"), SignatureMismatch},
		{"parameter removed", func(q url.Values) { q.Del("x-id") }, SignatureMismatch},
		{"parameter twice", func(q url.Values) { q.Add("x-id", "GetObject") }, SignatureMismatch},
		{"parameter in another case", func(q url.Values) { q.Del("x-id"); q.Set("X-Id", "GetObject") }, SignatureMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := presign(t)
			query := r.URL.Query()
			test.spoil(query)
			r.URL.RawQuery = query.Encode()
			_, err := at(now).Verify(r)
			wantKind(t, err, test.want)
			tellsNothing(t, r, err)
		})
	}
	t.Run("token as header too", func(t *testing.T) {
		r := presign(t)
		r.Header.Set(securityToken, temporary.SessionToken)
		_, err := at(now).Verify(r)
		wantKind(t, err, Incomplete)
	})
	t.Run("header that is not signed", func(t *testing.T) {
		r := presign(t)
		r.Header.Set("X-Amz-Acl", "public-read")
		_, err := at(now).Verify(r)
		wantKind(t, err, UnsignedHeaders)
	})
	t.Run("Authorization too", func(t *testing.T) {
		r := presign(t)
		r.Header.Set("Authorization", "Basic x")
		_, err := at(now).Verify(r)
		wantKind(t, err, Incomplete)
	})
}

func presign(t testing.TB) *http.Request {
	t.Helper()
	return presignAs(t, s3Service, temporary)
}

func presignAs(t testing.TB, service string, credentials aws.Credentials) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", "http://emu/bucket/a%20b?X-Amz-Expires=900&x-id=GetObject", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	hash := emptyHash
	if service == s3Service {
		hash = unsignedPayload
	}
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hash, service, "us-west-2", now, func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = service == s3Service
	})
	if err != nil {
		t.Fatal(err)
	}
	return httptest.NewRequest("GET", signed, http.NoBody)
}

// "For some services, you must include this parameter in the canonical (signed) query string. For other services, you add
// this parameter at the end, after you calculate the signature":
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html, X-Amz-Security-Token. S3 belongs
// to the first kind.
func TestAppendedToken(t *testing.T) {
	withoutToken := temporary
	withoutToken.SessionToken = ""
	token := securityToken + "=" + url.QueryEscape(temporary.SessionToken)
	tests := []struct {
		name, service string
		edit          func(query string) string
		want          Kind
	}{
		{"appended", "sts", func(q string) string { return q + "&" + token }, ""},
		{"appended for S3", "s3", func(q string) string { return q + "&" + token }, SignatureMismatch},
		{"put before the signature", "sts", func(q string) string { return token + "&" + q }, SignatureMismatch},
		{"another token appended", "sts", func(q string) string { return q + "&" + securityToken + "=gone" }, InvalidToken},
		{"another parameter appended", "sts", func(q string) string { return q + "&Action=GetCallerIdentity" }, InvalidToken},
		{"and another parameter too", "sts", func(q string) string { return q + "&" + token + "&Action=GetCallerIdentity" }, SignatureMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := presignAs(t, test.service, withoutToken)
			r.URL.RawQuery = test.edit(r.URL.RawQuery)
			_, err := at(now).Verify(r)
			wantKind(t, err, test.want)
		})
	}
}

// Signatures are valid for 15 minutes before and after now, and presigned URLs for as long as they say.
func TestReplay(t *testing.T) {
	header := func() *http.Request { return sign(t, long, "sts", "POST", "http://emu/", "Action=x", now) }
	url := func() *http.Request { return presignAs(t, "s3", long) }
	tests := []struct {
		name    string
		request func() *http.Request
		after   time.Duration
		want    Kind
	}{
		{"header, again at once", header, 0, ""},
		{"header, at its end", header, maxSkew, ""},
		{"header, after its end", header, maxSkew + time.Second, Skewed},
		{"header, from the future", header, -maxSkew, ""},
		{"header, from farther", header, -maxSkew - time.Second, Skewed},
		{"header, a day later", header, 24 * time.Hour, Skewed},
		{"URL, at its end", url, 900 * time.Second, ""},
		{"URL, after its end", url, 901 * time.Second, PresignedExpired},
		{"URL, from the future", url, -maxSkew - time.Second, Skewed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := at(now.Add(test.after)).Verify(test.request())
			wantKind(t, err, test.want)
		})
	}
}
