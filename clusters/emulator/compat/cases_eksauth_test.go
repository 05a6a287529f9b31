package compat

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/faults"
)

// eksAuthCases: https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html.
func eksAuthCases() []testCase {
	const operation = "AssumeRoleForPodIdentity"
	assume := func(ctx context.Context, f *fixture, changes map[string]any) error {
		f.association()
		return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
			ClusterName: &f.Name, Token: aws.String(f.Token("default", "app", changes)),
		}))
	}
	return []testCase{
		{"eks-auth", operation, "the token of a service account with an association", accepted, func(ctx context.Context, f *fixture) error {
			return assume(ctx, f, nil)
		}},
		{"eks-auth", operation, "a service account without an association", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
				ClusterName: aws.String(f.Cluster()), Token: aws.String(f.Token("default", "app", nil)),
			}))
		}},
		{"eks-auth", operation, "a cluster that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
				ClusterName: &f.Name, Token: aws.String(f.Token("default", "app", nil)),
			}))
		}},
		{"eks-auth", operation, "an expired token", refused(400, "ExpiredTokenException"), func(ctx context.Context, f *fixture) error {
			return assume(ctx, f, map[string]any{"exp": f.Now().Add(-time.Hour).Unix(), "iat": f.Now().Add(-2 * time.Hour).Unix(), "nbf": f.Now().Add(-2 * time.Hour).Unix()})
		}},
		{"eks-auth", operation, "a token for another audience", refused(400, "InvalidTokenException"), func(ctx context.Context, f *fixture) error {
			return assume(ctx, f, map[string]any{"aud": []string{"sts.amazonaws.com"}})
		}},
		{"eks-auth", operation, "a token that another key signed", refused(400, "InvalidTokenException"), func(ctx context.Context, f *fixture) error {
			f.association()
			token := f.Token("default", "app", nil)
			payload, forged := token[:strings.LastIndex(token, ".")], f.Token("default", "other", nil)
			return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
				ClusterName: &f.Name, Token: aws.String(payload + forged[strings.LastIndex(forged, "."):]),
			}))
		}},
		{"eks-auth", operation, "a token that is not bound to a pod", refused(400, "InvalidTokenException"), func(ctx context.Context, f *fixture) error {
			return assume(ctx, f, map[string]any{"kubernetes.io": map[string]any{"namespace": "default", "serviceaccount": map[string]string{"name": "app", "uid": "u"}}})
		}},
		{"eks-auth", operation, "a pod whose name is no session name", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return assume(ctx, f, map[string]any{"kubernetes.io": map[string]any{
				"namespace": "default", "serviceaccount": map[string]string{"name": "app", "uid": "u"}, "pod": map[string]string{"name": "a pod!", "uid": "u"},
			}})
		}},
		{"eks-auth", operation, "no token", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{ClusterName: aws.String(f.Cluster())}))
		}},
		{"eks-auth", operation, "a body that is no JSON", refused(400, "InvalidRequestException"), func(ctx context.Context, f *fixture) error {
			return f.Send(ctx, f.Node(), emulatortest.Request{
				Service: "eks-auth", Method: http.MethodPost, Path: "/clusters/" + f.Cluster() + "/assume-role-for-pod-identity", Body: "token",
			})
		}},
		{"eks-auth", operation, "a role whose trust asks for another namespace", refused(400, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			role := f.Role(f.Name, strings.TrimSuffix(trustPods, "}}")+`,"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"other"}}}}`, "")
			f.Associate(f.Cluster(), "app", role, nil)
			return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
				ClusterName: &f.Name, Token: aws.String(f.Token("default", "app", nil)),
			}))
		}},
		{"eks-auth", operation, "a target role with the association's external ID", accepted, func(ctx context.Context, f *fixture) error {
			return f.assumeTarget(ctx, f.Name)
		}},
		{"eks-auth", operation, "a target role with another external ID", refused(400, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			return f.assumeTarget(ctx, "another-cluster")
		}},
		{"eks-auth", operation, "a fault: throttling", refused(429, "ThrottlingException"), func(ctx context.Context, f *fixture) error {
			return f.assumeFaulty(ctx, control.Throttling)
		}},
		{"eks-auth", operation, "a fault: internal", refused(500, "InternalServerException"), func(ctx context.Context, f *fixture) error {
			return f.assumeFaulty(ctx, control.Internal)
		}},
		{"eks-auth", operation, "a fault: unavailable", refused(503, "ServiceUnavailableException"), func(ctx context.Context, f *fixture) error {
			return f.assumeFaulty(ctx, control.Unavailable)
		}},
		{"eks-auth", operation, "a caller without the permission", refused(400, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			f.association()
			return last(f.Unprivileged().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
				ClusterName: &f.Name, Token: aws.String(f.Token("default", "app", nil)),
			}))
		}},
	}
}

// assumeTarget asks for the session of a target role that trusts the external ID of a cluster's association.
func (f *fixture) assumeTarget(ctx context.Context, cluster string) error {
	f.t.Helper()
	source := f.Role(f.Name, trustPods, "")
	target := f.Role(f.Name+"-target", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"`+source+`"},"Action":["sts:AssumeRole","sts:TagSession"],`+
		`"Condition":{"StringEquals":{"sts:ExternalId":"`+emulatortest.Region+`/`+emulatortest.Account+`/`+cluster+`/default/app"}}}}`, "")
	f.Associate(f.Cluster(), "app", source, func(in *eks.CreatePodIdentityAssociationInput) { in.TargetRoleArn = &target })
	return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
		ClusterName: &f.Name, Token: aws.String(f.Token("default", "app", nil)),
	}))
}

// assumeFaulty asks once for the role of an association that has a fault.
func (f *fixture) assumeFaulty(ctx context.Context, kind faults.Kind) error {
	f.t.Helper()
	id := f.association()
	fault, err := f.Control.AddFault(ctx, control.Fault{Association: *id, Error: &control.Refusal{Kind: kind}})
	f.must(err)
	defer func() { f.must(f.Control.RemoveFault(ctx, fault.ID)) }()
	return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
		ClusterName: &f.Name, Token: aws.String(f.Token("default", "app", nil)),
	}))
}
