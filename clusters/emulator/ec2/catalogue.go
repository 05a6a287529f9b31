package ec2

import (
	"net/http"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/query"
)

// zone1 is an availability zone.
type zone1 struct{ Name, ID string }

// zones are the four zones of the region. AWS has three to six.
func (s *Service) zones() []zone1 {
	// The short form of us-west-2 is usw2, and that of ap-southeast-1 is apse1.
	short := ""
	for part := range strings.SplitSeq(s.options.Region, "-") {
		switch {
		case short == "":
			short = part
		case len(part) > 5 && (strings.HasPrefix(part, "north") || strings.HasPrefix(part, "south")):
			short += part[:1] + part[5:6]
		default:
			short += part[:1]
		}
	}
	var list []zone1
	for n, letter := range []string{"a", "b", "c", "d"} {
		list = append(list, zone1{s.options.Region + letter, short + "-az" + string(rune('1'+n))})
	}
	return list
}

func (s *Service) zoneID(name string) string {
	for _, z := range s.zones() {
		if z.Name == name {
			return z.ID
		}
	}
	return ""
}

func (s *Service) zoneNames() string {
	return strings.Join(each(s.zones(), func(z zone1) string { return z.Name }), ", ")
}

func (s *Service) describeAvailabilityZones(r request, in struct {
	Filters []filter `query:"Filter"`
	Names   []string `query:"ZoneName"`
	IDs     []string `query:"ZoneId"`
	All     bool     `query:"AllAvailabilityZones"`
}) (any, error) {
	if err := r.describe("DescribeAvailabilityZones"); err != nil {
		return nil, err
	}
	zones := s.zones()
	for _, name := range append(slices.Clone(in.Names), in.IDs...) {
		if !slices.ContainsFunc(zones, func(z zone1) bool { return z.Name == name || z.ID == name }) {
			return nil, wrongValue("Invalid availability zone: [%s]", name)
		}
	}
	if len(in.Names)+len(in.IDs) > 0 {
		zones = slices.DeleteFunc(zones, func(z zone1) bool { return !slices.Contains(in.Names, z.Name) && !slices.Contains(in.IDs, z.ID) })
	}
	zones, _, err := list(listInput{Filters: in.Filters}, zones, func(z zone1) string { return z.Name }, nil, map[string]func(zone1) []string{
		"zone-name": one(func(z zone1) string { return z.Name }), "zone-id": one(func(z zone1) string { return z.ID }),
		"region-name": one(func(zone1) string { return s.options.Region }), "group-name": one(func(zone1) string { return s.options.Region }),
		"state": one(func(zone1) string { return "available" }), "zone-type": one(func(zone1) string { return "availability-zone" }),
		"opt-in-status": one(func(zone1) string { return "opt-in-not-required" }),
	})
	type item struct {
		Name   string `xml:"zoneName"`
		ID     string `xml:"zoneId"`
		State  string `xml:"zoneState"`
		Region string `xml:"regionName"`
		Group  string `xml:"groupName"`
		Border string `xml:"networkBorderGroup"`
		Type   string `xml:"zoneType"`
		OptIn  string `xml:"optInStatus"`
	}
	return struct {
		Zones []item `xml:"availabilityZoneInfo>item"`
	}{each(zones, func(z zone1) item {
		return item{z.Name, z.ID, "available", s.options.Region, s.options.Region, s.options.Region, "availability-zone", "opt-in-not-required"}
	})}, err
}

// instanceType is a type that the region offers in all zones.
type instanceType struct {
	name   string
	cpus   int
	memory int
	arm    bool
}

// instanceTypes are a few of AWS's, with processors and MiB of memory
// (https://aws.amazon.com/ec2/instance-types/).
func instanceTypes() []instanceType {
	return []instanceType{
		{"t3.micro", 2, 1024, false}, {"t3.small", 2, 2048, false}, {"t3.medium", 2, 4096, false}, {"t3.large", 2, 8192, false}, {"t3.xlarge", 4, 16384, false}, {"t3.2xlarge", 8, 32768, false},
		{"t3a.small", 2, 2048, false}, {"t3a.medium", 2, 4096, false}, {"t3a.large", 2, 8192, false}, {"t3a.xlarge", 4, 16384, false},
		{"t2.medium", 2, 4096, false}, {"t2.large", 2, 8192, false},
		{"m5.large", 2, 8192, false}, {"m5.xlarge", 4, 16384, false}, {"m5.2xlarge", 8, 32768, false}, {"m5a.large", 2, 8192, false},
		{"m6i.large", 2, 8192, false}, {"m6i.xlarge", 4, 16384, false}, {"m7i.large", 2, 8192, false},
		{"c5.large", 2, 4096, false}, {"c5.xlarge", 4, 8192, false}, {"c6i.large", 2, 4096, false}, {"r5.large", 2, 16384, false},
		{"t4g.small", 2, 2048, true}, {"t4g.medium", 2, 4096, true}, {"t4g.large", 2, 8192, true}, {"m6g.large", 2, 8192, true}, {"m7g.large", 2, 8192, true}, {"c7g.large", 2, 4096, true},
	}
}

// HasInstanceType says whether the region offers a type.
func HasInstanceType(name string) bool {
	return slices.ContainsFunc(instanceTypes(), func(t instanceType) bool { return t.name == name })
}

func (s *Service) describeInstanceTypeOfferings(r request, in struct {
	LocationType string
	listInput
}) (any, error) {
	if err := r.describe("DescribeInstanceTypeOfferings"); err != nil {
		return nil, err
	}
	type offering struct {
		Type         string `xml:"instanceType"`
		LocationType string `xml:"locationType"`
		Location     string `xml:"location"`
	}
	locations := []string{s.options.Region}
	switch in.LocationType {
	case "", "region":
		in.LocationType = "region"
	case "availability-zone":
		locations = each(s.zones(), func(z zone1) string { return z.Name })
	case "availability-zone-id":
		locations = each(s.zones(), func(z zone1) string { return z.ID })
	default:
		return nil, wrongValue("Value (%s) for parameter locationType is invalid.", in.LocationType)
	}
	var all []offering
	for _, t := range instanceTypes() {
		for _, location := range locations {
			all = append(all, offering{t.name, in.LocationType, location})
		}
	}
	all, next, err := list(in.listInput, all, func(o offering) string { return o.Type + "/" + o.Location }, nil, map[string]func(offering) []string{
		"instance-type": one(func(o offering) string { return o.Type }), "location": one(func(o offering) string { return o.Location }),
	})
	return struct {
		Offerings []offering `xml:"instanceTypeOfferingSet>item"`
		page
	}{all, next}, err
}

func (s *Service) describeInstanceTypes(r request, in struct {
	Types []string `query:"InstanceType"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeInstanceTypes"); err != nil {
		return nil, err
	}
	var unknown []string
	for _, name := range in.Types {
		if !HasInstanceType(name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return nil, query.Errorf("InvalidInstanceType", http.StatusBadRequest, "The following supplied instance types do not exist: [%s]", strings.Join(unknown, ", "))
	}
	architecture := func(t instanceType) string {
		if t.arm {
			return "arm64"
		}
		return "x86_64"
	}
	types := slices.DeleteFunc(instanceTypes(), func(t instanceType) bool { return len(in.Types) > 0 && !slices.Contains(in.Types, t.name) })
	types, next, err := list(in.listInput, types, func(t instanceType) string { return t.name }, nil, map[string]func(instanceType) []string{
		"instance-type": one(func(t instanceType) string { return t.name }), "current-generation": one(func(instanceType) string { return "true" }),
		"processor-info.supported-architecture": one(architecture), "bare-metal": one(func(instanceType) string { return "false" }),
		"hypervisor": one(func(instanceType) string { return "nitro" }),
	})
	type item struct {
		Type          string   `xml:"instanceType"`
		Current       bool     `xml:"currentGeneration"`
		Usage         []string `xml:"supportedUsageClasses>item"`
		Hypervisor    string   `xml:"hypervisor"`
		Architectures []string `xml:"processorInfo>supportedArchitectures>item"`
		CPUs          int      `xml:"vCpuInfo>defaultVCpus"`
		Memory        int      `xml:"memoryInfo>sizeInMiB"`
		Interfaces    int      `xml:"networkInfo>maximumNetworkInterfaces"`
		Addresses     int      `xml:"networkInfo>ipv4AddressesPerInterface"`
	}
	return struct {
		Types []item `xml:"instanceTypeSet>item"`
		page
	}{each(types, func(t instanceType) item {
		return item{t.name, true, []string{"on-demand", "spot"}, "nitro", []string{architecture(t)}, t.cpus, t.memory, 3, 6}
	}), next}, err
}

// describeKeyPairs returns none: the emulator has none.
func (s *Service) describeKeyPairs(r request, in struct {
	Names         []string `query:"KeyName"`
	IDs           []string `query:"KeyPairId"`
	Filters       []filter `query:"Filter"`
	IncludePublic bool     `query:"IncludePublicKey"`
}) (any, error) {
	if err := r.describe("DescribeKeyPairs"); err != nil {
		return nil, err
	}
	if asked := append(slices.Clone(in.Names), in.IDs...); len(asked) > 0 {
		return nil, query.Errorf("InvalidKeyPair.NotFound", http.StatusBadRequest, "The key pair '%s' does not exist", asked[0])
	}
	return struct {
		Keys []struct{} `xml:"keySet>item"`
	}{}, nil
}
