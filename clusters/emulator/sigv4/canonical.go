package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// appendCanonical appends the request in the form that is signed
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, step 1).
func (s *signature) appendCanonical(b []byte, r *http.Request, payloadHash string, query parameters) []byte {
	b = append(append(b, r.Method...), '\n')
	b = append(s.appendPath(b, r), '\n')
	for i, p := range query {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(append(append(b, p.name...), '='), p.value...)
	}
	b = append(b, '\n')
	for i, name := range s.signedHeaders {
		b = append(append(b, name...), ':')
		for n, value := range s.signedValues[i] {
			if n > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, value)
		}
		b = append(b, '\n')
	}
	b = append(append(append(b, '\n'), s.signedNames...), '\n')
	return append(b, payloadHash...)
}

// appendPath appends the path. S3 signs it encoded once and not normalized. Every other service normalizes it (RFC 3986,
// section 6.2.2.3) and encodes the encoded path again.
func (s *signature) appendPath(b []byte, r *http.Request) []byte {
	path := r.URL.Path
	if s.service != s3Service {
		path = normalized(r.URL.EscapedPath())
	}
	if path == "" {
		path = "/"
	}
	return appendEncoded(b, path, true)
}

// normalized resolves empty, "." and ".." segments.
func normalized(path string) string {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path
	}
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
		}
	}
	clean := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && strings.HasSuffix(path, "/") {
		clean += "/"
	}
	return clean
}

// readHeaders finds the values of the signed headers. It refuses headers that handlers would read differently from the
// signed text.
func (s *signature) readHeaders(r *http.Request) error {
	if r.Header["Host"] != nil {
		return refuse(Incomplete, "the Host header is given twice")
	}
	s.signedValues = make([][]string, len(s.signedHeaders))
	for name, values := range r.Header {
		if http.CanonicalHeaderKey(name) != name {
			// A handler that looks up the canonical name would not find it.
			return refuse(Incomplete, "the name of a header is malformed")
		}
		at, signed := slices.BinarySearchFunc(s.signedHeaders, name, compareFolded)
		if !signed && strings.HasPrefix(name, "X-Amz-") {
			// The header would change the meaning of the request.
			return refuse(UnsignedHeaders, "There were headers present in the request which were not signed: %s", strings.ToLower(name))
		}
		if !signed {
			continue
		}
		for _, value := range values {
			if strings.ContainsAny(value, "\r\n\x00") {
				return refuse(Incomplete, "the value of header %s has a line end", s.signedHeaders[at])
			}
		}
		s.signedValues[at] = values
	}
	for i, name := range s.signedHeaders {
		switch name {
		case "host":
			s.signedValues[i] = []string{r.Host}
		case "content-length":
			s.signedValues[i] = []string{strconv.FormatInt(r.ContentLength, 10)}
		case "transfer-encoding":
			s.signedValues[i] = r.TransferEncoding
		}
		if len(s.signedValues[i]) == 0 {
			return refuse(SignatureMismatch, "the signed header %s is missing from the request", name)
		}
	}
	return nil
}

// compareFolded orders a name in lower case and the canonical form of one.
func compareFolded(lower, canonical string) int {
	for i := range min(len(lower), len(canonical)) {
		c := canonical[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if lower[i] != c {
			return int(lower[i]) - int(c)
		}
	}
	return len(lower) - len(canonical)
}

// joinHeaders joins signed headers of several lines into one. Their values were signed joined, and a handler that reads
// only the first line would read something else.
func (s *signature) joinHeaders(r *http.Request) {
	for i, values := range s.signedValues {
		if len(values) > 1 && s.signedHeaders[i] != "transfer-encoding" {
			r.Header.Set(s.signedHeaders[i], strings.Join(values, ","))
		}
	}
}

// appendValue appends a header's value without the spaces around it, and with one space for each run of spaces.
func appendValue(b []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	if !strings.Contains(value, "  ") {
		return append(b, value...)
	}
	space := false
	for _, c := range []byte(value) {
		if c != ' ' || !space {
			b = append(b, c)
		}
		space = c == ' '
	}
	return b
}
