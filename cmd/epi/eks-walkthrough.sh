#!/usr/bin/env bash
# EKS Pod Identity on EKS, by hand: what a user of eksctl, the AWS CLI and kubectl types, from a cluster to three pods
# and one 403. The commands are those of an article of December 2023, word for word. What differs from it:
#   --version           1.28 is no longer supported; this is the version of the region's nodes.
#   --image             public.ecr.aws/aws-cli/aws-cli:2.15.3 needs a registry; $EPI_AWS_CLI_IMAGE is on the nodes.
#   text.txt            stays: the article asks for a file that is not there, and gets as far as the credentials.
#   "kubectl wait …", "kubectl rollout …"    wait where the author did.
#   the bucket, and the end                  the article has its bucket already, and keeps its cluster.
#
# It runs in a region of epi's own, and makes nothing anywhere else:
#   epi cloud up --clients aws-cli@trixie
#   eval "$(epi cloud env)"
#   bash cmd/epi/eks-walkthrough.sh
#   epi cloud down
# It needs bash, eksctl, kubectl and an AWS CLI (1.31.3 or 2.14.6 and later). eks-walkthrough.txt is what it prints.
# The exit code is that of the last command that failed; 0 if none did.
case "$AWS_ENDPOINT_URL" in
http://127.0.0.1:*) ;;
*) echo 'not in a region of epi: epi cloud up --clients aws-cli@trixie; eval "$(epi cloud env)"' >&2; exit 2 ;;
esac
: "${EPI_AWS_CLI_IMAGE:?there is none: epi cloud up --clients aws-cli@trixie; eval \"\$(epi cloud env)\"}"
export AWS_PAGER=
folder=$(mktemp -d) && cd "$folder" || exit 2
trap 'rm -rf "$folder"' EXIT
failed=0
trap 'failed=$?; echo "exit code $failed"' ERR
set -v

# The bucket: a folder for each cluster, and in it one for each namespace.
aws s3 mb s3://kaitoy-epi-test
aws s3api put-object --bucket kaitoy-epi-test --key epi-test/ >/dev/null
aws s3api put-object --bucket kaitoy-epi-test --key epi-test/default/ >/dev/null
echo 'for default' | aws s3 cp - s3://kaitoy-epi-test/epi-test/default/test.txt
aws s3api put-object --bucket kaitoy-epi-test --key epi-test/hoge/ >/dev/null
echo 'for hoge' | aws s3 cp - s3://kaitoy-epi-test/epi-test/hoge/test.txt
aws s3 ls --recursive s3://kaitoy-epi-test/

# EKS: one small node, no OIDC provider, and no instance metadata for pods.
eksctl create cluster --name epi-test --region us-east-1 --version 1.36 --managed -t t3.medium -N 1 -m 1 -M 1 --node-volume-size 20 --spot --disable-pod-imds

# The agent, an add-on.
aws eks create-addon --cluster-name epi-test --addon-name eks-pod-identity-agent --addon-version v1.0.0-eksbuild.1
aws eks wait addon-active --cluster-name epi-test --addon-name eks-pod-identity-agent
kubectl rollout status -n kube-system daemonset/eks-pod-identity-agent --timeout=3m >/dev/null
kubectl get po -n kube-system -l app.kubernetes.io/name=eks-pod-identity-agent
kubectl get daemonset -n kube-system eks-pod-identity-agent

# The role. Its policy names no namespace: the session's tags do.
cat > epi-policy.json <<'END'
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "s3:*",
      "Resource": "arn:aws:s3:::kaitoy-epi-test/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*"
    }
  ]
}
END
aws iam create-policy --policy-name epi-s3 --policy-document file://epi-policy.json
cat > epi-trust-policy.json <<'END'
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "AllowEksAuthToAssumeRoleForPodIdentity",
      "Effect": "Allow",
      "Principal": {
        "Service": "pods.eks.amazonaws.com"
      },
      "Action": [
        "sts:AssumeRole",
        "sts:TagSession"
      ]
    }
  ]
}
END
aws iam create-role --role-name epi-bucket-user --assume-role-policy-document file://epi-trust-policy.json
aws iam attach-role-policy --role-name epi-bucket-user --policy-arn=arn:aws:iam::123456789012:policy/epi-s3

# The association.
kubectl create serviceaccount aws-cli -n default
aws eks create-pod-identity-association --cluster-name epi-test --role-arn arn:aws:iam::123456789012:role/epi-bucket-user --namespace default --service-account aws-cli

# A pod without the service account has no credentials.
kubectl run -n default --rm -it aws-cli --image=$EPI_AWS_CLI_IMAGE -- s3 cp s3://kaitoy-epi-test/epi-test/default/text.txt .
kubectl wait -n default --for=delete pod/aws-cli --timeout=1m

# A pod with it has those of the role.
kubectl run -n default --rm -it aws-cli --image=$EPI_AWS_CLI_IMAGE --overrides='{ "spec": { "serviceAccount": "aws-cli" }  }' -- s3 cp s3://kaitoy-epi-test/epi-test/default/test.txt .
kubectl wait -n default --for=delete pod/aws-cli --timeout=1m

# They end at its own namespace.
kubectl run -n default --rm -it aws-cli --image=$EPI_AWS_CLI_IMAGE --overrides='{ "spec": { "serviceAccount": "aws-cli" }  }' -- s3 cp s3://kaitoy-epi-test/epi-test/hoge/test.txt .
kubectl wait -n default --for=delete pod/aws-cli --timeout=1m

# And all of it is gone.
eksctl delete cluster --name epi-test --wait
aws iam detach-role-policy --role-name epi-bucket-user --policy-arn=arn:aws:iam::123456789012:policy/epi-s3
aws iam delete-role --role-name epi-bucket-user
aws iam delete-policy --policy-arn=arn:aws:iam::123456789012:policy/epi-s3
aws s3 rb --force s3://kaitoy-epi-test
exit $failed
