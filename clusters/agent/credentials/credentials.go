package credentials

import (
	"fmt"
	"log/slog"
	"time"
)

// Credentials of an IAM role session, encoded as AWS SDKs expect them from a container credentials endpoint. Printing or
// logging them shows no secret.
type Credentials struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey string    `json:"SecretAccessKey"`
	SessionToken    string    `json:"Token"`
	AccountID       string    `json:"AccountId"`
	Expiration      time.Time `json:"Expiration"`
}

// Format implements fmt.Formatter, so that no verb shows a secret.
func (c Credentials) Format(state fmt.State, _ rune) {
	// A fmt.State fails only if its writer does, whose caller notices that.
	_, _ = fmt.Fprintf(state, "credentials of account %s until %s", c.AccountID, c.Expiration.Format(time.RFC3339))
}

// LogValue implements slog.LogValuer.
func (c Credentials) LogValue() slog.Value {
	return slog.GroupValue(slog.String("account", c.AccountID), slog.Time("expiration", c.Expiration))
}
