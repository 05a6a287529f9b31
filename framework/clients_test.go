package framework

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/onsi/gomega/format"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/ownership"
)

// The text of a failed expectation is part of reports.
func TestClientsShowNoCredentials(t *testing.T) {
	env := &Env{Environment: &clusters.Environment{}, Clients: newClients(aws.Config{Region: "us-west-2"}, ownership.Stamp{})}
	session := env.AsKey("ASIAEXAMPLE", "secret-of-the-session", "token-of-the-session")
	credentials, err := session.Credentials().Retrieve(t.Context())
	if err != nil || credentials.SecretAccessKey != "secret-of-the-session" || credentials.SessionToken != "token-of-the-session" {
		t.Errorf("error %v", err)
	}
	for _, text := range []string{format.Object(session, 1), fmt.Sprintf("%v", session), fmt.Sprintf("%+v", session)} {
		if strings.Contains(text, "of-the-session") || !strings.Contains(text, "AWS clients") {
			t.Errorf("a client shows as %s", text)
		}
	}
}
