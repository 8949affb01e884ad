package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"b24export/bitrix/bitrixtest"
)

// TestReportInABrowser opens the page of a run under both limits, with rejects, in
// Chromium. The page must send no requests, log no errors, and be readable on a phone,
// in light and in dark mode.
func TestReportInABrowser(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{
		Seed: 31, Payments: 4000, Refuse: 0.01, Speed: 60, AllowRegets: true, Strict: t,
		Plan: bitrixtest.PlanStandard, Limits: bitrixtest.Limits{Operating: time.Minute, Window: time.Minute},
	})
	p := newFolder(t)
	j := newJob(serve(t, portal, portal), p.url).with("rejects", "max", "5%")
	j["portals"].([]any)[0].(map[string]any)["limits"] = map[string]any{
		"rate": 120, "burst": 50, "operating": "1s", "operating_window": "1s",
	}
	file := j.write(t)
	runJob(t, p.env, file, 3)
	portal.Mutate(300, 1)
	o := runJob(t, p.env, file, 3)
	if o.Pace.Len() < 2 {
		t.Fatalf("%d samples of the pace: nothing to plot", o.Pace.Len())
	}
	page := filepath.Join(t.TempDir(), "report.html")
	output(t, p.env, "report", file, "--out", page)

	browser := startBrowser(t)
	screenshots := os.Getenv("B24EXPORT_SCREENSHOTS") // a folder for the pictures
	backgrounds := map[string]bool{}
	for _, width := range []int64{320, 390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			got := openPage(t, browser, "file://"+page, width, scheme)
			got.wantFaultless(t, width, scheme)
			if want := []string{"payments a second", "requests a second", "operating seconds used"}; len(got.Plots) != len(want) {
				t.Errorf("plots %q, want %q", got.Plots, want)
			} else {
				for i := range want {
					if !strings.HasPrefix(got.Plots[i], want[i]) {
						t.Errorf("plot %q, want %q", got.Plots[i], want[i])
					}
				}
			}
			if got.Limits != 2 {
				t.Errorf("%d lines of limits in the plots, want 2", got.Limits)
			}
			if got.Trends != 3 {
				t.Errorf("%d lines over the snapshots, want rows, changes and minutes", got.Trends)
			}
			if got.picture != nil {
				got.wantPicture(t, width, scheme)
			}
			if screenshots != "" && got.picture != nil {
				name := filepath.Join(screenshots, fmt.Sprintf("report-%d-%s.png", width, scheme))
				if err := os.WriteFile(name, got.picture, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			backgrounds[got.Background] = true
		}
	}
	if len(backgrounds) != 2 {
		t.Errorf("backgrounds %v, want one for light and one for dark", backgrounds)
	}
}

// A page with all faults that the test checks for fails each check.
func TestBrowserFindsFaults(t *testing.T) {
	page := filepath.Join(t.TempDir(), "bad.html")
	const text = `<!doctype html><meta name="viewport" content="width=device-width">
<script>nothing()</script><script>console.error("oh")</script><img src="http://127.0.0.1:9/x.png">
<p style="width: 900px; font-size: 8px; color: #aaa">wide</p>`
	if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := openPage(t, startBrowser(t), "file://"+page, 390, "light")
	if len(got.complaints) < 3 {
		t.Errorf("complaints %q, want an exception, an error on the console and a lost image", got.complaints)
	}
	if !slices.Contains(got.requests, "http://127.0.0.1:9/x.png") {
		t.Errorf("requests %q lack the image", got.requests)
	}
	if got.Scroll <= 390 || got.Smallest > 8 || got.Contrast > 3 {
		t.Errorf("%+v: want a page that is too wide, too small and too pale", got)
	}
}

// browserLimit is the maximum time for all pages.
const browserLimit = time.Minute

// startBrowser starts a Chromium for the test, without a window.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.NoSandbox) // its sandbox does not work for root, and the page is ours
	ctx, cancel := context.WithTimeout(t.Context(), browserLimit)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium (Debian: apt install chromium): %v", err)
	}
	return ctx
}

// look has the measured properties of a page.
type look struct {
	// Scroll and Width are the page's width and the window's, in CSS pixels.
	Scroll, Width int64
	// Beyond has the elements that extend beyond the window, or that have parts that
	// do.
	Beyond []string
	// Smallest is the size of the smallest letter, in CSS pixels. Contrast is the least
	// contrast of a text to the page, as the Web Content Accessibility Guidelines
	// define it.
	Smallest, Contrast float64
	Background         string
	Plots              []string
	Limits, Trends     int

	url        string
	complaints []string
	requests   []string
	picture    []byte // of the whole page, PNG; nil for a page that is narrower than a phone
}

// wantPicture checks the picture: it is as wide as the window, has the brightness of
// the scheme, and is not empty at any height.
func (l *look) wantPicture(t *testing.T, width int64, scheme string) {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(l.picture))
	if err != nil {
		t.Fatal(err)
	}
	size := picture.Bounds()
	if int64(size.Dx()) != width {
		t.Errorf("%d wide, %s: the picture is %v", width, scheme, size)
	}
	const bands = 4
	for band := range bands {
		colours, bright, n := map[color.Color]bool{}, 0, 0
		for y := size.Dy() * band / bands; y < size.Dy()*(band+1)/bands; y += 5 {
			for x := 0; x < size.Dx(); x += 3 {
				c := picture.At(x, y)
				colours[c] = true
				if n++; color.GrayModel.Convert(c).(color.Gray).Y > 127 {
					bright++
				}
			}
		}
		if len(colours) < 3 {
			t.Errorf("%d wide, %s: there is nothing on part %d of %d", width, scheme, band+1, bands)
		}
		if light := 2*bright > n; light != (scheme == "light") {
			t.Errorf("%d wide, %s: part %d of %d is light: %t", width, scheme, band+1, bands, light)
		}
	}
}

func (l *look) wantFaultless(t *testing.T, width int64, scheme string) {
	t.Helper()
	if len(l.complaints) > 0 {
		t.Errorf("%d wide, %s: the browser complains: %q", width, scheme, l.complaints)
	}
	if len(l.requests) != 1 || l.requests[0] != l.url {
		t.Errorf("%d wide, %s: requests %q, want the page's own only", width, scheme, l.requests)
	}
	if l.Width != width || l.Scroll > width || len(l.Beyond) > 0 {
		t.Errorf("%d wide, %s: the window is %d, the page %d wide, and beyond it are %q", width, scheme, l.Width, l.Scroll, l.Beyond)
	}
	if l.Smallest < 12 || l.Contrast < 4.5 {
		t.Errorf("%d wide, %s: letters of %g px, contrast %.2f: too hard to read", width, scheme, l.Smallest, l.Contrast)
	}
}

// openPage opens a page in a new tab, in a window of that width, and measures it.
func openPage(t *testing.T, browser context.Context, url string, width int64, scheme string) *look {
	t.Helper()
	tab, cancel := chromedp.NewContext(browser)
	defer cancel()
	seen := look{url: url}
	var mu sync.Mutex // events come on the library's goroutine
	err := chromedp.Listen(tab, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			seen.requests = append(seen.requests, e.Request.URL)
		case *runtime.EventExceptionThrown:
			seen.complaints = append(seen.complaints, e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			seen.complaints = append(seen.complaints, "console: "+string(e.Type))
		case *log.EventEntryAdded:
			seen.complaints = append(seen.complaints, e.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	_, errNetwork := chromedp.Call(tab, network.Enable, network.EnableParams{})
	_, errLog := chromedp.Call(tab, log.Enable, cdp.Empty{})
	_, errMedia := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	errOpen := chromedp.Do(tab, chromedp.EmulateViewport(width, 800, chromedp.EmulateMobile), chromedp.Navigate(url))
	found, errLook := chromedp.Run(tab, chromedp.Evaluate[look](lookScript))
	var picture []byte
	var errPicture error
	if width >= 390 {
		picture, errPicture = chromedp.Run(tab, chromedp.FullScreenshot(100))
	}
	if err := errors.Join(errNetwork, errLog, errMedia, errOpen, errLook, errPicture); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	mu.Lock()
	defer mu.Unlock()
	found.picture = picture
	found.url, found.complaints, found.requests = seen.url, seen.complaints, seen.requests
	return &found
}

// lookScript runs in the page.
const lookScript = `(() => {
	const luminance = c => {
		const [r, g, b] = c.match(/[\d.]+/g).slice(0, 3).map(v => v / 255)
			.map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const opaque = c => c !== "transparent" && !/, 0\)$/.test(c);
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor;
			if (opaque(c)) return c;
		}
		return "rgb(255, 255, 255)";
	};
	const width = document.documentElement.clientWidth;
	const seen = {Scroll: document.documentElement.scrollWidth, Width: window.innerWidth, Beyond: [],
		Smallest: 100, Contrast: 21, Background: behind(document.body),
		Plots: [...document.querySelectorAll("svg.plot")].map(e => e.getAttribute("aria-label")),
		Trends: document.querySelectorAll("svg.trend .line").length,
		Limits: document.querySelectorAll("svg.plot .limit").length};
	for (const e of document.body.querySelectorAll("*")) {
		// What can be scrolled sideways is cut for whoever does not.
		if (e.getBoundingClientRect().right > width + 1 || e.classList.contains("wide") && e.scrollWidth > e.clientWidth + 1)
			seen.Beyond.push(e.tagName + " " + e.className + " " + e.textContent.slice(0, 40));
		const text = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim() !== "");
		if (!text || e.tagName === "SCRIPT" || e.tagName === "title") continue;
		const style = getComputedStyle(e);
		const [a, b] = [luminance(style.color), luminance(behind(e))].sort((x, y) => y - x);
		seen.Smallest = Math.min(seen.Smallest, parseFloat(style.fontSize));
		seen.Contrast = Math.min(seen.Contrast, (a + 0.05) / (b + 0.05));
	}
	return seen;
})()`
