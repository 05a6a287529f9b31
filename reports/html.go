package reports

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed html
var htmlFiles embed.FS

// WriteHTML writes the run as one HTML page for people. It holds its style and its script, loads
// nothing, and forbids the browser by its content security policy to load or run anything else.
func WriteHTML(w io.Writer, run Run) error {
	style, err := htmlFiles.ReadFile("html/report.css")
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	script, err := htmlFiles.ReadFile("html/report.js")
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	page, err := template.ParseFS(htmlFiles, "html/*.tmpl")
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	data := struct {
		htmlPage
		Policy string
		Style  template.CSS
		Script template.JS
	}{
		newHTMLPage(run),
		"default-src 'none'; img-src data:; style-src '" + digest(style) + "'; script-src '" + digest(script) + "'; base-uri 'none'; form-action 'none'",
		template.CSS(style), template.JS(script),
	}
	if err := page.ExecuteTemplate(w, "report.tmpl", data); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	return nil
}

// digest is the source expression that allows one inline element (Content Security Policy 3, §2.3.1).
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
