package injection

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Identities tells which service accounts have an association.
type Identities interface {
	Has(namespace, serviceAccount string) bool
}

// ServiceAccounts tells what service accounts are annotated with.
type ServiceAccounts interface {
	// Annotations of a service account, and whether it is known.
	Annotations(namespace, name string) (map[string]string, bool)
	// Await is Annotations that gives an account which is not known a moment to become so.
	Await(ctx context.Context, namespace, name string) map[string]string
}

// Injector is safe for concurrent use.
type Injector struct {
	identities Identities
	accounts   ServiceAccounts
	settings   Settings
}

// New makes an Injector for the service accounts that have an association or are annotated with a
// role.
func New(identities Identities, accounts ServiceAccounts, settings Settings) *Injector {
	settings.Expiration = max(settings.Expiration, minExpiration)
	return &Injector{identities: identities, accounts: accounts, settings: settings}
}

// Result of a look at a pod.
type Result struct {
	// Pod is its name, or the prefix that its name is generated from; for logs.
	Pod            string
	ServiceAccount string
	// Method by which the service account leads to credentials.
	Method Method
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
func (i *Injector) Inject(ctx context.Context, namespace string, pod []byte) (Result, error) {
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
	if result.Patch, err = json.Marshal(patch); err != nil {
		return Result{}, fmt.Errorf("encode patch: %w", err)
	}
	return result, nil
}

func (i *Injector) patch(granted grant, metadata, spec object) ([]operation, error) {
	var annotations map[string]string
	if err := decode(metadata["annotations"], "annotations", &annotations); err != nil {
		return nil, err
	}
	var nodeSelector map[string]string
	if err := decode(spec["nodeSelector"], "nodeSelector", &nodeSelector); err != nil {
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
	name := i.annotation("pod-identity")
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

// addVolume projects the token; a volume of that name is kept as it is.
func addVolume(spec object, token Token, expiration int64) ([]operation, error) {
	volumes, err := readList(spec, "volumes")
	if err != nil {
		return nil, err
	}
	if slices.Contains(volumes.names, token.VolumeName) {
		return nil, nil
	}
	volume := corev1.Volume{
		Name: token.VolumeName,
		VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience:          token.Audience,
				ExpirationSeconds: &expiration,
				Path:              token.Path,
			}}},
		}},
	}
	if volumes.elements == nil {
		return []operation{{"add", "/spec/volumes", []corev1.Volume{volume}}}, nil
	}
	return []operation{{"add", "/spec/volumes/0", volume}}, nil
}

// skipped are the containers that the pod's annotation lists as comma-separated values, which may
// be quoted. What cannot be parsed skips none.
func (i *Injector) skipped(annotations map[string]string) []string {
	names, err := csv.NewReader(strings.NewReader(annotations[i.annotation(skipAnnotation)])).Read()
	if err != nil {
		return nil
	}
	return names
}
