package injection

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Identities says which service accounts have an association.
type Identities interface {
	Has(namespace, serviceAccount string) bool
}

// ServiceAccounts returns the annotations of service accounts.
type ServiceAccounts interface {
	// Annotations returns those of a service account, and says whether it is known.
	Annotations(namespace, name string) (map[string]string, bool)
	// Await is Annotations that waits a moment for an unknown account.
	Await(ctx context.Context, namespace, name string) map[string]string
}

// Injector is safe for concurrent use.
type Injector struct {
	identities Identities
	accounts   ServiceAccounts
	settings   Settings
	// podIdentity has the additions of that method.
	podIdentity map[variant]additions
}

// New makes an Injector for the service accounts that have an association or are annotated with a
// role.
func New(identities Identities, accounts ServiceAccounts, settings Settings) *Injector {
	settings.Expiration = max(settings.Expiration, minExpiration)
	i := &Injector{identities: identities, accounts: accounts, settings: settings, podIdentity: map[variant]additions{}}
	for _, v := range []variant{{false, false}, {false, true}, {true, false}, {true, true}} {
		i.podIdentity[v] = i.newAdditions(grant{method: ContainerCredentials, token: settings.PodIdentity, regionalSTS: v.regionalSTS}, v.windows)
	}
	return i
}

// Result is the decision about a pod.
type Result struct {
	// Pod is the pod's name, or the prefix for a generated name; for logs.
	Pod            string
	ServiceAccount string
	// Method is the method of the service account.
	Method Method
	// Patch is in JSON (RFC 6902); nil if the pod stays as it is.
	Patch []byte
}

// Inject decides about a pod, in valid JSON, that is to be created in a namespace. The error says what is invalid in the pod.
func (i *Injector) Inject(ctx context.Context, namespace string, pod []byte) (Result, error) {
	root, err := readObject(pod, "pod")
	if err != nil {
		return Result{}, err
	}
	spec, err := readObject(root.get("spec"), "spec")
	if err != nil {
		return Result{}, err
	}
	var result Result
	if result.ServiceAccount, err = readText(spec, "serviceAccountName", ""); err != nil {
		return Result{}, err
	}
	metadata, err := readObject(root.get("metadata"), "metadata")
	if err != nil {
		return Result{}, err
	}
	for _, field := range []string{"generateName", "name"} {
		if result.Pod, err = readText(metadata, field, result.Pod); err != nil {
			return Result{}, err
		}
	}
	granted := i.grant(ctx, namespace, result.ServiceAccount)
	if result.Method = granted.method; granted.method == None {
		return result, nil
	}
	patch, err := i.patch(granted, metadata, spec)
	if err != nil {
		return Result{}, err
	}
	if len(patch) == 0 {
		return result, nil
	}
	result.Patch = encodePatch(patch, len(pod))
	return result, nil
}

func (i *Injector) patch(granted grant, metadata, spec object) ([]operation, error) {
	annotations, err := readTexts(metadata, "annotations")
	if err != nil {
		return nil, err
	}
	nodeSelector, err := readTexts(spec, "nodeSelector")
	if err != nil {
		return nil, err
	}
	var patch []operation
	if granted.method == ContainerCredentials {
		label, err := i.label(metadata)
		if err != nil {
			return nil, err
		}
		patch = label
	}
	expiration := i.jittered(granted.method, i.asked(annotations, granted.expiration))
	volume, err := addVolume(spec, granted.token, expiration)
	if err != nil {
		return nil, err
	}
	patch = append(patch, volume...)
	skipped := i.skipped(annotations)
	additions := i.additions(granted, nodeSelector)
	for _, field := range []string{"containers", "initContainers"} {
		containers, err := readList(spec, field)
		if err != nil {
			return nil, err
		}
		changed := false
		for n := range containers.elements {
			container := &containers.elements[n]
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
		for n := range containers.elements {
			container := &containers.elements[n]
			// Upstream's Go type can always be encoded.
			if container.get("resources") == nil {
				container.set("resources", json.RawMessage("{}"))
			}
		}
		if i.settings.KnownFieldsOnly {
			known, err := knownContainers(containers.elements)
			if err != nil {
				return nil, malformed(field, err)
			}
			patch = append(patch, operation{"add", "/spec/" + field, known})
			continue
		}
		patch = append(patch, operation{"add", "/spec/" + field, containers.elements})
	}
	return patch, nil
}

// knownContainers returns containers as the Go type has them, without unknown fields.
func knownContainers(elements []object) ([]corev1.Container, error) {
	var known []corev1.Container
	return known, json.Unmarshal(appendObjects(nil, elements), &known)
}

// pointer escapes a name for a JSON pointer (RFC 6901).
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// label marks the pod. Missing metadata or labels are added as a whole, because a JSON patch cannot add to something that
// is missing.
func (i *Injector) label(metadata object) ([]operation, error) {
	name := i.annotation("pod-identity")
	const value = "enabled"
	labels, err := readTexts(metadata, "labels")
	if err != nil {
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
	return []operation{{"add", "/metadata/labels/" + pointer.Replace(name), value}}, nil
}

// tokenVolume has the fields of a corev1.Volume that the webhook sets. The whole type has thirty kinds of volumes, and
// takes several times as long to encode.
type tokenVolume struct {
	Name      string                        `json:"name"`
	Projected *corev1.ProjectedVolumeSource `json:"projected"`
}

// addVolume adds the projected token. An existing volume of that name is kept.
func addVolume(spec object, token Token, expiration int64) ([]operation, error) {
	volumes, err := readList(spec, "volumes")
	if err != nil {
		return nil, err
	}
	if slices.Contains(volumes.names, token.VolumeName) {
		return nil, nil
	}
	volume := tokenVolume{
		Name: token.VolumeName,
		Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience:          token.Audience,
				ExpirationSeconds: &expiration,
				Path:              token.Path,
			}}},
		},
	}
	if volumes.elements == nil {
		return []operation{{"add", "/spec/volumes", []tokenVolume{volume}}}, nil
	}
	return []operation{{"add", "/spec/volumes/0", volume}}, nil
}

// skipped are the containers in the pod's annotation, which are comma-separated values that may be quoted. A text that
// cannot be parsed skips none.
func (i *Injector) skipped(annotations map[string]string) []string {
	listed := annotations[i.annotation(skipAnnotation)]
	if listed == "" {
		return nil
	}
	names, err := csv.NewReader(strings.NewReader(listed)).Read()
	if err != nil {
		return nil
	}
	return names
}
