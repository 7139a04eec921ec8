package embedded

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes of a server process. The signal on the parent's death is the fast
// shutdown: it ends sessions, writes a checkpoint and leaves nothing to
// recover. A process group of its own keeps Ctrl-C in a terminal from reaching
// the server before bodega has finished with it.
func attributes(a account, confined bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	if a.other {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
		if confined {
			attr.AmbientCaps = []uintptr{unix.CAP_DAC_READ_SEARCH}
		}
	}
	return attr
}
