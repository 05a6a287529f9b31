package compat

import "github.com/podidentity/epi/clusters/emulator/s3"

// operations are what each service routes, by its signing name.
func operations() map[string][]string {
	return map[string][]string{
		"eks": {
			"CreatePodIdentityAssociation", "DeletePodIdentityAssociation", "DescribeCluster", "DescribePodIdentityAssociation",
			"ListClusters", "ListPodIdentityAssociations", "UpdatePodIdentityAssociation",
		},
		"eks-auth": {"AssumeRoleForPodIdentity"},
		"iam": {
			"AttachRolePolicy", "AttachUserPolicy", "CreateAccessKey", "CreatePolicy", "CreatePolicyVersion", "CreateRole", "CreateUser",
			"DeleteAccessKey", "DeletePolicy", "DeletePolicyVersion", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy",
			"DeleteUser", "DeleteUserPolicy", "DetachRolePolicy", "DetachUserPolicy", "GetPolicy", "GetPolicyVersion", "GetRole",
			"GetRolePolicy", "GetUser", "GetUserPolicy", "ListAccessKeys", "ListAttachedRolePolicies", "ListAttachedUserPolicies",
			"ListInstanceProfilesForRole", "ListPolicies", "ListPolicyVersions", "ListRolePolicies", "ListRoleTags", "ListRoles",
			"ListUserPolicies", "ListUsers", "PutRolePermissionsBoundary", "PutRolePolicy", "PutUserPolicy", "SetDefaultPolicyVersion",
			"TagRole", "UntagRole", "UpdateAssumeRolePolicy", "UpdateRole",
		},
		"sts": {"AssumeRole", "GetCallerIdentity"},
		"s3":  s3.Operations(),
		"imds": {
			"PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/epi-node", "GET /latest/meta-data/iam/info",
			"GET /latest/meta-data/network/interfaces/macs/", "GET /latest/dynamic/instance-identity/document",
		},
	}
}
