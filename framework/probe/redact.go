package probe

import (
	"encoding/json"
	"regexp"
)

// Redacted replaces a secret.
const Redacted = "[redacted]"

// A JWT in the compact form (RFC 7515): a header that begins with {" and two more parts.
var compactToken = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*`)

// secretFields are the members with secrets in the answers of the agent and of instance metadata.
var secretFields = map[string]bool{
	"AccessKeyId": true, "SecretAccessKey": true, "Token": true, "SessionToken": true,
	"accessKeyId": true, "secretAccessKey": true, "sessionToken": true, "token": true,
}

// Redact returns text without credentials: without their values in a JSON object, and without tokens anywhere.
func Redact(text string) string {
	var object map[string]any
	if json.Unmarshal([]byte(text), &object) == nil && hide(object) {
		if data, err := json.Marshal(object); err == nil {
			text = string(data)
		}
	}
	return compactToken.ReplaceAllString(text, Redacted)
}

// hide replaces the secret values of value, at any depth, and says whether there were any.
func hide(value any) bool {
	found := false
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if text, ok := member.(string); ok && secretFields[name] && text != "" {
				value[name], found = Redacted, true
			} else if hide(member) {
				found = true
			}
		}
	case []any:
		for _, member := range value {
			found = hide(member) || found
		}
	}
	return found
}

// Shorten returns the parts of an access key that distinguish it: its kind and its last four characters.
func Shorten(accessKeyID string) string {
	if len(accessKeyID) < 12 {
		return Redacted
	}
	return accessKeyID[:4] + "…" + accessKeyID[len(accessKeyID)-4:]
}
