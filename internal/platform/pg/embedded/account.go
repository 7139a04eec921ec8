package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who the server's processes run as.
type account struct {
	uid, gid uint32
	name     string
	// other says that it is not the user who runs bodega, so that files have to
	// be handed over and processes started under a credential.
	other bool
	// peer is the user who runs bodega, the only one let in.
	peer string
}

// chooseAccount decides who runs the server. PostgreSQL refuses to run as root
// and refuses a data folder that somebody else owns.
func chooseAccount(cfg Config, pgdata string) (account, error) {
	uid := os.Geteuid()
	me, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return account{}, fmt.Errorf("user id %d has no entry in the user database, which PostgreSQL needs to start: add one to /etc/passwd or run bodega as another user: %w", uid, err)
	}
	owner, err := ownerOf(pgdata)
	made := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return account{}, err
	}
	if uid != 0 {
		if made && owner != uint32(uid) {
			return account{}, fmt.Errorf("%s belongs to user id %d, and bodega runs as %s (%d): run it as that user, or as root", pgdata, owner, me.Username, uid)
		}
		return account{uid: uint32(uid), gid: uint32(os.Getegid()), name: me.Username, peer: me.Username}, nil
	}
	var run *user.User
	switch {
	case made && owner == 0:
		return account{}, fmt.Errorf("%s belongs to root, and PostgreSQL does not run as root: give it to an unprivileged user (chown -R postgres %s)", pgdata, pgdata)
	case made:
		run, err = user.LookupId(strconv.FormatUint(uint64(owner), 10))
	case cfg.OSUser != "":
		run, err = user.Lookup(cfg.OSUser)
	default:
		if run, err = user.Lookup("postgres"); err != nil {
			run, err = user.Lookup("nobody")
		}
	}
	if err != nil {
		return account{}, fmt.Errorf("find the unprivileged user that root runs PostgreSQL as: %w", err)
	}
	runUID, err := strconv.ParseUint(run.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: %w", run.Username, err)
	}
	gid, err := strconv.ParseUint(run.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: %w", run.Username, err)
	}
	if runUID == 0 {
		return account{}, fmt.Errorf("user %s is root, and PostgreSQL does not run as root", run.Username)
	}
	return account{uid: uint32(runUID), gid: uint32(gid), name: run.Username, other: true, peer: me.Username}, nil
}

func ownerOf(path string) (uint32, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("look at %s: %w", path, err)
	}
	return info.Sys().(*syscall.Stat_t).Uid, nil
}

// give hands a file or folder to the account.
func (a account) give(path string) error {
	if !a.other {
		return nil
	}
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// write makes path, of the account, hold content: whole or not at all.
func (a account) write(path, content string) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := a.give(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// reaches says whether the account may enter every folder above path by the
// permission bits alone.
func (a account) reaches(path string) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		stat := info.Sys().(*syscall.Stat_t)
		bit := fs.FileMode(0o001)
		switch {
		case stat.Uid == a.uid:
			bit = 0o100
		case stat.Gid == a.gid:
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}
