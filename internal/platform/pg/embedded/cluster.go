package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cluster is one PostgreSQL data folder and what runs it.
type cluster struct {
	pgdata   string
	account  account
	binaries Binaries
	// confined says that the account cannot enter a folder on the way by its
	// permissions, and needs leave to.
	confined bool
}

// majorOf reads which major version made the data folder; 0 means that there
// is none.
func majorOf(pgdata string) (int, error) {
	content, err := os.ReadFile(filepath.Join(pgdata, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(pgdata)
		if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("look into data folder: %w", err)
		}
		return 0, fmt.Errorf("%s has files in it and no PG_VERSION, so it is not a PostgreSQL data folder: restore it from a backup, or move it away to start with an empty database", pgdata)
	}
	if err != nil {
		return 0, fmt.Errorf("read version of data folder: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("%s/PG_VERSION holds %q, which is not a version: restore the folder from a backup, or move it away to start with an empty database", pgdata, content)
	}
	return major, nil
}

// create makes the data folder under another name first, so that one cut short
// half-way is never taken for a whole one.
func (c cluster) create(ctx context.Context, volatile bool) error {
	// A name of its own, since an initdb whose bodega was killed may still be
	// clearing up behind itself.
	making, err := os.MkdirTemp(filepath.Dir(c.pgdata), newPrefix)
	if err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	if err := c.account.give(making); err != nil {
		return err
	}
	// Byte order collation sorts alike on every machine; the character type
	// lets upper() and regular expressions know letters beyond ASCII. Where the
	// system has no C.UTF-8, C has to do.
	for _, ctype := range []string{"C.UTF-8", "C"} {
		args := []string{
			"--pgdata=" + making, "--username=" + superuser, "--encoding=UTF8", "--lc-collate=C", "--lc-ctype=" + ctype,
			"--lc-messages=C", "--lc-monetary=C", "--lc-numeric=C", "--lc-time=C",
			"--data-checksums", "--auth=peer", "--no-instructions",
		}
		if volatile {
			args = append(args, "--no-sync")
		}
		cmd := exec.CommandContext(ctx, c.binaries.path("initdb"), args...)
		cmd.Dir = "/"
		cmd.Env = environment()
		cmd.SysProcAttr = attributes(c.account, c.confined)
		// On SIGINT initdb removes what it made.
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
		cmd.WaitDelay = 5 * time.Second
		var out []byte
		out, err = onLockedThread(cmd.CombinedOutput)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("initdb was given up: %w", context.Cause(ctx))
			break
		}
		err = fmt.Errorf("initdb: %w: %s", c.explain(err), complaint(string(out)))
		if !strings.Contains(string(out), "invalid locale") {
			break
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(making))
	}
	// Were the new name lost with the machine's power, the next start would
	// take the folder, and what is in it by then, for a half-made one.
	if err := errors.Join(os.Rename(making, c.pgdata), syncDir(filepath.Dir(c.pgdata))); err != nil {
		return fmt.Errorf("put data folder in place: %w", err)
	}
	return nil
}

// syncDir makes the names in a folder durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// newPrefix names data folders that are being made.
const newPrefix = dataName + ".new-"

// clearHalfMade removes data folders whose making was cut short, and ends what
// still works on them. What resists is harmless and left to the next start.
func (c cluster) clearHalfMade() {
	halfMade, _ := filepath.Glob(filepath.Join(escapeGlob(filepath.Dir(c.pgdata)), newPrefix+"*")) // the only error is a malformed pattern
	for _, dir := range halfMade {
		for _, p := range leftovers(dir) {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		_ = os.RemoveAll(dir)
	}
}

// explain tells what a refusal to start a program means.
func (c cluster) explain(err error) error {
	if c.confined && errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("user %s cannot enter every folder above %s, and this system does not let root lend it the right to (CAP_DAC_READ_SEARCH): open those folders (chmod o+x), or choose a data folder elsewhere: %w", c.account.name, c.pgdata, err)
	}
	return err
}

// configure writes the server's settings and who may come in.
func (c cluster) configure(cfg Config) error {
	files := map[string]string{
		"postgresql.conf": render(cfg.settings()),
		// Only who runs bodega comes in, by the word of the kernel.
		"pg_hba.conf":   "local all all peer map=bodega\nlocal replication all peer map=bodega\n",
		"pg_ident.conf": fmt.Sprintf("bodega %q %s\nbodega %q %s\n", c.account.peer, Role, c.account.peer, superuser),
	}
	for name, content := range files {
		if err := c.account.write(filepath.Join(c.pgdata, name), content); err != nil {
			return fmt.Errorf("configure server: %w", err)
		}
	}
	return nil
}

// environment of the server's programs: nothing of bodega's own leaks in.
func environment() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}
}

// complaint picks the lines that say what went wrong out of a program's output,
// or else the last ones.
func complaint(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var picked []string
	for _, line := range lines {
		if strings.Contains(line, "error:") || strings.Contains(line, "FATAL:") || strings.Contains(line, "ERROR:") || strings.Contains(line, "PANIC:") {
			picked = append(picked, strings.TrimSpace(line))
		}
	}
	if len(picked) == 0 {
		picked = lines
	}
	return strings.Join(picked[max(0, len(picked)-4):], "; ")
}
