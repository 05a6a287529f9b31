package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// OpFirstObject is what an application does first: credentials by the default chain, then GetObject.
const OpFirstObject = "first-object"

// FirstObject is when OpFirstObject got how far, by the clock of its node.
type FirstObject struct {
	// Started is when the program began.
	Started time.Time `json:"started"`
	// Credentials is when the default chain had given credentials, Source the SDK's name of where from.
	Credentials time.Time `json:"credentials,omitzero"`
	Source      string    `json:"source,omitempty"`
	// Object is when all Size bytes of the object were read.
	Object time.Time `json:"object,omitzero"`
	Size   int64     `json:"size,omitempty"`
	// Failure is why it got no further.
	Failure *Failure `json:"failure,omitempty"`
}

// DecodeFirstObject reads what OpFirstObject left as the termination message of its container, and
// refuses what it cannot have left: the kubelet, or a program that crashed, may have written another.
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
