package sigv4

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest puts the request in the form that is signed.
func (s *signature) canonicalRequest(r *http.Request, payloadHash string) ([]byte, error) {
	if err := s.checkSignedHeaders(r); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(1024)
	b.WriteString(r.Method)
	b.WriteByte('\n')
	// S3 signs the path encoded once, every other service the encoded path encoded again.
	path := r.URL.Path
	if s.service != s3Service {
		path = r.URL.EscapedPath()
	}
	if path == "" {
		path = "/"
	}
	writeEncoded(&b, path, true)
	b.WriteByte('\n')
	s.writeQuery(&b)
	b.WriteByte('\n')
	for _, name := range s.signedHeaders {
		b.WriteString(name)
		b.WriteByte(':')
		writeHeader(&b, r, name)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(s.signedHeaders, ";"))
	b.WriteByte('\n')
	b.WriteString(payloadHash)
	return b.Bytes(), nil
}

// checkSignedHeaders refuses a request with X-Amz-* headers that are not signed: they would change
// its meaning.
func (s *signature) checkSignedHeaders(r *http.Request) error {
	for name := range r.Header {
		if !strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		if _, signed := slices.BinarySearch(s.signedHeaders, strings.ToLower(name)); !signed {
			return refuse(UnsignedHeaders, "There were headers present in the request which were not signed: %s", strings.ToLower(name))
		}
	}
	return nil
}

// writeHeader writes a header's values with runs of spaces made one, joined by commas.
func writeHeader(b *bytes.Buffer, r *http.Request, name string) {
	var values []string
	switch name {
	case "host":
		values = []string{r.Host}
	case "content-length":
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	case "transfer-encoding":
		values = r.TransferEncoding
	default:
		values = r.Header.Values(name)
	}
	for i, value := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		space := false
		for _, c := range []byte(strings.Trim(value, " \t")) {
			if c != ' ' || !space {
				b.WriteByte(c)
			}
			space = c == ' '
		}
	}
}

type parameter struct{ name, value string }

// writeQuery writes the parameters but for the signature, encoded and sorted.
func (s *signature) writeQuery(b *bytes.Buffer) {
	if len(s.query) == 0 {
		return
	}
	parameters := make([]parameter, 0, len(s.query))
	for name, values := range s.query {
		if s.presigned && name == "X-Amz-Signature" {
			continue
		}
		for _, value := range values {
			parameters = append(parameters, parameter{encoded(name), encoded(value)})
		}
	}
	slices.SortFunc(parameters, func(x, y parameter) int {
		if order := strings.Compare(x.name, y.name); order != 0 {
			return order
		}
		return strings.Compare(x.value, y.value)
	})
	for i, p := range parameters {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
}

func encoded(text string) string {
	var b bytes.Buffer
	writeEncoded(&b, text, false)
	return b.String()
}

// writeEncoded percent-encodes every byte but RFC 3986's unreserved ones.
func writeEncoded(b *bytes.Buffer, text string, keepSlash bool) {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', keepSlash && c == '/':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
}
