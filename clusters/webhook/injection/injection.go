package injection

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Identities tells which service accounts have an association.
type Identities interface {
	Has(namespace, serviceAccount string) bool
}

// Injector is safe for concurrent use.
type Injector struct {
	identities Identities
	settings   Settings
}

// New makes an Injector for the service accounts that have an association.
func New(identities Identities, settings Settings) *Injector {
	settings.Expiration = max(settings.Expiration, minExpiration)
	return &Injector{identities: identities, settings: settings}
}

// Result of a look at a pod.
type Result struct {
	// Pod is its name, or the prefix that its name is generated from; for logs.
	Pod            string
	ServiceAccount string
	// Associated tells whether the service account has an association.
	Associated bool
	// Patch in JSON (RFC 6902); nil if the pod stays as it is.
	Patch []byte
}

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Inject looks at a pod, in JSON, that is to be created in a namespace. The error says what in the
// pod is not of a pod's form.
func (i *Injector) Inject(namespace string, pod []byte) (Result, error) {
	var root, metadata, spec object
	if err := decode(pod, "pod", &root); err != nil {
		return Result{}, err
	}
	if err := decode(root["spec"], "spec", &spec); err != nil {
		return Result{}, err
	}
	var result Result
	if err := decode(spec["serviceAccountName"], "serviceAccountName", &result.ServiceAccount); err != nil {
		return Result{}, err
	}
	if err := decode(root["metadata"], "metadata", &metadata); err != nil {
		return Result{}, err
	}
	for _, field := range []string{"generateName", "name"} {
		if err := decode(metadata[field], field, &result.Pod); err != nil {
			return Result{}, err
		}
	}
	// The API server names the service account of every pod; no name is nobody's.
	if result.ServiceAccount == "" || !i.identities.Has(namespace, result.ServiceAccount) {
		return result, nil
	}
	result.Associated = true
	patch, err := i.patch(metadata, spec)
	if err != nil {
		return Result{}, err
	}
	if len(patch) == 0 {
		return result, nil
	}
	if result.Patch, err = json.Marshal(patch); err != nil {
		return Result{}, fmt.Errorf("encode patch: %w", err)
	}
	return result, nil
}

func (i *Injector) patch(metadata, spec object) ([]operation, error) {
	var annotations map[string]string
	if err := decode(metadata["annotations"], "annotations", &annotations); err != nil {
		return nil, err
	}
	var nodeSelector map[string]string
	if err := decode(spec["nodeSelector"], "nodeSelector", &nodeSelector); err != nil {
		return nil, err
	}
	patch, err := i.label(metadata)
	if err != nil {
		return nil, err
	}
	volume, err := i.volume(spec, i.expiration(annotations))
	if err != nil {
		return nil, err
	}
	patch = append(patch, volume...)
	skipped := i.skipped(annotations)
	additions := i.additions(nodeSelector)
	for _, field := range []string{"containers", "initContainers"} {
		containers, err := readList(spec, field)
		if err != nil {
			return nil, err
		}
		changed := false
		for n, container := range containers.elements {
			if slices.Contains(skipped, containers.names[n]) {
				continue
			}
			added, err := additions.addTo(container)
			if err != nil {
				return nil, err
			}
			changed = changed || added
		}
		if !changed {
			continue
		}
		for _, container := range containers.elements {
			// The Go type that upstream decodes into always encodes this one.
			if _, ok := container["resources"]; !ok {
				container["resources"] = json.RawMessage("{}")
			}
		}
		patch = append(patch, operation{"add", "/spec/" + field, containers.elements})
	}
	return patch, nil
}

// label marks the pod. Where metadata or labels are missing they are added as a whole, for a JSON
// patch adds nothing to what is not there.
func (i *Injector) label(metadata object) ([]operation, error) {
	name := i.settings.AnnotationPrefix + "/pod-identity"
	const value = "enabled"
	var labels map[string]string
	if err := decode(metadata["labels"], "labels", &labels); err != nil {
		return nil, err
	}
	switch {
	case metadata == nil:
		return []operation{{"add", "/metadata", map[string]any{"labels": map[string]string{name: value}}}}, nil
	case labels == nil:
		return []operation{{"add", "/metadata/labels", map[string]string{name: value}}}, nil
	case labels[name] == value:
		return nil, nil
	}
	pointer := strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return []operation{{"add", "/metadata/labels/" + pointer, value}}, nil
}

// volume projects the token; a volume of that name is kept as it is.
func (i *Injector) volume(spec object, expiration int64) ([]operation, error) {
	volumes, err := readList(spec, "volumes")
	if err != nil {
		return nil, err
	}
	if slices.Contains(volumes.names, i.settings.VolumeName) {
		return nil, nil
	}
	volume := corev1.Volume{
		Name: i.settings.VolumeName,
		VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience:          i.settings.Audience,
				ExpirationSeconds: &expiration,
				Path:              i.settings.TokenPath,
			}}},
		}},
	}
	if volumes.elements == nil {
		return []operation{{"add", "/spec/volumes", []corev1.Volume{volume}}}, nil
	}
	return []operation{{"add", "/spec/volumes/0", volume}}, nil
}

// expiration of the token in seconds: the pod's annotation before the setting.
func (i *Injector) expiration(annotations map[string]string) int64 {
	seconds := i.settings.Expiration
	if asked, err := strconv.ParseInt(annotations[i.settings.AnnotationPrefix+"/token-expiration"], 10, 64); err == nil {
		seconds = max(asked, minExpiration)
	}
	if seconds == jitteredExpiration {
		seconds -= i.settings.Random(jitter + 1)
	}
	return seconds
}

// skipped are the containers that the pod's annotation lists as comma-separated values, which may
// be quoted. What cannot be parsed skips none.
func (i *Injector) skipped(annotations map[string]string) []string {
	names, err := csv.NewReader(strings.NewReader(annotations[i.settings.AnnotationPrefix+"/skip-containers"])).Read()
	if err != nil {
		return nil
	}
	return names
}

// tokenFile is where containers find the token; nodes of Windows name it in their own way.
func (i *Injector) tokenFile(nodeSelector map[string]string) string {
	file := path.Join(i.settings.MountPath, i.settings.TokenPath)
	if nodeSelector["kubernetes.io/os"] == "windows" || nodeSelector["beta.kubernetes.io/os"] == "windows" {
		return `C:` + strings.ReplaceAll(file, "/", `\`)
	}
	return file
}
