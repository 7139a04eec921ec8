//go:build unix && !linux

package embedded

import "syscall"

// attributes of a server process. These systems have no signal on the parent's
// death: a server that outlives its bodega is stopped by the next one.
func attributes(a account, _ bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.other {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}
