package sigv4

import (
	"net/http"
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
	// maxAuthorization, maxCredential and maxSignedHeaders are far above the sizes that clients send.
	maxAuthorization = 8 << 10
	maxCredential    = 512
	maxSignedHeaders = 128
)

// The parts of a presigned URL's signature.
const (
	queryAlgorithm     = "X-Amz-Algorithm"
	queryCredential    = "X-Amz-Credential"
	queryDate          = "X-Amz-Date"
	queryExpires       = "X-Amz-Expires"
	querySignedHeaders = "X-Amz-SignedHeaders"
	querySignature     = "X-Amz-Signature"
	securityToken      = "X-Amz-Security-Token" // #nosec G101: this is the name, as a parameter and as a header
)

// signature has the request's claims, and the key once it is known.
type signature struct {
	accessKeyID, day, region, service string
	// scopeText is DAY/REGION/SERVICE/aws4_request. timeText is the time in the signed form.
	scopeText, timeText string
	time                time.Time
	expires             time.Duration
	sessionToken        string
	// signedHeaders are the names in signedNames, which is the text of the request.
	signedHeaders []string
	signedNames   string
	// signedValues are the values of each of signedHeaders.
	signedValues [][]string
	// claimed is the signature in the request: 64 hexadecimal digits.
	claimed   string
	presigned bool
	query     parameters
	key       *signingKey
	// text is scratch space for the signed text.
	text []byte
}

// Scope returns region and service of the credential scope in r. It verifies nothing, and is for routing only. ok is false
// for a request without a readable signature.
func Scope(r *http.Request) (region, service string, ok bool) {
	var s signature
	credential := ""
	if header := r.Header.Get("Authorization"); header != "" {
		parts, err := readAuthorization(header)
		if err != nil {
			return "", "", false
		}
		credential = parts.credential
	} else {
		query, err := readQuery(r.URL.RawQuery)
		if err != nil {
			return "", "", false
		}
		credential, _ = query.get(queryCredential)
	}
	if s.readCredential(credential) != nil {
		return "", "", false
	}
	return s.region, s.service, true
}

// readSignature parses the Authorization header or the query of r.
func readSignature(r *http.Request) (*signature, error) {
	query, err := readQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if version2(r, query) {
		return nil, refuse(Version2, Version2Message)
	}
	headers := r.Header["Authorization"]
	presigned := slices.ContainsFunc(query, func(p parameter) bool {
		return p.name == queryAlgorithm || p.name == queryCredential || p.name == querySignature
	})
	switch {
	case len(headers) > 1 || len(headers) == 1 && presigned:
		return nil, refuse(Incomplete, "only one authorization is allowed")
	case presigned:
		return readPresigned(r, query)
	case len(headers) == 1:
		return readHeader(r, headers[0], query)
	}
	return nil, refuse(MissingAuthentication, "the request is not signed")
}

// Version2Message says what is wrong and how to correct it.
const Version2Message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256. " +
	"This request has Signature Version 2, which AWS CLI 1 and Boto3 presign with by default: " +
	"run aws configure set default.s3.signature_version s3v4, or make the client with Config(signature_version='s3v4'), and presign again."

// version2 reports a request that is signed or presigned with Signature Version 2, which S3 does not accept for buckets
// created since 2020 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingAWSSDK.html, "AWS Signature Version 2
// turned off").
func version2(r *http.Request, query parameters) bool {
	if header := r.Header["Authorization"]; len(header) > 0 {
		return strings.HasPrefix(header[0], "AWS ")
	}
	_, keys := query.get("AWSAccessKeyId")
	_, signatures := query.get("Signature")
	return keys > 0 && signatures > 0
}

func readHeader(r *http.Request, header string, query parameters) (*signature, error) {
	parts, err := readAuthorization(header)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{securityToken, "X-Amz-Date", "Date"} {
		if len(r.Header[name]) > 1 {
			return nil, refuse(Incomplete, "a header of the signature is given twice")
		}
	}
	s := &signature{query: query, sessionToken: r.Header.Get(securityToken)}
	if err := s.readParts(parts); err != nil {
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

func readPresigned(r *http.Request, query parameters) (*signature, error) {
	for _, name := range []string{queryAlgorithm, queryCredential, queryDate, querySignedHeaders, querySignature} {
		if _, count := query.get(name); count != 1 {
			return nil, refuse(Incomplete, "the query needs exactly one %s", name)
		}
	}
	if name, _ := query.get(queryAlgorithm); name != algorithm {
		return nil, refuse(Incomplete, "X-Amz-Algorithm must be %s", algorithm)
	}
	token, tokens := query.get(securityToken)
	expires, lives := query.get(queryExpires)
	if tokens+len(r.Header[securityToken]) > 1 || lives > 1 {
		return nil, refuse(Incomplete, "a parameter of the signature is given twice")
	}
	s := &signature{presigned: true, query: query, sessionToken: token, expires: maxSkew}
	var parts authorization
	parts.credential, _ = query.get(queryCredential)
	parts.signedHeaders, _ = query.get(querySignedHeaders)
	parts.signature, _ = query.get(querySignature)
	if err := s.readParts(parts); err != nil {
		return nil, err
	}
	if lives == 1 {
		// Some clients of STS leave it out. The lifetime is then that of a header signature.
		seconds, err := strconv.ParseUint(expires, 10, 32)
		s.expires = time.Duration(seconds) * time.Second
		if err != nil || seconds == 0 || s.expires > maxExpires {
			return nil, refuse(Incomplete, "X-Amz-Expires must be a number of seconds from 1 to %d", int(maxExpires.Seconds()))
		}
	}
	date, _ := query.get(queryDate)
	return s, s.readTime(date)
}

// authorization has the parts of an Authorization header.
type authorization struct{ credential, signedHeaders, signature string }

// readAuthorization reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func readAuthorization(header string) (authorization, error) {
	var parts authorization
	if len(header) > maxAuthorization {
		return parts, refuse(Incomplete, "the Authorization header is longer than %d bytes", maxAuthorization)
	}
	name, rest, _ := strings.Cut(header, " ")
	if name != algorithm {
		return parts, refuse(Incomplete, "the Authorization header must begin with %s", algorithm)
	}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.Trim(part, " "), "=")
		var to *string
		switch key {
		case "Credential":
			to = &parts.credential
		case "SignedHeaders":
			to = &parts.signedHeaders
		case "Signature":
			to = &parts.signature
		}
		if to == nil || *to != "" || value == "" {
			return authorization{}, refuse(Incomplete, "the Authorization header must have Credential, SignedHeaders and Signature, each once")
		}
		*to = value
	}
	return parts, nil
}

func (s *signature) readParts(parts authorization) error {
	if err := s.readCredential(parts.credential); err != nil {
		return err
	}
	if strings.Count(parts.signedHeaders, ";") >= maxSignedHeaders {
		return refuse(Incomplete, "SignedHeaders has more than %d names", maxSignedHeaders)
	}
	s.signedNames, s.signedHeaders = parts.signedHeaders, strings.Split(parts.signedHeaders, ";")
	previous := ""
	for _, name := range s.signedHeaders {
		if name <= previous || strings.ToLower(name) != name {
			return refuse(Incomplete, "SignedHeaders must be names in lower case, sorted and without repetition")
		}
		previous = name
	}
	if _, found := slices.BinarySearch(s.signedHeaders, "host"); !found {
		return refuse(Incomplete, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	s.claimed = parts.signature
	if len(s.claimed) != 64 || strings.Trim(s.claimed, "0123456789abcdefABCDEF") != "" {
		return refuse(Incomplete, "Signature must have 64 hexadecimal digits")
	}
	return nil
}

// readCredential reads KEY/DAY/REGION/SERVICE/aws4_request.
func (s *signature) readCredential(credential string) error {
	key, rest, _ := strings.Cut(credential, "/")
	s.accessKeyID, s.scopeText = key, rest
	s.day, rest, _ = strings.Cut(rest, "/")
	s.region, rest, _ = strings.Cut(rest, "/")
	s.service, rest, _ = strings.Cut(rest, "/")
	if len(credential) > maxCredential || rest != terminator || s.accessKeyID == "" || len(s.day) != 8 || strings.Trim(s.day, "0123456789") != "" || s.region == "" || s.service == "" {
		return refuse(Incomplete, "Credential must be ACCESS-KEY-ID/YYYYMMDD/REGION/SERVICE/%s", terminator)
	}
	return nil
}

func (s *signature) readTime(text string) error {
	at, err := time.Parse(timeFormat, text)
	// The parser would also accept a fraction of a second.
	if err != nil || len(text) != len(timeFormat) {
		return refuse(Incomplete, "X-Amz-Date must look like %s", timeFormat)
	}
	if text[:8] != s.day {
		return refuse(SignatureMismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: %q != %q", s.day, text[:8])
	}
	s.time, s.timeText = at, text
	return nil
}
