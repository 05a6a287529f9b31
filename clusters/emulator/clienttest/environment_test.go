package clienttest

import (
	"os"
	"strings"
	"testing"
)

// environment is this process's environment without anything of AWS. It hides the machine's configuration and its instance
// metadata, so a client finds only what the test gives it.
func (w *world) environment(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	var variables []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		proxy := strings.HasSuffix(strings.ToLower(name), "_proxy")
		if !strings.HasPrefix(name, "AWS_") && !proxy && name != "NODE_OPTIONS" {
			variables = append(variables, variable)
		}
	}
	return append(variables, "AWS_CONFIG_FILE="+home+"/config", "AWS_SHARED_CREDENTIALS_FILE="+home+"/credentials",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
}
