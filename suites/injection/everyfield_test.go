package injection

import (
	"encoding/json"
	"reflect"
	"testing"
)

// The pod of INJ-04 has every field of the API's types, also those of a later version of these types.
func TestEveryFieldIsSet(t *testing.T) {
	pod := everyField("ns", "reader")
	var walk func(value reflect.Value, path string)
	walk = func(value reflect.Value, path string) {
		if value.IsZero() {
			t.Errorf("%s is not set", path)
			return
		}
		switch value.Kind() {
		case reflect.Pointer:
			walk(value.Elem(), path)
		case reflect.Slice:
			for i := range value.Len() {
				walk(value.Index(i), path+"[]")
			}
		case reflect.Struct:
			for i := range value.NumField() {
				if field := value.Type().Field(i); field.IsExported() && !isLeaf(value.Type()) {
					walk(value.Field(i), path+"."+field.Name)
				}
			}
		}
	}
	walk(reflect.ValueOf(pod.Spec), "spec")
	if len(pod.Spec.Containers) != sliceLength || len(pod.Spec.InitContainers) != sliceLength || pod.Spec.ServiceAccountName != "reader" {
		t.Errorf("%d containers, %d init containers of %s", len(pod.Spec.Containers), len(pod.Spec.InitContainers), pod.Spec.ServiceAccountName)
	}
}

// isLeaf says of types that have one value to their users.
func isLeaf(kind reflect.Type) bool {
	switch kind.String() {
	case "resource.Quantity", "v1.Time", "v1.FieldsV1", "intstr.IntOrString":
		return true
	}
	return false
}

func TestUnknownFieldsAreFoundAgain(t *testing.T) {
	data, err := json.Marshal(everyField("ns", "reader"))
	if err != nil {
		t.Fatal(err)
	}
	var pod map[string]any
	if err := json.Unmarshal(data, &pod); err != nil {
		t.Fatal(err)
	}
	added := addUnknown(pod["spec"], "spec")
	if found := findUnknown(pod["spec"]); len(found) != len(added) || len(found) < 100 {
		t.Errorf("%d added, %d found", len(added), len(found))
	}
	containers := pod["spec"].(map[string]any)["containers"].([]any)
	delete(containers[2].(map[string]any), unknownField)
	if found := findUnknown(pod["spec"]); len(found) != len(added)-1 {
		t.Errorf("one of %d is gone, %d found", len(added), len(found))
	}
}
