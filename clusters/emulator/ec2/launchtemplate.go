package ec2

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/podidentity/epi/clusters/emulator/query"
)

type launchTemplate struct {
	base
	Name            string
	Versions        []templateVersion
	Default, Latest int
}

type templateVersion struct {
	Number      int
	Description string `json:",omitempty"`
	Created     string
	Data        TemplateData
}

// TemplateData is the part of a launch template's data that the emulator keeps, which is what eksctl writes. Any other
// parameter is an UnknownParameter.
type TemplateData struct {
	ImageID             string              `query:"ImageId" xml:"imageId,omitempty" json:",omitempty"`
	InstanceType        string              `xml:"instanceType,omitempty" json:",omitempty"`
	KeyName             string              `xml:"keyName,omitempty" json:",omitempty"`
	EbsOptimized        *bool               `xml:"ebsOptimized,omitempty" json:",omitempty"`
	UserData            string              `xml:"userData,omitempty" json:",omitempty"`
	BlockDeviceMappings []BlockDevice       `query:"BlockDeviceMapping" xml:"blockDeviceMappingSet>item" json:",omitempty"`
	MetadataOptions     *MetadataOptions    `xml:"metadataOptions,omitempty" json:",omitempty"`
	SecurityGroupIDs    []string            `query:"SecurityGroupId" xml:"securityGroupIdSet>item" json:",omitempty"`
	TagSpecifications   []TagSpecification  `query:"TagSpecification" xml:"tagSpecificationSet>item" json:",omitempty"`
	NetworkInterfaces   []TemplateInterface `query:"NetworkInterface" xml:"networkInterfaceSet>item" json:",omitempty"`
	Monitoring          *struct {
		Enabled bool `xml:"enabled"`
	} `xml:"monitoring,omitempty" json:",omitempty"`
}

// BlockDevice is a volume of an instance.
type BlockDevice struct {
	DeviceName string `xml:"deviceName"`
	Ebs        *struct {
		DeleteOnTermination *bool  `xml:"deleteOnTermination,omitempty" json:",omitempty"`
		Encrypted           *bool  `xml:"encrypted,omitempty" json:",omitempty"`
		Iops                *int   `xml:"iops,omitempty" json:",omitempty"`
		KmsKeyID            string `query:"KmsKeyId" xml:"kmsKeyId,omitempty" json:",omitempty"`
		SnapshotID          string `query:"SnapshotId" xml:"snapshotId,omitempty" json:",omitempty"`
		Throughput          *int   `xml:"throughput,omitempty" json:",omitempty"`
		VolumeSize          *int   `xml:"volumeSize,omitempty" json:",omitempty"`
		VolumeType          string `xml:"volumeType,omitempty" json:",omitempty"`
	} `xml:"ebs" json:",omitempty"`
}

// MetadataOptions are those of the instance metadata service. HTTPTokens is "optional" or "required", and HopLimit is 1 to
// 64.
type MetadataOptions struct {
	State        string `query:"-" xml:"state,omitempty" json:",omitempty"`
	HTTPEndpoint string `query:"HttpEndpoint" xml:"httpEndpoint,omitempty" json:",omitempty"`
	HopLimit     *int   `query:"HttpPutResponseHopLimit" xml:"httpPutResponseHopLimit,omitempty" json:",omitempty"`
	HTTPTokens   string `query:"HttpTokens" xml:"httpTokens,omitempty" json:",omitempty"`
	Tags         string `query:"InstanceMetadataTags" xml:"instanceMetadataTags,omitempty" json:",omitempty"`
}

// TagSpecification has the tags of a resource that is launched.
type TagSpecification struct {
	ResourceType string `xml:"resourceType"`
	Tags         []tag  `query:"Tag" xml:"tagSet>item"`
}

// TemplateInterface is a network interface of an instance.
type TemplateInterface struct {
	DeviceIndex         *int     `xml:"deviceIndex,omitempty" json:",omitempty"`
	AssociatePublicIP   *bool    `query:"AssociatePublicIpAddress" xml:"associatePublicIpAddress,omitempty" json:",omitempty"`
	DeleteOnTermination *bool    `xml:"deleteOnTermination,omitempty" json:",omitempty"`
	Description         string   `xml:"description,omitempty" json:",omitempty"`
	Groups              []string `query:"SecurityGroupId" xml:"groupSet>groupId" json:",omitempty"`
	SubnetID            string   `query:"SubnetId" xml:"subnetId,omitempty" json:",omitempty"`
	InterfaceType       string   `xml:"interfaceType,omitempty" json:",omitempty"`
}

var templateName = regexp.MustCompile(`^[a-zA-Z0-9()./_\-]{3,128}$`)

func (m *MetadataOptions) check() error {
	switch {
	case m == nil:
	case m.HopLimit != nil && (*m.HopLimit < 1 || *m.HopLimit > 64):
		return wrongValue("Value (%d) for parameter HttpPutResponseHopLimit is invalid. The value must be between 1 and 64.", *m.HopLimit)
	case m.HTTPTokens != "" && m.HTTPTokens != "optional" && m.HTTPTokens != "required":
		return wrongValue("Value (%s) for parameter HttpTokens is invalid.", m.HTTPTokens)
	case m.HTTPEndpoint != "" && m.HTTPEndpoint != "enabled" && m.HTTPEndpoint != "disabled":
		return wrongValue("Value (%s) for parameter HttpEndpoint is invalid.", m.HTTPEndpoint)
	}
	return nil
}

type xmlTemplate struct {
	ID      string `xml:"launchTemplateId"`
	Name    string `xml:"launchTemplateName"`
	Created string `xml:"createTime"`
	By      string `xml:"createdBy"`
	Default int    `xml:"defaultVersionNumber"`
	Latest  int    `xml:"latestVersionNumber"`
	Tags    tagSet `xml:"tagSet"`
}

func (s *Service) xmlTemplate(t *launchTemplate) xmlTemplate {
	return xmlTemplate{t.ID, t.Name, format(t.Created), "arn:aws:iam::" + s.options.Account + ":root", t.Default, t.Latest, xmlTags(t.Tags)}
}

type templateAnswer struct {
	Template xmlTemplate `xml:"launchTemplate"`
}

func (s *Service) createLaunchTemplate(r request, in struct {
	Name               string `query:"LaunchTemplateName"`
	VersionDescription string
	Data               *TemplateData `query:"LaunchTemplateData"`
	ClientToken        string
	tagged
}) (any, error) {
	tags, requested, err := r.requested(in.tagged, "launch-template")
	if err != nil {
		return nil, err
	}
	if err := r.authorizeCreation("CreateLaunchTemplate", "launch-template", requested); err != nil {
		return nil, err
	}
	switch {
	case in.Name == "":
		return nil, missing("The request must contain the parameter LaunchTemplateName")
	case !templateName.MatchString(in.Name):
		return nil, query.Errorf("InvalidLaunchTemplateName.MalformedException", http.StatusBadRequest, "The launch template name '%s' is malformed", in.Name)
	case in.Data == nil:
		return nil, missing("The request must contain the parameter LaunchTemplateData")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	made, known := byToken(r, s.lts, in.ClientToken)
	if !known {
		if s.templateNamed(in.Name) != nil {
			return nil, query.Errorf("InvalidLaunchTemplateName.AlreadyExistsException", http.StatusBadRequest, "Launch template name already in use.")
		}
		if err := s.checkData(in.Data); err != nil {
			return nil, err
		}
		made = launchTemplate{base: s.newBase("lt", tags, in.ClientToken), Name: in.Name, Default: 1, Latest: 1}
		made.Versions = []templateVersion{{1, in.VersionDescription, format(made.Created), *in.Data}}
		if err := put(s.lts, made); err != nil {
			return nil, err
		}
	}
	return templateAnswer{s.xmlTemplate(&made)}, nil
}

// checkData checks that the security groups exist. The caller holds mu.
func (s *Service) checkData(data *TemplateData) error {
	if err := data.MetadataOptions.check(); err != nil {
		return err
	}
	groups := slices.Clone(data.SecurityGroupIDs)
	for _, face := range data.NetworkInterfaces {
		groups = append(groups, face.Groups...)
	}
	for _, group := range groups {
		if _, err := s.groups.find(group); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) templateNamed(name string) *launchTemplate {
	for _, t := range s.lts.all {
		if t.Name == name {
			return t
		}
	}
	return nil
}

type templateInput struct {
	ID   string `query:"LaunchTemplateId"`
	Name string `query:"LaunchTemplateName"`
}

// template finds a launch template by ID or name. The caller holds mu.
func (s *Service) template(in templateInput) (*launchTemplate, error) {
	switch {
	case (in.ID == "") == (in.Name == ""):
		return nil, query.Errorf("InvalidParameterCombination", http.StatusBadRequest, "Exactly one of LaunchTemplateId and LaunchTemplateName must be given.")
	case in.ID != "":
		return s.lts.find(in.ID)
	}
	if t := s.templateNamed(in.Name); t != nil {
		return t, nil
	}
	return nil, query.Errorf("InvalidLaunchTemplateName.NotFoundException", http.StatusBadRequest, "At least one of the launch templates specified in the request does not exist: %s", in.Name)
}

func (s *Service) templateAccess(in templateInput) access {
	s.mu.RLock()
	id := in.ID
	if t := s.templateNamed(in.Name); id == "" && t != nil {
		id = t.ID
	}
	s.mu.RUnlock()
	if id == "" {
		id = "*"
	}
	return accessTo(s.lts, id)
}

func (s *Service) createLaunchTemplateVersion(r request, in struct {
	templateInput
	SourceVersion, VersionDescription, ClientToken string
	Data                                           *TemplateData `query:"LaunchTemplateData"`
}) (any, error) {
	if err := r.authorize("CreateLaunchTemplateVersion", nil, s.templateAccess(in.templateInput)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	if in.Data == nil {
		return nil, missing("The request must contain the parameter LaunchTemplateData")
	}
	if in.SourceVersion != "" {
		return nil, wrongValue("The emulator does not take the parameter SourceVersion.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.template(in.templateInput)
	if err != nil {
		return nil, err
	}
	if err := s.checkData(in.Data); err != nil {
		return nil, err
	}
	changed := *t
	changed.Latest++
	version := templateVersion{changed.Latest, in.VersionDescription, format(s.options.Now()), *in.Data}
	changed.Versions = append(slices.Clone(t.Versions), version)
	if err := put(s.lts, changed); err != nil {
		return nil, err
	}
	return struct {
		Version xmlVersion `xml:"launchTemplateVersion"`
	}{s.xmlVersion(&changed, version)}, nil
}

func (s *Service) modifyLaunchTemplate(r request, in struct {
	templateInput
	Default     string `query:"SetDefaultVersion"`
	ClientToken string
}) (any, error) {
	if err := r.authorize("ModifyLaunchTemplate", nil, s.templateAccess(in.templateInput)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.template(in.templateInput)
	if err != nil {
		return nil, err
	}
	version, err := t.version(in.Default)
	if err != nil {
		return nil, err
	}
	changed := *t
	changed.Default = version.Number
	return templateAnswer{s.xmlTemplate(&changed)}, put(s.lts, changed)
}

// version finds a version by its number, "$Latest" or "$Default".
func (t *launchTemplate) version(text string) (templateVersion, error) {
	number, err := strconv.Atoi(text)
	switch text {
	case "$Latest":
		number, err = t.Latest, nil
	case "$Default", "":
		number, err = t.Default, nil
	}
	if err != nil {
		return templateVersion{}, query.Errorf("InvalidLaunchTemplateId.VersionMalformed", http.StatusBadRequest, "Invalid launch template version: %s", text)
	}
	for _, v := range t.Versions {
		if v.Number == number {
			return v, nil
		}
	}
	return templateVersion{}, query.Errorf("InvalidLaunchTemplateId.VersionNotFound", http.StatusBadRequest, "Could not find launch template version %d for %s", number, t.ID)
}

func (s *Service) deleteLaunchTemplate(r request, in templateInput) (any, error) {
	if err := r.authorize("DeleteLaunchTemplate", nil, s.templateAccess(in)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.template(in)
	if err != nil {
		return nil, err
	}
	return templateAnswer{s.xmlTemplate(t)}, s.lts.remove(t.ID)
}

func (s *Service) describeLaunchTemplates(r request, in struct {
	IDs   []string `query:"LaunchTemplateId"`
	Names []string `query:"LaunchTemplateName"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeLaunchTemplates"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*launchTemplate
	if len(in.Names) == 0 {
		var err error
		if found, err = chosen(s.lts, in.IDs); err != nil {
			return nil, err
		}
	}
	for _, name := range in.Names {
		t, err := s.template(templateInput{Name: name})
		if err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	found, next, err := list(in.listInput, found, id, tagsIn, map[string]func(*launchTemplate) []string{
		"launch-template-name": one(func(t *launchTemplate) string { return t.Name }),
		"create-time":          one(func(t *launchTemplate) string { return format(t.Created) }),
	})
	return struct {
		Templates []xmlTemplate `xml:"launchTemplates>item"`
		page
	}{each(found, s.xmlTemplate), next}, err
}

type xmlVersion struct {
	ID          string       `xml:"launchTemplateId"`
	Name        string       `xml:"launchTemplateName"`
	Number      int          `xml:"versionNumber"`
	Description string       `xml:"versionDescription,omitempty"`
	Created     string       `xml:"createTime"`
	By          string       `xml:"createdBy"`
	Default     bool         `xml:"defaultVersion"`
	Data        TemplateData `xml:"launchTemplateData"`
}

func (s *Service) xmlVersion(t *launchTemplate, v templateVersion) xmlVersion {
	return xmlVersion{t.ID, t.Name, v.Number, v.Description, v.Created, "arn:aws:iam::" + s.options.Account + ":root", v.Number == t.Default, v.Data}
}

func (s *Service) describeLaunchTemplateVersions(r request, in struct {
	templateInput
	Versions []string `query:"LaunchTemplateVersion"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeLaunchTemplateVersions"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.template(in.templateInput)
	if err != nil {
		return nil, err
	}
	var found []xmlVersion
	for _, v := range t.Versions {
		if len(in.Versions) == 0 {
			found = append(found, s.xmlVersion(t, v))
		}
	}
	for _, text := range in.Versions {
		v, err := t.version(text)
		if err != nil {
			return nil, err
		}
		found = append(found, s.xmlVersion(t, v))
	}
	found, next, err := list(in.listInput, found, func(v xmlVersion) string { return strconv.Itoa(1_000_000 - v.Number) }, nil, map[string]func(xmlVersion) []string{
		"is-default-version": one(func(v xmlVersion) string { return text(v.Default) }),
	})
	return struct {
		Versions []xmlVersion `xml:"launchTemplateVersionSet>item"`
		page
	}{found, next}, err
}

// LaunchTemplate is one version of a template, for the program that launches instances.
type LaunchTemplate struct {
	ID, Name, Version string
	Data              TemplateData
}

// Template finds a version of a template, by ID, or by name if there is no ID. version may be "", "$Default" or "$Latest".
// The error is the API's.
func (s *Service) Template(id, name, version string) (LaunchTemplate, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.template(templateInput{id, name})
	if err != nil {
		return LaunchTemplate{}, err
	}
	v, err := t.version(version)
	return LaunchTemplate{t.ID, t.Name, strconv.Itoa(v.Number), v.Data}, err
}
