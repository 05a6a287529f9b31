package emulator_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/store"
)

func TestReset(t *testing.T) {
	path := filepath.Join(t.TempDir(), "aws.db")
	state, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	server := emulatortest.StartWith(t, func(o *emulator.Options) { o.State = state })
	f := server.Fixture(t, "reset")
	admin, node := f.Admin(), f.Node()
	role := f.Role("reset-role", emulatortest.TrustPods, emulatortest.AllowAll)
	session := f.Session(f.Role("reset-session", emulatortest.TrustAccount, emulatortest.AllowAll), nil)
	cluster, bucket := f.Cluster(), f.Bucket()
	if err := server.Control.SetAssociationLimit(t.Context(), 10_000); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.EKS.CreatePodIdentityAssociation(t.Context(), &eks.CreatePodIdentityAssociationInput{
		ClusterName: &cluster, Namespace: aws.String("default"), ServiceAccount: aws.String("app"), RoleArn: &role,
	}); err != nil {
		t.Fatal(err)
	}
	// A watcher and a request that a fault delays must not delay the reset.
	known, err := server.Control.Identities(t.Context(), cluster, "", 0)
	if err != nil || len(known.Identities) != 1 {
		t.Fatalf("identities before: %+v, %v", known, err)
	}
	watched := make(chan control.Identities, 1)
	go func() {
		// An error shows as an unexpected answer.
		identities, _ := server.Control.Identities(t.Context(), cluster, known.Revision, time.Minute)
		watched <- identities
	}()
	if _, err := server.Control.AddFault(t.Context(), control.Fault{Service: "sts", Outage: &control.Outage{Hang: control.Duration(time.Minute)}}); err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 1)
	go func() {
		_, err := admin.STS.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.Retryer = aws.NopRetryer{} })
		held <- err
	}()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		set, err := server.Control.Faults(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(set) == 1 && set[0].Hits == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the fault holds no request: %+v", set)
		}
	}

	if err := server.Control.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-held; err == nil {
		t.Error("the held request was answered")
	}
	if identities := <-watched; len(identities.Identities) != 0 || identities.Revision == known.Revision {
		t.Errorf("the watcher got %+v", identities)
	}
	for who, clients := range map[string]*emulatortest.Clients{"administrator": admin, "node": node} {
		if _, err := clients.STS.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
			t.Errorf("%s after the reset: %v", who, err)
		}
	}
	if _, err := session.STS.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err == nil {
		t.Error("a session of a role that is gone is still good")
	}
	check := func(when string, clients *emulatortest.Clients) {
		t.Helper()
		var gone *types.NoSuchEntityException
		if _, err := clients.IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("reset-role")}); !errors.As(err, &gone) {
			t.Errorf("%s: role: %v", when, err)
		}
		if _, err := clients.S3.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &bucket}); err == nil {
			t.Errorf("%s: the bucket is there", when)
		}
		list, err := clients.EKS.ListPodIdentityAssociations(t.Context(), &eks.ListPodIdentityAssociationsInput{ClusterName: &cluster})
		if err != nil || len(list.Associations) != 0 {
			t.Errorf("%s: associations of the known cluster: %+v, %v", when, list, err)
		}
	}
	check("after the reset", admin)
	again := emulatortest.StartWith(t, func(o *emulator.Options) { o.State = state })
	check("after a restart", again.Fixture(t, "reset").Admin())
	if faults, err := server.Control.Faults(t.Context()); err != nil || len(faults) != 0 {
		t.Errorf("faults after the reset: %+v, %v", faults, err)
	}
}

// An outage ends connections without an answer, and the journal shows that.
func TestOutageAndThrottling(t *testing.T) {
	server := emulatortest.Start(t)
	f := server.Fixture(t, "faults")
	admin := f.Admin()
	bucket := f.Bucket()
	if _, err := server.Control.AddFault(t.Context(), control.Fault{Service: "s3", Operation: "ListObjects*", Error: &control.Refusal{Kind: "throttling"}, Count: 1}); err != nil {
		t.Fatal(err)
	}
	outage, err := server.Control.AddFault(t.Context(), control.Fault{Service: "iam", Outage: &control.Outage{}})
	if err != nil {
		t.Fatal(err)
	}
	list := func() error {
		_, err := admin.S3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
		return err
	}
	if err := list(); err == nil {
		t.Error("the first listing was not throttled")
	}
	if err := list(); err != nil {
		t.Errorf("the fault was for one listing: %v", err)
	}
	if _, err := admin.IAM.ListRoles(t.Context(), &iam.ListRolesInput{}); err == nil {
		t.Error("IAM answers in an outage")
	}
	calls, err := server.Control.CallsWhere(t.Context(), control.Query{Fault: outage.ID}, 0)
	if err != nil || len(calls.Calls) == 0 || calls.Calls[0].Status != 0 || calls.Calls[0].Operation != "ListRoles" {
		t.Errorf("calls %+v, %v", calls, err)
	}
	throttled, err := server.Control.CallsWhere(t.Context(), control.Query{Service: "s3", ErrorCode: "SlowDown"}, 0)
	if err != nil || len(throttled.Calls) != 1 || throttled.Calls[0].Status != http.StatusServiceUnavailable {
		t.Errorf("throttled calls %+v, %v", throttled, err)
	}
}
