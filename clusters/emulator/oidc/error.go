package oidc

import (
	"fmt"
	"time"
)

// ExpiredError says that a token has expired and is otherwise valid.
type ExpiredError struct{ Now, Expiry time.Time }

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("current date/time %s must be before the expiration date/time %s",
		e.Now.UTC().Format(time.RFC3339Nano), e.Expiry.UTC().Format(time.RFC3339))
}

// InvalidError says why a token is refused, without quoting any of it.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}
