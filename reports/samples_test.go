package reports

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// at is a time of the sample runs, in seconds from their start.
func at(seconds float64) time.Time {
	start := time.Date(2026, time.November, 23, 14, 15, 0, 0, time.UTC)
	return start.Add(took(seconds))
}

func took(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds*1000)) * time.Millisecond
}

// catalogue is a part of the suites' requirements, in no particular order.
func catalogue() []Requirement {
	return []Requirement{
		{"ABAC-01", "MUST", "platform", "A policy on `bucket/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*` lets a pod read its own prefix", "walkthrough; https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html", "both", "v0.1.0"},
		{"ABAC-02", "MUST", "platform", "The same pod gets 403 from HeadObject on another namespace's prefix", "walkthrough", "both", "v0.1.0"},
		{"INJ-01", "MUST", "webhook", "A pod whose service account has an association gets `AWS_CONTAINER_CREDENTIALS_FULL_URI` in each container", "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html", "both", "v0.1.0"},
		{"INJ-02", "MUST", "webhook", "The same containers get `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`", "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html", "both", "v0.1.0"},
		{"INJ-10", "SHOULD", "webhook", "A malformed configuration keeps the last good one", "webhook source, `containercredentials/config.go`", "both", "v0.1.0"},
		{"INJ-05", "MUST", "webhook", "Without an association for that exact pair a pod is admitted with nothing injected", "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html", "both", "v0.1.0"},
		{"AGT-01", "MUST", "agent", "`GET /v1/credentials` with the raw token in `Authorization` gives 200 and five keys", "agent source, `pkg/credentials/model.go`", "both", "v0.1.0"},
		{"AGT-10", "SHOULD", "agent", "Concurrent cold requests with one token all succeed", "agent source, `refreshing_cache.go`", "both", "v0.1.0"},
		{"IMDS-02", "MUST", "platform", "With hop limit 1 a pod on the pod network gets no metadata token", "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html", "both", "v0.1.0"},
		{"AUT-04", "MUST", "platform", "The session is named `eks-<cluster>-<pod>-<random UUID>`", "EKS Auth API reference", "both", "v0.1.0"},
		{"SDK-01", "MUST", "client", "Each SDK at its documented floor works over IPv4", "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html", "both", "v0.1.0"},
	}
}

// begun is a run on kind that has not run any spec yet.
func begun(id string) Run {
	return Run{
		Schema: Schema, ID: id, Started: at(0),
		Epi: Epi{Version: "v0.1.0", Revision: "30ed0da41c66", Go: "go1.26.0", Platform: "linux/amd64"},
		Environment: Environment{
			Provider: "kind", Name: "epi", Region: "us-west-2", KubernetesVersion: "v1.36.3",
			NodeImage: "epi-node:v1.36.3-9c1f2ab0", NodeImageOrigin: "built", Nodes: 1, IMDSHopLimit: 1,
			Engine: "docker 20.10.24 (private)", AWS: "emulator", Capabilities: []string{"imds", "emulator-control", "host-network-pods"},
		},
		Subjects: []Subject{
			{Role: "webhook", Image: "epi-webhook:v0.1.0", Digest: "sha256:" + strings.Repeat("5be1", 16), Reference: true},
			{Role: "agent", Image: "epi-agent:v0.1.0", Digest: "sha256:" + strings.Repeat("a07c", 16), Reference: true},
		},
		Phases: []Phase{
			{Name: "Container engine: docker 20.10.24, private", Started: at(0.1), Duration: took(2.3)},
			{Name: "Node image v1.36.3: cached", Started: at(2.4), Duration: took(0.02)},
			{Name: "Images of the subjects", Started: at(0.2), Duration: took(6.1)},
			{Name: "Control plane", Started: at(6.3), Duration: took(14.8)},
			{Name: "AWS emulator", Started: at(6.3), Duration: took(1.9)},
			{Name: "Agent and webhook", Started: at(21.1), Duration: took(9.4)},
		},
		Requirements: catalogue(),
	}
}

func specAt(suite, name string, from, duration float64, process int, requirements ...string) Spec {
	return Spec{Suite: suite, Name: name, Requirements: requirements, Outcome: Pass, Started: at(from), Duration: took(duration), Process: process}
}

func passing() Run {
	run := begun("20261123-141500")
	own := specAt("authorization", "Session tags let a pod read its own prefix", 31, 6.2, 1, "ABAC-01", "AGT-01")
	own.Steps = []Step{
		{"creating a bucket, a role and an association", took(1.1)},
		{"starting a pod with the associated service account", took(3.9)},
		{"downloading the object under its own prefix", took(0.4)},
	}
	own.Output = "s3://epi-7f3a/epi/team-a/hello.txt: 14 bytes, equal\n"
	concurrent := specAt("agent", "Agent answers concurrent cold requests", 31.5, 2.75, 2, "AGT-10")
	floor := specAt("clients", "SDKs at their floor get credentials", 33, 0, 2, "SDK-01")
	floor.Outcome, floor.Reason = Skipped, "the client matrix was not selected"
	session := specAt("authorization", "Session names follow the documented form", 33, 0, 1, "AUT-04")
	session.Outcome, session.Reason = NotSupported, "only EKS decides how long names are shortened"
	malformed := specAt("injection", "Webhook keeps the last good configuration", 33, 4.4, 2, "INJ-10")
	run.Specs = []Spec{
		specAt("injection", "Webhook injects both variables into every container", 31, 5.1, 2, "INJ-02", "INJ-01"),
		specAt("injection", "Webhook leaves a pod without association alone", 36.2, 3.3, 2, "INJ-05"),
		own, concurrent, floor, session, malformed,
		specAt("authorization", "Session tags keep a pod from another namespace's prefix", 37.4, 5.7, 1, "ABAC-02"),
		specAt("imds", "Metadata is out of reach for a pod at hop limit 1", 43.1, 8.2, 1, "IMDS-02"),
	}
	run.Phases = append(run.Phases, Phase{Name: "Suites", Started: at(30.6), Duration: took(21)}, Phase{Name: "Tear down", Started: at(51.7), Duration: took(3.2)})
	run.Ended = at(55)
	run.Calls = []Calls{
		{Service: "s3", Operation: "GetObject", Count: 41, Refused: 12, P50: 0.0006, P99: 0.004},
		{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Count: 212, Refused: 20, P50: 0.0004, P99: 0.003},
		{Service: "iam", Operation: "CreateRole", Count: 30, P50: 0.002, P99: 0.004},
	}
	run.Pods = []PodStart{
		{Namespace: "epi-8d2c", Name: "plain", Admitted: at(33), Scheduled: at(33.1)},
		{Namespace: "epi-8d2c", Name: "app-2", Injected: true, Admitted: at(34), Scheduled: at(34.2), Started: at(36), Credentials: at(36.2), Object: at(36.4)},
		{Namespace: "epi-8d2c", Name: "app-1", Injected: true, Admitted: at(32), Scheduled: at(32.1), Started: at(33), Credentials: at(33.1), Object: at(33.2)},
		{Namespace: "epi-8d2c", Name: "app-3", Injected: true, Admitted: at(35), Scheduled: at(35.3), Started: at(36), Credentials: at(37.3), Object: at(37.8)},
	}
	return run
}

// failing is the result of a run without a webhook.
func failing() Run {
	run := passing()
	run.ID = "20261123-143000"
	run.Selection = []string{"--profile", "core"}
	run.Subjects[0] = Subject{Role: "webhook", Absent: true}
	for i := range run.Specs {
		spec := &run.Specs[i]
		switch spec.Name {
		case "Webhook injects both variables into every container":
			spec.Outcome, spec.Duration = Fail, took(30.4)
			spec.Failure = &Failure{
				Message: "expected container \"app\" to have environment variable\n" +
					"    AWS_CONTAINER_CREDENTIALS_FULL_URI\nwith value\n    http://169.254.170.23/v1/credentials\nbut its environment is\n    [\"AWS_REGION\",\"AWS_ENDPOINT_URL\"]\n(for 30.001s)",
				Location: "suites/injection/variables.go:48",
			}
			spec.Steps = []Step{
				{"associating the service account with a role", took(0.3)},
				{"starting a pod with two containers and an init container", took(0.1)},
				{"looking at the admitted pod", took(30)},
			}
			spec.Output = "pod epi-8d2c/app admitted with service account app\nadmission: 0 patches\nmutating webhook configurations: none\n"
			spec.Evidence = evidence()
		case "Session tags let a pod read its own prefix":
			spec.Outcome = Fail
			spec.Failure = &Failure{
				Message:  "Expected the download to succeed, but the SDK found no credentials: no EC2 IMDS role found, operation error ec2imds: GetMetadata, context deadline exceeded",
				Location: "suites/authorization/abac.go:71",
			}
			spec.Steps[2].Text = "downloading the object, as if it's \"there\""
			spec.Name = "Session tags let a pod read its own prefix (it's allowed)"
		case "Webhook keeps the last good configuration":
			spec.Outcome, spec.Duration, spec.Reason = NotSupported, 0, "needs a webhook with a configuration file"
		}
	}
	return run
}

// evidence is the evidence about a failed spec.
func evidence() *Evidence {
	return &Evidence{Dir: "specs/INJ-01-webhook-injects-both-variables-into-every-container", Excerpts: []Excerpt{
		{"Pod app, as a dry run would admit it", "name: app\nnamespace: epi-8d2c\nserviceAccount: app\nstatus:\n  phase: Pending\ncontainers:\n  - name: app\n    env:\n" +
			"      - AWS_REGION=us-west-2\n      - AWS_ENDPOINT_URL=http://10.213.6.2:4567\n    image: localhost/epi-probe:dev\nlabels:\n  epi.podidentity.dev/environment: epi"},
		{"Events", "2026-11-23T14:15:31Z Normal Pod/app Scheduled: Successfully assigned epi-8d2c/app to epi-control-plane"},
		{"Agent", "nothing about this spec in 212 lines; the last one:\n14:15:02.117 INFO Fetched credentials subject=system:serviceaccount:epi-1f00:app"},
		{"Webhook", "no pod with labels app.kubernetes.io/name=pod-identity-webhook in namespace epi-system"},
		{"AWS emulator", "14:15:31.204 eks CreatePodIdentityAssociation: 200 about epi/epi-8d2c/app by user/admin from 10.213.6.1\n" +
			"14:15:32.816 s3 HeadObject: 403 AccessDenied from 10.244.0.9: nobody: no statement allows s3:GetObject"},
	}}
}

// errored is a run whose cluster did not come up.
func errored() Run {
	run := begun("20261123-150000")
	run.Environment = Environment{Provider: "kind", Name: "epi"}
	run.Subjects = nil
	run.Phases = run.Phases[:4]
	run.Phases[3].Error = "kubeadm init: exit status 1"
	run.Problems = []Problem{{
		Doing:   `create cluster "epi"`,
		Message: "start control plane: kubeadm init: exit status 1\n[kubelet-check] The kubelet is not healthy after 4m0.000s\nopen /dev/kmsg: operation not permitted",
		Remedy:  "epi doctor names what this machine lacks",
	}}
	run.Ended = at(262)
	return run
}

// undecided is a run in which a fixture of one spec broke while another spec failed.
func undecided() Run {
	run := failing()
	run.ID = "20261123-153000"
	for i := range run.Specs {
		if spec := &run.Specs[i]; spec.Suite == "imds" {
			spec.Outcome = Error
			spec.Failure = &Failure{Message: "start probe pod: namespace epi-91ab is being terminated", Location: "framework/workload/pod.go:112"}
		}
	}
	return run
}

// interrupted is a run that was stopped during its specs.
func interrupted() Run {
	run := passing()
	run.ID = "20261123-160000"
	run.Interrupted = true
	run.Specs = run.Specs[:3]
	run.Specs[2].Outcome, run.Specs[2].Reason, run.Specs[2].Steps, run.Specs[2].Output = NotRun, "interrupted", nil, ""
	run.Phases = run.Phases[:7]
	run.Phases[6].Duration, run.Phases[6].Error = took(4.2), "interrupted"
	run.Ended = at(38)
	return run
}

// crashed is the recorder's state on disk after a crash.
func crashed() Run {
	run := interrupted()
	run.ID = "20261123-161500"
	run.Interrupted, run.Ended = false, time.Time{}
	return run
}

// empty is a run without any data.
func empty() Run { return Run{Schema: Schema} }

// hostileText has markup, terminal sequences, characters that XML forbids, a direction override, invalid UTF-8, template
// syntax and quotes of every kind.
const hostileText = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\" onload='x' ${`a`} {{.Run}} ]]> &amp; \x00\x01\x1b[31mred\x1b[0m \x1b]0;title\x07 \u202Egnp.exe \xff\xfe \ufffe %s https://e.example/\"><b> javascript:alert(3)"

func hostile() Run {
	h := hostileText
	run := passing()
	run.ID, run.Selection = h, []string{h}
	run.Epi = Epi{h, h, h, h}
	run.Environment = Environment{Provider: h, Name: h, Region: h, KubernetesVersion: h, NodeImage: h, NodeImageOrigin: h, Engine: h, AWS: h, Capabilities: []string{h}}
	run.Subjects = []Subject{{Role: h, Image: h, Digest: h, Product: h, Version: h, Compat: h}}
	run.Deviations = []Deviation{{h, h, h, h, h, h}, {"UNLISTED-1", h, h, h, h, "javascript:alert(4)"}}
	run.Phases = []Phase{{Name: h, Started: at(1), Duration: took(3), Error: h}}
	run.Requirements = append(run.Requirements, Requirement{h, h, h, h, h, h, h})
	run.Specs = append(run.Specs, Spec{
		Suite: h, Name: h, Requirements: []string{h, "UNLISTED-1"}, Outcome: Fail, Reason: h, Started: at(31), Duration: took(1),
		Failure: &Failure{Message: h, Location: h, Cause: h}, Again: h, Steps: []Step{{h, took(1)}}, Output: h, Evidence: &Evidence{h, []Excerpt{{h, h}}},
	}, Spec{Suite: "odd", Name: "-" + h, Outcome: "odd"})
	run.Problems, run.Absences = []Problem{{h, h, h}}, []Absence{{h, h, at(3), at(4)}}
	return run
}

// deviating has a known deviation of an agent's version, besides an unknown failure.
func deviating() Run {
	run := passing()
	run.ID = "20261123-164500"
	run.Subjects[1] = Subject{Role: "agent", Image: "eks-pod-identity-agent:v0.1.37", Digest: "sha256:" + strings.Repeat("0b5c", 16),
		Product: "eks-pod-identity-agent", Version: "v0.1.37+dirty"}
	run.Deviations = []Deviation{
		{"AGT-10", "agent", "eks-pod-identity-agent", "v0.1.37+dirty", "It asks once for each that waits.", "https://example.org/cache.go"},
		// A known deviation may not occur in this run, and is not mentioned then.
		{"AGT-01", "agent", "eks-pod-identity-agent", "v0.1.37+dirty", "It leaves the account out.", "https://example.org/model.go"},
	}
	for i := range run.Specs {
		switch spec := &run.Specs[i]; spec.Suite {
		case "agent":
			spec.Outcome, spec.Failure = Fail, &Failure{Message: "calls to EKS Auth\nExpected 50 to equal 1", Location: "suites/caching/caching.go:99"}
		case "imds":
			spec.Outcome, spec.Failure = Fail, &Failure{Message: "Expected no token", Location: "suites/isolation/isolation.go:31"}
		}
	}
	return run
}

// large is a run with many requirements and specs and very long texts.
func large() Run {
	run := begun("20261123-170000")
	run.Requirements = nil
	statement := "Every one of the requirements in a large catalogue has a statement that takes more than one line of the table, with `code` in it, so that wrapping is seen"
	for n := range 160 {
		profile := profileOrder[n%4]
		level := []string{Must, Should}[n%5/4]
		id := fmt.Sprintf("%s-%d", strings.ToUpper(profile[:3]), n/4+1)
		run.Requirements = append(run.Requirements, Requirement{id, level, profile, statement, "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html", "both", "v0.1.0"})
		spec := specAt(profile, fmt.Sprintf("Subject %d holds what requirement %s says, in a claim of some length", n, id), 30+float64(n)/10, float64(n*7919%997)/100, n%4+1, id)
		switch {
		case n%40 == 7:
			spec.Outcome = Fail
			spec.Failure = &Failure{Message: strings.Repeat("Expected this long message to be readable, and the line to wrap where the page ends. ", 40) + "\n" +
				strings.Repeat("  a line of a very long dump\n", 4000), Location: "suites/x/y.go:1"}
			spec.Output = strings.Repeat("x", 1000) + "\n" + strings.Repeat("a line of a log that goes on and on\n", 6000)
		case n%10 == 3:
			spec.Outcome, spec.Reason = NotSupported, "needs the emulator's control API"
		}
		run.Specs = append(run.Specs, spec)
	}
	run.Ended = at(90)
	return run
}

// samples are all sample runs by name.
func samples() map[string]Run {
	return map[string]Run{
		"passing": passing(), "failing": failing(), "errored": errored(), "undecided": undecided(), "deviating": deviating(), "interrupted": interrupted(),
		"crashed": crashed(), "empty": empty(), "hostile": hostile(), "large": large(),
		"measured": measured(), "gated": gated(), "versus": versus(), "doubtful": doubtful(), "hostile-bench": hostileBench(),
	}
}
