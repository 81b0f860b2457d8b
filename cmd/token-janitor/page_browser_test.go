package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// browser is a page in Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

func openBrowser(t *testing.T, url string) *browser {
	t.Helper()
	program := pgtemp.Require(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(time.Minute), // a machine that is busy with other tests
	)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); stop() }) // waits until it is gone
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.complain(e.ExceptionDetails.Text)
		case *log.EventEntryAdded: // what the policy forbids, and what is not found
			b.complain(e.Entry.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(url))
	return b
}

func (b *browser) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// script does one in the page.
func (b *browser) script(text string) { b.t.Helper(); b.do(chromedp.Evaluate[chromedp.Void](text)) }

// is wants the value of an expression.
func is[T comparable](b *browser, expression string, want T) {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil || got != want {
		b.t.Errorf("%s is %v (%v), want %v", expression, got, err, want)
	}
}

// prefers sets the colour scheme that the reader wants.
func (b *browser) prefers(scheme string) {
	b.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		b.t.Fatal(err)
	}
}

// becomes waits until an expression is true.
func (b *browser) becomes(expression string) {
	b.t.Helper()
	if err := again(b.ctx, func() error {
		if ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression)); err != nil || ok {
			return err
		}
		return errors.New(expression)
	}); err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.t.Fatalf("%v\n%s", err, text)
	}
}

// shoot keeps a picture where TOKEN_JANITOR_TEST_SHOTS says, for people to look at.
func (b *browser) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("TOKEN_JANITOR_TEST_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// seen is a service whose page has something of everything.
func seen(t *testing.T) *service {
	t.Helper()
	s := testService(t, io.Discard, "--database-url=postgres://ada:"+secret+"@db/app")
	h := &s.history
	h.Ready()
	h.SchemaChecked(migrations.State{Revision: migrations.Head, AtHead: true}, nil)
	began := time.Now().Add(-20 * 15 * time.Minute)
	for i := range 19 {
		res := janitor.Result{
			Outcome: janitor.Drained, StopReason: janitor.StopDrained, Began: began.Add(time.Duration(i) * 15 * time.Minute),
			Duration: 1200 * time.Millisecond, Deleted: janitor.Counts{Expired: int64(800 + 40*i), Revoked: int64(200 + i%5*30)},
			Rested:  map[janitor.Cause]time.Duration{janitor.ForRate: time.Second},
			Overdue: map[janitor.Reason]janitor.Overdue{janitor.Expired: {Known: true}, janitor.Revoked: {Known: true}},
		}
		var err error
		switch i {
		case 7:
			res.Outcome, res.StopReason, res.Deleted, res.Overdue = janitor.Failed, janitor.StopConnection, janitor.Counts{Expired: 500}, nil
			res.Uncertain, err = 900, errors.New("the connection is lost: unexpected EOF")
		case 12:
			res.Outcome, res.StopReason = janitor.Partial, janitor.StopLeft
			res.Left, res.Overdue[janitor.Expired] = janitor.Left{Locked: 2, Refused: 1}, janitor.Overdue{Known: true, Rows: 3, Oldest: time.Hour}
			res.Refusal = "tokens of an audit stay"
		}
		if i == 17 { // the one after it does not look
			res.Space = janitor.Space{Known: true, LiveRows: 412_300, DeadRows: 23_100, TableBytes: 84 << 20, IndexBytes: 97 << 20, Vacuumed: time.Now().Add(-2 * time.Hour)}
		}
		h.Add(res, err)
	}
	h.Plan(time.Now().Add(12 * time.Minute))
	return s
}

// TestPageInABrowser looks at the page as people do.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	s := seen(t)
	web := httptest.NewServer(newPages(s).server().Handler)
	defer web.Close()
	b := openBrowser(t, web.URL)
	b.do(chromedp.EmulateViewport(1000, 800))
	is(b, "document.title", "OK: refresh_tokens, token-janitor")
	is(b, "document.querySelector('.state').innerText.startsWith('OK. Last success ')", true)
	is(b, "document.querySelectorAll('svg g').length", 19)
	is(b, "document.getElementById('now').checkVisibility()", false)
	is(b, "document.querySelectorAll('.bar-failed').length", 1)
	is(b, "document.querySelector('section[aria-labelledby=space] p').innerText", "It takes 84 MB and its indexes 97 MB. It has about 412,300 rows and about 23,100 dead ones that wait for a vacuum; the last was 2 hours ago.")
	is(b, "[...document.querySelectorAll('.why')].map(n => n.innerText).filter(w => w !== 'nothing was left to do').join('|')",
		"other transactions, tables or triggers hold them: 2 locked, 1 refused by a trigger or rule, the server says “tokens of an audit stay”|"+
			"the connection is lost: unexpected EOF; up to 900 tokens more may be gone, the answer was lost")
	is(b, "[...document.querySelectorAll('footer a')].map(a => a.innerText + ' ' + a.getAttribute('href')).join('|')",
		"metrics metrics|this page as JSON status.json|runbook https://github.com/hyphagraph/token-janitor/blob/main/.github/RUNBOOK.md")
	b.shoot("light")

	// For keyboard and screen reader: landmarks, a name for what is scrolled, a scope for
	// each heading, and only the state (and the silence of the server) speaks up.
	is(b, "['main', 'header', 'footer', 'h1'].every(n => document.querySelectorAll(n).length === 1)", true)
	is(b, "[...document.querySelectorAll('section, svg, progress, [role=region]')].every(n => n.ariaLabel || document.getElementById(n.getAttribute('aria-labelledby')))", true)
	is(b, "[...document.querySelectorAll('th')].every(n => n.scope)", true)
	is(b, "[...document.querySelectorAll('[aria-live], [role=status], [role=alert]')].map(n => n.innerText).join()", ",OK.")

	// A phone: the page does not scroll sideways, wide tables do within themselves.
	b.do(chromedp.EmulateViewport(360, 800, chromedp.EmulateMobile), chromedp.Reload())
	is(b, "document.documentElement.scrollWidth", 360)
	b.shoot("narrow")
	b.do(chromedp.EmulateViewport(1000, 800), chromedp.Reload())

	b.prefers("dark")
	is(b, "getComputedStyle(document.body).backgroundColor", "rgb(20, 24, 29)")
	is(b, "getComputedStyle(document.body).color", "rgb(230, 233, 236)")
	b.shoot("dark")
	b.prefers("light")

	// It refreshes by itself, and touches only what differs: what the reader did stays.
	b.script(`document.querySelector("details").open = true; document.querySelector("details .scroll").focus();
		scrollTo(0, 200); before = document.activeElement.getBoundingClientRect().top`)
	s.history.Begin()
	s.history.RecordRest(janitor.Rest{Cause: janitor.ForRate, For: 1500 * time.Millisecond})
	s.history.RecordBatch(janitor.Batch{Reason: janitor.Expired, Pass: janitor.Expired, Rows: 2000, Window: 2000, Took: time.Millisecond, Done: janitor.Counts{Expired: 4000}, About: 16000})
	s.history.RecordRest(janitor.Rest{Cause: janitor.ForVacuum, For: 2 * time.Second})
	b.script(`document.dispatchEvent(new Event("visibilitychange"))`) // as when its tab is shown again
	b.becomes(`document.getElementById("now").checkVisibility()`)
	is(b, "document.querySelector('progress').position", 0.25)
	is(b, "document.querySelector('section[aria-labelledby=now]').innerText.includes('Rested so far: 1.5s for --max-rate, 2s for a vacuum (--yield-to-vacuum). Waiting now for a vacuum (--yield-to-vacuum).')", true)
	is(b, "document.querySelector('details').open", true)
	is(b, "document.activeElement === document.querySelector('details .scroll')", true)
	is(b, "Math.round(document.activeElement.getBoundingClientRect().top - before)", 0)
	b.shoot("running")
	s.history.Add(janitor.Result{Outcome: janitor.Failed, StopReason: janitor.StopError, Began: time.Now()}, errors.New("<i>no</i>"))
	s.history.SchemaChecked(migrations.State{}, &migrations.ContractError{Problems: []migrations.Problem{{What: "no index leads with expires_at", Remedy: "CREATE INDEX ON t (expires_at)"}}})
	b.becomes(`document.title === "Failed: refresh_tokens, token-janitor"`) // by its own clock
	is(b, "document.querySelector('.state strong').innerText", "Failed.")
	is(b, "[...document.querySelectorAll('code')].some(n => n.innerText === 'CREATE INDEX ON t (expires_at)')", true)
	is(b, "document.querySelector('i') === null", true)
	b.shoot("failed")
	if len(b.complaints) > 0 {
		t.Errorf("the browser says %q", b.complaints)
	}

	// A server that went away: what is old does not pass for how it is.
	web.CloseClientConnections()
	web.Close()
	b.script(`document.dispatchEvent(new Event("visibilitychange"))`)
	b.becomes(`document.getElementById("silent").innerText.startsWith("No answer since ")`)
	b.shoot("silent")
}

// TestStatusJSON is the page for machines; neither it nor the page holds a secret.
func TestStatusJSON(t *testing.T) {
	t.Parallel()
	s := seen(t)
	text := page(t, s, "/status.json")
	var got status.Status
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.State != "ok" || !got.Ready || len(got.Runs) != 19 || got.NextRun == nil || got.Runs[11].Error == "" || got.Runs[11].Overdue != nil {
		t.Errorf("got %s", text)
	}
	if strings.Contains(text+page(t, s, "/"), secret) {
		t.Error("the password is there")
	}
	if len(got.Settings) != len(s.InForce()) {
		t.Errorf("%d settings of %d", len(got.Settings), len(s.InForce()))
	}
}

// TestPolicy: the policy in the header lets exactly the page's own style and script run.
func TestPolicy(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	s := seen(t)
	newPages(s).server().Handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, tag := range []string{"style", "script"} {
		_, text, _ := strings.Cut(w.Body.String(), "<"+tag+">")
		text, _, _ = strings.Cut(text, "</"+tag+">")
		if want := fmt.Sprintf("%s-src %s;", tag, digest(text)); !strings.Contains(w.Header().Get("Content-Security-Policy"), want) {
			t.Errorf("%q lacks %q", w.Header(), want)
		}
	}
}

// digest is a source of a Content-Security-Policy: this text and no other.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
