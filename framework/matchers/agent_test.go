package matchers

import (
	"strings"
	"testing"

	"github.com/onsi/gomega/types"

	"github.com/podidentity/epi/framework/probe"
)

func TestAnswersOfTheAgent(t *testing.T) {
	granted := func(key string) probe.Answer {
		return probe.Answer{Response: probe.Response{Status: 200}, Credentials: &probe.Credentials{AccessKeyID: key}}
	}
	refused := probe.Answer{Response: probe.Response{Status: 400, Body: "Service account token cannot be empty\n"}}
	none := probe.Answer{Response: probe.Response{Failure: &probe.Failure{Class: probe.NetworkError, Operation: "GET", Message: "connection refused"}}}
	leaky := granted("a")
	leaky.Status = 400
	empty := probe.Answer{Response: probe.Response{Status: 200, Body: "{}"}}
	for name, row := range map[string]struct {
		matcher types.GomegaMatcher
		answer  probe.Answer
		holds   bool
		says    string
	}{
		"granted":                        {GrantCredentials(), granted("a"), true, ""},
		"granted, but refused":           {GrantCredentials(), refused, false, "status 400: Service account token cannot be empty"},
		"granted, but empty":             {GrantCredentials(), empty, false, "status 200: {}"},
		"granted, but no answer":         {GrantCredentials(), none, false, "connection refused"},
		"the same":                       {GrantTheSameAs(granted("a")), granted("a"), true, ""},
		"the same, but others":           {GrantTheSameAs(granted("a")), granted("b"), false, "credentials b"},
		"the same, but none":             {GrantTheSameAs(granted("a")), refused, false, "status 400"},
		"the same of none":               {GrantTheSameAs(empty), empty, false, "status 200"},
		"others":                         {GrantOthersThan(granted("a")), granted("b"), true, ""},
		"others, but the same":           {GrantOthersThan(granted("a")), granted("a"), false, "credentials a"},
		"refused":                        {RefuseWith(400, "^Service account token cannot be empty$"), refused, true, ""},
		"refused, with another status":   {RefuseWith(403, "empty"), refused, false, "status 400"},
		"refused, with another text":     {RefuseWith(400, "^empty"), refused, false, "status 400"},
		"refused, with credentials":      {RefuseWith(400, ""), leaky, false, "credentials a"},
		"nothing, but a refusal":         {GrantNothing(), refused, true, ""},
		"nothing, not even an answer":    {GrantNothing(), none, true, ""},
		"nothing, but credentials":       {GrantNothing(), granted("a"), false, "credentials a"},
		"nothing, but a success of sort": {GrantNothing(), empty, false, "status 200"},
	} {
		holds, err := row.matcher.Match(row.answer)
		if err != nil || holds != row.holds {
			t.Errorf("%s: %v (error %v), want %v", name, holds, err, row.holds)
		}
		if message := row.matcher.FailureMessage(row.answer); !strings.Contains(message, row.says) {
			t.Errorf("%s: message %q lacks %q", name, message, row.says)
		}
	}
}
