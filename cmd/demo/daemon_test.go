package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stand writes a program that stands in for the janitor.
func stand(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token-janitor")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

const listening = `echo '{"level":"INFO","msg":"listening","address":"127.0.0.1:1"}' >&2; `

func TestJanitorThatDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := startDaemon(t.Context(), stand(t, `echo '{"level":"ERROR","msg":"cannot listen","error":"in use"}' >&2; exit 1`), "", keep{})
	if err == nil || !strings.Contains(err.Error(), "start token-janitor: the janitor ended: exit status 1: cannot listen: in use") {
		t.Errorf("got %v", err)
	}
}

func TestJanitorThatEndsByItself(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script, want string }{
		{"badly", "exit 3", "the janitor ended: exit status 3"},
		{"with a panic", "echo 'panic: oops' >&2; exit 2", "the janitor ended: exit status 2: panic: oops"},
		{"well", "exit 0", "the janitor ended by itself"},
		{"killed", "kill -9 $$", "the janitor ended: exit status 137"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := startDaemon(t.Context(), stand(t, listening+c.script), "", keep{})
			if err == nil { // else it was gone before anybody saw that it listened
				_, err = d.counts(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it tells %v, want %q", err, c.want)
			}
		})
	}
}

func TestRunThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	d, err := startDaemon(t.Context(), stand(t, listening+`echo '{"level":"ERROR","msg":"run","outcome":"failed","error":"oops"}' >&2`), "", keep{})
	if err != nil {
		t.Fatal(err)
	}
	<-d.done // the log is complete then
	r := report{stage: &stage{daemon: d}}
	if err := r.news(); err == nil || err.Error() != "a run of the janitor failed: oops" {
		t.Errorf("got %v", err)
	}
}
