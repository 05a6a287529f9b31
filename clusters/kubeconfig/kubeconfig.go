// Package kubeconfig reads the kubeconfig of an environment.
package kubeconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Error says that a file cannot be used as a kubeconfig.
type Error struct {
	File string
	// Why is a text for people, such as "it is empty".
	Why string
	// Err is the returned error, if it says more than Why. Its text is a program's.
	Err error
}

func (e *Error) Error() string {
	if e.File == "" {
		return "there is no kubeconfig"
	}
	return fmt.Sprintf("kubeconfig %s cannot be used: %s", e.File, e.Why)
}

func (e *Error) Unwrap() error { return e.Err }

// Read returns the client configuration for the current cluster of a kubeconfig. It reads only the named file, and never
// the settings of the cluster that this process may run in. The error is an *Error.
func Read(file string) (*rest.Config, error) {
	if file == "" {
		return nil, &Error{}
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{File: file, Why: "there is no such file", Err: err}
	case err != nil:
		return nil, &Error{File: file, Why: "it cannot be looked at", Err: err}
	case !info.Mode().IsRegular():
		return nil, &Error{File: file, Why: "it is not a file"}
	case info.Size() == 0:
		return nil, &Error{File: file, Why: "it is empty"}
	}
	config, err := clientcmd.LoadFromFile(file)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, &Error{File: file, Why: "it may not be read", Err: err}
	case err != nil:
		return nil, &Error{File: file, Why: "it is damaged, or something else", Err: err}
	case config.CurrentContext == "" || config.Contexts[config.CurrentContext] == nil:
		return nil, &Error{File: file, Why: "it has no current context"}
	}
	if err := clientcmd.ResolveLocalPaths(config); err != nil {
		return nil, &Error{File: file, Why: "a path in it cannot be resolved", Err: err}
	}
	client, err := clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig()
	switch {
	case err != nil:
		return nil, &Error{File: file, Why: "its current context is not whole", Err: err}
	case client.Host == "":
		return nil, &Error{File: file, Why: "its current context has no server"}
	}
	if _, err := rest.TLSConfigFor(client); err != nil {
		return nil, &Error{File: file, Why: "a key or a certificate in it is damaged", Err: err}
	}
	return client, nil
}
