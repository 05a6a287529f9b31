// Package mechanical draws random mutants from the source of the agent and the webhook. They change operators, conditions,
// statements, constants and error paths, one at a time.
//
// It does not use the known libraries: gremlins keeps its mutators internal and changes only single tokens, and no
// statements, constants or error paths.
package mechanical

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation"
)

// left out are folders whose code the suites never run: code for other systems, and the imitation of another
// implementation.
var leftOut = []string{"clusters/agent/upstream"}

// change replaces one place of a file.
type change struct {
	kind     string
	from, to int // offsets
	with     string
}

// All returns every mutant of a subject, in the order of files and places.
func All(root fs.FS, subject mutation.Subject) ([]mutation.Mutant, error) {
	var mutants []mutation.Mutant
	err := fs.WalkDir(root, "clusters/"+string(subject), func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(leftOut, name):
			return fs.SkipDir
		case path.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"), strings.HasSuffix(name, "_other.go"):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		found, err := ofFile(subject, name, string(text))
		mutants = append(mutants, found...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("draw mutants of the %s: %w", subject, err)
	}
	return mutants, nil
}

// Draw returns n mutants of the subjects, all with the same probability, or all mutants if there are fewer. The same seed
// draws the same mutants from the same source.
func Draw(root fs.FS, n int, seed uint64, subjects ...mutation.Subject) ([]mutation.Mutant, error) {
	var all []mutation.Mutant
	for _, subject := range subjects {
		of, err := All(root, subject)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a sample, no secret
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))], nil
}

// Judged reads a file of mutants that survived and are equivalent, name: reason, and marks them. The error names entries
// without a reason. Entries without a mutant, whose source has changed, are ignored, because the same file serves older
// checkouts.
func Judged(mutants []mutation.Mutant, file []byte) error {
	judged := map[string]string{}
	if err := yaml.UnmarshalStrict(file, &judged); err != nil {
		return fmt.Errorf("read judged mutants: %w", err)
	}
	for name, reason := range judged {
		if len(strings.Fields(reason)) < 3 {
			return fmt.Errorf("read judged mutants: %s has no reason", name)
		}
	}
	for i := range mutants {
		mutants[i].Equivalent = judged[mutants[i].Name]
	}
	return nil
}

func ofFile(subject mutation.Subject, name, text string) ([]mutation.Mutant, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	finder := finder{files: files, text: text}
	for _, declaration := range file.Decls {
		ast.Inspect(declaration, finder.visit)
	}
	var mutants []mutation.Mutant
	for _, c := range finder.changes {
		edit, ok := editOf(name, text, c)
		if !ok {
			continue
		}
		sum := sha256.Sum256([]byte(strings.Join([]string{name, c.kind, edit.Replace, edit.With}, "\x00")))
		line := 1 + strings.Count(text[:c.from], "\n")
		mutants = append(mutants, mutation.Mutant{
			Name: fmt.Sprintf("%s-%s-%s", subject, c.kind, hex.EncodeToString(sum[:5])), Subject: subject, Mechanical: true,
			Does:  fmt.Sprintf("has at %s:%d %s instead of %s", name, line, short(c.with), short(text[c.from:c.to])),
			Edits: []mutation.Edit{edit},
		})
	}
	return mutants, nil
}

// short is a piece of source in a line.
func short(text string) string {
	line := strings.Join(strings.Fields(text), " ")
	if line == "" {
		return "nothing"
	}
	if runes := []rune(line); len(runes) > 60 {
		line = string(runes[:60]) + "…"
	}
	return "`" + line + "`"
}

// editOf extends a place to whole lines until its text occurs once.
func editOf(name, text string, c change) (mutation.Edit, bool) {
	from, to := c.from, c.to
	for {
		from = strings.LastIndexByte(text[:from], '\n') + 1
		if end := strings.IndexByte(text[to:], '\n'); end >= 0 {
			to += end
		} else {
			to = len(text)
		}
		if strings.Count(text, text[from:to]) == 1 {
			return mutation.Edit{File: name, Replace: text[from:to], With: text[from:c.from] + c.with + text[c.to:to]}, true
		}
		if from == 0 && to == len(text) {
			return mutation.Edit{}, false
		}
		from, to = max(0, from-1), min(len(text), to+1)
	}
}

type finder struct {
	files   *token.FileSet
	text    string
	changes []change
}

// swapped maps operators to their replacements.
var swapped = map[token.Token][]token.Token{
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.QUO}, token.QUO: {token.MUL},
}

func (f *finder) add(kind string, from, to token.Pos, with string) {
	c := change{kind: kind, from: f.files.Position(from).Offset, to: f.files.Position(to).Offset, with: with}
	if f.text[c.from:c.to] != with {
		f.changes = append(f.changes, c)
	}
}

func (f *finder) source(node ast.Node) string {
	return f.text[f.files.Position(node.Pos()).Offset:f.files.Position(node.End()).Offset]
}

func (f *finder) visit(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.ImportSpec, *ast.StructType, *ast.InterfaceType:
		return false
	case *ast.CallExpr:
		return !writesForPeople(node)
	case *ast.KeyValueExpr: // the description of a metric is for people
		key, ok := node.Key.(*ast.Ident)
		return !ok || key.Name != "Help"
	case *ast.BinaryExpr:
		for _, with := range swapped[node.Op] {
			f.add("operator", node.OpPos, node.OpPos+token.Pos(len(node.Op.String())), with.String())
		}
		if node.Op == token.NEQ && f.source(node) == "err != nil" {
			f.add("error", node.Pos(), node.End(), "(err != nil && false)")
		}
	case *ast.IfStmt:
		f.add("condition", node.Cond.Pos(), node.Cond.End(), "!("+f.source(node.Cond)+")")
	case *ast.BlockStmt:
		f.statements(node.List)
	case *ast.CaseClause:
		f.statements(node.Body)
	case *ast.CommClause:
		f.statements(node.Body)
	case *ast.Ident:
		switch node.Name {
		case "true":
			f.add("constant", node.Pos(), node.End(), "false")
		case "false":
			f.add("constant", node.Pos(), node.End(), "true")
		}
	case *ast.BasicLit:
		f.literal(node)
	}
	return true
}

func (f *finder) literal(node *ast.BasicLit) {
	switch node.Kind {
	case token.INT:
		if n, err := strconv.ParseInt(node.Value, 0, 64); err == nil {
			f.add("constant", node.Pos(), node.End(), strconv.FormatInt(n+1, 10))
		}
	case token.STRING:
		with := `""`
		if node.Value == with {
			with = `"mutated"`
		}
		f.add("constant", node.Pos(), node.End(), with)
	}
}

// statements removes those that may be missing: calls, assignments to existing variables, and early returns.
func (f *finder) statements(list []ast.Stmt) {
	for _, statement := range list {
		switch statement := statement.(type) {
		case *ast.ExprStmt:
			if call, ok := statement.X.(*ast.CallExpr); ok && writesForPeople(call) {
				continue
			}
		case *ast.AssignStmt:
			if statement.Tok == token.DEFINE {
				continue
			}
		case *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt, *ast.BranchStmt:
		case *ast.ReturnStmt:
			if len(statement.Results) > 0 {
				continue
			}
		default:
			continue
		}
		f.add("statement", statement.Pos(), statement.End(), "")
	}
}

// writesForPeople says that a call writes a log or makes the text of an error. No requirement is about its words.
func writesForPeople(call *ast.CallExpr) bool {
	selected, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	name := strings.TrimSuffix(selected.Sel.Name, "Context")
	if slices.Contains([]string{"Debug", "Info", "Warn", "LogAttrs", "tell", "Errorf", "With"}, name) {
		return true
	}
	of, ok := selected.X.(*ast.Ident)
	return ok && of.Name == "errors" && name == "New"
}
