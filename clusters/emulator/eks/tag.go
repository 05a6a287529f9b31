package eks

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// tagged is a resource that has tags.
type tagged struct {
	tags map[string]string
	// save writes the resource's record with other tags, and then sets them.
	save func(tags map[string]string) error
}

// tagged finds the resource of an ARN. The result is valid while the caller holds mu.
func (s *Service) tagged(arn string) (tagged, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[2] != "eks" {
		return tagged{}, badRequest("The resourceArn is not the ARN of an Amazon EKS resource.")
	}
	// Resources of other regions or accounts are unknown, so the rest of the ARN is not read.
	name := strings.Split(parts[5], "/")
	switch {
	case parts[1] != "aws" || parts[3] != s.options.Region || parts[4] != s.options.Account:
	case name[0] == "cluster" && len(name) == 2:
		if c, ok := s.state.clusters[name[1]]; ok {
			return tagged{c.tags, func(tags map[string]string) error { return s.tagCluster(c, tags) }}, nil
		}
	case name[0] == "addon" && len(name) == 4:
		if c, ok := s.state.clusters[name[1]]; ok {
			if a, err := c.addon(name[2], s.options.Now()); err == nil && a.ID == name[3] {
				return tagged{a.Tags, func(tags map[string]string) error { return s.tagAddon(a, tags) }}, nil
			}
		}
	case name[0] == "nodegroup" && len(name) == 4:
		if c, ok := s.state.clusters[name[1]]; ok && c.nodegroups[name[2]] != nil && c.nodegroups[name[2]].ID == name[3] {
			g := c.nodegroups[name[2]]
			return tagged{g.Tags, func(tags map[string]string) error {
				changed := *g
				changed.Tags = tags
				return s.putNodegroup(c, changed)
			}}, nil
		}
	case name[0] == "access-entry" && len(name) == 6:
		if c, ok := s.state.clusters[name[1]]; ok {
			for _, e := range c.access {
				if e.ID == name[5] {
					return tagged{e.Tags, func(tags map[string]string) error {
						e.Tags = tags
						return s.putAccess(c, e)
					}}, nil
				}
			}
		}
	case name[0] == "podidentityassociation" && len(name) == 3:
		if c, ok := s.state.clusters[name[1]]; ok && c.byID[name[2]] != nil {
			a := c.byID[name[2]]
			return tagged{a.Tags, func(tags map[string]string) error { return s.tagAssociation(a, tags) }}, nil
		}
	}
	return tagged{}, restjson.Errorf(codeTagNotFound, http.StatusNotFound, "No resource found for ARN: %s.", arn)
}

func (s *Service) tagCluster(c *cluster, tags map[string]string) error {
	changed := *c
	changed.tags = tags
	if err := s.saveCluster(&changed); err != nil {
		return err
	}
	c.tags = tags
	return nil
}

// tagAssociation does not change the time of the last change: tags are not part of the association's content.
func (s *Service) tagAssociation(a *Association, tags map[string]string) error {
	changed := *a
	changed.Tags = tags
	if err := s.putAssociation(&changed); err != nil {
		return err
	}
	a.Tags = tags
	return nil
}

func (s *Service) tagResource(r *http.Request) (any, error) {
	var in struct {
		Tags map[string]string `json:"tags"`
	}
	if err := restjson.Read(r, &in, codeBadRequest); err != nil {
		return nil, err
	}
	if err := s.authorizeTags(r, "eks:TagResource", requestTags(in.Tags)); err != nil {
		return nil, err
	}
	if in.Tags == nil {
		return nil, badRequest("The parameter tags is required.")
	}
	return struct{}{}, s.changeTags(r, func(tags map[string]string) error {
		if err := asBadRequest(checkTags(in.Tags)); err != nil {
			return err
		}
		maps.Copy(tags, in.Tags)
		// A service's tags are not the caller's, and do not count.
		own := maps.Clone(tags)
		maps.DeleteFunc(own, func(key, _ string) bool { return strings.HasPrefix(key, "aws:") })
		return asBadRequest(checkTags(own))
	})
}

func (s *Service) untagResource(r *http.Request) (any, error) {
	names := r.URL.Query()["tagKeys"]
	keys := map[string][]string{}
	if len(names) > 0 {
		keys["aws:TagKeys"] = names
	}
	if err := s.authorizeTags(r, "eks:UntagResource", keys); err != nil {
		return nil, err
	}
	if len(names) == 0 || len(names) > maxTags {
		return nil, badRequest("The parameter tagKeys must have 1 to %d keys.", maxTags)
	}
	asked := map[string]string{}
	for _, name := range names {
		asked[name] = ""
	}
	return struct{}{}, s.changeTags(r, func(tags map[string]string) error {
		if err := asBadRequest(checkTags(asked)); err != nil {
			return err
		}
		for _, name := range names {
			delete(tags, name)
		}
		return nil
	})
}

func (s *Service) listTagsForResource(r *http.Request) (any, error) {
	if err := s.authorizeTags(r, "eks:ListTagsForResource", nil); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	resource, err := s.tagged(r.PathValue("resourceArn"))
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	maps.Copy(tags, resource.tags)
	return struct {
		Tags map[string]string `json:"tags"`
	}{tags}, nil
}

// changeTags runs change on a copy of the tags of the path's resource.
func (s *Service) changeTags(r *http.Request, change func(tags map[string]string) error) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	resource, err := s.tagged(r.PathValue("resourceArn"))
	if err != nil {
		return err
	}
	tags := map[string]string{}
	maps.Copy(tags, resource.tags)
	if err := change(tags); err != nil {
		return err
	}
	return resource.save(tags)
}

// authorizeTags decides about the resource in the path. Its tags are condition keys, besides keys.
func (s *Service) authorizeTags(r *http.Request, action string, keys map[string][]string) error {
	arn, all := r.PathValue("resourceArn"), map[string][]string{}
	maps.Copy(all, keys)
	s.state.mu.RLock()
	if resource, err := s.tagged(arn); err == nil {
		addResourceTags(all, resource.tags)
	}
	s.state.mu.RUnlock()
	return s.authorize(r.Context(), action, arn, all)
}

func badRequest(format string, args ...any) error {
	return restjson.Errorf(codeBadRequest, http.StatusBadRequest, format, args...)
}

// asBadRequest turns an error into that of an operation on tags, which has other codes
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_TagResource.html).
func asBadRequest(err error) error {
	if refusal, ok := errors.AsType[*restjson.Error](err); ok {
		return badRequest("%s", refusal.Message)
	}
	return err
}

// authorizeCreation decides about the action that creates a resource in the path's cluster. If the resource is created with
// tags, it also decides about tagging a resource of that ARN. eksctl, whose associations have tags, shows this
// (https://github.com/aws/karpenter-provider-aws/pull/5544). CloudFormation's schema of AWS::EKS::Addon requires the same
// for an add-on that is created with tags.
func (s *Service) authorizeCreation(r *http.Request, action, arn string, tags map[string]string) error {
	cluster, requested := r.PathValue("clusterName"), requestTags(tags)
	err := s.authorize(r.Context(), action, s.ClusterARN(cluster), s.clusterTags(cluster, requested))
	if err != nil || len(tags) == 0 {
		return err
	}
	return s.authorize(r.Context(), "eks:TagResource", arn, requested)
}

// requestTags are the condition keys of the tags in a request.
func requestTags(tags map[string]string) map[string][]string {
	keys := map[string][]string{}
	for key, value := range tags {
		keys["aws:RequestTag/"+key] = []string{value}
	}
	if len(tags) > 0 {
		keys["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	return keys
}

func addResourceTags(keys map[string][]string, tags map[string]string) {
	for key, value := range tags {
		keys["aws:ResourceTag/"+key] = []string{value}
	}
}

// clusterTags adds the condition keys of the cluster's tags to keys. The caller does not hold mu.
func (s *Service) clusterTags(name string, keys map[string][]string) map[string][]string {
	all := maps.Clone(keys)
	if all == nil {
		all = map[string][]string{}
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	if c, ok := s.state.clusters[name]; ok {
		addResourceTags(all, c.tags)
	}
	return all
}
