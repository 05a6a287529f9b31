package agent

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// requestError is a refusal that the agent decides by itself.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

// validator checks what the agent can know of a request without asking EKS Auth. It does not
// verify the token's signature: that, the audience and the rest are for EKS Auth to decide.
type validator struct {
	hosts  []string
	parser *jwt.Parser
}

func newValidator(hosts []string, now func() time.Time) *validator {
	return &validator{
		hosts:  hosts,
		parser: jwt.NewParser(jwt.WithTimeFunc(now), jwt.WithoutClaimsValidation()),
	}
}

// token returns the service account token of a request, or a *requestError with the status and the
// text that the EKS agent answers with.
func (v *validator) token(r *http.Request, now time.Time) (string, error) {
	if err := v.host(r.Host); err != nil {
		return "", err
	}
	token := r.Header.Get("Authorization")
	if token == "" {
		return "", &requestError{http.StatusBadRequest, "Service account token cannot be empty"}
	}
	var claims jwt.RegisteredClaims
	if _, _, err := v.parser.ParseUnverified(token, &claims); err != nil {
		return "", &requestError{http.StatusBadRequest, "Service account token cannot be parsed: " + err.Error()}
	}
	if err := lifetime(claims, now); err != nil {
		return "", &requestError{http.StatusBadRequest, "Service account token failed basic claim validations: " + err.Error()}
	}
	return token, nil
}

func lifetime(claims jwt.RegisteredClaims, now time.Time) error {
	if claims.ExpiresAt != nil && !now.Before(claims.ExpiresAt.Time) {
		return errors.New("token is expired")
	}
	if claims.NotBefore != nil && now.Before(claims.NotBefore.Time) {
		return errors.New("token is not valid yet")
	}
	return nil
}

// host refuses requests that were not addressed to the agent: a page that a browser or a proxy was
// talked into fetching carries another name (DNS rebinding).
func (v *validator) host(host string) error {
	name := host
	if bare, _, err := net.SplitHostPort(host); err == nil {
		name = bare
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	for _, allowed := range v.hosts {
		if name == allowed {
			return nil
		}
	}
	return &requestError{http.StatusForbidden,
		fmt.Sprintf("Access Denied. Called agent through invalid address, please use either %s address not %s", v.hosts, name)}
}
