package suites

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
)

// refusing are the names by which a spec expects a refusal or an absence.
var refusing = setOf(`RefuseWith BeRefusedWith GrantNothing HaveNoCredentials HaveNoIdentity GetNoMetadata BeDenied BeRefusedCredentials
	expectDenied beUntrusted notTrusted refused notFound invalid refusal
	StatusBadRequest StatusUnauthorized StatusForbidden StatusNotFound StatusRequestTimeout StatusConflict StatusUnsupportedMediaType
	StatusTooManyRequests StatusInternalServerError StatusServiceUnavailable`)

// absent are the names of what must be empty for an absence.
var absent = setOf("Injected InjectedRole injectedContainers tokenMounts SessionCalls")

// granting are the names by which a spec shows that the subject does not refuse everything. Those of fixtures are
// among them that fail if the subject refuses what they ask for.
var granting = setOf(`GrantCredentials GrantTheSameAs GrantOthersThan Succeed Associate AwaitAssociation AwaitRole AwaitSession
	NewSession newTenant takeRole associated BeSessionOf BeTheNodeRole BeDownloadOf GetMetadataOf expectAllowed expectBoth haveAssociation
	injectedContainers StatusOK`)

// withoutControl are specs, by their texts, that need no positive control, and why.
var withoutControl = map[string]string{
	"makes its link with its address and route, however often it runs, and the agent serves there": "the refusal shows that the agent serves",
	"says soon that it gets no credentials":                                                        "a client below the version that knows Pod Identity has no other credentials; the kind of its failure shows that it ran",
}

func setOf(list string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(list) {
		set[name] = true
	}
	return set
}

// TestRefusalsHaveAPositiveControl: a subject that refuses everything, or does nothing, must fail every spec that
// expects a refusal.
func TestRefusalsHaveAPositiveControl(t *testing.T) {
	unused := map[string]bool{}
	for text := range withoutControl {
		unused[text] = true
	}
	specs := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, spec := range specsOf(file) {
			refuses, grants := expectations(spec.body)
			if !refuses {
				continue
			}
			specs++
			if grants {
				continue
			}
			if _, known := withoutControl[spec.text]; known {
				delete(unused, spec.text)
				continue
			}
			t.Errorf("%s: %q expects a refusal, and nothing shows that the subject does not refuse everything", path, spec.text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for text := range unused {
		t.Errorf("%q needs no exception", text)
	}
	if specs < 50 {
		t.Errorf("only %d specs with a refusal were found", specs)
	}
}

func TestExpectations(t *testing.T) {
	for body, want := range map[string][2]bool{
		`Expect(answer).To(RefuseWith(400, "x"))`:                                              {true, false},
		`Expect(answer).To(GrantCredentials()); Expect(other).To(RefuseWith(400, "x"))`:        {true, true},
		`Expect(workload.Injected(pod)).To(BeEmpty())`:                                         {true, false},
		`workload.AwaitAssociation(ctx, env, a); Expect(workload.Injected(pod)).To(BeEmpty())`: {true, true},
		`Expect(workload.Injected(pod)).NotTo(BeEmpty())`:                                      {false, true},
		`Expect(reply.Status).To(Equal(http.StatusBadRequest))`:                                {true, false},
		`Expect(answer).NotTo(RefuseWith(400, "x"))`:                                           {true, false},
		`Expect(err).NotTo(HaveOccurred())`:                                                    {false, false},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() {"+body+"}", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if refuses, grants := expectations(file); refuses != want[0] || grants != want[1] {
			t.Errorf("%s: refuses %t, grants %t, want %v", body, refuses, grants, want)
		}
	}
}

type spec struct {
	text string
	body ast.Node
}

// specsOf returns the specs of a file: the calls of It.
func specsOf(file *ast.File) []spec {
	var specs []spec
	ast.Inspect(file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 {
			return true
		}
		if name, ok := call.Fun.(*ast.Ident); !ok || name.Name != "It" {
			return true
		}
		if literal, ok := call.Args[0].(*ast.BasicLit); ok {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				specs = append(specs, spec{text, call.Args[len(call.Args)-1]})
			}
		}
		return false
	})
	return specs
}

// expectations reports whether a body expects a refusal or an absence, and whether it expects something to be granted.
func expectations(body ast.Node) (refuses, grants bool) {
	ast.Inspect(body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.Ident:
			refuses = refuses || refusing[node.Name]
			grants = grants || granting[node.Name]
		case *ast.CallExpr:
			if empty, inverted := emptiness(node); empty && uses(node, absent) {
				refuses, grants = refuses || !inverted, grants || inverted
			}
		}
		return true
	})
	return refuses, grants
}

// emptiness reports whether a call is Expect(…).To(BeEmpty()), and whether it is NotTo.
func emptiness(call *ast.CallExpr) (empty, inverted bool) {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 || !uses(call.Args[0], setOf("BeEmpty")) {
		return false, false
	}
	switch selector.Sel.Name {
	case "To", "Should":
		return true, false
	case "NotTo", "ShouldNot":
		return true, true
	}
	return false, false
}

// uses reports whether one of the names occurs in a part of a program.
func uses(node ast.Node, names map[string]bool) (found bool) {
	ast.Inspect(node, func(node ast.Node) bool {
		if name, ok := node.(*ast.Ident); ok {
			found = found || names[name.Name]
		}
		return !found
	})
	return found
}
