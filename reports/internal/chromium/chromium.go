// Package chromium opens pages of reports in a headless Chromium, for tests.
package chromium

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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
)

var screenshots = flag.String("screenshots", "", "folder for pictures of the pages, to be looked at")

// Start starts a headless Chromium with a new profile.
func Start(t *testing.T) context.Context {
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

// Tab is a page of the browser with its errors and requests.
type Tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	requests   []string
}

// Open opens a file from disk in a new tab.
func Open(t *testing.T, browser context.Context, file string) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	opened := &Tab{t: t, ctx: ctx}
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
	opened.Do(chromedp.Navigate((&url.URL{Scheme: "file", Path: file}).String()))
	return opened
}

// Do executes steps.
func (p *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// Evaluate returns the value of a JavaScript expression.
func Evaluate[T any](p *Tab, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Expect compares a value with the wanted one.
func (p *Tab) Expect(what string, want any, got any) {
	p.t.Helper()
	if fmt.Sprint(want) != fmt.Sprint(got) {
		p.t.Errorf("%s: want %v, got %v", what, want, got)
	}
}

// Quiet checks that the page requested nothing but itself and reported no error.
func (p *Tab) Quiet() {
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

// Look takes a picture of the whole page, if pictures are requested.
func (p *Tab) Look(name string) {
	p.t.Helper()
	if *screenshots == "" {
		return
	}
	shoot := chromedp.FullScreenshot(100)
	if Evaluate[int](p, `document.documentElement.scrollHeight`) > 16000 {
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

// Scheme is light or dark.
func (p *Tab) Scheme(value string) {
	p.t.Helper()
	p.Media(emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}})
}

// Media sets the media type of the page.
func (p *Tab) Media(params emulation.SetEmulatedMediaParams) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, params); err != nil {
		p.t.Fatal(err)
	}
}

// axeVersion is pinned, because newer rules may find more.
const axeVersion = "4.14.1"

// axe is the source of axe-core (https://github.com/dequelabs/axe-core), fetched once by npm into the user's cache.
func axe(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no folder for axe-core: %v", err)
	}
	dir := filepath.Join(cache, "epi-tests", "axe-core-"+axeVersion)
	file := filepath.Join(dir, "node_modules", "axe-core", "axe.min.js")
	source, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		npm, err := exec.LookPath("npm")
		if err != nil {
			t.Skip("no npm on the path: axe-core did not look at the pages (Debian: apt-get install npm)")
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Skipf("no folder for axe-core: %v", err)
		}
		output, err := exec.CommandContext(t.Context(), npm, "install", "--prefix", dir, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "axe-core@"+axeVersion).CombinedOutput()
		if err != nil {
			t.Skipf("npm install axe-core: %v\n%s", err, output)
		}
		source, err = os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(source)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// Accessible reports what axe-core finds in the page: WCAG 2.2 A and AA, and best practices.
func (p *Tab) Accessible(what string) {
	p.t.Helper()
	Evaluate[any](p, axe(p.t)+"\n;null")
	found, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + " " + n.failureSummary)}))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatal(err)
	}
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		p.t.Fatalf("%v: %s", err, found)
	}
	for _, v := range violations {
		p.t.Errorf("%s: %s: %s\n%s", what, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}
