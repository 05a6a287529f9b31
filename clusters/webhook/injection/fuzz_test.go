package injection

import (
	"encoding/json"
	"fmt"
	"testing"
)

// FuzzInject: for any pod there is no panic, and the patch applies. An injected pod keeps its own members and needs no
// second patch.
func FuzzInject(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"labels":{"a":"b"}},"spec":{"serviceAccountName":"bench-3","volumes":[],"containers":[{"name":"a","env":[{"name":"A"}]},null]}}`,
		`{"spec":{"serviceAccountName":"bench-3","containers":[{"name":"a","name":"b"}],"containers":[{"volumeMounts":null}]},"metadata":{"annotations":{"eks.amazonaws.com/skip-containers":"a,b"}}}`,
		`{"SPEC":{"serviceAccountName":"bench-3"},"spec":{"serviceAccountName":"bench-3","Containers":[{}],"initContainers":[{}]}}`,
		`null`, `{}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, pod []byte) {
		i := newInjector(nil)
		result, err := i.Inject(t.Context(), "bench", pod)
		if err != nil || result.Patch == nil || !json.Valid(pod) {
			return
		}
		patched := apply(t, string(pod), result)
		var before, after map[string]any
		if err := json.Unmarshal(pod, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(patched), &after); err != nil {
			t.Fatal(err)
		}
		if err := kept(before, after, ""); err != nil {
			t.Fatalf("%v\nbefore %s\nafter %s", err, pod, patched)
		}
		if again := inject(t, i, patched); again.Patch != nil {
			t.Fatalf("injected again: %s", again.Patch)
		}
	})
}

// kept returns the first member of before that after lacks. Lists may have more elements, labels other values, and null may
// have been replaced.
func kept(before, after any, path string) error {
	switch before := before.(type) {
	case nil:
		return nil
	case map[string]any:
		after, ok := after.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is no object any more", path)
		}
		for name, value := range before {
			if name == "eks.amazonaws.com/pod-identity" {
				continue
			}
			if err := kept(value, after[name], path+"/"+name); err != nil {
				return err
			}
		}
	case []any:
		after, ok := after.([]any)
		if !ok || len(after) < len(before) {
			return fmt.Errorf("%s has lost elements", path)
		}
		if path == "/spec/volumes" { // the new one is the first element
			after = after[len(after)-len(before):]
		}
		for n, value := range before {
			if err := kept(value, after[n], fmt.Sprint(path, "/", n)); err != nil {
				return err
			}
		}
	default:
		if before != after {
			return fmt.Errorf("%s was %v and is %v", path, before, after)
		}
	}
	return nil
}
