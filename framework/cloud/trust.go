package cloud

import (
	"fmt"

	"github.com/podidentity/epi/framework"
)

// podIdentity is the service that assumes the roles of associations.
const podIdentity = "pods.eks.amazonaws.com"

// TrustPodIdentity is the trust policy that every role for Pod Identity has:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html.
func TrustPodIdentity() Document {
	return TrustService(podIdentity, "sts:AssumeRole", "sts:TagSession")
}

// TrustService is a trust policy that allows a service the actions.
func TrustService(service string, actions ...string) Document {
	return trust(map[string]string{"Service": service}, nil, actions)
}

// TrustRole is the trust policy of a target role, for the associated role source and the external ID of
// its association: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html.
func TrustRole(source *Role, externalID string) Document {
	condition := map[string]map[string][]string{"StringEquals": {"sts:ExternalId": {externalID}}}
	return trust(map[string]string{"AWS": source.ARN}, condition, []string{"sts:AssumeRole", "sts:TagSession"})
}

// TrustAccount is a trust policy for every role and user of the environment's own account with the permission to assume the
// role.
func TrustAccount(env *framework.Env) Document {
	return trust(map[string]string{"AWS": fmt.Sprintf("arn:aws:iam::%s:root", env.AccountID)}, nil, []string{"sts:AssumeRole"})
}

func trust(principal map[string]string, condition map[string]map[string][]string, actions []string) Document {
	return Document{Version: policyVersion, Statement: []Statement{{
		Sid: "AllowEpi", Effect: "Allow", Principal: principal, Action: actions, Condition: condition,
	}}}
}
