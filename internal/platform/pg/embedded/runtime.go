package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// port only names the socket: no server listens on TCP.
const port = "5432"

// maxSocketPath is what sockaddr_un holds on Linux, less the closing zero byte;
// macOS holds four less.
const maxSocketPath = 103

func socketName() string { return ".s.PGSQL." + port }

// runtimeDir names the folder of the socket. A data folder may lie deeper than
// a socket's path may be long, so the socket lives elsewhere, in a folder that
// is always the same for the same data folder.
func runtimeDir(cfg Config) (string, error) {
	sum := sha256.Sum256([]byte(cfg.DataDir))
	name := "bodega-" + hex.EncodeToString(sum[:6])
	candidates := []string{cfg.RuntimeDir}
	if cfg.RuntimeDir == "" {
		candidates = []string{os.TempDir(), "/tmp"}
		if os.Geteuid() == 0 {
			candidates = []string{"/run", "/tmp"}
		}
	}
	for _, parent := range candidates {
		dir := filepath.Join(parent, name)
		// PostgreSQL reads the setting as a list, hence no comma or quote.
		if len(filepath.Join(dir, socketName())) <= maxSocketPath && !strings.ContainsAny(dir, `,"`) && unix.Access(parent, unix.W_OK|unix.X_OK) == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no folder for the server's socket: %s must be writable and at most %d characters long", strings.Join(candidates, " or "), maxSocketPath-len(name)-len(socketName())-2)
}

// makeRuntimeDir makes the socket's folder, closed to all but the server's
// account (and root), and clears what a crashed server left in it. The caller
// holds the lock of the data folder and knows that no server runs.
func makeRuntimeDir(dir string, a account) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the socket's folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the socket's folder: %w", err)
	}
	// Its parent may be open to all: somebody else may have been there first.
	owner := info.Sys().(*syscall.Stat_t).Uid
	if !info.IsDir() || (owner != a.uid && owner != uint32(os.Geteuid())) {
		return fmt.Errorf("the socket's folder %s is there already and belongs to user id %d: remove it", dir, owner)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("close the socket's folder: %w", err)
	}
	for _, name := range []string{socketName(), socketName() + ".lock"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear stale socket: %w", err)
		}
	}
	return a.give(dir)
}
