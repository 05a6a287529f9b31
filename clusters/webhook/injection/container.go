package injection

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// additions are what every container of a pod gets unless it has them already.
type additions struct {
	credentials, region, sts group
	mount                    json.RawMessage
	volumeName               string
}

// group is a set of variables that are added together or not at all. A container that sets one of them itself gets none.
type group struct {
	names     []string
	variables []json.RawMessage
}

func newGroup(names []string, variables ...corev1.EnvVar) group {
	g := group{names: names}
	for _, variable := range variables {
		g.variables = append(g.variables, mustEncode(variable))
	}
	return g
}

// variant is what the additions of Pod Identity depend on, besides the settings.
type variant struct{ regionalSTS, windows bool }

// The additions are the same for all pods with Pod Identity, so they are made once.
func (i *Injector) additions(granted grant, nodeSelector map[string]string) additions {
	onWindows := windows(nodeSelector)
	if granted.method == ContainerCredentials {
		return i.podIdentity[variant{granted.regionalSTS, onWindows}]
	}
	return i.newAdditions(granted, onWindows)
}

func (i *Injector) newAdditions(granted grant, onWindows bool) additions {
	var credentialNames []string
	variables := i.variables(granted, onWindows)
	for _, variable := range variables {
		credentialNames = append(credentialNames, variable.Name)
	}
	a := additions{
		credentials: newGroup(credentialNames, variables...),
		region:      newGroup([]string{"AWS_REGION", "AWS_DEFAULT_REGION"}),
		sts:         newGroup([]string{stsVariable}),
		mount:       mustEncode(corev1.VolumeMount{Name: granted.token.VolumeName, ReadOnly: true, MountPath: granted.token.MountPath}),
		volumeName:  granted.token.VolumeName,
	}
	if region := i.settings.Region; region != "" {
		a.region = newGroup(a.region.names, corev1.EnvVar{Name: "AWS_DEFAULT_REGION", Value: region}, corev1.EnvVar{Name: "AWS_REGION", Value: region})
	}
	if granted.regionalSTS {
		a.sts = newGroup(a.sts.names, corev1.EnvVar{Name: stsVariable, Value: "regional"})
	}
	return a
}

// addTo changes the container and says whether it did. A container that sets variables of all groups itself stays as it is.
func (a additions) addTo(container *object) (bool, error) {
	env, err := readRawList(*container, "env")
	if err != nil {
		return false, err
	}
	mounts, err := readRawList(*container, "volumeMounts")
	if err != nil {
		return false, err
	}
	sets := func(g group) bool {
		return slices.ContainsFunc(env.names, func(name string) bool { return slices.Contains(g.names, name) })
	}
	hasCredentials, hasRegion, hasSTS := sets(a.credentials), sets(a.region), sets(a.sts)
	if hasCredentials && hasRegion && hasSTS {
		return false, nil
	}
	changed := false
	add := func(has bool, g group) {
		if !has && len(g.variables) > 0 {
			env.elements = append(env.elements, g.variables...)
			container.set("env", encode(env.elements))
			changed = true
		}
	}
	add(hasSTS, a.sts)
	add(hasRegion, a.region)
	add(hasCredentials, a.credentials)
	if !slices.Contains(mounts.names, a.volumeName) {
		container.set("volumeMounts", encode(append(mounts.elements, a.mount)))
		changed = true
	}
	return changed, nil
}
