package iam

import (
	"context"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
)

const profilesPerAccount = 1000

// profileName is the pattern of the parameter (CreateInstanceProfile).
var profileName = query.Rule{Min: 1, Max: 128, Pattern: namePattern}

// instanceProfile gives a role to instances. It is replaced and never changed. It is its own record.
type instanceProfile struct {
	Name    string            `json:"name"`
	Path    string            `json:"path"`
	ARN     string            `json:"arn"`
	ID      string            `json:"id"`
	Created time.Time         `json:"created"`
	Tags    map[string]string `json:"tags,omitempty"`
	// Role is the name of its role; empty for none. A profile has one role at most.
	Role string `json:"role,omitempty"`
}

type xmlProfile struct {
	Path                string
	InstanceProfileName string
	InstanceProfileID   string `xml:"InstanceProfileId"`
	ARN                 string `xml:"Arn"`
	CreateDate          string
	Roles               []xmlRole `xml:"Roles>member"`
	Tags                []xmlTag  `xml:"Tags>member"`
}

// xmlProfile is read under the lock that the caller holds.
func (s api) xmlProfile(p *instanceProfile, list bool) xmlProfile {
	out := xmlProfile{Path: p.Path, InstanceProfileName: p.Name, InstanceProfileID: p.ID, ARN: p.ARN, CreateDate: format(p.Created)}
	if e := s.roles[strings.ToLower(p.Role)]; e != nil {
		out.Roles = []xmlRole{s.xmlRole(e, true)}
	}
	if !list {
		out.Tags = xmlTags(p.Tags)
	}
	return out
}

type profileResult struct{ InstanceProfile xmlProfile }

type profilesResult struct {
	InstanceProfiles []xmlProfile `xml:"InstanceProfiles>member"`
	page
}

func (s api) createInstanceProfile(ctx context.Context, p query.Parameters) (any, error) {
	profile := &instanceProfile{}
	var err error
	if profile.Name, err = p.Check("InstanceProfileName", profileName); err != nil {
		return nil, err
	}
	if profile.Path, err = path(p); err != nil {
		return nil, err
	}
	var keys policy.Context
	if profile.Tags, keys, err = tags(p); err != nil {
		return nil, err
	}
	profile.ARN = s.arn("instance-profile", profile.Path, profile.Name)
	if err := s.authorizeCreation(ctx, "InstanceProfile", profile.ARN, keys, profile.Tags); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.profiles[strings.ToLower(profile.Name)] != nil {
		return nil, conflict("Instance Profile %s already exists.", profile.Name)
	}
	if len(s.profiles) >= profilesPerAccount {
		return nil, limitExceeded("Cannot exceed quota for InstanceProfilesPerAccount: %d", profilesPerAccount)
	}
	if profile.ID, err = s.uniqueID("AIPA"); err != nil {
		return nil, err
	}
	profile.Created = s.timestamp()
	if err := s.saveProfile(profile); err != nil {
		return nil, err
	}
	return profileResult{s.xmlProfile(profile, false)}, nil
}

func (s api) saveProfile(p *instanceProfile) error {
	if err := s.put(profileRecords, strings.ToLower(p.Name), p); err != nil {
		return err
	}
	s.profiles[strings.ToLower(p.Name)] = p
	return nil
}

// onProfile authorises an operation on an instance profile and runs do under the lock.
func (s api) onProfile(ctx context.Context, p query.Parameters, action string, keys policy.Context, do func(*instanceProfile) error) error {
	name, err := p.Check("InstanceProfileName", profileName)
	if err != nil {
		return err
	}
	if keys == nil {
		keys = policy.Context{}
	}
	resource := s.arn("instance-profile", "/", name)
	s.mu.RLock()
	if known := s.profiles[strings.ToLower(name)]; known != nil {
		resource = known.ARN
		setTags(keys, "aws:ResourceTag/", known.Tags)
	}
	s.mu.RUnlock()
	if err := s.authorize(ctx, action, resource, keys); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.profiles[strings.ToLower(name)]
	if known == nil {
		return notFound("Instance Profile %s cannot be found.", name)
	}
	return do(known)
}

// changeProfile saves the result of write on a profile.
func (s api) changeProfile(ctx context.Context, p query.Parameters, action string, keys policy.Context, write func(*instanceProfile) error) error {
	return s.onProfile(ctx, p, action, keys, func(known *instanceProfile) error {
		changed := *known
		if err := write(&changed); err != nil {
			return err
		}
		return s.saveProfile(&changed)
	})
}

func (s api) getInstanceProfile(ctx context.Context, p query.Parameters) (any, error) {
	var out profileResult
	err := s.onProfile(ctx, p, "GetInstanceProfile", nil, func(known *instanceProfile) error {
		out.InstanceProfile = s.xmlProfile(known, false)
		return nil
	})
	return out, err
}

func (s api) deleteInstanceProfile(ctx context.Context, p query.Parameters) (any, error) {
	return nil, s.onProfile(ctx, p, "DeleteInstanceProfile", nil, func(known *instanceProfile) error {
		if known.Role != "" {
			return deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
		}
		if err := s.table.Delete(s.key(profileRecords, strings.ToLower(known.Name))); err != nil {
			return err
		}
		delete(s.profiles, strings.ToLower(known.Name))
		return nil
	})
}

func (s api) listInstanceProfiles(ctx context.Context, p query.Parameters) (any, error) {
	prefix, err := pathPrefix(p)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, "ListInstanceProfiles", s.arn("instance-profile", prefix, ""), nil); err != nil {
		return nil, err
	}
	s.mu.RLock()
	var profiles []xmlProfile
	for _, known := range s.profiles {
		if strings.HasPrefix(known.Path, prefix) {
			profiles = append(profiles, s.xmlProfile(known, true))
		}
	}
	s.mu.RUnlock()
	return pageOfProfiles(p, profiles)
}

func (s api) listInstanceProfilesForRole(ctx context.Context, p query.Parameters) (any, error) {
	var profiles []xmlProfile
	err := s.readEntity(ctx, role, p, "ListInstanceProfilesForRole", func(e *entity) { profiles = s.profilesWith(e.name) })
	if err != nil {
		return nil, err
	}
	return pageOfProfiles(p, profiles)
}

// profilesWith are the profiles that hold a role. They are read under the lock that the caller holds.
func (s api) profilesWith(role string) []xmlProfile {
	var profiles []xmlProfile
	for _, known := range s.profiles {
		if strings.EqualFold(known.Role, role) {
			profiles = append(profiles, s.xmlProfile(known, true))
		}
	}
	return profiles
}

func pageOfProfiles(p query.Parameters, profiles []xmlProfile) (any, error) {
	profiles, cut, err := paginate(p, profiles, func(x xmlProfile) string { return x.InstanceProfileName })
	return profilesResult{profiles, cut}, err
}

// addRoleToInstanceProfile needs iam:PassRole too (id_roles_use_passrole). The instance is not known at this point
// (reference_policies_iam-condition-keys, iam:AssociatedResourceArn).
func (s api) addRoleToInstanceProfile(ctx context.Context, p query.Parameters) (any, error) {
	name, err := p.Check("RoleName", roleName)
	if err != nil {
		return nil, err
	}
	passed := policy.Context{}
	passed.Set("iam:PassedToService", "ec2.amazonaws.com")
	passed.Set("iam:AssociatedResourceArn", "arn:aws:ec2:*:"+s.id+":instance/*")
	if err := s.authorizeOn(ctx, role, name, "PassRole", passed); err != nil {
		return nil, err
	}
	return nil, s.changeProfile(ctx, p, "AddRoleToInstanceProfile", nil, func(profile *instanceProfile) error {
		e, err := s.find(role, name)
		if err != nil {
			return err
		}
		if profile.Role != "" {
			return limitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		profile.Role = e.name
		return nil
	})
}

func (s api) removeRoleFromInstanceProfile(ctx context.Context, p query.Parameters) (any, error) {
	name, err := p.Check("RoleName", roleName)
	if err != nil {
		return nil, err
	}
	return nil, s.changeProfile(ctx, p, "RemoveRoleFromInstanceProfile", nil, func(profile *instanceProfile) error {
		if !strings.EqualFold(profile.Role, name) {
			return notFound("The role with name %s cannot be found.", name)
		}
		profile.Role = ""
		return nil
	})
}

func (s api) tagInstanceProfile(ctx context.Context, p query.Parameters) (any, error) {
	added, keys, err := neededTags(p)
	if err != nil {
		return nil, err
	}
	return nil, s.changeProfile(ctx, p, "TagInstanceProfile", keys, func(profile *instanceProfile) (err error) {
		profile.Tags, err = tagged(profile.Tags, added)
		return err
	})
}

func (s api) untagInstanceProfile(ctx context.Context, p query.Parameters) (any, error) {
	names, keys, err := tagKeys(p)
	if err != nil {
		return nil, err
	}
	return nil, s.changeProfile(ctx, p, "UntagInstanceProfile", keys, func(profile *instanceProfile) error {
		profile.Tags = untagged(profile.Tags, names)
		return nil
	})
}

func (s api) listInstanceProfileTags(ctx context.Context, p query.Parameters) (any, error) {
	var found map[string]string
	err := s.onProfile(ctx, p, "ListInstanceProfileTags", nil, func(known *instanceProfile) error {
		found = known.Tags
		return nil
	})
	if err != nil {
		return nil, err
	}
	return listTags(p, found)
}
