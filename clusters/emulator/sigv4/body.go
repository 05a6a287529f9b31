package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/limits"
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

// emptyHash is the SHA-256 of no bytes.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// body checks a request's body and replaces it.
type body struct {
	request   *http.Request
	signature *signature
	limit     int64
	// declared is the payload hash of the canonical request.
	declared string
	// plain is the body after it was read.
	plain []byte
	read  bool
}

// declare finds what the signature covers in place of the body: the declared hash or marker. For services that need no such
// header it is the hash of the body itself.
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
		most += most / 8 // room for the chunks' headers
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

// chunked says whether the body is in the aws-chunked coding.
func (b *body) chunked() bool {
	switch b.declared {
	case streamingSigned, streamingSignedTrailer, streamingUnsignedTrailer:
		return true
	}
	return false
}

// declareOwn declares the hash of the body itself, which a header may repeat.
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

// verify reads the body, checks it against what was declared, and passes it on.
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
			break // declareOwn has computed the hash
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
	// The hash is no secret, so its comparison need not take constant time.
	return string(digits[:]) == b.declared
}

// plainBody is a body in memory.
type plainBody struct {
	bytes.Reader
	data []byte
}

func (*plainBody) Close() error { return nil }

// Whole returns the body.
func (p *plainBody) Whole() ([]byte, error) { return p.data, nil }

// replace passes the verified body on.
func (b *body) replace() {
	r := b.request
	r.TransferEncoding = nil
	length := int64(len(b.plain))
	if length == 0 {
		r.Body = http.NoBody
	} else {
		plain := &plainBody{data: b.plain}
		plain.Reset(b.plain)
		r.Body = plain
	}
	b.setLength(length)
}

// setLength tells handlers the length of the body.
func (b *body) setLength(length int64) {
	r := b.request
	if r.ContentLength == length && r.Header["Content-Length"] == nil {
		return // the length stays as it was received
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
	length := b.request.ContentLength
	data, err := limits.ReadAll(b.request.Body, length, b.limit)
	switch {
	case errors.Is(err, limits.ErrMemory), errors.Is(err, limits.ErrInterrupted):
		return busy(err)
	case limits.IsTooLarge(err) && length <= b.limit && length >= 0, err == nil && int64(len(data)) < length,
		errors.Is(err, io.ErrUnexpectedEOF) && length >= 0:
		return refuse(BadBody, "the body does not have the %d bytes of Content-Length", length)
	case limits.IsTooLarge(err):
		return b.tooLarge()
	case err != nil:
		return brokeOff(err, int64(len(data)))
	}
	b.plain = data
	return nil
}

func busy(err error) error { return refuse(Busy, "%v; try again later", err) }

func brokeOff(err error, after int64) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refuse(Slow, "the body stood still or came too slowly; %d bytes came", after)
	}
	return refuse(BadBody, "the body broke off after %d bytes", after)
}

// trailer says whether a header may follow the body. Only the checksums that S3 accepts there may
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html). Any other header could
// change what an already verified request means. Package s3 decides which checksums are served.
func trailer(name string) bool {
	switch strings.TrimPrefix(name, "x-amz-checksum-") {
	case "crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512", "xxhash64", "xxhash3", "xxhash128":
		return strings.HasPrefix(name, "x-amz-checksum-")
	}
	return false
}

// announced is what the headers say about a body in the aws-chunked content coding.
type announced struct {
	length   int64
	trailers []string
}

func (b *body) announced() (announced, error) {
	var a announced
	r := b.request
	if r.Body == nil || len(r.Header[decodedLengthHeader]) > 1 || len(r.Header[trailerHeader]) > 1 {
		return a, refuse(BadBody, "a chunked body needs x-amz-decoded-content-length, and at most one x-amz-trailer")
	}
	length, err := strconv.ParseUint(r.Header.Get(decodedLengthHeader), 10, 63)
	if err != nil {
		return a, refuse(BadBody, "x-amz-decoded-content-length must be the length of the decoded body")
	}
	if length > uint64(b.limit) {
		return a, b.tooLarge()
	}
	if r.ContentLength >= 0 && uint64(r.ContentLength) < length {
		return a, refuse(BadBody, "x-amz-decoded-content-length is more than Content-Length")
	}
	a.length = int64(length)
	if header := r.Header.Get(trailerHeader); header != "" {
		for name := range strings.SplitSeq(header, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if !trailer(name) || slices.Contains(a.trailers, name) {
				return a, refuse(BadBody, "only checksums can be trailing headers, each once")
			}
			a.trailers = append(a.trailers, name)
		}
	}
	return a, nil
}

// decodeChunks decodes the aws-chunked content coding.
func (b *body) decodeChunks(reader *bufio.Reader) error {
	a, err := b.announced()
	if err != nil {
		return err
	}
	r := b.request
	reader.Reset(r.Body)
	decoder := newChunkDecoder(reader, b.signature, b.declared, a.length)
	decoder.reserve = func(n int64) error { return limits.Reserve(r.Body, n) }
	found, err := decoder.decode(a.trailers)
	if err != nil {
		if _, ok := errors.AsType[*Error](err); ok {
			return err
		}
		if errors.Is(err, limits.ErrMemory) || errors.Is(err, limits.ErrInterrupted) {
			return busy(err)
		}
		return brokeOff(err, int64(len(decoder.plain)))
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

// dropCoding removes aws-chunked from Content-Encoding, and leaves the object's other codings.
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
