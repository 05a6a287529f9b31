package cloudformation

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is a type of resource.
type kind struct {
	// properties are those that it supports. Any other is refused by its name.
	properties []string
	// create creates the resource and returns its names.
	create func(*operationOn) (result, error)
	// ready says whether a created or changed resource is ready, with the values that are known only then. It is nil if the
	// resource is ready at once.
	ready func(*operationOn) (attributes map[string]string, ready bool, err error)
	// find looks for a resource whose request may have been answered. It returns no physical ID if there is none. It is nil
	// if create accepts a token, or is idempotent.
	find func(*operationOn) (result, error)
	// update changes the resource to the operation's properties; nil if it cannot be changed.
	update func(o *operationOn, old map[string]any) error
	// remove deletes the resource, and says whether it is gone. A resource that does not exist is gone.
	remove func(*operationOn) (gone bool, err error)
	// iam says that the type needs the capability CAPABILITY_IAM, and CAPABILITY_NAMED_IAM if it has the property named.
	iam   bool
	named string
}

// result is a created resource: the values of Ref and of Fn::GetAtt.
type result struct {
	physical   string
	attributes map[string]string
}

// known refuses properties that the type does not support.
func (k kind) known(properties map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if !slices.Contains(k.properties, name) {
			return fmt.Errorf("Encountered unsupported property %s", name) //nolint:staticcheck // shown as AWS shows it
		}
	}
	return nil
}

// operationOn is a request about one resource of a stack.
type operationOn struct {
	ctx        context.Context
	service    *Service
	stack      *stack
	resource   *resource
	caller     Caller
	tags       map[string]string
	properties map[string]any
}

func (s *Service) operationOn(ctx context.Context, st *stack, r *resource) *operationOn {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return &operationOn{ctx, s, st, r, st.Caller, maps.Clone(st.Tags), r.Properties}
}

// callError is a refusal of a service.
type callError struct {
	Service, Code, Message string
	Status                 int
}

// Error has the form of CloudFormation's reasons.
func (e *callError) Error() string {
	return fmt.Sprintf("%s (Service: %s, Status Code: %d, Error Code: %s)", e.Message, e.Service, e.Status, e.Code)
}

func hasCode(err error, codes ...string) bool {
	refusal, ok := errors.AsType[*callError](err)
	return ok && slices.Contains(codes, refusal.Code)
}

func isDependency(err error) bool { return hasCode(err, "DependencyViolation") }

// isMissing says whether the resource of a request does not exist.
func isMissing(err error) bool {
	refusal, ok := errors.AsType[*callError](err)
	return ok && (strings.HasSuffix(refusal.Code, ".NotFound") || strings.HasSuffix(refusal.Code, "NotFoundException") ||
		refusal.Code == "NoSuchEntity" || refusal.Code == "NatGatewayNotFound")
}

// gone is the end of a deletion: a missing resource is gone.
func gone(err error) (bool, error) {
	if isMissing(err) {
		err = nil
	}
	return err == nil, err
}

// node is an element of an answer in XML.
type node struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

// at returns the node at a path of element names; an empty node if there is none.
func (n node) at(path ...string) node {
	for _, name := range path {
		next := node{}
		for _, child := range n.Nodes {
			if child.XMLName.Local == name {
				next = child
				break
			}
		}
		n = next
	}
	return n
}

func (n node) text(path ...string) string { return n.at(path...).Text }

var queryVersions = map[string]string{"ec2": "2016-11-15", "iam": "2010-05-08"}

// query sends a request to EC2 or IAM.
func (o *operationOn) query(service, action string, parameters url.Values) (node, error) {
	form := url.Values{"Action": {action}, "Version": {queryVersions[service]}}
	maps.Copy(form, parameters)
	status, _, body, err := o.send(service, http.MethodPost, "/", "application/x-www-form-urlencoded; charset=utf-8", []byte(form.Encode()))
	if err != nil {
		return node{}, err
	}
	var answer node
	if err := xml.Unmarshal(body, &answer); err != nil {
		return node{}, &callError{title(service), "InternalFailure", "The service did not answer.", status}
	}
	if status >= http.StatusBadRequest {
		failure := answer.at("Error")
		if answer.XMLName.Local == "Response" {
			failure = answer.at("Errors", "Error")
		}
		return node{}, &callError{title(service), failure.text("Code"), failure.text("Message"), status}
	}
	if service == "iam" {
		return answer.at(action + "Result"), nil
	}
	return answer, nil
}

// Waits between the tries of a request that is refused for a time. CloudFormation tries again, as its caller would have to
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html).
const (
	firstWait = 20 * time.Millisecond
	lastWait  = 3 * time.Second
)

// send sends a request in the caller's name. It sends it again while the service throttles or does not know a role yet.
func (o *operationOn) send(service, method, path, contentType string, body []byte) (status int, header http.Header, answer []byte, err error) {
	for wait := firstWait; ; wait *= 2 {
		request, err := http.NewRequestWithContext(o.ctx, method, path, bytes.NewReader(body))
		if err != nil {
			return 0, nil, nil, err
		}
		request.Header.Set("Content-Type", contentType)
		status, header, answer = o.service.options.Requests.Send(o.ctx, o.caller, service, request)
		if wait > lastWait || !throttled(status, answer) && !roleUnknown(service, status, answer) {
			return status, header, answer, nil
		}
		select {
		case <-o.ctx.Done():
			return status, header, answer, nil
		case <-time.After(wait):
		}
	}
}

// throttled says whether an answer asks the client to slow down.
func throttled(status int, answer []byte) bool {
	return status == http.StatusTooManyRequests || bytes.Contains(answer, []byte("<Code>Throttling")) || bytes.Contains(answer, []byte("<Code>RequestLimitExceeded"))
}

// roleUnknown says whether EKS's answer is that it cannot use a role. A role that the stack has just made counts only after
// some seconds (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html, "Changes that I make are not always
// immediately visible"), and the answer does not distinguish such a role from one that will never count.
func roleUnknown(service string, status int, answer []byte) bool {
	return service == "eks" && status == http.StatusBadRequest && bytes.Contains(answer, []byte(":role/")) &&
		(bytes.Contains(answer, []byte("role is invalid")) || bytes.Contains(answer, []byte("could not be used")))
}

// rest sends a request to EKS.
func (o *operationOn) rest(method, path string, in any) (map[string]any, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	status, header, answer, err := o.send("eks", method, path, "application/json", body)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(answer, &fields); err != nil {
		return nil, &callError{"Eks", "InternalFailure", "The service did not answer.", status}
	}
	if status >= http.StatusBadRequest {
		message, _ := fields["message"].(string)
		return nil, &callError{"Eks", header.Get("x-amzn-ErrorType"), message, status}
	}
	return fields, nil
}

func title(service string) string { return strings.ToUpper(service[:1]) + service[1:] }

// text returns a property as a text; "" if it is missing.
func (o *operationOn) text(name string) string {
	text, _ := scalar(o.properties[name])
	return text
}

// texts returns a property that is a list of texts.
func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if text, ok := scalar(item); ok {
			out = append(out, text)
		}
	}
	return out
}

// number returns a value as a number, if it is one.
func number(v any) any {
	if text, ok := v.(string); ok {
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	}
	return v
}

// merged are the tags of a resource: its own, the stack's and, unless the service refuses them, those that name the stack
// and the resource (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html).
func (o *operationOn) merged(property any, system bool) map[string]string {
	tags := maps.Clone(o.tags)
	if tags == nil {
		tags = map[string]string{}
	}
	switch own := property.(type) {
	case map[string]any:
		for key, value := range own {
			tags[key], _ = scalar(value)
		}
	case []any:
		for _, item := range own {
			if fields, ok := item.(map[string]any); ok {
				key, _ := scalar(fields["Key"])
				tags[key], _ = scalar(fields["Value"])
			}
		}
	}
	if system {
		tags["aws:cloudformation:stack-name"], tags["aws:cloudformation:stack-id"], tags["aws:cloudformation:logical-id"] = o.stack.Name, o.stack.ID, o.resource.ID
	}
	return tags
}

// specification returns tags in the form of EC2's requests.
func (o *operationOn) specification(kind string, form url.Values) url.Values {
	form.Set("TagSpecification.1.ResourceType", kind)
	tags := o.merged(o.properties["Tags"], true)
	for n, key := range slices.Sorted(maps.Keys(tags)) {
		at := "TagSpecification.1.Tag." + strconv.Itoa(n+1)
		form.Set(at+".Key", key)
		form.Set(at+".Value", tags[key])
	}
	return form
}

// tagged finds the resource of EC2 that has this resource's tags. describe is the operation, set the element with its list,
// and the last parameter the element with the ID.
func tagged(describe, set, id string, build func(node) result) func(*operationOn) (result, error) {
	return func(o *operationOn) (result, error) {
		answer, err := o.query("ec2", describe, url.Values{
			"Filter.1.Name": {"tag:aws:cloudformation:stack-id"}, "Filter.1.Value.1": {o.stack.ID},
			"Filter.2.Name": {"tag:aws:cloudformation:logical-id"}, "Filter.2.Value.1": {o.resource.ID},
		})
		if err != nil {
			return result{}, err
		}
		for _, item := range answer.at(set).Nodes {
			if state := item.text("state"); item.text(id) != "" && state != "deleting" && state != "deleted" {
				return build(item), nil
			}
		}
		return result{}, nil
	}
}
