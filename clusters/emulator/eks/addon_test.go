package eks

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

const (
	agent    = "eks-pod-identity-agent"
	otherARN = "arn:aws:iam::123456789012:role/other"
)

func (f *fixture) createAddon(t *testing.T, change func(*awseks.CreateAddonInput)) *types.Addon {
	t.Helper()
	in := &awseks.CreateAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String(agent)}
	if change != nil {
		change(in)
	}
	out, err := f.client.CreateAddon(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out.Addon
}

// describeAddon returns nil for an add-on that is not there.
func (f *fixture) describeAddon(t *testing.T, name string) *types.Addon {
	t.Helper()
	out, err := f.client.DescribeAddon(t.Context(), &awseks.DescribeAddonInput{ClusterName: aws.String("blue"), AddonName: &name})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Addon
}

// settle moves the clock on, until the last change is done.
func (f *fixture) settle() { f.now = f.now.Add(addonChange) }

func TestAddonLife(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	made := f.createAddon(t, func(in *awseks.CreateAddonInput) {
		in.AddonVersion, in.ConfigurationValues = aws.String("v1.3.8-eksbuild.2"), aws.String(`{"podLabels":{"a":"b"}}`)
		in.ServiceAccountRoleArn, in.Tags, in.ResolveConflicts = aws.String(good), map[string]string{"team": "a"}, types.ResolveConflictsOverwrite
	})
	if made.Status != types.AddonStatusCreating || *made.AddonName != agent || *made.ClusterName != "blue" || *made.AddonVersion != "v1.3.8-eksbuild.2" ||
		*made.ConfigurationValues != `{"podLabels":{"a":"b"}}` || *made.ServiceAccountRoleArn != good || made.Tags["team"] != "a" ||
		!made.CreatedAt.Equal(created) || !made.ModifiedAt.Equal(created) || *made.NamespaceConfig.Namespace != "kube-system" ||
		made.Health == nil || len(made.Health.Issues) != 0 || *made.Owner != "aws" || *made.Publisher != "eks" ||
		!strings.HasPrefix(*made.AddonArn, "arn:aws:eks:us-west-2:123456789012:addon/blue/"+agent+"/") {
		t.Errorf("created %+v", made)
	}
	f.now = created.Add(addonChange - time.Millisecond)
	if got := f.describeAddon(t, agent); got.Status != types.AddonStatusCreating {
		t.Errorf("a moment before: %s", got.Status)
	}
	f.settle()
	if got := f.describeAddon(t, agent); got.Status != types.AddonStatusActive || *got.AddonArn != *made.AddonArn {
		t.Errorf("after: %+v", got)
	}

	updated, err := f.client.UpdateAddon(ctx, &awseks.UpdateAddonInput{
		ClusterName: aws.String("blue"), AddonName: aws.String(agent), AddonVersion: aws.String("v1.3.10-eksbuild.1"), ResolveConflicts: types.ResolveConflictsPreserve,
	})
	if err != nil {
		t.Fatal(err)
	}
	if u := updated.Update; u.Status != types.UpdateStatusInProgress || u.Type != types.UpdateTypeAddonUpdate || len(u.Params) != 2 ||
		u.Params[0].Type != types.UpdateParamTypeAddonVersion || *u.Params[0].Value != "v1.3.10-eksbuild.1" {
		t.Errorf("update %+v", u)
	}
	if got := f.describeAddon(t, agent); got.Status != types.AddonStatusUpdating {
		t.Errorf("after the update: %s", got.Status)
	}
	f.settle()
	got := f.describeAddon(t, agent)
	if got.Status != types.AddonStatusActive || *got.AddonVersion != "v1.3.10-eksbuild.1" || *got.ConfigurationValues != *made.ConfigurationValues || !got.ModifiedAt.After(created) {
		t.Errorf("updated %+v", got)
	}
	described, err := f.client.DescribeUpdate(ctx, &awseks.DescribeUpdateInput{Name: aws.String("blue"), AddonName: aws.String(agent), UpdateId: updated.Update.Id})
	if err != nil || described.Update.Status != types.UpdateStatusSuccessful {
		t.Errorf("update %+v, %v", described, err)
	}
	list, err := f.client.ListUpdates(ctx, &awseks.ListUpdatesInput{Name: aws.String("blue"), AddonName: aws.String(agent)})
	if err != nil || !slices.Equal(list.UpdateIds, []string{*updated.Update.Id}) {
		t.Errorf("updates %+v, %v", list, err)
	}

	deleted, err := f.client.DeleteAddon(ctx, &awseks.DeleteAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String(agent)})
	if err != nil || deleted.Addon.Status != types.AddonStatusDeleting {
		t.Fatalf("deleted %+v, %v", deleted, err)
	}
	if got := f.describeAddon(t, agent); got == nil || got.Status != types.AddonStatusDeleting {
		t.Errorf("while it is deleted: %+v", got)
	}
	f.settle()
	if got := f.describeAddon(t, agent); got != nil {
		t.Errorf("after the deletion: %+v", got)
	}
	again := f.createAddon(t, nil)
	if *again.AddonArn == *made.AddonArn || again.ConfigurationValues != nil || *again.AddonVersion != "v1.3.10-eksbuild.1" {
		t.Errorf("again %+v", again)
	}
}

// The SDK's waiters end, by the real clock.
func TestAddonWaiters(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	f.service.options.Now = time.Now
	f.createAddon(t, nil)
	which := &awseks.DescribeAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String(agent)}
	active := awseks.NewAddonActiveWaiter(f.client, func(o *awseks.AddonActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 50*time.Millisecond
	})
	if err := active.Wait(ctx, which, 10*time.Second); err != nil {
		t.Error(err)
	}
	if _, err := f.client.DeleteAddon(ctx, &awseks.DeleteAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String(agent)}); err != nil {
		t.Fatal(err)
	}
	deleted := awseks.NewAddonDeletedWaiter(f.client, func(o *awseks.AddonDeletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 50*time.Millisecond
	})
	if err := deleted.Wait(ctx, which, 10*time.Second); err != nil {
		t.Error(err)
	}
}

func TestListAddons(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"vpc-cni", agent, "kube-proxy"} {
		f.createAddon(t, func(in *awseks.CreateAddonInput) { in.AddonName = &name })
	}
	var pages [][]string
	for p := awseks.NewListAddonsPaginator(f.client, &awseks.ListAddonsInput{ClusterName: aws.String("blue"), MaxResults: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page.Addons)
	}
	if len(pages) != 2 || !slices.Equal(pages[0], []string{agent, "kube-proxy"}) || !slices.Equal(pages[1], []string{"vpc-cni"}) {
		t.Errorf("got %v", pages)
	}
}

// TestAddonRefusals: the errors of API_CreateAddon, API_UpdateAddon, API_DeleteAddon and API_DescribeAddon.
func TestAddonRefusals(t *testing.T) {
	const addons, one = "/clusters/blue/addons", "/clusters/blue/addons/" + agent
	tests := []struct {
		name, method, path, body string
		status                   int
		code, text               string
	}{
		{"no name", "POST", addons, `{}`, 400, codeInvalidParameter, "addonName is required"},
		{"not JSON", "POST", addons, `{`, 400, codeInvalidRequest, "not valid JSON"},
		{"unknown add-on", "POST", addons, `{"addonName":"nginx"}`, 400, codeInvalidParameter, "not supported in 1.36"},
		{"unknown version", "POST", addons, `{"addonName":"vpc-cni","addonVersion":"v9"}`, 400, codeInvalidParameter, "Addon version specified is not supported"},
		{"unknown version, with those that there are", "POST", addons, `{"addonName":"vpc-cni","addonVersion":"v9"}`, 400, codeInvalidParameter, "The emulator offers v1.20.1-eksbuild.1, v1.19.5-eksbuild.1"},
		{"version for other clusters", "POST", addons, `{"addonName":"kube-proxy","addonVersion":"v1.30.0-eksbuild.2"}`, 400, codeInvalidParameter, "Addon version specified is not supported"},
		{"resolveConflicts", "POST", addons, `{"addonName":"vpc-cni","resolveConflicts":"MERGE"}`, 400, codeInvalidParameter, "OVERWRITE, NONE or PRESERVE"},
		{"configuration is no object", "POST", addons, `{"addonName":"vpc-cni","configurationValues":"[1]"}`, 400, codeInvalidParameter, "not in valid JSON or YAML"},
		{"configuration is text", "POST", addons, `{"addonName":"vpc-cni","configurationValues":"a: b: c"}`, 400, codeInvalidParameter, "not in valid JSON or YAML"},
		{"configuration out of schema", "POST", addons, `{"addonName":"vpc-cni","configurationValues":"replicas: 2"}`, 400, codeInvalidParameter, "$.replicas: is not defined"},
		{"tags", "POST", addons, `{"addonName":"vpc-cni","tags":{"aws:a":"b"}}`, 400, codeInvalidParameter, "reserved"},
		{"namespace", "POST", addons, `{"addonName":"vpc-cni","namespaceConfig":{"namespace":"A"}}`, 400, codeInvalidParameter, "namespace"},
		{"no such role", "POST", addons, `{"addonName":"vpc-cni","serviceAccountRoleArn":"arn:aws:iam::123456789012:role/gone"}`, 400, codeInvalidParameter, "does not exist"},
		{"role of another account", "POST", addons, `{"addonName":"vpc-cni","serviceAccountRoleArn":"arn:aws:iam::999999999999:role/x"}`, 400, codeInvalidParameter, "another account"},
		{"association: role does not trust", "POST", addons, `{"addonName":"vpc-cni","podIdentityAssociations":[{"serviceAccount":"aws-node","roleArn":"arn:aws:iam::123456789012:role/ec2"}]}`, 400, codeInvalidParameter, "Trust policy"},
		{"association: no role", "POST", addons, `{"addonName":"vpc-cni","podIdentityAssociations":[{"serviceAccount":"aws-node"}]}`, 400, codeInvalidParameter, "roleArn is required"},
		{"association: no service account", "POST", addons, `{"addonName":"vpc-cni","podIdentityAssociations":[{"roleArn":"` + good + `"}]}`, 400, codeInvalidParameter, "serviceAccount is required"},
		{"association: twice", "POST", addons, `{"addonName":"vpc-cni","podIdentityAssociations":[{"serviceAccount":"a","roleArn":"` + good + `"},{"serviceAccount":"a","roleArn":"` + good + `"}]}`, 400, codeInvalidParameter, "twice"},
		// aws/containers-roadmap issue 2712, terraform-aws-modules/terraform-aws-eks issue 3520.
		{"association: add-on without Pod Identity", "POST", addons, `{"addonName":"coredns","podIdentityAssociations":[{"serviceAccount":"coredns","roleArn":"` + good + `"}]}`, 400, codeInvalidParameter, "Pod Identity feature is not supported for addon version: v1.12.1-eksbuild.2"},
		{"association: another service account", "POST", addons, `{"addonName":"vpc-cni","podIdentityAssociations":[{"serviceAccount":"app","roleArn":"` + good + `"}]}`, 400, codeInvalidParameter, "Service account app in pod identity configuration is not supported for addon vpc-cni"},
		{"exists", "POST", addons, `{"addonName":"` + agent + `"}`, 409, codeInUse, "Addon already exists."},
		{"create: no cluster", "POST", "/clusters/green/addons", `{"addonName":"vpc-cni"}`, 404, codeNotFound, "No cluster found"},
		{"describe: no cluster", "GET", "/clusters/green/addons/" + agent, ``, 404, codeNotFound, "No cluster found"},
		{"describe: no add-on", "GET", addons + "/vpc-cni", ``, 404, codeNotFound, "No addon: vpc-cni found in cluster: blue"},
		{"update: no add-on", "POST", addons + "/vpc-cni/update", `{}`, 404, codeNotFound, "No addon"},
		{"update: still being created", "POST", one + "/update", `{}`, 409, codeInUse, "cannot be updated as it is currently in CREATING state"},
		{"update: resolveConflicts", "POST", one + "/update", `{"resolveConflicts":"x"}`, 400, codeInvalidParameter, "OVERWRITE"},
		{"delete: no add-on", "DELETE", addons + "/vpc-cni", ``, 404, codeNotFound, "No addon"},
		{"delete: preserve", "DELETE", one + "?preserve=maybe", ``, 400, codeInvalidParameter, "preserve must be true or false"},
		{"list: no cluster", "GET", "/clusters/green/addons", ``, 404, codeNotFound, "No cluster found"},
		{"list: maxResults", "GET", addons + "?maxResults=0", ``, 400, codeInvalidParameter, "maxResults"},
		{"configuration: no name", "GET", "/addons/configuration-schemas?addonVersion=v1", ``, 400, codeInvalidParameter, "addonName is required"},
		{"configuration: no version", "GET", "/addons/configuration-schemas?addonName=vpc-cni", ``, 400, codeInvalidParameter, "addonVersion is required"},
		{"configuration: unknown version", "GET", "/addons/configuration-schemas?addonName=vpc-cni&addonVersion=v9", ``, 400, codeInvalidParameter, "version specified is not supported"},
		{"no such update", "GET", "/clusters/blue/updates/1234?addonName=" + agent, ``, 404, codeNotFound, "No update found for ID: 1234"},
		{"update of a node group", "GET", "/clusters/blue/updates/1234?nodegroupName=n", ``, 404, codeNotFound, "No node group"},
		{"updates: no add-on", "GET", "/clusters/blue/updates?addonName=vpc-cni", ``, 404, codeNotFound, "No addon"},
	}
	f := newFixture(t)
	f.createAddon(t, nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, code, text := f.send(t, test.method, test.path, test.body)
			if status != test.status || code != test.code || !strings.Contains(text, test.text) {
				t.Errorf("got %d %s %s", status, code, text)
			}
		})
	}
	_, err := f.client.CreateAddon(t.Context(), &awseks.CreateAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String(agent)})
	if taken, ok := errors.AsType[*types.ResourceInUseException](err); !ok || *taken.AddonName != agent || *taken.ClusterName != "blue" {
		t.Errorf("got %v", err)
	}
}
