package load

import (
	"errors"
	"fmt"
	"time"
)

// S3Options describe signed GetObject requests by an AWS SDK, with the credentials of its default chain on the generator.
// This package has no SDK, so the caller that runs the job makes the target.
type S3Options struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	// Size that the object must have, in bytes.
	Size int64 `json:"size,omitempty"`
	// Denied makes status 403 the right answer, and any object a wrong one.
	Denied bool `json:"denied,omitempty"`
	// Timeout of a request; 0 means 10 s.
	Timeout time.Duration `json:"timeout,omitempty"`
}

func (o S3Options) check() error {
	switch {
	case o.Bucket == "" || o.Key == "":
		return errors.New("make load on S3: want a bucket and a key")
	case o.Size < 0:
		return fmt.Errorf("make load on S3 with an object of %d bytes: want 0 or more", o.Size)
	case o.Timeout < 0 || o.Timeout > maxWait:
		return fmt.Errorf("make load on S3 with a timeout of %s: want 0, which is %s, to %s", o.Timeout, DefaultTimeout, maxWait)
	}
	return nil
}
