package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"regexp"
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

const contentHashHeader = "X-Amz-Content-Sha256"

var hexHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// body checks and replaces a request's body.
type body struct {
	request   *http.Request
	signature *signature
	limit     int64
	// declared is the payload hash of the canonical request.
	declared string
	// plain is the body when declare had to read it.
	plain []byte
}

// declare finds what the signature covers in place of the body: the declared hash or marker, or
// for services that need no such header the body's own hash.
func (b *body) declare() error {
	if b.request.ContentLength > b.limit+b.limit/8 {
		return refuse(TooLarge, "the body is larger than %d bytes", b.limit)
	}
	s := b.signature
	header := b.request.Header.Get(contentHashHeader)
	if len(b.request.Header.Values(contentHashHeader)) > 1 {
		return refuse(Incomplete, "x-amz-content-sha256 is given twice")
	}
	if s.service != s3Service {
		if err := b.readPlain(); err != nil {
			return err
		}
		hash := sha256.Sum256(b.plain)
		b.declared = hex.EncodeToString(hash[:])
		if header != "" && header != b.declared {
			return refuse(BodyMismatch, "the body is not the one of x-amz-content-sha256")
		}
		return nil
	}
	b.declared = header
	if s.presigned {
		if query := s.query.Get(contentHashHeader); query != "" {
			b.declared = query
		} else if header == "" {
			b.declared = unsignedPayload
		}
	}
	markers := []string{unsignedPayload, streamingSigned, streamingSignedTrailer, streamingUnsignedTrailer}
	if b.declared == "" {
		return refuse(Incomplete, "Missing required header for this request: x-amz-content-sha256")
	}
	if !slices.Contains(markers, b.declared) && !hexHash.MatchString(b.declared) {
		return refuse(Incomplete, "x-amz-content-sha256 must be %s, or a valid sha256 value.", strings.Join(markers, ", "))
	}
	return nil
}

// verify reads the body, checks it against what was declared and hands it on.
func (b *body) verify() error {
	switch b.declared {
	case streamingSigned, streamingSignedTrailer, streamingUnsignedTrailer:
		if err := b.decodeChunks(); err != nil {
			return err
		}
	case unsignedPayload:
		if err := b.readPlain(); err != nil {
			return err
		}
	default:
		if err := b.readPlain(); err != nil {
			return err
		}
		if hash := sha256.Sum256(b.plain); hex.EncodeToString(hash[:]) != b.declared {
			return refuse(BodyMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
		}
	}
	r := b.request
	r.Body = io.NopCloser(bytes.NewReader(b.plain))
	r.ContentLength = int64(len(b.plain))
	r.TransferEncoding = nil
	r.Header.Set("Content-Length", strconv.Itoa(len(b.plain)))
	return nil
}

// readPlain reads the whole body once.
func (b *body) readPlain() error {
	if b.plain != nil || b.request.Body == nil {
		return nil
	}
	var buffer bytes.Buffer
	if length := b.request.ContentLength; length > 0 {
		buffer.Grow(int(min(length, b.limit)) + bytes.MinRead)
	}
	n, err := buffer.ReadFrom(io.LimitReader(b.request.Body, b.limit+1))
	if err != nil {
		return refuse(BadBody, "the body broke off after %d bytes", n)
	}
	if n > b.limit {
		return refuse(TooLarge, "the body is larger than %d bytes", b.limit)
	}
	b.plain = buffer.Bytes()
	return nil
}

// decodeChunks decodes the aws-chunked content coding.
func (b *body) decodeChunks() error {
	r := b.request
	decodedLength, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || decodedLength < 0 {
		return refuse(BadBody, "x-amz-decoded-content-length must be the length of the decoded body")
	}
	if decodedLength > b.limit {
		return refuse(TooLarge, "the body is larger than %d bytes", b.limit)
	}
	var trailers []string
	if header := r.Header.Get("X-Amz-Trailer"); header != "" {
		for name := range strings.SplitSeq(header, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if !strings.HasPrefix(name, "x-amz-checksum-") {
				// Any other header could change what an already verified request means.
				return refuse(BadBody, "only checksums can be trailing headers")
			}
			trailers = append(trailers, name)
		}
	}
	decoder := newChunkDecoder(r.Body, b.signature, b.declared, decodedLength)
	found, err := decoder.decode(trailers)
	if err != nil {
		if _, ok := errors.AsType[*Error](err); ok {
			return err
		}
		return refuse(BadBody, "the body broke off")
	}
	b.plain = decoder.plain.Bytes()
	for name, value := range found {
		r.Header.Set(name, value)
	}
	r.Header.Del("X-Amz-Trailer")
	var codings []string
	for coding := range strings.SplitSeq(r.Header.Get("Content-Encoding"), ",") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "aws-chunked") {
			codings = append(codings, coding)
		}
	}
	r.Header.Del("Content-Encoding")
	if len(codings) > 0 {
		r.Header.Set("Content-Encoding", strings.Join(codings, ","))
	}
	return nil
}
