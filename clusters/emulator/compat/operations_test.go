package compat

import (
	"github.com/podidentity/epi/clusters/emulator/cloudformation"
	"github.com/podidentity/epi/clusters/emulator/ec2"
	"github.com/podidentity/epi/clusters/emulator/ecr"
	"github.com/podidentity/epi/clusters/emulator/eks"
	"github.com/podidentity/epi/clusters/emulator/eksauth"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/s3"
	"github.com/podidentity/epi/clusters/emulator/sts"
)

// operations are those that each service routes, by its signing name.
func operations() map[string][]string {
	return map[string][]string{
		"eks":      eks.Operations(),
		"eks-auth": eksauth.Operations(),
		"iam":      iam.Operations(),
		"sts":      sts.Operations(),
		"ec2":      ec2.Operations(),
		"ecr":      ecr.Operations(),

		"cloudformation": cloudformation.Operations(),
		"s3":             s3.Operations(),
		"imds": {
			"PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/epi-node", "GET /latest/meta-data/iam/info",
			"GET /latest/meta-data/network/interfaces/macs/", "GET /latest/dynamic/instance-identity/document",
		},
	}
}

// neverAccepted are reads of settings that no bucket of the emulator can have. They always answer that there is none.
var neverAccepted = map[string]bool{
	"s3 GetBucketCors": true, "s3 GetBucketLifecycleConfiguration": true, "s3 GetBucketReplication": true, "s3 GetBucketWebsite": true,
	"s3 GetObjectLockConfiguration": true,
}
