package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// maxBody is enough for a key set of 64 keys.
const maxBody = 1 << 20

// read decodes the body into v. If the body is invalid, it answers with the reason and returns false. It accepts exactly
// one JSON value, whose names are known, have the exact case and occur once.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxBody), v, json.RejectUnknownMembers(true))
	if err == nil {
		return true
	}
	status := http.StatusBadRequest
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status, err = http.StatusRequestEntityTooLarge, fmt.Errorf("is too large: more than %d bytes", tooLarge.Limit)
	}
	refuse(w, status, fmt.Errorf("read body: %w", explain(err)))
	return false
}

// explain returns the reason in terms of JSON, not of Go.
func explain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("is empty or cut short: needs a JSON object")
	}
	wrong, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return err
	}
	field := strings.ReplaceAll(strings.TrimPrefix(string(wrong.JSONPointer), "/"), "/", ".")
	switch {
	case errors.Is(wrong.Err, json.ErrUnknownName):
		return fmt.Errorf("unknown field %q", field)
	case wrong.Err != nil:
		return fmt.Errorf("%s: %w", field, wrong.Err)
	default:
		return fmt.Errorf("%s: has the wrong type: JSON %s", field, wrong.JSONKind)
	}
}

// parameters are those of a URL.
type parameters struct{ url.Values }

// readParameters refuses unknown and repeated parameters.
func readParameters(w http.ResponseWriter, r *http.Request, known ...string) (parameters, bool) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("read parameters: %w", err))
		return parameters{}, false
	}
	for name, given := range values {
		switch {
		case !slices.Contains(known, name):
			err = fmt.Errorf("parameter %q: is none of %s", name, strings.Join(known, ", "))
		case len(given) > 1:
			err = fmt.Errorf("parameter %q: is given %d times", name, len(given))
		default:
			continue
		}
		refuse(w, http.StatusBadRequest, err)
		return parameters{}, false
	}
	return parameters{values}, true
}

// wait is how long a long poll may take.
func (p parameters) wait() (time.Duration, error) {
	text := p.Get("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > maxWait {
		return 0, fmt.Errorf("wait %q: must be a duration of 0s to %s", text, maxWait)
	}
	return wait, nil
}

func (p parameters) after() (uint64, error) {
	text := p.Get("after")
	if text == "" {
		return 0, nil
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("after %q: must be the number of a call", text)
	}
	return after, nil
}
