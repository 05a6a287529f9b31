package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/epi/clusters/emulator/imds"
	"github.com/podidentity/epi/framework/probe"
)

// noRole is an imds.Role that EC2 may not assume.
type noRole struct{}

func (noRole) InstanceCredentials(context.Context, imds.Delivery) (imds.Credentials, error) {
	return imds.Credentials{}, imds.ErrNotTrusted
}

// metadataAt serves instance metadata to the probe.
func metadataAt(t *testing.T, handler http.Handler) {
	t.Helper()
	workload(t, http.NotFoundHandler())
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL+"/")
}

func TestMetadataRules(t *testing.T) {
	metadataAt(t, imds.New(imds.Options{Region: "us-west-2", Account: "123456789012", RoleName: "node", Role: noRole{}}))
	want := probe.MetadataRules{
		PutTTL1: 200, PutTTL21600: 200, PutTTL0: 400, PutTTL21601: 400, PutNoTTL: 400, PutForwarded: 403,
		GetWithToken: 200, GetWithout: 401, GetWithOther: 401, GetWithExpired: 401,
	}
	if diff := cmp.Diff(want, doProbe[probe.MetadataRules](t, "imds-rules")); diff != "" {
		t.Errorf("(- want, + got)\n%s", diff)
	}
}

func TestMetadataRulesOfAServiceThatRefusesNothing(t *testing.T) {
	metadataAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("token")) }))
	got := doProbe[probe.MetadataRules](t, "imds-rules")
	if got.PutTTL0 != 200 || got.PutForwarded != 200 || got.GetWithout != 200 || got.GetWithExpired != 200 || got.Failure != nil {
		t.Errorf("%+v", got)
	}
}

func TestMetadataRulesWithoutAnAnswer(t *testing.T) {
	workload(t, http.NotFoundHandler())
	got := doProbe[probe.MetadataRules](t, "imds-rules")
	if got.Failure == nil || got.Failure.Class != probe.NetworkError || got.PutTTL1 != 0 || got.GetWithout != 0 {
		t.Errorf("%+v", got)
	}
}
