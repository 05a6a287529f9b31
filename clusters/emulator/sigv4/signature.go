package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	s3Service  = "s3"
	// maxExpires is the longest life of a presigned URL: seven days.
	maxExpires = 7 * 24 * time.Hour
)

// signature is what a request claims, and the key once it is known.
type signature struct {
	accessKeyID, day, region, service string
	time                              time.Time
	expires                           time.Duration
	sessionToken                      string
	signedHeaders                     []string
	signature                         []byte
	presigned                         bool
	query                             url.Values
	key                               []byte
}

func (s *signature) scope() string {
	return s.day + "/" + s.region + "/" + s.service + "/" + terminator
}

// Scope returns region and service of the credential scope that r claims, without verifying
// anything: it is for routing. ok is false for a request that is not signed in a readable way.
func Scope(r *http.Request) (region, service string, ok bool) {
	var s signature
	credential := ""
	if header := r.Header.Get("Authorization"); header != "" {
		parts, err := authorizationParts(header)
		if err != nil {
			return "", "", false
		}
		credential = parts["Credential"]
	} else {
		credential = r.URL.Query().Get("X-Amz-Credential")
	}
	if s.readCredential(credential) != nil {
		return "", "", false
	}
	return s.region, s.service, true
}

// readSignature parses the Authorization header or the query of r.
func readSignature(r *http.Request) (*signature, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		// What ParseQuery leaves out would be signed and yet not be seen by handlers.
		return nil, refuse(Incomplete, "the query string is malformed")
	}
	headers := r.Header.Values("Authorization")
	_, presigned := query["X-Amz-Algorithm"]
	switch {
	case len(headers) > 1 || len(headers) == 1 && presigned:
		return nil, refuse(Incomplete, "only one authorization is allowed")
	case presigned:
		return readPresigned(query)
	case len(headers) == 1:
		return readHeader(r, headers[0], query)
	}
	return nil, refuse(MissingAuthentication, "the request is not signed")
}

func readHeader(r *http.Request, header string, query url.Values) (*signature, error) {
	parts, err := authorizationParts(header)
	if err != nil {
		return nil, err
	}
	s := &signature{query: query, sessionToken: r.Header.Get("X-Amz-Security-Token")}
	if len(r.Header.Values("X-Amz-Security-Token")) > 1 || len(r.Header.Values("X-Amz-Date")) > 1 {
		return nil, refuse(Incomplete, "a header of the signature is given twice")
	}
	if err := s.readParts(parts["Credential"], parts["SignedHeaders"], parts["Signature"]); err != nil {
		return nil, err
	}
	if date := r.Header.Get("X-Amz-Date"); date != "" {
		return s, s.readTime(date)
	}
	at, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return nil, refuse(Incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	return s, s.readTime(at.UTC().Format(timeFormat))
}

func readPresigned(query url.Values) (*signature, error) {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if len(query[name]) != 1 && (name != "X-Amz-Expires" || len(query[name]) > 1) {
			return nil, refuse(Incomplete, "the query needs exactly one %s", name)
		}
	}
	if query.Get("X-Amz-Algorithm") != algorithm {
		return nil, refuse(Incomplete, "X-Amz-Algorithm must be %s", algorithm)
	}
	if len(query["X-Amz-Security-Token"]) > 1 {
		return nil, refuse(Incomplete, "a parameter of the signature is given twice")
	}
	s := &signature{presigned: true, query: query, sessionToken: query.Get("X-Amz-Security-Token"), expires: maxSkew}
	if err := s.readParts(query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders"), query.Get("X-Amz-Signature")); err != nil {
		return nil, err
	}
	if query.Has("X-Amz-Expires") {
		// Some clients of STS leave it out: the life is that of a header signature then.
		seconds, err := strconv.ParseUint(query.Get("X-Amz-Expires"), 10, 32)
		s.expires = time.Duration(seconds) * time.Second
		if err != nil || s.expires > maxExpires {
			return nil, refuse(Incomplete, "X-Amz-Expires must be a number of seconds up to %d", int(maxExpires.Seconds()))
		}
	}
	return s, s.readTime(query.Get("X-Amz-Date"))
}

// authorizationParts reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func authorizationParts(header string) (map[string]string, error) {
	name, rest, _ := strings.Cut(header, " ")
	if name != algorithm {
		return nil, refuse(Incomplete, "the Authorization header must begin with %s", algorithm)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[key]; !found || twice {
			return nil, refuse(Incomplete, "the Authorization header is malformed")
		}
		parts[key] = value
	}
	return parts, nil
}

func (s *signature) readParts(credential, signedHeaders, signatureText string) error {
	if err := s.readCredential(credential); err != nil {
		return err
	}
	s.signedHeaders = strings.Split(signedHeaders, ";")
	if !slices.IsSorted(s.signedHeaders) || len(slices.Compact(slices.Clone(s.signedHeaders))) != len(s.signedHeaders) ||
		strings.ToLower(signedHeaders) != signedHeaders || slices.Contains(s.signedHeaders, "") {
		return refuse(Incomplete, "SignedHeaders must be names in lower case, sorted and without repetition")
	}
	if !slices.Contains(s.signedHeaders, "host") {
		return refuse(Incomplete, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	decoded, err := hex.DecodeString(signatureText)
	if err != nil || len(decoded) != 32 {
		return refuse(Incomplete, "Signature must have 64 hexadecimal digits")
	}
	s.signature = decoded
	return nil
}

// readCredential reads KEY/DAY/REGION/SERVICE/aws4_request.
func (s *signature) readCredential(credential string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[4] != terminator || slices.Contains(parts, "") {
		return refuse(Incomplete, "Credential must be ACCESS-KEY-ID/YYYYMMDD/REGION/SERVICE/%s", terminator)
	}
	s.accessKeyID, s.day, s.region, s.service = parts[0], parts[1], parts[2], parts[3]
	return nil
}

func (s *signature) readTime(text string) error {
	at, err := time.Parse(timeFormat, text)
	if err != nil {
		return refuse(Incomplete, "X-Amz-Date must look like %s", timeFormat)
	}
	if at.Format("20060102") != s.day {
		return refuse(SignatureMismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: %q != %q", s.day, at.Format("20060102"))
	}
	s.time = at
	return nil
}
