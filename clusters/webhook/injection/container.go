package injection

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// additions are what every container of a pod gets unless it has it.
type additions struct {
	credentials, region, sts []json.RawMessage
	mount                    json.RawMessage
	volumeName               string
}

func (i *Injector) additions(nodeSelector map[string]string) additions {
	variable := func(name, value string) json.RawMessage {
		return mustEncode(corev1.EnvVar{Name: name, Value: value})
	}
	a := additions{
		credentials: []json.RawMessage{
			variable(uriVariable, i.settings.URI),
			variable(tokenFileVariable, i.tokenFile(nodeSelector)),
		},
		mount:      mustEncode(corev1.VolumeMount{Name: i.settings.VolumeName, ReadOnly: true, MountPath: i.settings.MountPath}),
		volumeName: i.settings.VolumeName,
	}
	if i.settings.Region != "" {
		a.region = []json.RawMessage{variable("AWS_DEFAULT_REGION", i.settings.Region), variable("AWS_REGION", i.settings.Region)}
	}
	if i.settings.RegionalSTS {
		a.sts = []json.RawMessage{variable(stsVariable, "regional")}
	}
	return a
}

// addTo changes the container and reports whether it did. A container that sets one variable of a
// group has its reasons and gets none of that group; one that sets all groups is left alone.
func (a additions) addTo(container object) (bool, error) {
	env, err := readRawList(container, "env")
	if err != nil {
		return false, err
	}
	mounts, err := readRawList(container, "volumeMounts")
	if err != nil {
		return false, err
	}
	sets := func(names ...string) bool {
		return slices.ContainsFunc(env.names, func(name string) bool { return slices.Contains(names, name) })
	}
	hasCredentials := sets(uriVariable, tokenFileVariable)
	hasRegion := sets("AWS_REGION", "AWS_DEFAULT_REGION")
	hasSTS := sets(stsVariable)
	if hasCredentials && hasRegion && hasSTS {
		return false, nil
	}
	changed := false
	add := func(has bool, variables []json.RawMessage) {
		if !has && len(variables) > 0 {
			env.elements = append(env.elements, variables...)
			container["env"] = mustEncode(env.elements)
			changed = true
		}
	}
	add(hasSTS, a.sts)
	add(hasRegion, a.region)
	add(hasCredentials, a.credentials)
	if !slices.Contains(mounts.names, a.volumeName) {
		container["volumeMounts"] = mustEncode(append(mounts.elements, a.mount))
		changed = true
	}
	return changed, nil
}

// rawList is a list whose elements are only added to, never changed.
type rawList struct {
	elements []json.RawMessage
	names    []string
}

func readRawList(o object, field string) (rawList, error) {
	var l rawList
	if err := decode(o[field], field, &l.elements); err != nil {
		return rawList{}, err
	}
	var named []struct {
		Name string `json:"name"`
	}
	if err := decode(o[field], field, &named); err != nil {
		return rawList{}, err
	}
	l.names = make([]string, len(named))
	for n := range named {
		l.names[n] = named[n].Name
	}
	return l, nil
}
