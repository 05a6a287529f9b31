package emulator

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/podidentity/epi/clusters/emulator/ecr"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/limits"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// accountECR has the ECR of each account by its ID. A caller reaches the ECR of its own account.
type accountECR map[string]*ecr.Service

func newECR(options Options, accounts *iam.Accounts, tables map[string]store.Table) (accountECR, error) {
	seal, err := newPasswordSeal(accounts.SessionKey())
	if err != nil {
		return nil, err
	}
	all := accountECR{}
	for _, account := range append([]string{options.Account}, options.Members...) {
		repositories, blobs := "ecr", "ecr blobs"
		if account != options.Account {
			repositories, blobs = memberTable(repositories, account), memberTable(blobs, account)
		}
		all[account], err = ecr.New(ecr.Options{
			Region: options.Region, Account: account, Authorizer: authorizer{accounts, account}, Token: seal.close, Now: options.Now,
			Table: tables[repositories], Blobs: tables[blobs],
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ServeHTTP serves a request. Its caller, which is of one of the accounts, is in the context.
func (a accountECR) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a[iam.CallerFrom(r.Context()).Principal.AccountID].ServeHTTP(w, r)
}

// passwordSeal makes the passwords of registries. Like sessions they are not stored. A password holds its owner, encrypted
// with a key that only the accounts have, so it is valid after a restart too.
type passwordSeal struct{ cipher.AEAD }

// registryCredentials are the content of a password: "the permission scope of the authorization token matches that of the
// IAM principal used to retrieve the authentication token"
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html).
type registryCredentials struct {
	AccessKeyID  string    `json:"k"`
	SessionToken string    `json:"t,omitempty"`
	Expires      time.Time `json:"e"`
}

func newPasswordSeal(sessionKey []byte) (passwordSeal, error) {
	own := hmac.New(sha256.New, sessionKey)
	own.Write([]byte("passwords of registries"))
	block, err := aes.NewCipher(own.Sum(nil))
	if err != nil {
		return passwordSeal{}, fmt.Errorf("make cipher of passwords: %w", err)
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return passwordSeal{}, fmt.Errorf("make cipher of passwords: %w", err)
	}
	return passwordSeal{seal}, nil
}

func (s passwordSeal) close(ctx context.Context, expires time.Time) (string, error) {
	caller := iam.CallerFrom(ctx)
	plain, err := json.Marshal(registryCredentials{caller.AccessKeyID, caller.SessionToken, expires})
	if err != nil {
		return "", fmt.Errorf("encode password: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.Seal(nil, nil, plain, nil)), nil
}

var errPassword = errors.New("the password is not good")

func (s passwordSeal) open(password string, now time.Time) (registryCredentials, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(password)
	if err != nil {
		return registryCredentials{}, errPassword
	}
	plain, err := s.Open(nil, nil, sealed, nil)
	if err != nil {
		return registryCredentials{}, errPassword
	}
	var found registryCredentials
	if err := json.Unmarshal(plain, &found); err != nil || !now.Before(found.Expires) {
		return registryCredentials{}, errPassword
	}
	return found, nil
}

// registry serves the requests of container registry clients after it has checked their password. It reads nothing of a
// body before that.
func (o *cloud) registry(w http.ResponseWriter, r *http.Request, call *journal.Call, home string) {
	call.Service = "ecr"
	caller, ok := o.registryCaller(r, call, home)
	if !ok {
		call.ErrorCode = "UNAUTHORIZED"
		ecr.Unauthorized(w, r)
		return
	}
	limits.Known(r.Context())
	o.images[caller.Principal.AccountID].ServeRegistry(w, r.WithContext(iam.WithCaller(r.Context(), caller)))
}

func (o *cloud) registryCaller(r *http.Request, call *journal.Call, home string) (*iam.Caller, bool) {
	seal, err := newPasswordSeal(o.accounts.SessionKey())
	if err != nil {
		return nil, false
	}
	found, err := seal.open(ecr.Password(r), call.Time)
	if err != nil {
		return nil, false
	}
	principal, ok := o.accounts.Principal(r.Context(), found.AccessKeyID, found.SessionToken)
	if !ok {
		return nil, false
	}
	call.Principal = principal.ARN
	return &iam.Caller{
		Principal: principal, AccessKeyID: found.AccessKeyID, SessionToken: found.SessionToken, Environment: iam.EnvironmentOf(r, home), Time: call.Time,
	}, true
}
