package sigv4

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

const (
	// minChunk is the least size of every chunk but the last with data; S3 answers
	// InvalidChunkSizeError to smaller ones.
	minChunk   = 8 << 10
	maxTrailer = 16 << 10
)

var emptyHash = hex.EncodeToString(sha256.New().Sum(nil))

// chunkDecoder reads "SIZE[;chunk-signature=SIGNATURE]\r\nDATA\r\n" chunks up to one of size 0, and
// the trailing headers after it.
type chunkDecoder struct {
	reader    *bufio.Reader
	signature *signature
	signed    bool
	trailer   bool
	// want is the decoded length.
	want  int64
	plain bytes.Buffer
	// previous is the signature that the next one continues.
	previous string
}

func newChunkDecoder(r io.Reader, s *signature, marker string, want int64) *chunkDecoder {
	return &chunkDecoder{
		reader: bufio.NewReader(r), signature: s, want: want,
		signed: marker != streamingUnsignedTrailer, trailer: marker != streamingSigned,
		previous: hex.EncodeToString(s.signature),
	}
}

// decode fills plain and returns the trailing headers, which must be those of names.
func (d *chunkDecoder) decode(names []string) (map[string]string, error) {
	for last := false; ; {
		size, signature, err := d.readHead()
		if err != nil {
			return nil, err
		}
		if size > d.want-int64(d.plain.Len()) {
			return nil, refuse(BadBody, "the chunks have more data than x-amz-decoded-content-length says")
		}
		if size > 0 && last {
			return nil, refuse(BadBody, "Only the last chunk is allowed to have a size less than %d bytes", minChunk)
		}
		last = size < minChunk
		start := d.plain.Len()
		if _, err := io.CopyN(&d.plain, d.reader, size); err != nil {
			return nil, err
		}
		if d.signed {
			if err := d.checkChunk(d.plain.Bytes()[start:], signature); err != nil {
				return nil, err
			}
		}
		if size == 0 {
			break
		}
		if line, err := d.readLine(0); err != nil || line != "" {
			return nil, refuse(BadBody, "a chunk does not end where its size says")
		}
	}
	if int64(d.plain.Len()) != d.want {
		return nil, refuse(BadBody, "the chunks have less data than x-amz-decoded-content-length says")
	}
	return d.readTrailer(names)
}

// readHead reads a chunk's first line.
func (d *chunkDecoder) readHead() (size int64, signature string, err error) {
	line, err := d.readLine(128)
	if err != nil {
		return 0, "", err
	}
	digits, extension, _ := strings.Cut(line, ";")
	size, err = strconv.ParseInt(digits, 16, 63)
	if err != nil || size < 0 || strings.HasPrefix(digits, "+") {
		return 0, "", refuse(BadBody, "a chunk's size is not a hexadecimal number")
	}
	signature, found := strings.CutPrefix(extension, "chunk-signature=")
	if d.signed != found || !d.signed && extension != "" {
		return 0, "", refuse(BadBody, "a chunk's signature is missing or not expected")
	}
	return size, signature, nil
}

// readLine reads up to CRLF, which it drops; limit is of the line without it.
func (d *chunkDecoder) readLine(limit int) (string, error) {
	var line []byte
	for {
		c, err := d.reader.ReadByte()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return string(bytes.TrimSuffix(line, []byte("\r"))), nil
		}
		if line = append(line, c); len(line) > limit+1 {
			return "", refuse(BadBody, "a line between the chunks is too long")
		}
	}
}

func (d *chunkDecoder) checkChunk(data []byte, claimed string) error {
	hash := sha256.Sum256(data)
	return d.continues(claimed, d.signature.sign(algorithm+"-PAYLOAD", d.previous, emptyHash, hex.EncodeToString(hash[:])))
}

// continues checks a signature of the chain and makes it the previous one.
func (d *chunkDecoder) continues(claimed string, want []byte) error {
	got, err := hex.DecodeString(claimed)
	if err != nil || !hmac.Equal(got, want) {
		return refuse(SignatureMismatch, "the signature of a chunk is not the one that the secret access key makes")
	}
	d.previous = hex.EncodeToString(want)
	return nil
}

// readTrailer reads the headers after the last chunk and their signature.
func (d *chunkDecoder) readTrailer(names []string) (map[string]string, error) {
	found := map[string]string{}
	var canonical strings.Builder
	claimed, total := "", 0
	for {
		line, err := d.readLine(maxTrailer - total)
		if errors.Is(err, io.EOF) && line == "" && !d.trailer {
			// The empty line after the last chunk is all that a body without trailer may lack.
			break
		}
		if err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		total += len(line)
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok || !d.trailer:
			return nil, refuse(BadBody, "malformed trailing header")
		case name == "x-amz-trailer-signature" && d.signed && claimed == "":
			claimed = value
		case claimed != "" || found[name] != "" || !slices.Contains(names, name):
			return nil, refuse(BadBody, "trailing header that x-amz-trailer does not announce")
		default:
			found[name] = value
			canonical.WriteString(name + ":" + value + "\n")
		}
	}
	if len(found) != len(names) && d.trailer {
		return nil, refuse(BadBody, "a trailing header that x-amz-trailer announces is missing")
	}
	if d.signed && d.trailer {
		hash := sha256.Sum256([]byte(canonical.String()))
		if err := d.continues(claimed, d.signature.sign(algorithm+"-TRAILER", d.previous, hex.EncodeToString(hash[:]))); err != nil {
			return nil, err
		}
	}
	return found, nil
}
