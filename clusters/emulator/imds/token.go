package imds

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	tokenPath   = "api/token" // the path below a version
	maxTokenTTL = 21600       // in seconds
)

// serveToken issues session tokens. A request that came through a proxy gets none: an open proxy must not reveal the
// instance's credentials. A path below a version other than latest gets none either
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html, considerations).
func (s *Service) serveToken(w http.ResponseWriter, r *http.Request, source netip.Addr) (string, *refusal) {
	if r.Method != http.MethodPut {
		w.Header().Set("Allow", http.MethodPut)
		return "", &refusal{status: http.StatusMethodNotAllowed}
	}
	if err := s.limitHops(r); err != nil {
		s.options.Log.ErrorContext(r.Context(), "give a session token", "error", err)
		return "", &refusal{status: http.StatusInternalServerError}
	}
	name, _, _ := version(r.URL.Path)
	if name != latest || len(r.Header.Values("X-Forwarded-For")) > 0 {
		return "", &refusal{status: http.StatusForbidden}
	}
	values := r.Header.Values(ttlHeader)
	if len(values) != 1 {
		return "", &refusal{status: http.StatusBadRequest}
	}
	seconds, err := strconv.ParseUint(values[0], 10, 16)
	if err != nil || seconds < 1 || seconds > maxTokenTTL {
		return "", &refusal{status: http.StatusBadRequest}
	}
	w.Header().Set(ttlHeader, strconv.FormatUint(seconds, 10))
	return s.newToken(s.options.Now().Add(time.Duration(seconds)*time.Second), source), nil
}

// newToken makes a token that is stored nowhere: its expiry, and an authentication code over expiry and address. So a token
// is invalid for another instance, as on EC2.
func (s *Service) newToken(expiry time.Time, source netip.Addr) string {
	stamp := binary.BigEndian.AppendUint64(nil, uint64(expiry.UnixMilli()))
	return base64.URLEncoding.EncodeToString(append(stamp, s.authenticate(stamp, source)...))
}

func (s *Service) authenticate(stamp []byte, source netip.Addr) []byte {
	code := hmac.New(sha256.New, s.key)
	code.Write(stamp)
	code.Write(source.AsSlice())
	return code.Sum(nil)
}

// checkToken returns how long the token is still valid.
func (s *Service) checkToken(token string, source netip.Addr) (left time.Duration, ok bool) {
	// The decoder is strict, so that no other text stands for the same token.
	data, err := base64.URLEncoding.Strict().DecodeString(token)
	if err != nil || len(data) != 8+sha256.Size || len(token) != base64.URLEncoding.EncodedLen(len(data)) {
		return 0, false
	}
	if subtle.ConstantTimeCompare(data[8:], s.authenticate(data[:8], source)) != 1 {
		return 0, false
	}
	left = time.UnixMilli(int64(binary.BigEndian.Uint64(data))).Sub(s.options.Now())
	return left, left > 0
}
