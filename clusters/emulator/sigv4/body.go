package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The values of x-amz-content-sha256 that are not a hash
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html).
const (
	unsignedPayload          = "UNSIGNED-PAYLOAD"
	streamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

const (
	contentHashHeader   = "X-Amz-Content-Sha256"
	decodedLengthHeader = "X-Amz-Decoded-Content-Length"
	trailerHeader       = "X-Amz-Trailer"
)

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// body checks and replaces a request's body.
type body struct {
	request   *http.Request
	signature *signature
	limit     int64
	// declared is the payload hash of the canonical request.
	declared string
	// plain is the body when it was read.
	plain []byte
	read  bool
}

// declare finds what the signature covers in place of the body: the declared hash or marker, or
// for services that need no such header the body's own hash.
func (b *body) declare() error {
	headers := b.request.Header[contentHashHeader]
	if len(headers) > 1 {
		return refuse(Incomplete, "x-amz-content-sha256 is given twice")
	}
	header := ""
	if len(headers) == 1 {
		header = headers[0]
	}
	if b.signature.service != s3Service {
		return b.declareOwn(header)
	}
	b.declared = header
	if b.signature.presigned {
		switch query, count := b.signature.query.get(contentHashHeader); {
		case count > 1 || count == 1 && header != "" && header != query:
			return refuse(Incomplete, "x-amz-content-sha256 is given twice")
		case count == 1:
			b.declared = query
		case header == "":
			b.declared = unsignedPayload
		}
	}
	most := b.limit
	if b.chunked() {
		most += most / 8 // what the chunks are wrapped in
	}
	switch {
	case b.request.ContentLength > most:
		return b.tooLarge()
	case b.chunked(), b.declared == unsignedPayload:
		return nil
	case b.declared == "":
		return refuse(Incomplete, "Missing required header for this request: x-amz-content-sha256")
	}
	if len(b.declared) != 2*sha256.Size || strings.Trim(b.declared, "0123456789abcdef") != "" {
		return refuse(Incomplete, "x-amz-content-sha256 must be %s, %s, %s, %s, or a valid sha256 value.",
			unsignedPayload, streamingSigned, streamingSignedTrailer, streamingUnsignedTrailer)
	}
	return nil
}

// chunked tells whether the body is in the aws-chunked coding.
func (b *body) chunked() bool {
	switch b.declared {
	case streamingSigned, streamingSignedTrailer, streamingUnsignedTrailer:
		return true
	}
	return false
}

// declareOwn declares the body's own hash, which a header may repeat.
func (b *body) declareOwn(header string) error {
	if err := b.readPlain(); err != nil {
		return err
	}
	b.declared = emptyHash
	if len(b.plain) > 0 {
		hash := sha256.Sum256(b.plain)
		b.declared = hex.EncodeToString(hash[:])
	}
	if header != "" && header != b.declared {
		return refuse(BodyMismatch, "the body is not the one of x-amz-content-sha256")
	}
	return nil
}

// verify reads the body, checks it against what was declared and hands it on.
func (b *body) verify(reader *bufio.Reader) error {
	switch {
	case b.chunked():
		if err := b.decodeChunks(reader); err != nil {
			return err
		}
	case b.declared == unsignedPayload:
		if err := b.readPlain(); err != nil {
			return err
		}
	default:
		if b.read {
			break // declareOwn has hashed it
		}
		if err := b.readPlain(); err != nil {
			return err
		}
		if !b.isDeclared() {
			return refuse(BodyMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
		}
	}
	b.replace()
	return nil
}

func (b *body) isDeclared() bool {
	if len(b.plain) == 0 {
		return b.declared == emptyHash
	}
	hash := sha256.Sum256(b.plain)
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], hash[:])
	// The hash is no secret, so its comparison may take any time.
	return string(digits[:]) == b.declared
}

// plainBody is a body in memory.
type plainBody struct{ bytes.Reader }

func (*plainBody) Close() error { return nil }

// replace hands the verified body on.
func (b *body) replace() {
	r := b.request
	r.TransferEncoding = nil
	length := int64(len(b.plain))
	if length == 0 {
		r.Body = http.NoBody
	} else {
		plain := &plainBody{}
		plain.Reset(b.plain)
		r.Body = plain
	}
	if r.ContentLength == length && r.Header["Content-Length"] == nil {
		return // as it came
	}
	r.ContentLength = length
	if text := strconv.FormatInt(length, 10); r.Header.Get("Content-Length") != text {
		r.Header.Set("Content-Length", text)
	}
}

func (b *body) tooLarge() error { return refuse(TooLarge, "the body is larger than %d bytes", b.limit) }

// readPlain reads the whole body once.
func (b *body) readPlain() error {
	if b.read || b.request.Body == nil || b.request.Body == http.NoBody {
		b.read = true
		return nil
	}
	b.read = true
	if b.request.ContentLength > b.limit {
		return b.tooLarge()
	}
	if length := b.request.ContentLength; length >= 0 {
		// One byte more tells whether the body is longer, which a server would not let happen.
		b.plain = make([]byte, length+1)
		n, err := io.ReadFull(b.request.Body, b.plain)
		b.plain = b.plain[:n]
		switch {
		case err == nil || int64(n) < length || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
			return refuse(BadBody, "the body does not have the %d bytes of Content-Length", length)
		default:
			return nil
		}
	}
	var buffer bytes.Buffer
	n, err := buffer.ReadFrom(io.LimitReader(b.request.Body, b.limit+1))
	if err != nil {
		return refuse(BadBody, "the body broke off after %d bytes", n)
	}
	if n > b.limit {
		return b.tooLarge()
	}
	b.plain = buffer.Bytes()
	return nil
}

// trailer tells whether a header may come after the body: the checksums that S3 takes after a body
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html). Any
// other header could change what an already verified request means.
func trailer(name string) bool {
	switch name {
	case "x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme", "x-amz-checksum-sha1", "x-amz-checksum-sha256":
		return true
	}
	return false
}

// decodeChunks decodes the aws-chunked content coding.
func (b *body) decodeChunks(reader *bufio.Reader) error {
	r := b.request
	if r.Body == nil || len(r.Header[decodedLengthHeader]) > 1 || len(r.Header[trailerHeader]) > 1 {
		return refuse(BadBody, "a chunked body needs x-amz-decoded-content-length, and at most one x-amz-trailer")
	}
	decodedLength, err := strconv.ParseUint(r.Header.Get(decodedLengthHeader), 10, 63)
	if err != nil {
		return refuse(BadBody, "x-amz-decoded-content-length must be the length of the decoded body")
	}
	if decodedLength > uint64(b.limit) {
		return b.tooLarge()
	}
	if r.ContentLength >= 0 && uint64(r.ContentLength) < decodedLength {
		return refuse(BadBody, "x-amz-decoded-content-length is more than Content-Length")
	}
	var trailers []string
	if header := r.Header.Get(trailerHeader); header != "" {
		for name := range strings.SplitSeq(header, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if !trailer(name) || slices.Contains(trailers, name) {
				return refuse(BadBody, "only checksums can be trailing headers, each once")
			}
			trailers = append(trailers, name)
		}
	}
	reader.Reset(r.Body)
	decoder := newChunkDecoder(reader, b.signature, b.declared, int64(decodedLength))
	found, err := decoder.decode(trailers)
	if err != nil {
		if _, ok := errors.AsType[*Error](err); ok {
			return err
		}
		return refuse(BadBody, "the body broke off")
	}
	b.plain, b.read = decoder.plain, true
	for name, value := range found {
		if r.Header.Get(name) != "" {
			return refuse(BadBody, "a trailing header is given before the body too")
		}
		r.Header.Set(name, value)
	}
	r.Header.Del(trailerHeader)
	b.dropCoding()
	return nil
}

// dropCoding takes aws-chunked out of Content-Encoding, and leaves what else the object is coded with.
func (b *body) dropCoding() {
	header := b.request.Header
	var codings []string
	for _, value := range header.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "aws-chunked") {
				codings = append(codings, coding)
			}
		}
	}
	header.Del("Content-Encoding")
	if len(codings) > 0 {
		header.Set("Content-Encoding", strings.Join(codings, ","))
	}
}
