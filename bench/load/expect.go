package load

import (
	"bytes"
	"fmt"
	"time"
)

// Expectation says which answers of status 2xx are right.
type Expectation string

const (
	// Status: nothing more than the status.
	Status Expectation = ""
	// Credentials: a JSON body with an AccessKeyId and an Expiration in the future.
	Credentials Expectation = "credentials"
	// Admitted: an admission review that allows and has a patch.
	Admitted Expectation = "admitted"
)

// judge returns "" for a right body, and otherwise the kind of error. It runs for each request, tens of thousands of times
// a second, so it searches for fields instead of decoding JSON. Within a JSON string the quotes of a field's name would be
// escaped.
func (e Expectation) judge() (func(body []byte) string, error) {
	switch e {
	case Status:
		return func([]byte) string { return "" }, nil
	case Credentials:
		return judgeCredentials, nil
	case Admitted:
		return judgeAdmitted, nil
	default:
		return nil, fmt.Errorf("expect %q is not %s or %s", string(e), Credentials, Admitted)
	}
}

func judgeCredentials(body []byte) string {
	if key := text(body, `"AccessKeyId"`); len(key) == 0 {
		return "no credentials"
	}
	expiration := text(body, `"Expiration"`)
	ends, err := time.Parse(time.RFC3339, string(expiration))
	switch {
	case err != nil:
		return "no expiration"
	case !ends.After(time.Now()):
		return "expired"
	}
	return ""
}

func judgeAdmitted(body []byte) string {
	if !bytes.HasPrefix(value(body, `"allowed"`), []byte("true")) {
		return "not allowed"
	}
	if patch := text(body, `"patch"`); len(patch) == 0 {
		return "no patch"
	}
	return ""
}

// value returns what follows the name of a field, without the space before it; nil if there is no such field.
func value(body []byte, quoted string) []byte {
	for {
		at := bytes.Index(body, []byte(quoted))
		if at < 0 {
			return nil
		}
		body = bytes.TrimLeft(body[at+len(quoted):], " \t\r\n")
		if len(body) > 0 && body[0] == ':' {
			return bytes.TrimLeft(body[1:], " \t\r\n")
		}
	}
}

// text returns the string that follows the name of a field, with its escapes; nil if there is none.
func text(body []byte, quoted string) []byte {
	found := value(body, quoted)
	if len(found) == 0 || found[0] != '"' {
		return nil
	}
	end := bytes.IndexByte(found[1:], '"')
	if end < 0 {
		return nil
	}
	return found[1 : 1+end]
}
