package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// OpFirstObject does what an application does at its start: credentials from the default chain, then GetObject.
const OpFirstObject = "first-object"

// FirstObject has the times of the steps of OpFirstObject, by the clock of its node.
type FirstObject struct {
	// Started is when the program began.
	Started time.Time `json:"started"`
	// Credentials is when the default chain returned credentials. Source is the SDK's name of their source.
	Credentials time.Time `json:"credentials,omitzero"`
	Source      string    `json:"source,omitempty"`
	// Object is when all Size bytes of the object were read.
	Object time.Time `json:"object,omitzero"`
	Size   int64     `json:"size,omitempty"`
	// Failure is the reason why it ended early.
	Failure *Failure `json:"failure,omitempty"`
}

// DecodeFirstObject reads the termination message of OpFirstObject's container. It refuses a message that cannot be
// OpFirstObject's, because the kubelet or a crashed program may have written another.
func DecodeFirstObject(message string) (FirstObject, error) {
	var first FirstObject
	decoder := json.NewDecoder(bytes.NewReader([]byte(message)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&first)
	if err == nil {
		if _, after := decoder.Token(); !errors.Is(after, io.EOF) {
			err = errors.New("there is more after its end")
		}
	}
	if err == nil {
		err = first.check()
	}
	if err != nil {
		return FirstObject{}, fmt.Errorf("read the result of %s: %w", OpFirstObject, err)
	}
	return first, nil
}

func (f FirstObject) check() error {
	switch {
	case f.Started.IsZero():
		return errors.New("it does not say when it started")
	case f.Object.IsZero() != (f.Failure != nil):
		return errors.New("it has neither an object nor a failure, or both")
	case !f.Credentials.IsZero() && f.Credentials.Before(f.Started):
		return errors.New("it had credentials before it started")
	case !f.Object.IsZero() && (f.Credentials.IsZero() || f.Object.Before(f.Credentials)):
		return errors.New("it had the object before credentials")
	case f.Size < 0:
		return fmt.Errorf("it read %d bytes", f.Size)
	}
	return nil
}
