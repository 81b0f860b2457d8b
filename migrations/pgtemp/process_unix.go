//go:build unix

package pgtemp

import (
	"os"
	"os/exec"
	"syscall"
)

// detach makes cmd run in a session of its own, out of reach of a terminal's Ctrl-C, and as who.
func detach(cmd *exec.Cmd, who *account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if who != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid}
	}
}

// kill ends cmd, which must not have been waited for, and what runs in its session's group.
func kill(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// lock waits for the exclusive lock on a file, which closing the file gives back.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }

// own writes a file that only its owner can read: whose the folder is.
func own(file, content string, folder os.FileInfo) error {
	if err := os.RemoveAll(file); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return err
	}
	if who, ok := folder.Sys().(*syscall.Stat_t); ok && int(who.Uid) != os.Geteuid() {
		return os.Chown(file, int(who.Uid), int(who.Gid))
	}
	return nil
}
