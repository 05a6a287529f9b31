package ec2

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/podidentity/epi/clusters/emulator/query"
)

// Restrictions of https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html.
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

type tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// tagSet is a list of tags in answers.
type tagSet struct {
	Items []tag `xml:"item"`
}

func xmlTags(tags map[string]string) tagSet {
	var set tagSet
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		set.Items = append(set.Items, tag{key, tags[key]})
	}
	return set
}

// tagSpecification has the tags of a new resource.
type tagSpecification struct {
	ResourceType string
	Tags         []tag `query:"Tag"`
}

type tagged struct {
	TagSpecifications []tagSpecification `query:"TagSpecification"`
}

// checkTags checks the tags of a request. Only a service's own tags may begin with "aws:".
func (r request) checkTags(list []tag) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range list {
		_, twice := tags[t.Key]
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey:
			return nil, wrongValue("Tag key length is invalid; it must be 1 to %d characters.", maxTagKey)
		case utf8.RuneCountInString(t.Value) > maxTagValue:
			return nil, wrongValue("Tag value exceeds the maximum length of %d characters.", maxTagValue)
		case twice:
			return nil, wrongValue("Duplicate tag key '%s' specified.", t.Key)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:") && !r.service.options.Internal(r.ctx):
			return nil, wrongValue("Tag keys starting with 'aws:' are reserved for internal use")
		}
		tags[t.Key] = t.Value
	}
	if count(tags) > maxTags {
		return nil, query.Errorf("TagLimitExceeded", http.StatusBadRequest, "The maximum number of tags for a resource is %d.", maxTags)
	}
	return tags, nil
}

// count leaves out a service's own tags.
func count(tags map[string]string) (n int) {
	for key := range tags {
		if !strings.HasPrefix(key, "aws:") {
			n++
		}
	}
	return n
}

// requested returns the tags that a request gives a new resource of some type, and their condition keys. A service's own
// tags are not the caller's, and have no condition keys.
func (r request) requested(in tagged, kind string) (map[string]string, keys, error) {
	var list []tag
	for _, specification := range in.TagSpecifications {
		if specification.ResourceType != kind {
			return nil, nil, wrongValue("'%s' is not a valid taggable resource type for this operation.", specification.ResourceType)
		}
		list = append(list, specification.Tags...)
	}
	tags, err := r.checkTags(list)
	return tags, requestKeys(tags), err
}

func requestKeys(tags map[string]string) keys {
	out := keys{}
	for key, value := range tags {
		if !strings.HasPrefix(key, "aws:") {
			out["aws:RequestTag/"+key] = []string{value}
			out["aws:TagKeys"] = append(out["aws:TagKeys"], key)
		}
	}
	slices.Sort(out["aws:TagKeys"])
	return out
}

// authorizeCreation decides about creating a resource of some type from others. If it is created with tags, it also decides
// about ec2:CreateTags (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html).
func (r request) authorizeCreation(action, kind string, requested keys, of ...access) error {
	made := access{arn: r.service.arn(kind, "*"), keys: requested}
	if err := r.authorize(action, nil, append([]access{made}, of...)...); err != nil {
		return err
	}
	if len(requested) > 0 {
		if err := r.authorize("CreateTags", requested.with(keys{"ec2:CreateAction": {action}}), access{arn: made.arn}); err != nil {
			return err
		}
	}
	return r.allowed()
}

// taggable is a resource of any kind, by its ID.
type taggable struct {
	kind string
	tags map[string]string
	save func(map[string]string) error
}

// taggable finds a resource; false if there is none. The caller holds mu.
func (s *Service) taggable(id string) (taggable, bool) {
	for _, find := range []func(string) (taggable, bool){
		tagsOf(s.vpcs), tagsOf(s.subnets), tagsOf(s.tables), tagsOf(s.igws), tagsOf(s.eips), tagsOf(s.nats),
		tagsOf(s.groups), tagsOf(s.lts), tagsOf(s.nodes), tagsOf(s.enis),
	} {
		if found, ok := find(id); ok {
			return found, true
		}
	}
	return taggable{}, false
}

func tagsOf[T any, P resource[T]](k kind[T]) func(string) (taggable, bool) {
	return func(id string) (taggable, bool) {
		one, ok := k.all[id]
		if !ok {
			return taggable{}, false
		}
		return taggable{k.name, P(one).common().Tags, func(tags map[string]string) error {
			changed := *one
			P(&changed).common().Tags = tags
			return put[T, P](k, changed)
		}}, true
	}
}

type tagsInput struct {
	ResourceIDs []string `query:"ResourceId"`
	Tags        []struct {
		Key string
		// Value is nil if DeleteTags is for any value.
		Value *string
	} `query:"Tag"`
}

func (r request) authorizeTagging(action string, in tagsInput, requested keys) error {
	if len(in.ResourceIDs) == 0 {
		return missing("The request must contain the parameter ResourceId")
	}
	var resources []access
	r.service.mu.RLock()
	for _, id := range in.ResourceIDs {
		found, ok := r.service.taggable(id)
		if !ok {
			found.kind = "*"
		}
		own := keys{}
		for key, value := range found.tags {
			own["aws:ResourceTag/"+key] = []string{value}
			own["ec2:ResourceTag/"+key] = []string{value}
		}
		resources = append(resources, access{r.service.arn(found.kind, id), own.with(requested)})
	}
	r.service.mu.RUnlock()
	if err := r.authorize(action, nil, resources...); err != nil {
		return err
	}
	return r.allowed()
}

// changeTags changes the tags of all resources, or of none if one of them does not exist.
func (s *Service) changeTags(ids []string, change func(map[string]string) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var saves []func() error
	for _, id := range ids {
		found, ok := s.taggable(id)
		if !ok {
			return query.Errorf("InvalidID", http.StatusBadRequest, "The ID '%s' is not valid", id)
		}
		tags := map[string]string{}
		maps.Copy(tags, found.tags)
		if err := change(tags); err != nil {
			return err
		}
		saves = append(saves, func() error { return found.save(tags) })
	}
	for _, save := range saves {
		if err := save(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) createTags(r request, in tagsInput) (any, error) {
	var list []tag
	for _, t := range in.Tags {
		value := ""
		if t.Value != nil {
			value = *t.Value
		}
		list = append(list, tag{t.Key, value})
	}
	tags, err := r.checkTags(list)
	if err != nil {
		return nil, err
	}
	if err := r.authorizeTagging("CreateTags", in, requestKeys(tags)); err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, missing("The request must contain the parameter Tag")
	}
	return nil, s.changeTags(in.ResourceIDs, func(have map[string]string) error {
		maps.Copy(have, tags)
		if count(have) > maxTags {
			return query.Errorf("TagLimitExceeded", http.StatusBadRequest, "The maximum number of tags for a resource is %d.", maxTags)
		}
		return nil
	})
}

// deleteTags deletes tags. Without tags in the request it deletes all of the caller's. A tag with a value is deleted only
// if it has that value.
func (s *Service) deleteTags(r request, in tagsInput) (any, error) {
	requested := keys{}
	for _, t := range in.Tags {
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") && !s.options.Internal(r.ctx) {
			return nil, wrongValue("Tag keys starting with 'aws:' are reserved for internal use")
		}
		requested["aws:TagKeys"] = append(requested["aws:TagKeys"], t.Key)
	}
	if err := r.authorizeTagging("DeleteTags", in, requested); err != nil {
		return nil, err
	}
	return nil, s.changeTags(in.ResourceIDs, func(have map[string]string) error {
		for _, t := range in.Tags {
			if t.Value == nil || have[t.Key] == *t.Value {
				delete(have, t.Key)
			}
		}
		if len(in.Tags) == 0 {
			maps.DeleteFunc(have, func(key, _ string) bool { return !strings.HasPrefix(key, "aws:") })
		}
		return nil
	})
}

func (s *Service) describeTags(r request, in listInput) (any, error) {
	if err := r.describe("DescribeTags"); err != nil {
		return nil, err
	}
	type item struct {
		ResourceID   string `xml:"resourceId"`
		ResourceType string `xml:"resourceType"`
		Key          string `xml:"key"`
		Value        string `xml:"value"`
	}
	var items []item
	s.mu.RLock()
	for _, id := range s.allIDs() {
		found, _ := s.taggable(id)
		for key, value := range found.tags {
			items = append(items, item{id, found.kind, key, value})
		}
	}
	s.mu.RUnlock()
	items, next, err := list(in, items, func(i item) string { return i.ResourceID + "/" + i.Key }, nil, map[string]func(item) []string{
		"resource-id": one(func(i item) string { return i.ResourceID }), "resource-type": one(func(i item) string { return i.ResourceType }),
		"key": one(func(i item) string { return i.Key }), "value": one(func(i item) string { return i.Value }),
	})
	return struct {
		Tags []item `xml:"tagSet>item"`
		page
	}{items, next}, err
}

func (s *Service) allIDs() []string {
	return slices.Concat(
		slices.Collect(maps.Keys(s.vpcs.all)), slices.Collect(maps.Keys(s.subnets.all)), slices.Collect(maps.Keys(s.tables.all)),
		slices.Collect(maps.Keys(s.igws.all)), slices.Collect(maps.Keys(s.eips.all)), slices.Collect(maps.Keys(s.nats.all)),
		slices.Collect(maps.Keys(s.groups.all)), slices.Collect(maps.Keys(s.lts.all)), slices.Collect(maps.Keys(s.nodes.all)),
		slices.Collect(maps.Keys(s.enis.all)),
	)
}
