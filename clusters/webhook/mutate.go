package webhook

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	annotationPrefix         = "eks.amazonaws.com/"
	skipContainersAnnotation = annotationPrefix + "skip-containers"
	expirationAnnotation     = annotationPrefix + "token-expiration"
	identityLabel            = annotationPrefix + "pod-identity"

	uriVariable       = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	tokenFileVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

	// minExpiration is the least that a projected token may be asked to live, in seconds
	// (Kubernetes API, ServiceAccountTokenProjection).
	minExpiration = 600
	// jitteredExpiration is the default, and the value that is spread over the two hours below it,
	// so that the tokens of pods that started together do not all end together.
	jitteredExpiration = 86400
	jitter             = 7200
)

// Injection is what a pod with an association gets.
type Injection struct {
	// URI of the agent.
	URI string
	// Audience, volume, folder and file of the projected token.
	Audience, VolumeName, MountPath, TokenFile string
	// Expiration of the token in seconds, unless the pod asks for another.
	Expiration int64
	// Region, if set, is given to containers that set none. RegionalSTS has them use the region's STS.
	Region      string
	RegionalSTS bool
	// Spread returns a number from 0 to its argument, both included.
	Spread func(int64) int64
}

// object is a JSON object whose unknown fields are kept: a webhook that decodes into the types it
// was compiled with loses the fields that a newer API server knows.
type object = map[string]any

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Patch returns the JSON patch (RFC 6902) that injects into a pod, given as JSON. Operations and
// their order are those of the EKS webhook.
func (in Injection) Patch(pod []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(pod))
	decoder.UseNumber() // an int64 must not come back as a float
	var p object
	if err := decoder.Decode(&p); err != nil {
		return nil, fmt.Errorf("decode pod: %w", err)
	}
	metadata, err := child(p, "metadata")
	if err != nil {
		return nil, err
	}
	spec, err := child(p, "spec")
	if err != nil {
		return nil, err
	}
	annotations, err := child(metadata, "annotations")
	if err != nil {
		return nil, err
	}
	patch, err := label(metadata)
	if err != nil {
		return nil, err
	}
	volume, err := in.volume(spec, in.expiration(annotations))
	if err != nil {
		return nil, err
	}
	patch = append(patch, volume...)
	skipped := skippedContainers(annotations)
	for _, kind := range []string{"containers", "initContainers"} {
		list, err := children(spec, kind)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			continue
		}
		for _, container := range list {
			if name, _ := container["name"].(string); slices.Contains(skipped, name) {
				continue
			}
			if err := in.container(container); err != nil {
				return nil, err
			}
		}
		patch = append(patch, operation{"add", "/spec/" + kind, list})
	}
	encoded, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("encode patch: %w", err)
	}
	return encoded, nil
}

func label(metadata object) ([]operation, error) {
	labels, err := child(metadata, "labels")
	if err != nil {
		return nil, err
	}
	if len(labels) == 0 {
		return []operation{{"add", "/metadata/labels", object{identityLabel: "enabled"}}}, nil
	}
	return []operation{{"add", "/metadata/labels/" + strings.ReplaceAll(identityLabel, "/", "~1"), "enabled"}}, nil
}

// volume adds the projected token, first in the list; a volume of that name is kept as it is.
func (in Injection) volume(spec object, expiration int64) ([]operation, error) {
	volumes, err := children(spec, "volumes")
	if err != nil {
		return nil, err
	}
	for _, volume := range volumes {
		if volume["name"] == in.VolumeName {
			return nil, nil
		}
	}
	volume := object{
		"name": in.VolumeName,
		"projected": object{"sources": []object{{"serviceAccountToken": object{
			"audience": in.Audience, "expirationSeconds": expiration, "path": in.TokenFile,
		}}}},
	}
	if len(volumes) == 0 {
		return []operation{{"add", "/spec/volumes", []object{volume}}}, nil
	}
	return []operation{{"add", "/spec/volumes/0", volume}}, nil
}

// container gives one container the variables and the mount. Neither variable is overwritten: a
// container that sets one of them gets its credentials in a way of its own.
func (in Injection) container(container object) error {
	env, err := children(container, "env")
	if err != nil {
		return err
	}
	mounts, err := children(container, "volumeMounts")
	if err != nil {
		return err
	}
	sets := func(names ...string) bool {
		return slices.ContainsFunc(env, func(variable object) bool {
			name, _ := variable["name"].(string)
			return slices.Contains(names, name)
		})
	}
	ownCredentials := sets(uriVariable, tokenFileVariable)
	ownRegion := sets("AWS_REGION", "AWS_DEFAULT_REGION")
	ownSTS := sets("AWS_STS_REGIONAL_ENDPOINTS")
	if _, ok := container["resources"]; !ok {
		container["resources"] = object{} // as the EKS webhook's encoding has it
	}
	if ownCredentials && ownRegion && ownSTS {
		return nil
	}
	set := func(name, value string) { env = append(env, object{"name": name, "value": value}) }
	if !ownSTS && in.RegionalSTS {
		set("AWS_STS_REGIONAL_ENDPOINTS", "regional")
	}
	if !ownRegion && in.Region != "" {
		set("AWS_DEFAULT_REGION", in.Region)
		set("AWS_REGION", in.Region)
	}
	if !ownCredentials {
		set(uriVariable, in.URI)
		set(tokenFileVariable, in.MountPath+"/"+in.TokenFile)
	}
	if len(env) > 0 {
		container["env"] = env
	}
	if !slices.ContainsFunc(mounts, func(mount object) bool { return mount["name"] == in.VolumeName }) {
		container["volumeMounts"] = append(mounts, object{"name": in.VolumeName, "readOnly": true, "mountPath": in.MountPath})
	}
	return nil
}

// expiration of the token: the pod's annotation, else the default; never below Kubernetes' minimum.
func (in Injection) expiration(annotations object) int64 {
	seconds := in.Expiration
	if value, ok := annotations[expirationAnnotation].(string); ok {
		if asked, err := strconv.ParseInt(value, 10, 64); err == nil {
			seconds = asked
		}
	}
	if seconds == jitteredExpiration {
		return seconds - in.Spread(jitter)
	}
	return max(seconds, minExpiration)
}

// skippedContainers are the names in the pod's annotation; what is no CSV skips none.
func skippedContainers(annotations object) []string {
	value, ok := annotations[skipContainersAnnotation].(string)
	if !ok {
		return nil
	}
	records, err := csv.NewReader(strings.NewReader(value)).ReadAll()
	if err != nil {
		return nil
	}
	var names []string
	for _, record := range records {
		for _, name := range record {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// child returns the object under key, empty if there is none.
func child(parent object, key string) (object, error) {
	switch value := parent[key].(type) {
	case nil:
		return object{}, nil
	case object:
		return value, nil
	default:
		return nil, fmt.Errorf("decode pod: field %s is no object", key)
	}
}

// children returns the list of objects under key, empty if there is none.
func children(parent object, key string) ([]object, error) {
	list, ok := parent[key].([]any)
	if !ok && parent[key] != nil {
		return nil, fmt.Errorf("decode pod: field %s is no list", key)
	}
	objects := make([]object, 0, len(list))
	for _, item := range list {
		o, ok := item.(object)
		if !ok {
			return nil, fmt.Errorf("decode pod: field %s holds something that is no object", key)
		}
		objects = append(objects, o)
	}
	return objects, nil
}
