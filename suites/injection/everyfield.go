package injection

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The webhook's answer to a review", func() {
	It("keeps every field of the Kubernetes API that a pod can have", Covers("INJ-04"), Needs(clusters.WebhookInCluster),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			By("sending a pod in which every field is set, which no API server would admit")
			pod := everyField(association.Namespace, association.ServiceAccount)
			patched := &corev1.Pod{}
			Expect(json.Unmarshal(reviewed(ctx, env, association.Namespace, encode(pod)), patched)).To(Succeed())

			Expect(workload.Injected(patched)).NotTo(BeEmpty(), "what the webhook adds")
			Expect(workload.Uninjected(patched).Spec).To(BeTheSameSpecAs(pod.Spec))
		})

	It("keeps the fields of a Kubernetes that it does not know", Covers("INJ-17"), Needs(clusters.WebhookInCluster),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			By("sending a pod that has a field of no known Kubernetes in each of its objects")
			var pod map[string]any
			Expect(json.Unmarshal(encode(everyField(association.Namespace, association.ServiceAccount)), &pod)).To(Succeed())
			unknown := addUnknown(pod["spec"], "spec")
			var patched map[string]any
			Expect(json.Unmarshal(reviewed(ctx, env, association.Namespace, encode(pod)), &patched)).To(Succeed())

			Expect(findUnknown(patched["spec"])).To(ConsistOf(unknown))
		})
})

// reviewed is the pod, as JSON, with the changes of the webhook's answer to a review of its creation.
func reviewed(ctx SpecContext, env *framework.Env, namespace string, pod []byte) []byte {
	GinkgoHelper()
	reply := workload.AskWebhook(ctx, env, contentType, creation(admissionv1.SchemeGroupVersion.String(), "every-field", namespace, pod))
	Expect(reply).To(AnswerWith(http.StatusOK))
	review := answer(reply.Body)
	Expect(review.Response).NotTo(BeNil(), "the review's response")
	Expect(review.Response.Allowed).To(BeTrue(), "whether the pod is allowed")
	patch, err := jsonpatch.DecodePatch(review.Response.Patch)
	Expect(err).NotTo(HaveOccurred(), "the patch")
	patched, err := patch.Apply(pod)
	Expect(err).NotTo(HaveOccurred(), "applying the patch")
	return patched
}

// everyField is a pod of a service account with every field of its specification set, at every depth. Only names that the
// webhook uses are unchanged.
func everyField(namespace, serviceAccount string) *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "every-field", Namespace: namespace, Labels: map[string]string{"a": "b"}},
	}
	f := filler{}
	f.fill(reflect.ValueOf(&pod.Spec).Elem(), "spec")
	pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount = serviceAccount, serviceAccount
	return pod
}

// filler sets fields to values that are all different, so that exchanged values are noticed.
type filler struct{ count int64 }

func (f *filler) fill(value reflect.Value, path string) {
	f.count++
	switch value.Interface().(type) {
	case resource.Quantity:
		value.Set(reflect.ValueOf(*resource.NewQuantity(f.count, resource.DecimalSI)))
		return
	case metav1.Time:
		value.Set(reflect.ValueOf(metav1.NewTime(time.Unix(f.count, 0).UTC())))
		return
	case metav1.FieldsV1:
		value.Set(reflect.ValueOf(*metav1.NewFieldsV1(fmt.Sprintf(`{"f:a-%d":{}}`, f.count))))
		return
	case intstr.IntOrString:
		value.Set(reflect.ValueOf(intstr.FromInt32(int32(f.count)))) //nolint:gosec // a small number
		return
	}
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			f.fill(value.Field(i), path+"."+value.Type().Field(i).Name)
		}
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		f.fill(value.Elem(), path)
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), sliceLength, sliceLength))
		for i := range sliceLength {
			f.fill(value.Index(i), fmt.Sprint(path, "/", i))
		}
	case reflect.Map:
		key, element := reflect.New(value.Type().Key()).Elem(), reflect.New(value.Type().Elem()).Elem()
		f.fill(key, path+".key")
		f.fill(element, path+".value")
		value.Set(reflect.MakeMap(value.Type()))
		value.SetMapIndex(key, element)
	case reflect.String:
		value.SetString(fmt.Sprintf("%s-%d", strings.ToLower(path[strings.LastIndexByte(path, '.')+1:]), f.count))
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int32, reflect.Int64, reflect.Int:
		value.SetInt(f.count)
	case reflect.Uint8:
		value.SetUint(uint64(f.count) % 256) //nolint:gosec // a small number
	default:
		panic(fmt.Sprintf("field %s: no value for a %s", path, value.Type())) // a test fills a pod
	}
}

// sliceLength is the number of elements of lists: three, because the first or the last one may be changed differently from
// the others.
const sliceLength = 3

const unknownField = "fieldOfALaterKubernetes"

// addUnknown adds a field that Kubernetes does not have to every object below value, and returns their values, which name
// their places.
func addUnknown(value any, path string) []any {
	var added []any
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			added = append(added, addUnknown(member, path+"."+name)...)
		}
		if hasFields(path) {
			value[unknownField] = path
			added = append(added, path)
		}
	case []any:
		for i, element := range value {
			added = append(added, addUnknown(element, fmt.Sprint(path, "/", i))...)
		}
	}
	return added
}

// maps are the members of a pod's specification that are maps, in which no name is unknown.
var maps = []string{
	"nodeSelector", "matchLabels", "overhead", "requests", "limits", "volumeAttributes", "options", "labels", "annotations", "selector", "fieldsV1",
}

// hasFields reports whether the object at the path has fields: a map has not.
func hasFields(path string) bool {
	last := path[strings.LastIndexByte(path, '.')+1:]
	return !slices.Contains(maps, last) && !strings.HasPrefix(last, "f:")
}

// findUnknown returns the values of addUnknown that still exist.
func findUnknown(value any) []any {
	var found []any
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if name == unknownField {
				found = append(found, member)
				continue
			}
			found = append(found, findUnknown(member)...)
		}
	case []any:
		for _, element := range value {
			found = append(found, findUnknown(element)...)
		}
	}
	return found
}
