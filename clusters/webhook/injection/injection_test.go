package injection

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// associated has an association for bench/bench-3 only, which is the account of upstream's recorded cases.
type associated struct{}

func (associated) Has(namespace, serviceAccount string) bool {
	return namespace == "bench" && serviceAccount == "bench-3"
}

// annotated are the annotations of service accounts by NAMESPACE/NAME.
type annotated map[string]map[string]string

func (a annotated) Annotations(namespace, name string) (map[string]string, bool) {
	annotations, known := a[namespace+"/"+name]
	return annotations, known
}

func (a annotated) Await(_ context.Context, namespace, name string) map[string]string {
	return a[namespace+"/"+name]
}

func newInjector(edit func(*Settings)) *Injector { return newInjectorOf(nil, edit) }

func newInjectorOf(accounts annotated, edit func(*Settings)) *Injector {
	settings := DefaultSettings()
	settings.Random = func(int64) int64 { return 0 }
	if edit != nil {
		edit(&settings)
	}
	return New(associated{}, accounts, settings)
}

func inject(t testing.TB, i *Injector, pod string) Result {
	t.Helper()
	result, err := i.Inject(t.Context(), "bench", []byte(pod))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// apply applies the patch of a result as an API server does.
func apply(t testing.TB, pod string, result Result) string {
	t.Helper()
	if result.Patch == nil {
		return pod
	}
	patch, err := jsonpatch.DecodePatch(result.Patch)
	if err != nil {
		t.Fatalf("%v in %s", err, result.Patch)
	}
	patched, err := patch.Apply([]byte(pod))
	if err != nil {
		t.Fatalf("%v with %s", err, result.Patch)
	}
	return string(patched)
}

func injected(t *testing.T, i *Injector, pod string) corev1.Pod {
	t.Helper()
	var p corev1.Pod
	if err := json.Unmarshal([]byte(apply(t, pod, inject(t, i, pod))), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// variables lists a container's variables in order.
func variables(c corev1.Container) string {
	var all []string
	for _, v := range c.Env {
		all = append(all, v.Name+"="+v.Value)
	}
	return strings.Join(all, " ")
}

const both = "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1/credentials " +
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"

// INJ-01 to INJ-05, INJ-09: equal to the recorded answers of upstream's webhook.
func TestPatchEqualsUpstreams(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var recorded struct {
				Pod   json.RawMessage
				Patch any
			}
			if err := json.Unmarshal(data, &recorded); err != nil {
				t.Fatal(err)
			}
			result := inject(t, newInjector(func(s *Settings) { s.Random = func(n int64) int64 { return n / 2 } }), string(recorded.Pod))
			var got any
			if result.Patch != nil {
				if err := json.Unmarshal(result.Patch, &got); err != nil {
					t.Fatal(err)
				}
				mask(t, got)
			}
			if diff := cmp.Diff(recorded.Patch, got); diff != "" {
				t.Errorf("upstream's (-) and ours (+) differ:\n%s", diff)
			}
		})
	}
}

// mask sets expirationSeconds, which is random, to 0.
func mask(t *testing.T, value any) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			mask(t, element)
		}
	case map[string]any:
		for name, member := range value {
			if seconds, ok := member.(float64); ok && name == "expirationSeconds" {
				if seconds < 79200 || seconds > 86400 {
					t.Errorf("token lives %v s", seconds)
				}
				value[name] = 0.0
				continue
			}
			mask(t, member)
		}
	}
}

// INJ-05.
func TestOtherAccountsAreLeftAlone(t *testing.T) {
	for _, row := range [][2]string{{"other", "bench-3"}, {"bench", "other"}, {"bench", ""}} {
		result, err := newInjector(nil).Inject(t.Context(), row[0], []byte(`{"metadata":{"name":"p"},"spec":{"serviceAccountName":"`+row[1]+`","containers":[{"name":"a"}]}}`))
		if err != nil || result.Patch != nil || result.Method != None {
			t.Errorf("%v: %s, %v", row, result.Patch, err)
		}
	}
}

// INJ-04: fields that this program's types lack survive in main containers, init containers and native sidecars.
func TestUnknownFieldsAreKept(t *testing.T) {
	const container = `{"name":"c","restartPolicy":"Always","image":"i","newField":{"deep":[1.50,9007199254740993,"é"]},
		"env":[{"name":"A","valueFrom":{"newSource":{"x":1}}}],"volumeMounts":[{"name":"v","mountPath":"/v","newMount":true}],"resources":{"newResource":1}}`
	pod := `{"metadata":{"name":"p","newMeta":1},"newTop":2,"spec":{"newSpec":3,"serviceAccountName":"bench-3",
		"volumes":[{"name":"v","newVolume":{}}],"containers":[` + container + `],"initContainers":[` + container + `],"ephemeralContainers":[` + container + `]}}`
	got := apply(t, pod, inject(t, newInjector(nil), pod))
	for _, want := range []string{`"deep":[1.50,9007199254740993,"é"]`, `"newSource":{"x":1}`, `"newMount":true`, `"resources":{"newResource":1}`, `"restartPolicy":"Always"`} {
		if n := strings.Count(got, want); n != 3 {
			t.Errorf("%s is there %d times in\n%s", want, n, got)
		}
	}
	for _, want := range []string{`"newMeta":1`, `"newTop":2`, `"newSpec":3`, `"newVolume":{}`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n := strings.Count(got, uriVariable); n != 2 {
		t.Errorf("%d containers got the variable; an ephemeral one must not", n)
	}
}

// INJ-06.
func TestSkippedContainers(t *testing.T) {
	for annotation, want := range map[string]string{
		`a`:         "b i",
		`a,i`:       "b",
		`\"a\",b`:   "i",
		`a,b,i`:     "",
		`none`:      "a b i",
		``:          "a b i",
		`a,\"b`:     "a b i", // this is not CSV, and skips none
		" " + "a":   "a b i", // names are not trimmed
		`a\nb,i`:    "b i",   // only the first line counts
		`b,a,a,a,i`: "",
	} {
		pod := injected(t, newInjector(nil), `{"metadata":{"annotations":{"eks.amazonaws.com/skip-containers":"`+annotation+`"}},
			"spec":{"serviceAccountName":"bench-3","containers":[{"name":"a"},{"name":"b"}],"initContainers":[{"name":"i"}]}}`)
		var got []string
		for _, c := range append(pod.Spec.Containers, pod.Spec.InitContainers...) {
			if len(c.Env) > 0 != (len(c.VolumeMounts) > 0) {
				t.Errorf("%q: container %s has %d variables and %d mounts", annotation, c.Name, len(c.Env), len(c.VolumeMounts))
			}
			if len(c.Env) > 0 {
				got = append(got, c.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v were injected, want %s", annotation, got, want)
		}
		if len(pod.Spec.Volumes) != 1 {
			t.Errorf("%q: %d volumes, want one in any case", annotation, len(pod.Spec.Volumes))
		}
	}
}

// INJ-07, and the variables for the region of upstream's flags.
func TestExistingVariables(t *testing.T) {
	const region, sts = "AWS_DEFAULT_REGION=eu-north-1 AWS_REGION=eu-north-1", "AWS_STS_REGIONAL_ENDPOINTS=regional"
	for name, row := range map[string]struct {
		has    []string
		region string
		sts    bool
		want   string
		mounts int
	}{
		"nothing":                {nil, "", false, both, 1},
		"another":                {[]string{"A"}, "", false, "A=own " + both, 1},
		"URI":                    {[]string{uriVariable}, "", false, uriVariable + "=own", 1},
		"token file":             {[]string{tokenFileVariable}, "", false, tokenFileVariable + "=own", 1},
		"URI and region":         {[]string{uriVariable, "AWS_REGION"}, "eu-north-1", false, uriVariable + "=own AWS_REGION=own", 1},
		"URI, region and STS":    {[]string{uriVariable, "AWS_DEFAULT_REGION", stsVariable}, "eu-north-1", true, uriVariable + "=own AWS_DEFAULT_REGION=own " + stsVariable + "=own", 0},
		"region by flag":         {nil, "eu-north-1", false, region + " " + both, 1},
		"STS by flag":            {nil, "", true, sts + " " + both, 1},
		"region and STS by flag": {nil, "eu-north-1", true, sts + " " + region + " " + both, 1},
		"URI, region by flag":    {[]string{uriVariable}, "eu-north-1", false, uriVariable + "=own " + region, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var env []string
			for _, v := range row.has {
				env = append(env, `{"name":"`+v+`","value":"own"}`)
			}
			pod := injected(t, newInjector(func(s *Settings) { s.Region, s.RegionalSTS = row.region, row.sts }),
				`{"metadata":{},"spec":{"serviceAccountName":"bench-3","containers":[{"name":"a","env":[`+strings.Join(env, ",")+`]}]}}`)
			c := pod.Spec.Containers[0]
			if got := variables(c); got != row.want || len(c.VolumeMounts) != row.mounts {
				t.Errorf("got %s with %d mounts\nwant %s with %d", got, len(c.VolumeMounts), row.want, row.mounts)
			}
		})
	}
}

// INJ-07: an existing volume or mount of the token's name is kept.
func TestExistingVolumeAndMount(t *testing.T) {
	pod := injected(t, newInjector(nil), `{"metadata":{},"spec":{"serviceAccountName":"bench-3","volumes":[{"name":"eks-pod-identity-token","emptyDir":{}}],
		"containers":[{"name":"a","volumeMounts":[{"name":"eks-pod-identity-token","mountPath":"/own"}]}]}}`)
	c := pod.Spec.Containers[0]
	if len(pod.Spec.Volumes) != 1 || pod.Spec.Volumes[0].EmptyDir == nil || len(c.VolumeMounts) != 1 || c.VolumeMounts[0].MountPath != "/own" || variables(c) != both {
		t.Errorf("got volumes %v, mounts %v, variables %s", pod.Spec.Volumes, c.VolumeMounts, variables(c))
	}
}

// A pod that is reviewed again, as with reinvocationPolicy IfNeeded, gets no patch.
func TestInjectingAgainChangesNothing(t *testing.T) {
	const pod = `{"metadata":{"name":"p"},"spec":{"serviceAccountName":"bench-3","containers":[{"name":"a"}],"initContainers":[{"name":"i"}]}}`
	i := newInjector(nil)
	once := apply(t, pod, inject(t, i, pod))
	if again := inject(t, i, once); again.Patch != nil || again.Method != ContainerCredentials {
		t.Errorf("got %s", again.Patch)
	}
}

// INJ-09.
func TestLabel(t *testing.T) {
	for _, metadata := range []string{`"metadata":{},`, `"metadata":{"labels":null},`, `"metadata":{"labels":{}},`, `"metadata":{"labels":{"a":"b"}},`,
		`"metadata":{"labels":{"eks.amazonaws.com/pod-identity":"other"}},`, `"metadata":null,`, ``} {
		pod := injected(t, newInjector(nil), `{`+metadata+`"spec":{"serviceAccountName":"bench-3","containers":[{"name":"a"}]}}`)
		if pod.Labels["eks.amazonaws.com/pod-identity"] != "enabled" || strings.Contains(metadata, `"a"`) && pod.Labels["a"] != "b" {
			t.Errorf("%s: labels are %v", metadata, pod.Labels)
		}
	}
}

// TOK-02, TOK-03.
func TestExpiration(t *testing.T) {
	for name, row := range map[string]struct {
		flag       int64
		annotation string
		random     int64
		want       int64
	}{
		"default, most":          {86400, "", 0, 86400},
		"default, least":         {86400, "", 7200, 79200},
		"flag":                   {3600, "", 5, 3600},
		"flag below the minimum": {1, "", 5, 600},
		"annotation":             {86400, "1234", 5, 1234},
		"annotation over flag":   {3600, "1234", 5, 1234},
		"annotation too low":     {3600, "599", 5, 600},
		"annotation negative":    {3600, "-1", 5, 600},
		"annotation no integer":  {3600, "1h", 5, 3600},
		"annotation of default":  {3600, "86400", 5, 86395},
		"annotation above":       {3600, "172800", 5, 172800},
	} {
		t.Run(name, func(t *testing.T) {
			annotations := "{}"
			if row.annotation != "" {
				annotations = `{"eks.amazonaws.com/token-expiration":"` + row.annotation + `"}`
			}
			pod := injected(t, newInjector(func(s *Settings) {
				s.Expiration = row.flag
				s.Random = func(n int64) int64 {
					if n != 7201 {
						t.Errorf("drawn from [0,%d)", n)
					}
					return row.random
				}
			}), `{"metadata":{"annotations":`+annotations+`},"spec":{"serviceAccountName":"bench-3","containers":[{"name":"a"}]}}`)
			if got := *pod.Spec.Volumes[0].Projected.Sources[0].ServiceAccountToken.ExpirationSeconds; got != row.want {
				t.Errorf("token lives %d s, want %d", got, row.want)
			}
		})
	}
}

func TestWindowsPath(t *testing.T) {
	for _, label := range []string{"kubernetes.io/os", "beta.kubernetes.io/os"} {
		pod := injected(t, newInjector(nil), `{"metadata":{},"spec":{"nodeSelector":{"`+label+`":"windows"},"serviceAccountName":"bench-3","containers":[{"name":"a"}]}}`)
		if got := pod.Spec.Containers[0].Env[1].Value; got != `C:\var\run\secrets\pods.eks.amazonaws.com\serviceaccount\eks-pod-identity-token` {
			t.Errorf("token file is %s", got)
		}
	}
}

func TestWhatIsNoPod(t *testing.T) {
	for pod, want := range map[string]string{
		``:     "",
		`null`: "",
		`[]`:   "field pod",
		`{`:    "field pod",
		`{"spec":{"serviceAccountName":"bench-3","containers":[5]}}`:                                    "field containers",
		`{"spec":{"serviceAccountName":"bench-3","containers":{}}}`:                                     "field containers",
		`{"spec":{"serviceAccountName":"bench-3","containers":[{"name":"a","env":5}]}}`:                 "field env",
		`{"spec":{"serviceAccountName":"bench-3","volumes":7}}`:                                         "field volumes",
		`{"metadata":{"labels":5},"spec":{"serviceAccountName":"bench-3","containers":[{"name":"a"}]}}`: "field labels",
		`{"spec":{"serviceAccountName":5}}`:                                                             "field serviceAccountName",
	} {
		result, err := newInjector(nil).Inject(t.Context(), "bench", []byte(pod))
		if result.Patch != nil || want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error about %q", pod, err, want)
		}
	}
}

// BenchmarkInject: 2 containers and 1 init container, the pod of upstream's measurements.
func BenchmarkInject(b *testing.B) {
	data, err := os.ReadFile("testdata/pod-with-volumes.json")
	if err != nil {
		b.Fatal(err)
	}
	var recorded struct{ Pod json.RawMessage }
	if err := json.Unmarshal(data, &recorded); err != nil {
		b.Fatal(err)
	}
	i := New(associated{}, annotated(nil), DefaultSettings())
	b.ReportAllocs()
	for b.Loop() {
		if result, err := i.Inject(b.Context(), "bench", recorded.Pod); err != nil || result.Patch == nil {
			b.Fatal(err)
		}
	}
}

// Names must match exactly, as in the API server.
func TestNamesOfAnotherCase(t *testing.T) {
	pod := `{"metadata":{},"spec":{"serviceAccountName":"bench-3","Volumes":[{"name":"eks-pod-identity-token"}],"containers":[
		{"name":"a","env":[{"NAME":"` + uriVariable + `","value":"own"}],"VolumeMounts":[{"name":"eks-pod-identity-token"}]}]}}`
	got := inject(t, newInjector(nil), pod)
	for _, want := range []string{`"/spec/volumes"`, `"name":"` + uriVariable + `"`, `"volumeMounts":[{`} {
		if !strings.Contains(string(got.Patch), want) {
			t.Errorf("no %s in %s", want, got.Patch)
		}
	}
}

// Upstream's webhook decodes containers and encodes them again, so fields that its types lack are lost. The rest of the pod
// is not encoded again. epi's own webhook loses nothing.
func TestKnownFieldsOnly(t *testing.T) {
	pod := []byte(`{"metadata":{"labels":{}},"spec":{"later":1,"serviceAccountName":"bench-3","containers":[{"name":"a","later":2,"image":"i"}]}}`)
	for _, only := range []bool{false, true} {
		result, err := newInjector(func(s *Settings) { s.KnownFieldsOnly = only }).Inject(t.Context(), "bench", pod)
		if err != nil {
			t.Fatal(err)
		}
		patch, err := jsonpatch.DecodePatch(result.Patch)
		if err != nil {
			t.Fatal(err)
		}
		patched, err := patch.Apply(pod)
		if err != nil {
			t.Fatal(err)
		}
		if kept := strings.Contains(string(patched), `"later":2`); kept == only {
			t.Errorf("known fields only: %t, but the container's unknown field is there: %t", only, kept)
		}
		for _, want := range []string{`"later":1`, `"image":"i"`, "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
			if !strings.Contains(string(patched), want) {
				t.Errorf("known fields only: %t, %s is not there:\n%s", only, want, patched)
			}
		}
	}
}
