package reports

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"io/fs"
)

//go:embed html
var htmlFiles embed.FS

// WriteHTML writes the run as one HTML page for people. It contains its style and its script, loads nothing, and its
// content security policy forbids the browser to load or run anything else.
func WriteHTML(w io.Writer, findings *Findings) error {
	script, err := htmlFiles.ReadFile("html/report.js")
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	return Page{Template: "report.tmpl", Script: script}.Write(w, newHTMLPage(findings))
}

// Page is a kind of HTML page in the style of the reports: one file with its style and its script. It loads nothing and
// forbids the browser to load or run anything else.
type Page struct {
	// Templates to add to those of the reports; nil for none. Template is the name of the page's.
	Templates fs.FS
	Template  string
	// Style to add to that of the reports.
	Style []byte
	// Script of the page; empty for none.
	Script []byte
}

// Write writes the page about data. Its template has that as .Data, besides .Policy, .Style and .Script.
func (p Page) Write(w io.Writer, data any) error {
	style, err := htmlFiles.ReadFile("html/report.css")
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	style = append(style, p.Style...)
	page, err := template.ParseFS(htmlFiles, "html/*.tmpl")
	if err == nil && p.Templates != nil {
		page, err = page.ParseFS(p.Templates, "*.tmpl")
	}
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	policy := "default-src 'none'; img-src data:; style-src '" + digest(style) + "'"
	if len(p.Script) > 0 {
		policy += "; script-src '" + digest(p.Script) + "'"
	}
	policy += "; base-uri 'none'; form-action 'none'"
	err = page.ExecuteTemplate(w, p.Template, struct {
		Data   any
		Policy string
		Style  template.CSS
		Script template.JS
	}{data, policy, template.CSS(style), template.JS(p.Script)})
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	return nil
}

// digest is the source expression that allows one inline element (Content Security Policy 3, §2.3.1).
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
