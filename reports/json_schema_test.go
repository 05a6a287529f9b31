package reports

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

// jsonSchemas are the published JSON Schemas (https://json-schema.org/draft/2020-12) by the file that they describe. They
// are generated from the model, so that both have the same fields.
var jsonSchemas = map[string]struct {
	file, version, title string
	model                any
}{
	ResultsFile: {"results.v1.json", Schema, "Results of a run of epi", Run{}},
	BenchFile:   {"bench.v1.json", BenchSchema, "Benchmark of a run of epi", benchRecord{}},
}

// schemaID is the address of a schema.
const schemaID = "https://raw.githubusercontent.com/podidentity/epi/main/reports/schema/"

// schemaOf is the schema of a file. An open one allows unknown fields, because versions of epi add some. A closed one
// refuses them.
func schemaOf(t *testing.T, name string, open bool) []byte {
	t.Helper()
	described := jsonSchemas[name]
	reflector := jsonschema.Reflector{AllowAdditionalProperties: open, Anonymous: true, Mapper: mapped}
	if err := reflector.AddGoComments("github.com/podidentity/epi/reports", "."); err != nil {
		t.Fatal(err)
	}
	// A comment of Go begins with the name of what it is about and may say what is for programmers alone.
	for of, comment := range reflector.CommentMap {
		reflector.CommentMap[of] = strings.TrimSpace(strings.ReplaceAll(comment, "\n", " "))
	}
	schema := reflector.ReflectFromType(reflect.TypeOf(described.model))
	schema.ID, schema.Title = jsonschema.ID(schemaID+described.file), described.title
	root := schema.Definitions[reflect.TypeOf(described.model).Name()]
	root.Description = "The contents of " + name + ", as a version of epi wrote it that may be newer or older than this schema."
	version, _ := root.Properties.Get("schema")
	version.Const, version.Description = described.version, "The version of this schema. Within it fields are only added; what one means never changes."
	data, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(nullable(t, data), '\n')
}

// mapped are types whose JSON does not follow from their kind.
func mapped(of reflect.Type) *jsonschema.Schema {
	switch of {
	case reflect.TypeFor[Outcome]():
		var values []any
		for _, outcome := range outcomes {
			values = append(values, string(outcome))
		}
		return &jsonschema.Schema{Type: "string", Enum: values}
	case reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{Type: "integer", Minimum: "0", Description: "nanoseconds"}
	}
	return nil
}

// nullable lets required lists be null, because Go writes empty ones so.
func nullable(t *testing.T, data []byte) []byte {
	t.Helper()
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	for _, definition := range schema["$defs"].(map[string]any) {
		definition := definition.(map[string]any)
		properties, _ := definition["properties"].(map[string]any)
		required, _ := definition["required"].([]any)
		for _, name := range required {
			if property := properties[name.(string)].(map[string]any); property["type"] == "array" {
				property["type"] = []any{"array", "null"}
			}
		}
	}
	data, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compiled returns a schema for validation, after it was checked against the schema of schemas.
func compiled(t *testing.T, schema []byte) *validator.Schema {
	t.Helper()
	document, err := validator.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := validator.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	ready, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return ready
}

func validate(t *testing.T, schema *validator.Schema, data []byte) error {
	t.Helper()
	document, err := validator.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

func published(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("schema", jsonSchemas[name].file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The published schemas agree with the model.
func TestSchemasAreOfTheModel(t *testing.T) {
	for name, described := range jsonSchemas {
		want := schemaOf(t, name, true)
		if *update {
			if err := os.WriteFile(filepath.Join("schema", described.file), want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(want), string(published(t, name))); diff != "" {
			t.Errorf("schema/%s is not what the model says (go test ./reports -update rewrites it):\n%s", described.file, diff)
		}
	}
}

// The writers' output is valid, and has no field that a schema lacks.
func TestWrittenFilesFollowTheirSchema(t *testing.T) {
	for name := range jsonSchemas {
		open, closed := compiled(t, published(t, name)), compiled(t, schemaOf(t, name, false))
		validated := 0
		for sample, run := range samples() {
			write, ok := writersOf(run)[name]
			if !ok || strings.HasPrefix(sample, "hostile") {
				continue // an invalid outcome is also refused when it is read
			}
			validated++
			data := written(t, write, run)
			for kind, schema := range map[string]*validator.Schema{"published": open, "closed": closed} {
				if err := validate(t, schema, data); err != nil {
					t.Errorf("%s of %s does not follow the %s schema: %v", name, sample, kind, err)
				}
			}
		}
		if validated < 3 {
			t.Errorf("%s: only %d files validated", name, validated)
		}
	}
}

// Files of older versions of epi follow the schema and can be read, for every version of the schema.
func TestOldRunsFollowTheSchema(t *testing.T) {
	for name := range jsonSchemas {
		files, err := filepath.Glob(filepath.Join("testdata", "runs", "*", name))
		if err != nil || len(files) == 0 {
			t.Fatalf("no old %s: %v", name, err)
		}
		schema := compiled(t, published(t, name))
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(t, schema, data); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			run, err := Open(file)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if name == ResultsFile && len(run.Specs) == 0 || name == BenchFile && run.Bench == nil {
				t.Errorf("%s: nothing was read", file)
			}
		}
	}
}

// Values that no run can have are refused.
func TestSchemasRefuse(t *testing.T) {
	document := func(name string, change func(map[string]any)) []byte {
		run := samples()["gated"]
		var fields map[string]any
		if err := json.Unmarshal(written(t, writersOf(run)[name], run), &fields); err != nil {
			t.Fatal(err)
		}
		change(fields)
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	first := func(fields map[string]any, list string) map[string]any {
		return fields[list].([]any)[0].(map[string]any)
	}
	for name, row := range map[string]struct {
		file   string
		change func(map[string]any)
		valid  bool
	}{
		"as it is":                   {ResultsFile, func(map[string]any) {}, true},
		"a field of a later version": {ResultsFile, func(f map[string]any) { f["novel"] = 1 }, true},
		"another version":            {ResultsFile, func(f map[string]any) { f["schema"] = "epi.results/v2" }, false},
		"the other file's version":   {BenchFile, func(f map[string]any) { f["schema"] = Schema }, false},
		"no version":                 {BenchFile, func(f map[string]any) { delete(f, "schema") }, false},
		"no id":                      {ResultsFile, func(f map[string]any) { delete(f, "id") }, false},
		"a time that is none":        {ResultsFile, func(f map[string]any) { f["started"] = "yesterday" }, false},
		"an outcome that is none":    {ResultsFile, func(f map[string]any) { first(f, "specs")["outcome"] = "passed" }, false},
		"a negative duration":        {ResultsFile, func(f map[string]any) { first(f, "specs")["duration"] = -1 }, false},
		"a duration in words":        {ResultsFile, func(f map[string]any) { first(f, "specs")["duration"] = "3s" }, false},
		"a list that is none":        {ResultsFile, func(f map[string]any) { f["specs"] = "none" }, false},
		"a scenario without a name":  {BenchFile, func(f map[string]any) { delete(first(f, "scenarios"), "name") }, false},
		"a sample that is no number": {BenchFile, func(f map[string]any) {
			first(first(first(f, "scenarios"), "cases"), "metrics")["samples"] = []any{"fast"}
		}, false},
	} {
		err := validate(t, compiled(t, published(t, row.file)), document(row.file, row.change))
		if (err == nil) != row.valid {
			t.Errorf("%s: valid %v, want %v: %v", name, err == nil, row.valid, err)
		}
	}
}

// Every part of a schema has a description.
func TestSchemasDescribeTheirParts(t *testing.T) {
	for name := range jsonSchemas {
		var schema struct {
			Defs map[string]struct {
				Description string `json:"description"`
			} `json:"$defs"`
		}
		if err := json.Unmarshal(published(t, name), &schema); err != nil {
			t.Fatal(err)
		}
		if len(schema.Defs) < 10 {
			t.Errorf("%s: only %d parts", name, len(schema.Defs))
		}
		for _, part := range slices.Sorted(maps.Keys(schema.Defs)) {
			if schema.Defs[part].Description == "" {
				t.Errorf("%s: %s has no description", name, part)
			}
		}
	}
}
