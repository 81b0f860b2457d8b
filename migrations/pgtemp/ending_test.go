//go:build unix

package pgtemp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// endVariable makes this test binary start a server and come to an end in the way that it names.
const endVariable = "TOKEN_JANITOR_TEST_END"

func TestMain(m *testing.M) {
	if end := os.Getenv(endVariable); end != "" {
		if err := startAndEnd(end); err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
	}
	Main(m)
}

func startAndEnd(end string) error {
	s, err := Start(context.Background(), In(os.Getenv("TMPDIR")))
	if err != nil {
		return err
	}
	fmt.Println("port", s.port)
	switch end {
	case "panic":
		panic("as asked")
	case "exit":
		os.Exit(0)
	}
	// The parent ends this process, or dies and closes its standard input.
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// However the process that started a server ends, no process and no file is left of it.
func TestServerEndsWithItsProcess(t *testing.T) {
	Large(t)
	t.Parallel()
	for _, c := range []struct {
		end  string
		does func(pid int) error
	}{
		{"panic", nil},
		{"exit", nil},
		{"kill", func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }},
		{"interrupt", func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) }},
	} {
		t.Run(c.end, func(t *testing.T) {
			t.Parallel()
			child := rerun(t, c.end)
			line, err := child.out.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			var port int
			if _, err := fmt.Sscanf(line, "port %d", &port); err != nil {
				t.Fatalf("the child says %q", line)
			}
			if c.does != nil {
				if err := c.does(child.cmd.Process.Pid); err != nil {
					t.Fatal(err)
				}
			}
			child.awaitEnd(t)
			if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				c.Close()
				t.Error("something still listens on the server's port")
			}
			checkEmpty(t, child.dir)
		})
	}
}

func TestProcessKilledWhileItsServerIsMade(t *testing.T) {
	t.Parallel()
	began, bin := slowInitdb(t)
	child := rerun(t, "kill", binVariable+"="+bin)
	began()
	if err := child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.awaitEnd(t)
	checkEmpty(t, child.dir)
}

func TestStartCanceledWhileTheServerIsMade(t *testing.T) {
	began, bin := slowInitdb(t)
	t.Setenv(binVariable, bin)
	ctx, cancel := context.WithCancel(t.Context())
	parent := openDir(t)
	done := make(chan error)
	go func() {
		_, err := Start(ctx, In(parent))
		done <- err
	}()
	began()
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("got %v, want context canceled", err)
	}
	checkEmpty(t, parent)
}

// slowInitdb makes a folder of PostgreSQL's programs whose initdb says when it begins, which began waits for.
func slowInitdb(t *testing.T) (began func(), bin string) {
	t.Helper()
	bin = openDir(t)
	works := Shared(t).BinDir()
	if err := os.Symlink(filepath.Join(works, "postgres"), filepath.Join(bin, "postgres")); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(bin, "began")
	if err := syscall.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(fifo, 0o666); err != nil { // whatever the umask
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = --version ] || echo >%s\nexec %s/initdb \"$@\"\n", fifo, works)
	if err := os.WriteFile(filepath.Join(bin, "initdb"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := os.ReadFile(fifo); err != nil {
			t.Fatal(err)
		}
	}, bin
}

// rerunning is this test binary, run as another process.
type rerunning struct {
	cmd     *exec.Cmd
	dir     string // where it makes its server's files
	out     *bufio.Reader
	witness *os.File // ends when the process and every one that it started have ended
}

func rerun(t *testing.T, end string, env ...string) *rerunning {
	t.Helper()
	dir := openDir(t)
	witness, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { witness.Close() })
	defer held.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), endVariable+"="+end, "TMPDIR="+dir), env...)
	// Inherited all the way down. Twice, for the supervisor uses descriptor 3.
	cmd.ExtraFiles = []*os.File{held, held}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait() // it was made to fail
	})
	return &rerunning{cmd, dir, bufio.NewReader(out), witness}
}

func (r *rerunning) awaitEnd(t *testing.T) {
	t.Helper()
	r.witness.SetReadDeadline(time.Now().Add(stopLimit))
	if _, err := r.witness.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("wait until all processes have ended: %v", err)
	}
}
