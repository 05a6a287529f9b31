package imds

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/netip"
	"path"
	"runtime"
	"strings"
	"sync"
	"time"
)

// instance has the values for one source address.
type instance struct {
	id string
	// role is the name of its role; "" for none. The other fields are of its instance profile.
	role, profileARN, profileID string
	// values are by the path below a version. The values of credentials are "".
	values map[string]string

	// delivery says where its credentials are delivered, for requests with a session token.
	delivery Delivery

	mu sync.Mutex
	// withToken are returned to requests with a session token, and without to requests of IMDSv1. Their condition keys say
	// which of the two it was.
	withToken, without given
}

// given are credentials with the time of their issue.
type given struct {
	Credentials
	updated time.Time
}

// platforms are EC2's names of Go's architectures, each with a type of instance.
var platforms = map[string]struct{ architecture, instanceType string }{
	"amd64": {"x86_64", "m5.large"},
	"arm64": {"arm64", "m6g.large"},
}

// newInstance derives from its address all that clients read of an instance in a private subnet
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html). It has what SDKs, the pod
// identity agent, the VPC CNI plugin and cloud providers ask for.
func (s *Service) newInstance(at place) *instance {
	source, known := at.address, at.known
	ip, region, account := source.String(), s.options.Region, s.options.Account
	zone, where := cmp.Or(known.Zone, region+"a"), region+account
	instanceType := cmp.Or(known.Type, platforms[runtime.GOARCH].instanceType)
	lifeCycle := "on-demand"
	if known.Spot {
		lifeCycle = "spot"
	}
	i := &instance{
		id: cmp.Or(known.ID, InstanceID(ip)), role: s.options.RoleName,
		profileARN: "arn:" + partition(region) + ":iam::" + account + ":instance-profile/" + s.options.RoleName, profileID: "AIPA" + profileDigits(account+s.options.RoleName),
	}
	switch {
	case known.WithoutRole:
		i.role = ""
	case known.RoleARN != "":
		i.role, i.profileARN, i.profileID = path.Base(known.RoleARN), known.ProfileARN, known.ProfileID
	}
	i.delivery = Delivery{InstanceID: i.id, VPC: cmp.Or(known.VPC, "vpc-"+hexID("vpc"+where)), RoleARN: known.RoleARN}
	if source.Is4() {
		i.delivery.PrivateIP = ip
	}
	hostname := privateName(source, i.id) + "." + privateDomain(region)
	mac := macOf(ip)
	image := "ami-" + hexID(region)
	i.values = map[string]string{
		"dynamic/instance-identity/document": s.document(i.id, ip, zone, image, instanceType),
	}
	for name, value := range map[string]string{
		"ami-id":                         image,
		"ami-launch-index":               "0",
		"ami-manifest-path":              "(unknown)",
		"block-device-mapping/ami":       "/dev/xvda",
		"block-device-mapping/root":      "/dev/xvda",
		"hostname":                       hostname,
		"instance-action":                "none",
		"instance-id":                    i.id,
		"instance-life-cycle":            lifeCycle,
		"instance-type":                  instanceType,
		"local-hostname":                 hostname,
		"mac":                            mac,
		"placement/availability-zone":    zone,
		"placement/availability-zone-id": zoneID(region),
		"placement/region":               region,
		"profile":                        "default-hvm",
		"reservation-id":                 "r-" + hexID("reservation"+ip),
		"security-groups":                securityGroup,
		"services/domain":                domain(region),
		"services/partition":             partition(region),
	} {
		i.values["meta-data/"+name] = value
	}
	if i.role != "" {
		i.values[infoPath] = ""
		i.values[credentialsFolder+"/"+i.role] = ""
	}
	for name, value := range map[string]string{
		"device-number":      "0",
		"interface-id":       "eni-" + hexID("eni"+ip),
		"local-hostname":     hostname,
		"mac":                mac,
		"owner-id":           account,
		"security-group-ids": "sg-" + hexID("sg"+where),
		"security-groups":    securityGroup,
		"subnet-id":          cmp.Or(known.Subnet, "subnet-"+hexID("subnet"+where)),
		"vpc-id":             i.delivery.VPC,
	} {
		i.values["meta-data/network/interfaces/macs/"+mac+"/"+name] = value
	}
	i.addAddresses(source, mac)
	return i
}

const securityGroup = "epi-nodes"

// addAddresses adds the values that depend on the family of the address. It derives subnet and VPC from the address.
func (i *instance) addAddresses(source netip.Addr, mac string) {
	interfaceOf := "meta-data/network/interfaces/macs/" + mac + "/"
	block := func(bits int) string { return netip.PrefixFrom(source, bits).Masked().String() }
	switch {
	case source.Is4():
		vpc := block(16)
		i.values["meta-data/local-ipv4"] = source.String()
		i.values[interfaceOf+"local-ipv4s"] = source.String()
		i.values[interfaceOf+"subnet-ipv4-cidr-block"] = block(20)
		i.values[interfaceOf+"vpc-ipv4-cidr-block"] = vpc
		i.values[interfaceOf+"vpc-ipv4-cidr-blocks"] = vpc
	case source.Is6():
		i.values["meta-data/ipv6"] = source.String()
		i.values[interfaceOf+"ipv6s"] = source.String()
		i.values[interfaceOf+"subnet-ipv6-cidr-blocks"] = block(64)
		i.values[interfaceOf+"vpc-ipv6-cidr-blocks"] = block(56)
	}
}

// document is the instance identity document. Its fields have the order of
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/retrieve-iid.html.
func (s *Service) document(id, ip, zone, image, instanceType string) string {
	return encode(struct {
		DevpayProductCodes      []string `json:"devpayProductCodes"`
		MarketplaceProductCodes []string `json:"marketplaceProductCodes"`
		AvailabilityZone        string   `json:"availabilityZone"`
		PrivateIP               string   `json:"privateIp"`
		Version                 string   `json:"version"`
		InstanceID              string   `json:"instanceId"`
		BillingProducts         []string `json:"billingProducts"`
		InstanceType            string   `json:"instanceType"`
		AccountID               string   `json:"accountId"`
		ImageID                 string   `json:"imageId"`
		PendingTime             string   `json:"pendingTime"`
		Architecture            string   `json:"architecture"`
		KernelID                *string  `json:"kernelId"`
		RamdiskID               *string  `json:"ramdiskId"`
		Region                  string   `json:"region"`
	}{
		AvailabilityZone: zone, PrivateIP: ip, Version: "2017-09-30", InstanceID: id, InstanceType: instanceType,
		AccountID: s.options.Account, ImageID: image, PendingTime: stamp(s.started), Architecture: platforms[runtime.GOARCH].architecture,
		Region: s.options.Region,
	})
}

// encode accepts structs of texts only, which can always be encoded.
func encode(v any) string {
	data, _ := json.MarshalIndent(v, "", "  ")
	return string(data)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// macOf returns a locally administered address, like those of EC2.
func macOf(ip string) string {
	digits := hexID("mac" + ip)
	return fmt.Sprintf("0a:%s:%s:%s:%s:%s", digits[0:2], digits[2:4], digits[4:6], digits[6:8], digits[8:10])
}

// privateName and privateDomain form hostnames
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-naming.html): by IP name, and by resource name where
// there is no IPv4 address.
func privateName(source netip.Addr, id string) string {
	if source.Is4() {
		return "ip-" + strings.ReplaceAll(source.String(), ".", "-")
	}
	return id
}

func privateDomain(region string) string {
	if region == "us-east-1" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func domain(region string) string {
	if partition(region) == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// directions are the abbreviations that zone IDs have for parts of region names
var directions = strings.NewReplacer(
	"northeast", "ne", "northwest", "nw", "southeast", "se", "southwest", "sw",
	"north", "n", "south", "s", "east", "e", "west", "w", "central", "c", "gov", "g", "-", "",
)

// zoneID is the ID of a region's first zone, such as "usw2-az1".
func zoneID(region string) string { return directions.Replace(region) + "-az1" }

// profileDigits returns 17 capitals and digits, as in IAM's IDs.
func profileDigits(of string) string {
	sum := sha256.Sum256([]byte(of))
	return base32.StdEncoding.EncodeToString(sum[:])[:17]
}
