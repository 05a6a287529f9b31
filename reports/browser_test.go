package reports

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/podidentity/epi/reports/internal/chromium"
)

// open opens the report of a run from disk in a new tab.
func open(t *testing.T, browser context.Context, run Run) *chromium.Tab {
	t.Helper()
	file := filepath.Join(t.TempDir(), HTMLFile)
	if err := writeFile(filepath.Dir(file), HTMLFile, func(w io.Writer) error { return WriteHTML(w, NewFindings(run)) }); err != nil {
		t.Fatal(err)
	}
	return chromium.Open(t, browser, file)
}

// shown is the number of visible rows of the table of requirements.
func shown(p *chromium.Tab) int {
	return chromium.Evaluate[int](p, `[...document.querySelectorAll("table.requirements tbody tr")].filter((row) => row.offsetParent).length`)
}

func TestReportInBrowser(t *testing.T) {
	browser := chromium.Start(t)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	all := samples()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			run := all[name]
			p := open(t, browser, run)
			findings := NewFindings(run)
			verdict := findings.Verdict
			p.Expect("verdict", verdict.label(), chromium.Evaluate[string](p, `document.querySelector("h1").textContent`))
			p.Expect("sentence", strings.ToLower(plain(verdict.finding())+"."), strings.ToLower(chromium.Evaluate[string](p, `document.querySelector(".finding").textContent`)))
			rows := len(findings.Requirements)
			if run.onlyBench() {
				rows = 0
			}
			p.Expect("rows", rows, shown(p))
			p.Expect("failures", len(findings.Failures), chromium.Evaluate[int](p, `document.querySelectorAll("#failures article").length`))
			p.Expect("problems", len(run.Problems)+len(run.Absences), chromium.Evaluate[int](p, `document.querySelectorAll("#problems article").length`))
			p.Expect("specs", len(run.Specs), chromium.Evaluate[int](p, `document.querySelectorAll(".spec-list tbody tr").length`))
			p.Expect("scenarios", benchCounts(run), chromium.Evaluate[[]int](p, `[".scenario", ".plot:not(.low)", ".judged:first-of-type tbody tr"].map((at) => document.querySelectorAll("#bench " + at).length)`))
			p.Expect("dead links", "[]", chromium.Evaluate[[]string](p, `[...document.querySelectorAll('a[href^="#"]')].map((a) => decodeURIComponent(a.hash.slice(1))).filter((id) => !document.getElementById(id))`))
			p.Expect("links to elsewhere that are not http", 0, chromium.Evaluate[int](p, `[...document.links].filter((a) => !a.getAttribute("href").startsWith("#") && !/^https?:$/.test(a.protocol)).length`))
			p.Expect("elements from outside the templates", 0, chromium.Evaluate[int](p, `document.querySelectorAll("img, iframe, b > *, script:not(:last-of-type), [onerror], [onload], [style]").length`))
			p.Expect("duplicate ids", "[]", chromium.Evaluate[[]string](p, `[...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)`))
			p.Look(name)
			p.Scheme("dark")
			p.Look(name + "-dark")
			p.Scheme("light")
			chromium.Evaluate[any](p, `document.querySelectorAll("details").forEach((d) => { d.open = true; })`)
			for _, width := range []int64{1920, 1280, 760, 390, 360} {
				p.Do(chromedp.EmulateViewport(width, 900))
				if wide := chromium.Evaluate[int](p, `document.documentElement.scrollWidth`); wide > int(width) {
					t.Errorf("at a width of %d the page is %d wide: %v", width, wide, chromium.Evaluate[[]string](p,
						`[...document.querySelectorAll("main *, header *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")).slice(0, 5).map((e) => e.outerHTML.slice(0, 120))`))
				}
				p.Expect(fmt.Sprintf("texts squeezed at a width of %d", width), "[]", chromium.Evaluate[[]string](p,
					`[...document.querySelectorAll(".statement, .spec-list tbody th, .phases tbody th, .finding-card pre")].filter((e) => e.clientWidth < Math.min(innerWidth * .3, 280)).map((e) => e.className + " " + e.clientWidth)`))
				p.Look(fmt.Sprintf("%s-%d", name, width))
			}
			p.Quiet()
		})
	}
}

// benchCounts are the numbers of scenarios, plots and thresholds on the page.
func benchCounts(run Run) []int {
	counts := make([]int, 3)
	if run.Bench == nil {
		return counts
	}
	for _, scenario := range run.Bench.Scenarios {
		counts[0]++
		distributions := 0
		for _, c := range scenario.Cases {
			distributions = max(distributions, min(1, len(c.Distribution)))
			counts[1] += min(1, len(c.Series)/fewestIntervals)
		}
		counts[1] += distributions
	}
	counts[2] = len(run.Bench.Thresholds)
	return counts
}

// With many scenarios the plots are folded, except those of failed scenarios.
func TestReportFoldsScenarios(t *testing.T) {
	p := open(t, chromium.Start(t), gated())
	p.Expect("open plots", "[herd-same]", chromium.Evaluate[[]string](p, `[...document.querySelectorAll(".scenario:has(> details[open]) .name")].map((e) => e.textContent)`))
	p.Expect("tables to be seen", 5, chromium.Evaluate[int](p, `[...document.querySelectorAll(".measures")].filter((e) => e.offsetParent).length`))
	chromium.Evaluate[any](p, `location.hash = "#scenario-1"`)
	p.Do(chromedp.WaitVisible(`#scenario-1 .plot`))
	p.Expect("tooltips", "rate=200: 50% of requests within 0.595 ms", chromium.Evaluate[string](p, `document.querySelectorAll("#scenario-1 circle")[2].querySelector("title").textContent`))
	p.Quiet()
}

func TestReportFilter(t *testing.T) {
	p := open(t, chromium.Start(t), failing())
	all := len(NewFindings(failing()).Requirements)
	pick := func(name, value string) {
		t.Helper()
		p.Do(chromedp.Click(`input[name=` + name + `][value="` + value + `"]`))
	}
	choose := func(outcome string) {
		t.Helper()
		pick("outcome", outcome)
	}
	choose("fail")
	p.Expect("failed rows", 4, shown(p))
	p.Expect("count", fmt.Sprintf("4 of %d shown", all), chromium.Evaluate[string](p, `document.getElementById("shown").textContent`))
	p.Look("filtered")

	p.Do(chromedp.SendKeys(`input[type=search]`, "inj EACH"))
	p.Expect("failed rows with the words", 1, shown(p))
	choose("pass")
	p.Expect("passed rows with the words", 0, shown(p))

	// A link to a row that is hidden shows it.
	chromium.Evaluate[any](p, `location.hash = "#req-INJ-01"`)
	p.Do(chromedp.WaitVisible(`#req-INJ-01`))
	p.Expect("rows", all, shown(p))

	pick("profile", "webhook")
	p.Expect("rows of the webhook", 4, shown(p))
	pick("level", "SHOULD")
	p.Expect("its rows that are good to have", 1, shown(p))
	choose("fail")
	p.Expect("its failed rows that are good to have", 0, shown(p))
	choose("")
	pick("level", "")
	pick("profile", "")
	p.Expect("rows", all, shown(p))

	choose("not-supported")
	p.Expect("rows not supported", 2, shown(p))
	p.Do(chromedp.Focus(`input[name=outcome][value="not-supported"]`))
	p.Do(chromedp.KeyEvent(kb.ArrowLeft))
	p.Expect("rows after an arrow key", 4, shown(p))
	p.Quiet()
}

// With many failures the later ones are folded, until a link leads to one.
func TestReportFoldsFailures(t *testing.T) {
	run := failing()
	for n := range 12 {
		spec := run.Specs[0]
		spec.Name, spec.Outcome, spec.Failure = fmt.Sprintf("Webhook injects %02d", n), Fail, &Failure{Message: "no"}
		run.Specs = append(run.Specs, spec)
	}
	p := open(t, chromium.Start(t), run)
	p.Expect("open failures", openFailures, chromium.Evaluate[int](p, `document.querySelectorAll(".finding-card > details[open]").length`))
	p.Expect("failures whose name is to be seen", len(NewFindings(run).Failures), chromium.Evaluate[int](p, `[...document.querySelectorAll(".finding-card h3")].filter((e) => e.offsetParent).length`))
	last := chromium.Evaluate[string](p, `[...document.querySelectorAll(".finding-card")].at(-1).id`)
	chromium.Evaluate[any](p, `location.hash = "#`+last+`"`)
	p.Do(chromedp.WaitVisible(`#` + last + ` .command`))
	p.Look("folded")
	p.Quiet()
}

// A printed page shows what is folded, and no controls.
func TestReportInPrint(t *testing.T) {
	p := open(t, chromium.Start(t), failing())
	p.Media(emulation.SetEmulatedMediaParams{Media: "print"})
	p.Do(chromedp.EmulateViewport(720, 1018)) // A4 less the browser's margins, in CSS pixels
	open := chromium.Evaluate[int](p, `document.querySelectorAll("details[open]").length`)
	chromium.Evaluate[any](p, `dispatchEvent(new Event("beforeprint"))`)
	p.Expect("folded", 0, chromium.Evaluate[int](p, `document.querySelectorAll("details:not([open])").length`))
	p.Expect("controls", 0, chromium.Evaluate[int](p, `[...document.querySelectorAll("form, nav")].filter((e) => e.offsetParent).length`))
	p.Expect("squeezed statements", 0, chromium.Evaluate[int](p, `[...document.querySelectorAll(".statement")].filter((e) => e.clientWidth < 200).length`))
	if wide := chromium.Evaluate[int](p, `document.documentElement.scrollWidth`); wide > 720 {
		t.Errorf("on paper the page is %d wide", wide)
	}
	p.Look("print")
	chromium.Evaluate[any](p, `dispatchEvent(new Event("afterprint"))`)
	p.Expect("unfolded again", open, chromium.Evaluate[int](p, `document.querySelectorAll("details[open]").length`))
	p.Quiet()
}

// axe-core finds no problem in any report, light or dark, wide or on a phone, with everything unfolded.
func TestReportIsAccessible(t *testing.T) {
	browser := chromium.Start(t)
	for _, name := range []string{"failing", "gated", "errored", "hostile"} {
		t.Run(name, func(t *testing.T) {
			run, ok := samples()[name]
			if !ok {
				t.Fatal("no such sample")
			}
			p := open(t, browser, run)
			chromium.Evaluate[any](p, `document.querySelectorAll("details").forEach((d) => { d.open = true; })`)
			for _, scheme := range []string{"light", "dark"} {
				p.Scheme(scheme)
				for _, width := range []int64{1280, 390} {
					p.Do(chromedp.EmulateViewport(width, 900))
					p.Accessible(fmt.Sprintf("%s at %d", scheme, width))
				}
			}
			p.Quiet()
		})
	}
}

// A comparison is a page like the others.
func TestComparisonInBrowser(t *testing.T) {
	browser := chromium.Start(t)
	for name, c := range compared() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "compare.html")
			var page strings.Builder
			if err := WriteComparisonHTML(&page, c); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(page.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			p := chromium.Open(t, browser, file)
			for _, scheme := range []string{"light", "dark"} {
				p.Scheme(scheme)
				for _, width := range []int64{1920, 1280, 390} {
					p.Do(chromedp.EmulateViewport(width, 900))
					if wide := chromium.Evaluate[int](p, `document.documentElement.scrollWidth`); wide > int(width) {
						t.Errorf("at a width of %d the page is %d wide", width, wide)
					}
					p.Look(fmt.Sprintf("compare-%s-%s-%d", strings.ReplaceAll(name, " ", "-"), scheme, width))
				}
				p.Accessible(scheme)
			}
			p.Expect("elements from outside the templates", 0, chromium.Evaluate[int](p, `document.querySelectorAll("img, iframe, script, [onerror], [onload], [style]").length`))
			p.Quiet()
		})
	}
}
