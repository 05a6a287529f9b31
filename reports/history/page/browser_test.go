package page

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/podidentity/epi/reports/internal/chromium"
)

// axe-core finds no problem in the pages over many runs, at any width. The pages request nothing and log no error.
func TestHistoryInBrowser(t *testing.T) {
	browser := chromium.Start(t)
	dir, _ := written(t, storeOf(t, eventful(60)), Options{Reports: 2})
	files, err := filepath.Glob(filepath.Join(dir, "*.html"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".html")
		t.Run(name, func(t *testing.T) {
			p := chromium.Open(t, browser, file)
			for _, scheme := range []string{"light", "dark"} {
				p.Scheme(scheme)
				for _, width := range []int64{1920, 1280, 390} {
					p.Do(chromedp.EmulateViewport(width, 900))
					if wide := chromium.Evaluate[int](p, `document.documentElement.scrollWidth`); wide > int(width) {
						t.Errorf("at a width of %d the page is %d wide", width, wide)
					}
					p.Look(fmt.Sprintf("history-%s-%s-%d", name, scheme, width))
				}
				p.Accessible(scheme)
			}
			p.Quiet()
		})
	}
}

// Rows of a grid can be searched, filtered and linked to, also with the keyboard alone.
func TestHistoryFilter(t *testing.T) {
	dir, _ := written(t, storeOf(t, eventful(30)), Options{Reports: 1})
	p := chromium.Open(t, chromium.Start(t), filepath.Join(dir, indexFile))
	rows := func() int {
		return chromium.Evaluate[int](p, `[...document.querySelectorAll(".grid-table tbody tr")].filter((row) => row.offsetParent).length`)
	}
	all := rows()
	if all < 20 {
		t.Fatalf("%d rows", all)
	}
	p.Do(chromedp.Focus(`form.rows input[type=search]`), chromedp.KeyEvent("agt-03"))
	p.Expect("rows with the word", 1, rows())
	p.Expect("count", fmt.Sprintf("1 of %d shown", all), chromium.Evaluate[string](p, `document.querySelector("form.rows output").textContent`))
	hidden := chromium.Evaluate[string](p, `[...document.querySelectorAll(".grid-table tbody tr[id]")].find((row) => row.hidden).id`)
	chromium.Evaluate[any](p, `location.hash = "#`+hidden+`"`)
	p.Do(chromedp.WaitVisible(`[id="` + hidden + `"]`))
	p.Expect("rows after a link to a hidden one", all, rows())
	p.Do(chromedp.Focus(`form.rows input[type=radio]`), chromedp.KeyEvent(kb.ArrowRight))
	if n := rows(); n >= all {
		t.Errorf("%d of %d rows after an arrow key", n, all)
	}
	p.Quiet()
}
