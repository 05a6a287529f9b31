package mutation

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"

	"github.com/podidentity/epi/framework/requirement"
)

// PageFile is the name of the matrix as a page.
const PageFile = "mutation.html"

//go:embed html
var htmlFiles embed.FS

type group struct {
	Subject Subject
	Rows    []row
}

type row struct {
	Result Result
	Cells  []cell
}

// cell is a mutant and a requirement.
type cell struct{ Class, Mark, Title string }

// WriteHTML writes the matrix as one page that loads nothing.
func (m *Matrix) WriteHTML(w io.Writer) error {
	style, err := htmlFiles.ReadFile("html/matrix.css")
	if err != nil {
		return fmt.Errorf("write page of mutants: %w", err)
	}
	page, err := template.ParseFS(htmlFiles, "html/matrix.tmpl")
	if err != nil {
		return fmt.Errorf("write page of mutants: %w", err)
	}
	sum := sha256.Sum256(style)
	columns := m.columns()
	err = page.Execute(w, struct {
		Matrix        *Matrix
		Title, Policy string
		Style         template.CSS
		Columns       []requirement.Requirement
		Groups        []group
		Unproven      []string
		Problems      []Result
	}{
		m, fmt.Sprintf("%d of %d mutants killed", m.Count(Killed), len(m.Mutants)),
		"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
		template.CSS(style), columns, m.groups(columns), m.unproven(requirement.Must),
		slices.DeleteFunc(slices.Clone(m.Mutants), func(r Result) bool { return r.Verdict == Killed }),
	})
	if err != nil {
		return fmt.Errorf("write page of mutants: %w", err)
	}
	return nil
}

// columns are the requirements of all mutants, in the catalogue's order.
func (m *Matrix) columns() []requirement.Requirement {
	var list []requirement.Requirement
	for _, r := range requirement.All() {
		if slices.ContainsFunc(m.Mutants, func(result Result) bool {
			return slices.Contains(result.Declared, r.ID) || slices.Contains(result.Failed, r.ID)
		}) {
			list = append(list, r)
		}
	}
	return list
}

func (m *Matrix) groups(columns []requirement.Requirement) []group {
	var list []group
	for _, result := range m.Mutants {
		if len(list) == 0 || list[len(list)-1].Subject != result.Subject {
			list = append(list, group{Subject: result.Subject})
		}
		r := row{Result: result}
		for _, column := range columns {
			r.Cells = append(r.Cells, result.cell(column.ID))
		}
		list[len(list)-1].Rows = append(list[len(list)-1].Rows, r)
	}
	return list
}

func (r Result) cell(id string) cell {
	declared, failed := slices.Contains(r.Declared, id), slices.Contains(r.Failed, id)
	title := r.Name + ", " + id
	switch {
	case declared && failed:
		return cell{"killed", "●", title}
	case declared && (r.Verdict == Undone || slices.Contains(r.Undecided, id)):
		return cell{"undecided", "?", title}
	case declared:
		return cell{"survived", "✗", title}
	case failed:
		return cell{"collateral", "○", title}
	default:
		return cell{}
	}
}
