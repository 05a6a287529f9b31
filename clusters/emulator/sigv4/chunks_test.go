package sigv4

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// chunked is a body of the documentation's 65,536 and 1,024 bytes with the given chunk signatures.
func chunked(signatures [3]string, trailer string) string {
	var b strings.Builder
	for i, size := range []int{65536, 1024, 0} {
		fmt.Fprintf(&b, "%x", size)
		if signatures[i] != "" {
			b.WriteString(";chunk-signature=" + signatures[i])
		}
		b.WriteString("\r\n")
		if size > 0 {
			b.WriteString(strings.Repeat("a", size) + "\r\n")
		}
	}
	return b.String() + trailer + "\r\n"
}

// The example of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html.
func documentedChunks() *http.Request {
	body := chunked([3]string{
		"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
		"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
		"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
	}, "")
	r := httptest.NewRequest("PUT", "http://s3.amazonaws.com/examplebucket/chunkObject.txt", strings.NewReader(body))
	for name, value := range map[string]string{
		"X-Amz-Date": "20130524T000000Z", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "Content-Encoding": "aws-chunked",
		"X-Amz-Content-Sha256": streamingSigned, "X-Amz-Decoded-Content-Length": "66560",
		"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// The example of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html.
func documentedTrailer() *http.Request {
	body := chunked([3]string{
		"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
		"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
		"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
	}, "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n")
	r := httptest.NewRequest("PUT", "http://s3.amazonaws.com/examplebucket/chunkObject.txt", strings.NewReader(body))
	for name, value := range map[string]string{
		"X-Amz-Date": "20130524T000000Z", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "Content-Encoding": "aws-chunked",
		"X-Amz-Content-Sha256": streamingSignedTrailer, "X-Amz-Decoded-Content-Length": "66560", "X-Amz-Trailer": "x-amz-checksum-crc32c",
		"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
	} {
		r.Header.Set(name, value)
	}
	return r
}

var documentedTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func TestChunks(t *testing.T) {
	edit := func(old, new string) func(string) string {
		return func(body string) string {
			if !strings.Contains(body, old) {
				t.Errorf("%q does not occur", old)
			}
			return strings.Replace(body, old, new, 1)
		}
	}
	tests := []struct {
		name    string
		request func() *http.Request
		edit    func(string) string
		want    Kind
	}{
		{"documented", documentedChunks, nil, ""},
		{"the last line may be missing", documentedChunks, func(b string) string { return strings.TrimSuffix(b, "\r\n") }, ""},
		{"altered data", documentedChunks, edit("aaa\r\n", "aab\r\n"), SignatureMismatch},
		{"altered chunk signature", documentedChunks, edit("ad80", "ad81"), SignatureMismatch},
		{"altered last signature", documentedChunks, edit("b6c6", "b6c7"), SignatureMismatch},
		{"signature left out", documentedChunks, edit(";chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", ""), BadBody},
		{"size is no number", documentedChunks, edit("10000;", "1000x;"), BadBody},
		{"size is negative", documentedChunks, edit("10000;", "-1;"), BadBody},
		{"size is huge", documentedChunks, edit("10000;", "7fffffffffffffff;"), BadBody},
		{"endless line", documentedChunks, edit("10000;", strings.Repeat("0", 500)+"10000;"), BadBody},
		{"breaks off", documentedChunks, func(b string) string { return b[:40000] }, BadBody},
		{"breaks off between chunks", documentedChunks, func(b string) string { head, _, _ := strings.Cut(b, "400;"); return head }, BadBody},
		{"last chunk left out", documentedChunks, func(b string) string { return b[:strings.LastIndex(b, "0;chunk")] }, BadBody},
		{"size with a sign", documentedChunks, edit("10000;", "+10000;"), BadBody},
		{"size with a prefix", documentedChunks, edit("10000;", "0x10000;"), BadBody},
		{"size with a space", documentedChunks, edit("10000;", "10000 ;"), BadBody},
		{"size missing", documentedChunks, edit("10000;", ";"), BadBody},
		{"size smaller than the data", documentedChunks, edit("10000;", "ffff;"), SignatureMismatch},
		{"size larger than the data", documentedChunks, edit("400;", "402;"), BadBody},
		{"size that wraps around", documentedChunks, edit("10000;", "10000000000010000;"), BadBody},
		{"extension of HTTP", documentedChunks, edit("10000;", "10000;x=y;"), BadBody},
		{"signature in upper case", documentedChunks, edit("ad80c730a21e5b8d", "AD80C730A21E5B8D"), SignatureMismatch},
		{"signature cut off", documentedChunks, edit("85a288648\r", "85a28864\r"), SignatureMismatch},
		{"signature twice", documentedChunks, edit("0055627c", "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648,0055627c"), BadBody},
		{"chunks exchanged", documentedChunks, func(b string) string {
			at, end := strings.Index(b, "400;"), strings.Index(b, "0;chunk-signature=b6c6")
			return b[at:end] + b[:at] + b[end:]
		}, SignatureMismatch},
		{"chunk again", documentedChunks, func(b string) string { at := strings.Index(b, "400;"); return b[:at] + b }, BadBody},
		{"empty chunk in between", documentedChunks, func(b string) string {
			at := strings.Index(b, "400;")
			return b[:at] + "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n" + b[at:]
		}, SignatureMismatch},
		{"lines end with LF alone", documentedChunks, func(b string) string { return strings.ReplaceAll(b, "\r\n", "\n") }, BadBody},
		{"carriage return in a line", documentedChunks, edit("10000;", "10000\r;"), BadBody},
		{"bytes after the last chunk", documentedChunks, func(b string) string { return b + "x" }, BadBody},
		{"bytes instead of the last line", documentedChunks, func(b string) string { return strings.TrimSuffix(b, "\r\n") + "x" }, BadBody},
		{"another request after the last chunk", documentedChunks, func(b string) string { return b + "GET / HTTP/1.1\r\n\r\n" }, BadBody},
		{"nothing", documentedChunks, func(string) string { return "" }, BadBody},
		{"not chunked", documentedChunks, func(string) string { return strings.Repeat("a", 66560) }, BadBody},
		{"trailer where none may be", documentedChunks, func(b string) string { return strings.TrimSuffix(b, "\r\n") + "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n" }, BadBody},

		{"documented trailer", documentedTrailer, nil, ""},
		{"altered trailer", documentedTrailer, edit("sOO8", "sOO9"), SignatureMismatch},
		{"altered trailer signature", documentedTrailer, edit("d81f", "d82f"), SignatureMismatch},
		{"altered trailer name", documentedTrailer, edit("x-amz-checksum-crc32c:", "x-amz-checksum-crc32c :"), BadBody},
		{"trailer twice", documentedTrailer, edit("x-amz-trailer-signature", "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature"), BadBody},
		{"trailer after its signature", documentedTrailer, func(b string) string { return strings.TrimSuffix(b, "\r\n") + "x-amz-checksum-sha1:AA==\r\n\r\n" }, BadBody},
		{"trailer signature twice", documentedTrailer, func(b string) string {
			_, signature, _ := strings.Cut(b, "x-amz-trailer-signature")
			return strings.TrimSuffix(b, "\r\n") + "x-amz-trailer-signature" + signature
		}, BadBody},
		{"trailer signature of the last chunk", documentedTrailer, edit("d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"), SignatureMismatch},
		{"bytes after the trailer", documentedTrailer, func(b string) string { return b + "x" }, BadBody},
		{"trailer too long", documentedTrailer, edit("sOO8", strings.Repeat("s", maxTrailer)), BadBody},
		{"last line missing", documentedTrailer, func(b string) string { return strings.TrimSuffix(b, "\r\n") }, BadBody},
		{"trailer not announced", documentedTrailer, edit("crc32c:", "sha1:"), BadBody},
		{"trailer left out", documentedTrailer, edit("x-amz-checksum-crc32c:sOO8/Q==\r\n", ""), BadBody},
		{"trailer signature left out", documentedTrailer, func(b string) string { head, _, _ := strings.Cut(b, "x-amz-trailer-signature"); return head + "\r\n" }, SignatureMismatch},

		// minio-go ends a trailing header with LF CRLF, and AWS accepts it: https://github.com/minio/minio-go/issues/1817
		{"trailer of minio-go", documentedTrailer, edit("sOO8/Q==\r\n", "sOO8/Q==\n\r\n"), ""},
		{"trailer with LF alone", documentedTrailer, edit("sOO8/Q==\r\n", "sOO8/Q==\n"), BadBody},
		{"trailer with LF twice", documentedTrailer, edit("sOO8/Q==\r\n", "sOO8/Q==\n\n"), BadBody},
		{"altered trailer of minio-go", documentedTrailer, edit("sOO8/Q==\r\n", "sOO9/Q==\n\r\n"), SignatureMismatch},
		{"carriage return in a trailer of minio-go", documentedTrailer, edit("sOO8/Q==\r\n", "sOO8/\rQ==\n\r\n"), BadBody},
		{"trailer of minio-go too long", documentedTrailer, edit("sOO8/Q==\r\n", strings.Repeat("s", maxTrailer)+"\n\r\n"), BadBody},
		{"chunk with the line ends of minio-go's trailers", documentedChunks, edit("400;", "400\n;"), BadBody},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := test.request()
			if test.edit != nil {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				// The length stays the signed one: only the body is altered.
				r.Body = io.NopCloser(strings.NewReader(test.edit(string(body))))
			}
			_, err := at(documentedTime).Verify(r)
			wantKind(t, err, test.want)
			if err != nil {
				return
			}
			got, err := io.ReadAll(r.Body)
			if err != nil || string(got) != strings.Repeat("a", 66560) {
				t.Errorf("decoded %d bytes, %v", len(got), err)
			}
			if r.ContentLength != 66560 || r.Header.Get("Content-Encoding") != "" || r.Header.Get("Content-Length") != "66560" {
				t.Errorf("length %d, headers %v", r.ContentLength, r.Header)
			}
		})
	}
}

func TestUnsignedChunks(t *testing.T) {
	body := chunked([3]string{}, "x-amz-checksum-crc32:AAAAAA==\r\n")
	tests := []struct {
		name, body, length, trailer string
		want                        Kind
	}{
		{"as SDKs send it", body, "66560", "x-amz-checksum-crc32", ""},
		{"longer than declared", body, "66559", "x-amz-checksum-crc32", BadBody},
		{"shorter than declared", body, "66561", "x-amz-checksum-crc32", BadBody},
		{"no declared length", body, "", "x-amz-checksum-crc32", BadBody},
		{"declared too large", body, "1000000000000", "x-amz-checksum-crc32", TooLarge},
		{"a signature that nobody checks", strings.Replace(body, "400\r", "400;chunk-signature=00\r", 1), "66560", "x-amz-checksum-crc32", BadBody},
		{"a small chunk before the last", "1\r\na\r\n1\r\na\r\n0\r\n\r\n", "2", "", BadBody},
		{"declared twice", body, "66560,66560", "x-amz-checksum-crc32", BadBody},
		{"declared with a sign", body, "+66560", "x-amz-checksum-crc32", BadBody},
		{"a trailer announced twice", body, "66560", "x-amz-checksum-crc32,x-amz-checksum-crc32", BadBody},
		{"a setting that looks like a checksum", strings.Replace(body, "crc32:AAAAAA==", "algorithm:CRC32", 1), "66560", "x-amz-checksum-algorithm", BadBody},
		{"a signature of the trailer that nobody checks", strings.Replace(body, "AAAAAA==\r\n", "AAAAAA==\r\nx-amz-trailer-signature:00\r\n", 1), "66560", "x-amz-checksum-crc32", BadBody},
		{"a header that is no checksum", "0\r\nx-amz-copy-source:b/k\r\n\r\n", "0", "x-amz-copy-source", BadBody},
		{"empty", "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "0", "x-amz-checksum-crc32", ""},
		// https://github.com/minio/minio-go/issues/1817
		{"as minio-go sends it", strings.Replace(body, "AAAAAA==\r\n", "AAAAAA==\n\r\n", 1), "66560", "x-amz-checksum-crc32", ""},
		{"empty, as minio-go sends it", "0\r\nx-amz-checksum-crc32:AAAAAA==\n\r\n\r\n", "0", "x-amz-checksum-crc32", ""},
		{"as minio-go sends it, without the last line", "0\r\nx-amz-checksum-crc32:AAAAAA==\n\r\n", "0", "x-amz-checksum-crc32", BadBody},
		{"as minio-go sends it, and more", "0\r\nx-amz-checksum-crc32:AAAAAA==\n\r\n\r\nx", "0", "x-amz-checksum-crc32", BadBody},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := sign(t, temporary, "s3", "PUT", "http://emu/bucket/key", test.body, now, func(r *http.Request) {
				r.Header.Set("X-Amz-Content-Sha256", streamingUnsignedTrailer)
				r.Header.Set("X-Amz-Decoded-Content-Length", test.length)
				r.Header.Set("Content-Encoding", "gzip,aws-chunked")
				if test.trailer != "" {
					r.Header.Set("X-Amz-Trailer", test.trailer)
				}
			})
			_, err := at(now).Verify(r)
			wantKind(t, err, test.want)
			if err == nil && (r.Header.Get("X-Amz-Checksum-Crc32") != "AAAAAA==" || r.Header.Get("Content-Encoding") != "gzip") {
				t.Errorf("headers = %v", r.Header)
			}
		})
	}
}

// Trailing checksums that S3 knows become headers, unless the request has such a header
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html).
func TestTrailingChecksums(t *testing.T) {
	request := func(name string, adjust ...func(*http.Request)) *http.Request {
		return sign(t, temporary, "s3", "PUT", "http://emu/bucket/key", "1\r\na\r\n0\r\n"+name+":AA==\r\n\r\n", now, append(adjust, func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", streamingUnsignedTrailer)
			r.Header.Set("X-Amz-Decoded-Content-Length", "1")
			r.Header.Set("X-Amz-Trailer", name)
		})...)
	}
	for _, name := range []string{"crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512", "xxhash64", "xxhash3", "xxhash128"} {
		r := request("x-amz-checksum-" + name)
		if _, err := at(now).Verify(r); err != nil || r.Header.Get("X-Amz-Checksum-"+name) != "AA==" || r.Header.Get("X-Amz-Trailer") != "" {
			t.Errorf("%s: %v, headers %v", name, err, r.Header)
		}
	}
	_, err := at(now).Verify(request("x-amz-checksum-sha1", setHeader("X-Amz-Checksum-Sha1", "BB==")))
	wantKind(t, err, BadBody)

	r := request("x-amz-checksum-sha1")
	r.ContentLength = 0
	_, err = at(now).Verify(r)
	wantKind(t, err, SignatureMismatch) // the SDK signs Content-Length
}
