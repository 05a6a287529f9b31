package existing

import (
	"context"
	"fmt"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/sweep"
)

// lookAtAWS asks EKS for the cluster and STS for the account, with the user's own credentials.
func (p *Provider) lookAtAWS(ctx context.Context, env *clusters.Environment, task clusters.Task) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	cfg, err := sweep.LoadConfig(ctx, p.options.Region, p.options.EndpointURL)
	if err != nil {
		return err
	}
	env.Region = cfg.Region
	// Later commands must use the endpoint too, from a shell without the variable.
	env.AWS.EndpointURL = aws.ToString(cfg.BaseEndpoint)
	caller, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("ask STS who is calling: %w", err)
	}
	env.AccountID = aws.ToString(caller.Account)
	client := eks.NewFromConfig(cfg)
	described, err := client.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &env.ClusterName})
	if err != nil {
		return fmt.Errorf("describe cluster %s: %w", env.ClusterName, err)
	}
	env.ClusterARN = aws.ToString(described.Cluster.Arn)
	if env.NodeRole = p.options.NodeRole; env.NodeRole == "" {
		if env.NodeRole, err = NodeRole(ctx, client, env.ClusterName); err != nil {
			return err
		}
	}
	task.Detail("%s, as %s", env.ClusterARN, aws.ToString(caller.Arn))
	return nil
}

// NodeRole is the name of the role of the cluster's first managed node group.
func NodeRole(ctx context.Context, client *eks.Client, cluster string) (string, error) {
	unknown := func(err error) error {
		return &clusters.EnvironmentError{Doing: "find the role of the nodes", Err: err, Remedy: "name it: --node-role my-node-role"}
	}
	groups, err := client.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: &cluster})
	if err != nil {
		return "", unknown(err)
	}
	if len(groups.Nodegroups) == 0 {
		return "", unknown(fmt.Errorf("cluster %s has no managed node group", cluster))
	}
	group, err := client.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &groups.Nodegroups[0]})
	if err != nil {
		return "", unknown(err)
	}
	return path.Base(aws.ToString(group.Nodegroup.NodeRole)), nil
}
