// Package sts serves the STS Query API (version 2011-06-15).
package sts

import (
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/iam"
)

// NewHandler serves STS for callers from the context. Refused signatures are iam.WriteSignatureError's.
func NewHandler(account *iam.Account) http.Handler { return http.NotFoundHandler() }
