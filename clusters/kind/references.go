package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/podidentity/epi/clusters"
)

// ReferenceError says why a text is not passed to a container engine as the name of an image.
type ReferenceError struct {
	// Flag is the flag with the text.
	Flag string
	Text string
	Why  string
}

func (e *ReferenceError) Error() string {
	return fmt.Sprintf("flag --%s: %q is not an image or an archive: %s; right is one such as my/agent:dev or ./agent.tar", e.Flag, e.Text, e.Why)
}

// whyNoFile says why a text that can only be a file's path is none; "" for a file, and for the name of an image.
func whyNoFile(text string) string {
	info, err := os.Stat(text)
	switch {
	case err == nil && info.IsDir() && (isPath(text) || strings.HasSuffix(text, "/") || text == "." || text == ".."):
		return "it is a folder"
	case errors.Is(err, fs.ErrNotExist) && isPath(text):
		return "there is no such file"
	}
	return ""
}

// checkReferences returns the problems of the images that the user names.
func checkReferences(spec clusters.Spec) error {
	return errors.Join(
		CheckReference("node-image", spec.NodeImage),
		CheckReference("agent-image", spec.Agent.Image),
		CheckReference("webhook-image", spec.Webhook.Image),
	)
}

// CheckReference returns a *ReferenceError if text, the value of the flag, could be something else than the name of an
// image or a file, such as an option on the container engine's command line. The engine itself says whether the image
// exists.
func CheckReference(flag, text string) error {
	why := ""
	switch {
	case text == "":
		return nil
	case strings.HasPrefix(text, "-"):
		why = "it starts with '-', as options do; a file of that name is ./" + text
	case strings.TrimSpace(text) != text:
		why = "it starts or ends with a space"
	case strings.ContainsFunc(text, unicode.IsControl):
		why = "it has a control character"
	default:
		why = whyNoFile(text)
	}
	if why == "" {
		return nil
	}
	return &ReferenceError{Flag: flag, Text: text, Why: why}
}
