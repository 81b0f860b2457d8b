package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed hold.sh
var holdScript string

const (
	program    = "github.com/hyphagraph/token-janitor/cmd/token-janitor"
	startLimit = 30 * time.Second // it takes a fraction of a second, on an idle machine
	stopLimit  = 15 * time.Second // longer than its own --shutdown-timeout
)

// buildDaemon compiles the janitor into a new folder and returns the folder and the binary.
func buildDaemon(ctx context.Context) (dir, binary string, err error) {
	dir, err = os.MkdirTemp("", "token-janitor-demo.")
	if err != nil {
		return "", "", err
	}
	binary = filepath.Join(dir, "token-janitor")
	// Git refuses to tell of a checkout that belongs to another user, and the build would fail over it.
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, program)
	// What go leaves in the middle of a build lies in the same folder.
	cmd.Env = append(os.Environ(), "GOTMPDIR="+dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it waits for its compilers, then
	cmd.WaitDelay = stopLimit
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", "", fmt.Errorf("build token-janitor: %w\n%s", err, out)
	}
	return dir, binary, nil
}

// daemon is the janitor, a process of its own.
type daemon struct {
	address string // of its status page
	done    chan struct{}
	ended   error // how it ended, once done is closed

	lifeline io.Closer
	cmd      *exec.Cmd

	mu   sync.Mutex
	news []logLine // what it logged and nobody took yet
}

// logLine is what the demo reads of a line of the janitor's log.
type logLine struct {
	Level      string
	Msg        string
	Address    string
	Outcome    string
	StopReason string `json:"stop_reason"`
	Expired    int64  `json:"deleted_expired"`
	Revoked    int64  `json:"deleted_revoked"`
	Uncertain  int64  `json:"uncertain_rows"`
	Duration   time.Duration
	Error      string
}

func (l logLine) words() string { return strings.TrimSuffix(l.Msg+": "+l.Error, ": ") }

// startDaemon starts the janitor and returns when it serves its status page.
func startDaemon(ctx context.Context, binary, url string, keep keep, flags ...string) (*daemon, error) {
	args := append([]string{"-c", holdScript, "hold.sh", binary, "--log-format=json", "--database-url=" + url,
		"--keep-expired=" + keep.expired.String(), "--keep-revoked=" + keep.revoked.String()}, flags...)
	cmd := exec.Command("/bin/sh", args...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "TOKEN_JANITOR_") { // meant for another janitor
			cmd.Env = append(cmd.Env, pair)
		}
	}
	// Out of reach of the terminal's Ctrl-C: the demo says when it ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start token-janitor: %w", err)
	}
	d := &daemon{done: make(chan struct{}), lifeline: lifeline, cmd: cmd}
	listening := make(chan string, 1)
	go d.follow(log, listening)
	select {
	case d.address = <-listening:
		return d, nil
	case <-d.done:
		return nil, fmt.Errorf("start token-janitor: %w", d.failure())
	case <-time.After(startLimit):
		err = fmt.Errorf("start token-janitor: it did not listen within %s", startLimit)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, d.stop())
}

// follow reads the log until the janitor ends.
func (d *daemon) follow(log io.Reader, listening chan<- string) {
	defer close(d.done)
	last := ""
	for lines := bufio.NewReader(log); ; {
		text, err := lines.ReadString('\n')
		if text = strings.TrimSpace(text); text != "" {
			var line logLine
			if json.Unmarshal([]byte(text), &line) != nil { // a panic, say
				line = logLine{Level: "ERROR", Msg: text}
			}
			if line.Msg == "listening" {
				listening <- line.Address
			}
			if line.Level == "ERROR" {
				last = line.words()
			}
			d.mu.Lock()
			d.news = append(d.news, line)
			d.mu.Unlock()
		}
		if err != nil {
			break
		}
	}
	if err := d.cmd.Wait(); err != nil {
		d.ended = fmt.Errorf("the janitor ended: %w", err)
		if last != "" {
			d.ended = fmt.Errorf("%w: %s", d.ended, last)
		}
	}
}

// log takes what the janitor logged since the last call.
func (d *daemon) log() []logLine {
	d.mu.Lock()
	defer d.mu.Unlock()
	news := d.news
	d.news = nil
	return news
}

// stop asks the janitor to end and waits for it. Its error is how the janitor ended, if not well. It may be called
// again.
func (d *daemon) stop() error {
	d.lifeline.Close()
	select {
	case <-d.done:
		return d.ended
	case <-time.After(stopLimit):
		_ = d.signal(syscall.SIGKILL)
		<-d.done
		return fmt.Errorf("the janitor did not end within %s of SIGTERM", stopLimit)
	}
}

// signal sends the janitor a signal. KILL takes with it what holds it.
func (d *daemon) signal(s syscall.Signal) error { return syscall.Kill(-d.cmd.Process.Pid, s) }

// failure is why the janitor ended by itself.
func (d *daemon) failure() error {
	<-d.done
	if d.ended == nil {
		return errors.New("the janitor ended by itself")
	}
	return d.ended
}

// counts are what the janitor's metrics say, the sum of all labels for each name.
func (d *daemon) counts(ctx context.Context) (map[string]float64, error) {
	const patience = 10 * time.Second // that of Prometheus
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		select {
		case <-d.done: // how it ended says more than that nobody answers
			return nil, d.failure()
		case <-time.After(time.Second):
		}
		return nil, fmt.Errorf("read the janitor's metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the janitor's metrics: %s", resp.Status)
	}
	sums := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		// No label's value here holds a space.
		series, value, _ := strings.Cut(lines.Text(), " ")
		name, _, _ := strings.Cut(series, "{")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("read the janitor's metrics: %q: %w", lines.Text(), err)
		}
		sums[name] += n
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the janitor's metrics: %w", err)
	}
	return sums, nil
}

// deletedTotal is the metric of how many tokens the janitor has deleted.
const deletedTotal = "token_janitor_tokens_deleted_total"
