package validation

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// IPv4 and IPv6 are the agent's addresses, the ones that AWS SDKs accept over plain HTTP.
const (
	IPv4 = "169.254.170.23"
	IPv6 = "fd00:ec2::23"
)

// Rejection is a request that the agent refuses without EKS Auth.
type Rejection struct {
	// Status is 400 or 403.
	Status int
	// Message is the answer's text.
	Message string
}

func (r *Rejection) Error() string { return r.Message }

// Host checks the Host header. A request with another name than the agent's addresses may come from a page that rebinds
// DNS, so it gets a *Rejection with status 403. Brackets and port are ignored.
func Host(header string) error {
	if header == IPv4 { // what nearly all requests have
		return nil
	}
	host := header
	if name, _, err := net.SplitHostPort(header); err == nil {
		host = name
	}
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
	}
	if host == IPv4 || host == IPv6 {
		return nil
	}
	return &Rejection{http.StatusForbidden, fmt.Sprintf(
		"Access Denied. Called agent through invalid address, please use either %s address not %s", []string{IPv4, IPv6}, host)}
}

// Token is a service account token whose claims say that it is valid now. The claims are not verified.
type Token struct {
	// Raw is the token itself, a secret.
	Raw string
	// Subject is the claim sub, such as system:serviceaccount:NAMESPACE:NAME; for logs.
	Subject string
	// Expires is the claim exp, zero if there is none.
	Expires time.Time
}

// ParseToken reads the claims of a token. The error is a *Rejection with status 400.
func ParseToken(raw string) (Token, error) {
	if raw == "" {
		return Token{}, badRequest("Service account token cannot be empty")
	}
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(raw, &claims); err != nil {
		return Token{}, badRequest(fmt.Sprintf("Service account token cannot be parsed: %v", err))
	}
	if err := jwt.NewValidator().Validate(claims); err != nil {
		return Token{}, badRequest(fmt.Sprintf("Service account token failed basic claim validations: %v", err))
	}
	token := Token{Raw: raw, Subject: claims.Subject}
	if claims.ExpiresAt != nil {
		token.Expires = claims.ExpiresAt.Time
	}
	return token, nil
}

func badRequest(message string) *Rejection {
	return &Rejection{http.StatusBadRequest, message}
}
