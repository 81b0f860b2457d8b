package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// daemonProcess is a token-janitor in the background of a script.
type daemonProcess struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer  // whole when it has ended
	ended  chan struct{} // after the last line of its log

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and made anew at each line
}

func (s *stage) startDaemon(ts *testscript.TestScript, args []string) error {
	if err := s.start(ts, append([]string{"--listen=127.0.0.1:0"}, args...)); err != nil {
		return err
	}
	address, err := s.daemon.await(regexp.MustCompile(`msg=listening address=(\S+)`))
	if err != nil {
		return err
	}
	ts.Setenv("ADDR", address)
	return nil
}

func (s *stage) startOnce(ts *testscript.TestScript, args []string) error {
	return s.start(ts, append([]string{"--once"}, args...))
}

func (s *stage) start(ts *testscript.TestScript, args []string) error {
	bin, _, _ := strings.Cut(ts.Getenv("PATH"), ":")
	d := &daemonProcess{cmd: exec.Command(filepath.Join(bin, "token-janitor"), args...), ended: make(chan struct{}), more: make(chan struct{})}
	d.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "GORACE", "DATABASE_URL", "TZ"} {
		d.cmd.Env = append(d.cmd.Env, name+"="+ts.Getenv(name))
	}
	d.cmd.Stdout = &d.stdout
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := d.cmd.Start(); err != nil {
		return err
	}
	s.daemon = d
	go d.read(stderr)
	return nil
}

func (d *daemonProcess) read(log io.Reader) {
	defer close(d.ended)
	for s := bufio.NewScanner(log); s.Scan(); {
		d.mu.Lock()
		d.lines = append(d.lines, s.Text())
		close(d.more)
		d.more = make(chan struct{})
		d.mu.Unlock()
	}
	_ = d.cmd.Wait() // what it says is in ProcessState
}

// await waits for a line that matches and returns the last group of the match.
func (d *daemonProcess) await(pattern *regexp.Regexp) (string, error) {
	late := time.After(patience)
	for {
		d.mu.Lock()
		lines, more := d.lines, d.more
		d.mu.Unlock()
		for _, line := range lines {
			if m := pattern.FindStringSubmatch(line); m != nil {
				return m[len(m)-1], nil
			}
		}
		select {
		case <-more:
		case <-d.ended:
			return "", fmt.Errorf("the daemon ended (%s) with no line like %s:\n%s", d.cmd.ProcessState, pattern, strings.Join(lines, "\n"))
		case <-late:
			return "", fmt.Errorf("no line like %s:\n%s", pattern, strings.Join(lines, "\n"))
		}
	}
}

func (d *daemonProcess) kill() {
	_ = d.cmd.Process.Kill()
	<-d.ended
}

func (s *stage) logged(_ *testscript.TestScript, args []string) error {
	pattern, err := regexp.Compile(args[0])
	if err != nil {
		return err
	}
	_, err = s.daemon.await(pattern)
	return err
}

func (s *stage) signal(_ *testscript.TestScript, args []string) error {
	return s.daemon.cmd.Process.Signal(map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	}[args[0]])
}

func (s *stage) ends(ts *testscript.TestScript, args []string) error {
	select {
	case <-s.daemon.ended:
	case <-time.After(patience):
		return errors.New("the daemon goes on")
	}
	log := strings.Join(s.daemon.lines, "\n") + "\n"
	fmt.Fprint(ts.Stderr(), log)
	fmt.Fprint(ts.Stdout(), s.daemon.stdout.String())
	got := s.daemon.cmd.ProcessState.String()
	switch {
	case strings.Contains(log+s.daemon.stdout.String(), secret):
		return errors.New("the password is in the log")
	case strings.Contains(log, "DATA RACE") || strings.Contains(log, "goroutine "):
		return errors.New("a race or a panic is in the log")
	case got != args[0]:
		return fmt.Errorf("the daemon ended with %q, want %q", got, args[0])
	}
	return nil
}

func (s *stage) http(ts *testscript.TestScript, args []string) error {
	status, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if cert, err := os.ReadFile(ts.MkAbs("cert.pem")); err == nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(cert)
	}
	client := &http.Client{Transport: transport, Timeout: patience}
	var body []byte
	err = again(s.tb.Context(), func() error {
		resp, err := client.Get(args[1])
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if body, err = io.ReadAll(resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != status {
			return fmt.Errorf("%s: %s", resp.Status, body)
		}
		for _, pattern := range args[2:] {
			if ok, err := regexp.Match(`(?m)`+pattern, body); err != nil || !ok {
				return fmt.Errorf("nothing like %s in %s (%v)", pattern, body, err)
			}
		}
		return nil
	})
	fmt.Fprintf(ts.Stdout(), "%s", body)
	if strings.Contains(string(body), secret) {
		return errors.New("the password is on the page")
	}
	return err
}

func (s *stage) certificate(ts *testscript.TestScript, _ []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(ts.MkAbs("cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}
