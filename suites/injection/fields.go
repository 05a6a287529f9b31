package injection

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The webhook", func() {
	It("keeps every other field of an associated pod", Covers("INJ-04"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			options := append(everyKind(), filled)
			workload.NewServiceAccount(ctx, env, association.Namespace, "stranger")

			By("admitting the same pod with and without the association")
			with := workload.AwaitAssociation(ctx, env, association, options...)
			without := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, "stranger", options...))

			Expect(workload.Uninjected(with).Spec).To(BeTheSameSpecAs(workload.Uninjected(without).Spec))
			Expect(with.Annotations).To(Equal(without.Annotations))
		})
})

// filled sets as many fields of a pod as one pod can have: a webhook replaces whole containers, and may lose unknown
// fields. A test checks that no field of containers is missing here.
func filled(pod *corev1.Pod) {
	pod.Annotations = map[string]string{"epi.podidentity.dev/a": "b"}
	spec := &pod.Spec
	spec.ActiveDeadlineSeconds = new(int64(3600))
	spec.ShareProcessNamespace = new(true)
	spec.NodeSelector = map[string]string{"a": "b"}
	spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}}
	spec.Hostname, spec.Subdomain = "host", "domain"
	spec.SetHostnameAsFQDN = new(false)
	spec.DNSPolicy = corev1.DNSNone
	spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"192.0.2.1"}, Searches: []string{"example"}, Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: new("2")}}}
	spec.HostAliases = []corev1.HostAlias{{IP: "192.0.2.2", Hostnames: []string{"alias"}}}
	spec.Tolerations = []corev1.Toleration{{Key: "a", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(5))}}
	spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "example.com/gate"}}
	spec.OS = &corev1.PodOS{Name: corev1.Linux}
	spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: new(int64(9)), SupplementalGroups: []int64{3, 4}, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
	}}
	spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
		Weight: 5, Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "a", Operator: corev1.NodeSelectorOpExists}}},
	}}}}
	spec.Volumes = append(spec.Volumes,
		corev1.Volume{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: new(resource.MustParse("1Mi"))}}},
		corev1.Volume{Name: "disk", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "disk"}}},
		corev1.Volume{Name: "own", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: new(int32(0o400)), Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: "own", ExpirationSeconds: new(int64(7200)), Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "config"}, Optional: new(true)}},
		}}}},
	)
	for i := range spec.InitContainers {
		fillContainer(&spec.InitContainers[i])
		if spec.InitContainers[i].RestartPolicy != nil {
			fillRunning(&spec.InitContainers[i])
		}
	}
	for i := range spec.Containers {
		fillContainer(&spec.Containers[i])
		fillRunning(&spec.Containers[i])
		spec.Containers[i].ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer}}
	}
}

// fillContainer sets what containers of every kind may have.
func fillContainer(c *corev1.Container) {
	c.Command = []string{probe.Program}
	c.WorkingDir = "/tmp"
	c.Ports = []corev1.ContainerPort{{Name: c.Name, ContainerPort: 8080, Protocol: corev1.ProtocolUDP}}
	c.EnvFrom = []corev1.EnvFromSource{{Prefix: "P_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "secret"}, Optional: new(true)}}}
	c.Env = append(c.Env,
		corev1.EnvVar{Name: "EMPTY"},
		corev1.EnvVar{Name: "SECRET", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: "k", Optional: new(true)}}},
		corev1.EnvVar{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}},
		corev1.EnvVar{Name: "LIMIT", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: workload.Main, Resource: "limits.cpu", Divisor: resource.MustParse("1m")}}},
		corev1.EnvVar{Name: "SYMBOLS", Value: "<&>\u2028 \"quoted\" $(POD_NAME) é"},
	)
	c.Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m"), corev1.ResourceMemory: resource.MustParse("1.5Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
	c.VolumeMounts = append(c.VolumeMounts,
		corev1.VolumeMount{Name: "scratch", MountPath: "/scratch", SubPathExpr: "$(POD_NAME)"},
		corev1.VolumeMount{Name: "own", MountPath: "/own", ReadOnly: true, MountPropagation: new(corev1.MountPropagationHostToContainer)},
	)
	c.VolumeDevices = []corev1.VolumeDevice{{Name: "disk", DevicePath: "/dev/disk"}}
	c.TerminationMessagePath, c.TerminationMessagePolicy = "/tmp/ended", corev1.TerminationMessageFallbackToLogsOnError
	c.ImagePullPolicy = corev1.PullAlways
	c.SecurityContext = &corev1.SecurityContext{
		Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}, Drop: []corev1.Capability{"ALL"}}, RunAsUser: new(int64(7)), RunAsNonRoot: new(true),
		ReadOnlyRootFilesystem: new(true), AllowPrivilegeEscalation: new(false), ProcMount: new(corev1.DefaultProcMount),
		SELinuxOptions: &corev1.SELinuxOptions{Level: "s0"}, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
	}
	c.Stdin, c.StdinOnce, c.TTY = true, true, true
}

// fillRunning sets the fields that only running containers can have.
func fillRunning(c *corev1.Container) {
	http := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/a?b=c", Port: intstr.FromString(c.Name), Scheme: corev1.URISchemeHTTPS, HTTPHeaders: []corev1.HTTPHeader{{Name: "A", Value: "b"}}}}
	c.LivenessProbe = &corev1.Probe{ProbeHandler: http, InitialDelaySeconds: 2, TimeoutSeconds: 3, PeriodSeconds: 4, SuccessThreshold: 1, FailureThreshold: 5, TerminationGracePeriodSeconds: new(int64(6))}
	c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080, Service: new("s")}}, SuccessThreshold: 2}
	c.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{probe.Program, "version"}}}}
	c.Lifecycle = &corev1.Lifecycle{
		PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{probe.Program, "version"}}},
		PreStop:   &corev1.LifecycleHandler{HTTPGet: http.HTTPGet},
	}
}
