package iam

import (
	"errors"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// ErrNoSuchRole is returned for a role that does not exist (any more).
var ErrNoSuchRole = errors.New("no such role")

// WorkerNodePolicyARN is the AWS managed policy of EKS nodes; it allows eks-auth:AssumeRoleForPodIdentity.
const WorkerNodePolicyARN = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"

// WriteSignatureError answers a request of a Query service (IAM, STS) whose signature was refused,
// in that protocol's XML, and notes status and code in the journal's call of r.
func WriteSignatureError(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {}
