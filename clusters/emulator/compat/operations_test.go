package compat

import (
	"github.com/podidentity/epi/clusters/emulator/eks"
	"github.com/podidentity/epi/clusters/emulator/eksauth"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/s3"
	"github.com/podidentity/epi/clusters/emulator/sts"
)

// operations are what each service routes, by its signing name.
func operations() map[string][]string {
	return map[string][]string{
		"eks":      eks.Operations(),
		"eks-auth": eksauth.Operations(),
		"iam":      iam.Operations(),
		"sts":      sts.Operations(),
		"s3":       s3.Operations(),
		"imds": {
			"PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/epi-node", "GET /latest/meta-data/iam/info",
			"GET /latest/meta-data/network/interfaces/macs/", "GET /latest/dynamic/instance-identity/document",
		},
	}
}
