// Package local lets the user who started a server call it without signing
// in. An address such as 127.0.0.1 proves nothing, since every user of a
// machine reaches it; what proves it is a file that this user alone can read,
// which the server writes anew at each start and the command line finds.
package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/platform/auth"
)

// prefix begins every local credential.
const prefix = "bodl_"

// maxBytes bounds what is read of a credential file.
const maxBytes = 4096

// ErrNone is an address for which this user has no credential.
var ErrNone = errors.New("no local credential")

// Credential is what the file holds.
type Credential struct {
	Address string `json:"address"`
	Secret  string `json:"secret"`
	PID     int    `json:"pid"`
}

// Store is the folder that a user's credentials lie in.
type Store struct{ dir string }

// Open finds the runtime folder of this process's user and makes it where it
// is absent: bodega below $XDG_RUNTIME_DIR where that is there, else one named
// by the user's id below the folder for temporary files. A folder that another user owns, or
// that others may enter, is refused: somebody could have planted it.
func Open() (*Store, error) {
	dir := filepath.Join(os.TempDir(), "bodega-"+strconv.Itoa(os.Getuid()))
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(runtime) {
		// A change of user, or a session that has ended, leaves the variable
		// without the folder.
		if _, err := os.Stat(runtime); !errors.Is(err, fs.ErrNotExist) {
			dir = filepath.Join(runtime, "bodega")
		}
	}
	return OpenDir(dir)
}

// OpenDir is Open for a folder that the caller names.
func OpenDir(dir string) (*Store, error) {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("folder for local credentials: %w: set XDG_RUNTIME_DIR to a folder that is this user's own", err)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("folder for local credentials: %w", err)
	}
	// Lstat: a link to somebody's folder is not a folder of our own.
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("folder for local credentials: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("folder for local credentials %s: is not a folder", dir)
	case !ownedByUs(info):
		return nil, fmt.Errorf("folder for local credentials %s: belongs to another user; remove it, or set XDG_RUNTIME_DIR", dir)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("folder for local credentials %s: others may enter it (mode %04o); run chmod 700 on it", dir, info.Mode().Perm())
	}
	return &Store{dir: dir}, nil
}

// Write makes a new credential for the server at address, in the place of an
// older one. cleanup removes it again, unless a later server has replaced it.
func (s *Store) Write(address string) (c Credential, cleanup func(), err error) {
	path, err := s.path(address)
	if err != nil {
		return Credential{}, nil, err
	}
	c = Credential{Address: address, Secret: prefix + rand.Text() + rand.Text(), PID: os.Getpid()}
	content, err := json.Marshal(c)
	if err != nil {
		return Credential{}, nil, fmt.Errorf("local credential for %s: %w", address, err)
	}
	// Written beside and renamed, so that nobody ever reads a half one.
	f, err := os.CreateTemp(s.dir, ".new-*") // made with mode 0600
	if err != nil {
		return Credential{}, nil, fmt.Errorf("local credential for %s: %w", address, err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return Credential{}, nil, errors.Join(fmt.Errorf("local credential for %s: %w", address, err), os.Remove(f.Name()))
	}
	return c, func() {
		if now, err := s.Find(address); err == nil && now.Secret == c.Secret {
			_ = os.Remove(path) // a stale one opens nothing
		}
	}, nil
}

// Find reads the credential for the server at address, or ErrNone. One that
// others could have read or written is refused.
func (s *Store) Find(address string) (Credential, error) {
	path, err := s.path(address)
	if err != nil {
		return Credential{}, err
	}
	f, err := openNoFollow(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Credential{}, fmt.Errorf("%w for %s: no server that this user started listens there", ErrNone, address)
	case err != nil:
		return Credential{}, fmt.Errorf("local credential for %s: %w", address, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return Credential{}, fmt.Errorf("local credential for %s: %w", address, err)
	case !info.Mode().IsRegular() || !ownedByUs(info) || info.Mode().Perm()&0o077 != 0:
		return Credential{}, fmt.Errorf("local credential %s: others could have read or written it; remove it and start the server again", path)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxBytes))
	if err != nil {
		return Credential{}, fmt.Errorf("local credential for %s: %w", address, err)
	}
	return parse(content)
}

func parse(content []byte) (Credential, error) {
	var c Credential
	if err := json.Unmarshal(content, &c); err != nil {
		return Credential{}, fmt.Errorf("local credential: %w", err)
	}
	if !strings.HasPrefix(c.Secret, prefix) || strings.ContainsFunc(c.Secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Credential{}, errors.New("local credential: holds no secret")
	}
	return c, nil
}

// path names the file of an address. All the names of this machine itself
// share one, so that localhost finds what listens on 127.0.0.1 or on every
// address. Other hosts have none: the secret must not travel to them.
func (s *Store) path(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("local credential: address %q: want host:port", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("local credential: address %q: port %q is not a number from 1 to 65535", address, port)
	}
	if !isThisMachine(host) {
		return "", fmt.Errorf("%w for %s: it is not an address of this machine alone", ErrNone, address)
	}
	return filepath.Join(s.dir, "port-"+port+".json"), nil
}

func isThisMachine(host string) bool {
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.Unmap().IsLoopback() || ip.IsUnspecified())
}

// Authenticator takes the credential for the role admin, from this machine.
func (c Credential) Authenticator() (auth.Authenticator, error) {
	who, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("local credential: %w", err)
	}
	return &authenticator{hash: sha256.Sum256([]byte(c.Secret)), user: who.Username}, nil
}

type authenticator struct {
	hash [sha256.Size]byte
	user string
}

func (a *authenticator) Authenticate(_ context.Context, r *http.Request) (auth.Caller, error) {
	bearer, ok := auth.Bearer(r)
	if !ok || !strings.HasPrefix(bearer, prefix) {
		return auth.Caller{}, auth.ErrNoCredential
	}
	got := sha256.Sum256([]byte(bearer))
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if subtle.ConstantTimeCompare(got[:], a.hash[:]) != 1 || err != nil || !peer.Addr().Unmap().IsLoopback() {
		return auth.Caller{}, auth.ErrCredential
	}
	return auth.Caller{Subject: "local:" + a.user, Name: a.user, Role: auth.RoleAdmin, Credential: auth.Local}, nil
}
