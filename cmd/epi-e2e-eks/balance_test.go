package main

import (
	"slices"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/control"
)

func TestBalance(t *testing.T) {
	counts := []control.Count{
		{Service: "iam", Operation: "CreateRole", Calls: 2},
		{Service: "iam", Operation: "CreateRole", ErrorCode: "EntityAlreadyExists", Calls: 5},
		{Service: "iam", Operation: "DeleteRole", Calls: 1},
		{Service: "iam", Operation: "DeleteRole", ErrorCode: "DeleteConflict", Calls: 1},
		{Service: "cloudformation", Operation: "CreateStack", Calls: 2},
		{Service: "cloudformation", Operation: "DeleteStack", Calls: 3, Repeats: 2},
		{Service: "eks", Operation: "CreatePodIdentityAssociation", Calls: 9, Repeats: 1},
		{Service: "eks", Operation: "DeletePodIdentityAssociation", Calls: 8},
		{Service: "s3", Operation: "DeleteObject", Calls: 7},
		{Service: "eks", Operation: "CreateAddon", Calls: 4},
		{Service: "sts", Operation: "GetCallerIdentity", Calls: 9},
	}
	want := []pair{{"cloudformation", "Stack", 2, 1}, {"eks", "PodIdentityAssociation", 8, 8}, {"iam", "Role", 2, 1}}
	if got := balanceOf(counts); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := balanceOf(nil); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}
