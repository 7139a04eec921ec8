package embedded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ErrInUse says that another bodega uses the data folder.
var ErrInUse = errors.New("the data folder is in use")

// lock takes the lock file for this process until it is closed or the process
// ends, however it ends. The file stays: removing a locked file would let two
// processes hold two files of one name.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("user id %d may not write in the data folder: give the folder to that user, or choose another: %w", os.Geteuid(), err)
	}
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		content, _ := io.ReadAll(io.LimitReader(f, 32))
		holder := "another process"
		if pid, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil {
			holder = fmt.Sprintf("process %d", pid)
		}
		return nil, fmt.Errorf("%w by %s: stop it, or start bodega with another data folder (lock file %s)", ErrInUse, holder, path)
	}
	if err := errors.Join(f.Truncate(0), writeAt(f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		f.Close()
		return nil, fmt.Errorf("write lock file %s: %w", path, err)
	}
	return f, nil
}

func writeAt(f *os.File, content string) error {
	_, err := f.WriteAt([]byte(content), 0)
	return err
}
