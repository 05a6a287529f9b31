package reports

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var screenshots = flag.String("screenshots", "", "folder for pictures of the report, to be looked at")

// browser starts a headless Chromium with nothing but a fresh profile.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on the path: the report was not opened (Debian: apt-get install chromium)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1280, 900))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// tab is a page of the browser with what it complained about and asked for.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	requests   []string
}

// open opens the report of a run from disk in a new tab.
func open(t *testing.T, browser context.Context, run Run) *tab {
	t.Helper()
	file := filepath.Join(t.TempDir(), HTMLFile)
	if err := writeFile(filepath.Dir(file), HTMLFile, WriteHTML, run); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	opened := &tab{t: t, ctx: ctx}
	err := chromedp.Listen(ctx, func(event any) {
		opened.mu.Lock()
		defer opened.mu.Unlock()
		switch event := event.(type) {
		case *network.EventRequestWillBeSent:
			opened.requests = append(opened.requests, event.Request.URL)
		case *runtime.EventExceptionThrown:
			opened.complaints = append(opened.complaints, fmt.Sprintf("exception: %+v", event.ExceptionDetails))
		case *runtime.EventConsoleAPICalled:
			opened.complaints = append(opened.complaints, fmt.Sprintf("console.%s", event.Type))
		case *log.EventEntryAdded:
			opened.complaints = append(opened.complaints, fmt.Sprintf("%s: %s", event.Entry.Level, event.Entry.Text))
		case *page.EventJavascriptDialogOpening:
			opened.complaints = append(opened.complaints, "dialog: "+event.Message)
		}
	})
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	opened.do(chromedp.Navigate((&url.URL{Scheme: "file", Path: file}).String()))
	return opened
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

func evaluate[T any](p *tab, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

func (p *tab) expect(what string, want any, got any) {
	p.t.Helper()
	if fmt.Sprint(want) != fmt.Sprint(got) {
		p.t.Errorf("%s: want %v, got %v", what, want, got)
	}
}

// shown is how many rows of the table of requirements are to be seen.
func (p *tab) shown() int {
	p.t.Helper()
	return evaluate[int](p, `[...document.querySelectorAll("table.requirements tbody tr")].filter((row) => row.offsetParent).length`)
}

// quiet checks that the page asked for nothing but itself and complained about nothing.
func (p *tab) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, request := range p.requests {
		if !strings.HasPrefix(request, "file://") && request != "data:," {
			p.t.Errorf("the page asked for %s", request)
		}
	}
	if len(p.requests) == 0 {
		p.t.Error("no request seen, not even for the page")
	}
	for _, complaint := range p.complaints {
		p.t.Errorf("the browser complained: %s", complaint)
	}
}

// look takes a picture of the whole page, if pictures are asked for.
func (p *tab) look(name string) {
	p.t.Helper()
	if *screenshots == "" {
		return
	}
	shoot := chromedp.FullScreenshot(100)
	if evaluate[int](p, `document.documentElement.scrollHeight`) > 16000 {
		shoot = chromedp.CaptureScreenshot() // the browser takes no larger picture
	}
	picture, err := chromedp.Run(p.ctx, shoot)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) scheme(value string) {
	p.t.Helper()
	p.media(emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}})
}

func (p *tab) media(params emulation.SetEmulatedMediaParams) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, params); err != nil {
		p.t.Fatal(err)
	}
}

func TestReportInBrowser(t *testing.T) {
	browser := browser(t)
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
			verdict := run.Verdict()
			p.expect("verdict", verdict.word(), evaluate[string](p, `document.querySelector("h1").textContent`))
			p.expect("sentence", strings.ToLower(plain(verdict.finding())+"."), strings.ToLower(evaluate[string](p, `document.querySelector(".finding").textContent`)))
			rows := len(run.RequirementResults())
			if run.onlyBench() {
				rows = 0
			}
			p.expect("rows", rows, p.shown())
			p.expect("failures", len(run.failures()), evaluate[int](p, `document.querySelectorAll("#failures article").length`))
			p.expect("problems", len(run.Problems)+len(run.Absences), evaluate[int](p, `document.querySelectorAll("#problems article").length`))
			p.expect("specs", len(run.Specs), evaluate[int](p, `document.querySelectorAll(".spec-list tbody tr").length`))
			p.expect("scenarios", benchCounts(run), evaluate[[]int](p, `[".scenario", ".plot:not(.low)", ".judged:first-of-type tbody tr"].map((at) => document.querySelectorAll("#bench " + at).length)`))
			p.expect("dead links", "[]", evaluate[[]string](p, `[...document.querySelectorAll('a[href^="#"]')].map((a) => decodeURIComponent(a.hash.slice(1))).filter((id) => !document.getElementById(id))`))
			p.expect("links to elsewhere that are not http", 0, evaluate[int](p, `[...document.links].filter((a) => !a.getAttribute("href").startsWith("#") && !/^https?:$/.test(a.protocol)).length`))
			p.expect("elements from outside the templates", 0, evaluate[int](p, `document.querySelectorAll("img, iframe, b > *, script:not(:last-of-type), [onerror], [onload], [style]").length`))
			p.expect("duplicate ids", "[]", evaluate[[]string](p, `[...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)`))
			p.look(name)
			p.scheme("dark")
			p.look(name + "-dark")
			p.scheme("light")
			evaluate[any](p, `document.querySelectorAll("details").forEach((d) => { d.open = true; })`)
			for _, width := range []int64{1280, 760, 360} {
				p.do(chromedp.EmulateViewport(width, 900))
				if wide := evaluate[int](p, `document.documentElement.scrollWidth`); wide > int(width) {
					t.Errorf("at a width of %d the page is %d wide: %v", width, wide, evaluate[[]string](p,
						`[...document.querySelectorAll("main *, header *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")).slice(0, 5).map((e) => e.outerHTML.slice(0, 120))`))
				}
				p.expect(fmt.Sprintf("texts squeezed at a width of %d", width), "[]", evaluate[[]string](p,
					`[...document.querySelectorAll(".statement, .spec-list tbody th, .phases tbody th, .finding-card pre")].filter((e) => e.clientWidth < Math.min(innerWidth * .3, 280)).map((e) => e.className + " " + e.clientWidth)`))
				p.look(fmt.Sprintf("%s-%d", name, width))
			}
			p.quiet()
		})
	}
}

// benchCounts are the numbers of scenarios, plots and thresholds that the page has to show.
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

// Of many scenarios the plots are folded away, but for those that failed.
func TestReportFoldsScenarios(t *testing.T) {
	p := open(t, browser(t), gated())
	p.expect("open plots", "[herd-same]", evaluate[[]string](p, `[...document.querySelectorAll(".scenario:has(> details[open]) .name")].map((e) => e.textContent)`))
	p.expect("tables to be seen", 5, evaluate[int](p, `[...document.querySelectorAll(".measures")].filter((e) => e.offsetParent).length`))
	evaluate[any](p, `location.hash = "#scenario-1"`)
	p.do(chromedp.WaitVisible(`#scenario-1 .plot`))
	p.expect("tooltips", "rate=200: 50% of requests within 0.595 ms", evaluate[string](p, `document.querySelectorAll("#scenario-1 circle")[2].querySelector("title").textContent`))
	p.quiet()
}

func TestReportFilter(t *testing.T) {
	p := open(t, browser(t), failing())
	all := len(failing().RequirementResults())
	pick := func(name, value string) {
		t.Helper()
		p.do(chromedp.Click(`input[name=` + name + `][value="` + value + `"]`))
	}
	choose := func(outcome string) {
		t.Helper()
		pick("outcome", outcome)
	}
	choose("fail")
	p.expect("failed rows", 4, p.shown())
	p.expect("count", fmt.Sprintf("4 of %d shown", all), evaluate[string](p, `document.getElementById("shown").textContent`))
	p.look("filtered")

	p.do(chromedp.SendKeys(`input[type=search]`, "inj EACH"))
	p.expect("failed rows with the words", 1, p.shown())
	choose("pass")
	p.expect("passed rows with the words", 0, p.shown())

	// A link to a row that is hidden shows it.
	evaluate[any](p, `location.hash = "#req-INJ-01"`)
	p.do(chromedp.WaitVisible(`#req-INJ-01`))
	p.expect("rows", all, p.shown())

	pick("profile", "webhook")
	p.expect("rows of the webhook", 4, p.shown())
	pick("level", "SHOULD")
	p.expect("its rows that are good to have", 1, p.shown())
	choose("fail")
	p.expect("its failed rows that are good to have", 0, p.shown())
	choose("")
	pick("level", "")
	pick("profile", "")
	p.expect("rows", all, p.shown())

	choose("not-supported")
	p.expect("rows not supported", 2, p.shown())
	p.do(chromedp.Focus(`input[name=outcome][value="not-supported"]`))
	p.do(chromedp.KeyEvent(kb.ArrowLeft))
	p.expect("rows after an arrow key", 4, p.shown())
	p.quiet()
}

// Of many failures the later ones are folded away, until a link leads to one.
func TestReportFoldsFailures(t *testing.T) {
	run := failing()
	for n := range 12 {
		spec := run.Specs[0]
		spec.Name, spec.Outcome, spec.Failure = fmt.Sprintf("Webhook injects %02d", n), Fail, &Failure{Message: "no"}
		run.Specs = append(run.Specs, spec)
	}
	p := open(t, browser(t), run)
	p.expect("open failures", openFailures, evaluate[int](p, `document.querySelectorAll(".finding-card > details[open]").length`))
	p.expect("failures whose name is to be seen", len(run.failures()), evaluate[int](p, `[...document.querySelectorAll(".finding-card h3")].filter((e) => e.offsetParent).length`))
	last := evaluate[string](p, `[...document.querySelectorAll(".finding-card")].at(-1).id`)
	evaluate[any](p, `location.hash = "#`+last+`"`)
	p.do(chromedp.WaitVisible(`#` + last + ` .command`))
	p.look("folded")
	p.quiet()
}

// Paper shows what is folded away, and no controls.
func TestReportOnPaper(t *testing.T) {
	p := open(t, browser(t), failing())
	p.media(emulation.SetEmulatedMediaParams{Media: "print"})
	p.do(chromedp.EmulateViewport(720, 1018)) // A4 less the browser's margins, in CSS pixels
	open := evaluate[int](p, `document.querySelectorAll("details[open]").length`)
	evaluate[any](p, `dispatchEvent(new Event("beforeprint"))`)
	p.expect("folded", 0, evaluate[int](p, `document.querySelectorAll("details:not([open])").length`))
	p.expect("controls", 0, evaluate[int](p, `[...document.querySelectorAll("form, nav")].filter((e) => e.offsetParent).length`))
	p.expect("squeezed statements", 0, evaluate[int](p, `[...document.querySelectorAll(".statement")].filter((e) => e.clientWidth < 200).length`))
	if wide := evaluate[int](p, `document.documentElement.scrollWidth`); wide > 720 {
		t.Errorf("on paper the page is %d wide", wide)
	}
	p.look("print")
	evaluate[any](p, `dispatchEvent(new Event("afterprint"))`)
	p.expect("unfolded again", open, evaluate[int](p, `document.querySelectorAll("details[open]").length`))
	p.quiet()
}
