package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
)

const (
	// minChunk is the smallest size of every chunk with data but the last. S3 answers InvalidChunkSizeError to smaller
	// chunks.
	minChunk     = 8 << 10
	maxTrailer   = 2 << 10
	maxChunkHead = 128
	// firstRoom is the memory for data before any arrives: two chunks as SDKs send them. The headers are verified by then.
	firstRoom = 128 << 10
)

// chunkDecoder reads chunks "SIZE[;chunk-signature=SIGNATURE]\r\nDATA\r\n" up to one of size 0, and the trailing headers
// after it.
type chunkDecoder struct {
	reader    *bufio.Reader
	signature *signature
	signed    bool
	trailer   bool
	// want is the decoded length.
	want  int64
	plain []byte
	// reserve accounts for the memory of the data.
	reserve func(n int64) error
	// previous is the signature that the next chunk's signature continues.
	previous string
}

func newChunkDecoder(reader *bufio.Reader, s *signature, marker string, want int64) *chunkDecoder {
	return &chunkDecoder{
		reader: reader, signature: s, want: want,
		signed: marker != streamingUnsignedTrailer, trailer: marker != streamingSigned,
		previous: s.claimed, reserve: func(int64) error { return nil },
	}
}

// decode fills plain and returns the trailing headers, whose names must be in names.
func (d *chunkDecoder) decode(names []string) (map[string]string, error) {
	for last := false; ; {
		size, claimed, err := d.readHead()
		if err != nil {
			return nil, err
		}
		if size > d.want-int64(len(d.plain)) {
			return nil, refuse(BadBody, "the chunks have more data than x-amz-decoded-content-length says")
		}
		if size > 0 && last {
			return nil, refuse(BadBody, "Only the last chunk is allowed to have a size less than %d bytes", minChunk)
		}
		last = size < minChunk
		start := len(d.plain)
		if err := d.readData(size); err != nil {
			return nil, err
		}
		if d.signed {
			d.signature.begin(algorithm + "-PAYLOAD")
			d.signature.addLine(d.previous)
			d.signature.addLine(emptyHash)
			d.signature.addHash(sha256.Sum256(d.plain[start:]))
			if err := d.continues(claimed); err != nil {
				return nil, err
			}
		}
		if size == 0 {
			break
		}
		if line, err := d.readLine(0); err != nil || len(line) > 0 {
			return nil, refuse(BadBody, "a chunk does not end where its size says")
		}
	}
	if int64(len(d.plain)) != d.want {
		return nil, refuse(BadBody, "the chunks have less data than x-amz-decoded-content-length says")
	}
	found, err := d.readTrailer(names)
	if err != nil {
		return nil, err
	}
	if _, err := d.reader.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, refuse(BadBody, "the body does not end after its last chunk")
	}
	return found, nil
}

// readData appends size bytes to plain. plain grows as they arrive.
func (d *chunkDecoder) readData(size int64) error {
	for size > 0 {
		if len(d.plain) == cap(d.plain) {
			if err := d.grow(); err != nil {
				return err
			}
		}
		start := len(d.plain)
		part := int(min(size, int64(cap(d.plain)-start)))
		n, err := io.ReadFull(d.reader, d.plain[start:start+part])
		d.plain = d.plain[:start+n]
		if err != nil {
			return err
		}
		size -= int64(part)
	}
	return nil
}

// grow doubles the room for the data, up to the decoded length.
func (d *chunkDecoder) grow() error {
	room := min(max(2*int64(cap(d.plain)), firstRoom), d.want)
	if err := d.reserve(room - int64(cap(d.plain))); err != nil {
		return err
	}
	d.plain = append(make([]byte, 0, room), d.plain...)
	return nil
}

// readHead reads a chunk's first line.
func (d *chunkDecoder) readHead() (size int64, claimed string, err error) {
	line, err := d.readLine(maxChunkHead)
	if err != nil {
		return 0, "", err
	}
	digits, extension, extended := bytes.Cut(line, []byte(";"))
	size, ok := parseSize(digits)
	if !ok {
		return 0, "", refuse(BadBody, "a chunk's size is not a hexadecimal number")
	}
	signature, found := bytes.CutPrefix(extension, []byte("chunk-signature="))
	if d.signed != found || d.signed != extended {
		return 0, "", refuse(BadBody, "a chunk's signature is missing or not expected")
	}
	return size, string(signature), nil
}

// parseSize reads hexadecimal digits only. strconv would accept other texts too.
func parseSize(digits []byte) (size int64, ok bool) {
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		size = size<<4 | int64(c)
	}
	return size, true
}

// readLine reads up to CRLF, which it removes. limit is for the line without it. The line is valid until the next line is
// read.
func (d *chunkDecoder) readLine(limit int) ([]byte, error) {
	line, err := d.reader.ReadSlice('\n')
	return d.endLine(line, err, limit)
}

// endLine checks a line and its end, and removes CRLF.
func (d *chunkDecoder) endLine(line []byte, err error, limit int) ([]byte, error) {
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > limit+2:
		return nil, refuse(BadBody, "a line between the chunks is too long")
	case err != nil && len(line) > 0:
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	line, found := bytes.CutSuffix(line, []byte("\r\n"))
	if !found || bytes.IndexByte(line, '\r') >= 0 {
		return nil, refuse(BadBody, "a line between the chunks does not end with CRLF")
	}
	return line, nil
}

// readTrailerLine is readLine, but also accepts LF CRLF as an end. minio-go ends its only trailing header so, and S3
// accepts it (https://github.com/minio/minio-go/issues/1817).
func (d *chunkDecoder) readTrailerLine(limit int) ([]byte, error) {
	line, err := d.reader.ReadSlice('\n')
	if err != nil || len(line) == 1 || line[len(line)-2] == '\r' {
		return d.endLine(line, err, limit)
	}
	kept := append(make([]byte, 0, len(line)+1), line[:len(line)-1]...)
	if rest, err := d.readLine(0); err != nil || len(rest) > 0 {
		return nil, refuse(BadBody, "a trailing header does not end with CRLF")
	}
	return d.endLine(append(kept, "\r\n"...), nil, limit)
}

// continues checks a signature of the chain against the signed text, and makes it the previous one.
func (d *chunkDecoder) continues(claimed string) error {
	if !d.signature.signs(claimed) {
		return refuse(SignatureMismatch, "the signature of a chunk is not the one that the secret access key makes")
	}
	d.previous = claimed
	return nil
}

// readTrailer reads the headers after the last chunk and their signature.
func (d *chunkDecoder) readTrailer(names []string) (map[string]string, error) {
	found := map[string]string{}
	var canonical strings.Builder
	claimed, total := "", 0
	for {
		text, err := d.readTrailerLine(maxTrailer - total)
		if errors.Is(err, io.EOF) && !d.trailer {
			// A body without trailing headers may lack only the empty line after the last chunk.
			break
		}
		if err != nil {
			return nil, err
		}
		if len(text) == 0 {
			break
		}
		line := string(text)
		total += len(line)
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		_, twice := found[name]
		switch {
		case !ok || !d.trailer:
			return nil, refuse(BadBody, "malformed trailing header")
		case name == "x-amz-trailer-signature" && d.signed && claimed == "":
			claimed = value
		case claimed != "" || twice || !slices.Contains(names, name):
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
		d.signature.begin(algorithm + "-TRAILER")
		d.signature.addLine(d.previous)
		d.signature.addHash(sha256.Sum256([]byte(canonical.String())))
		if err := d.continues(claimed); err != nil {
			return nil, err
		}
	}
	return found, nil
}
