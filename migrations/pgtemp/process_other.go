//go:build !unix

package pgtemp

import (
	"errors"
	"os"
	"os/exec"
)

// The supervisor is a shell script: elsewhere the package compiles, and Start fails for want of /bin/sh.

func detach(*exec.Cmd, *account) {}

func kill(cmd *exec.Cmd) { cmd.Process.Kill() }

func lock(*os.File) error { return errors.ErrUnsupported }

func own(string, string, os.FileInfo) error { return errors.ErrUnsupported }
