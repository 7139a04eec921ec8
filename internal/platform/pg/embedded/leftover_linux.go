package embedded

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// leftovers lists the server processes whose working folder is pgdata: that is
// where PostgreSQL's processes all live. Reading another user's working folder
// takes a right that root may lack in a container, so a postmaster is also
// known by the folder on its command line.
func leftovers(pgdata string) []leftover {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []leftover
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", entry.Name())
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || strings.TrimSpace(string(name)) != "postgres" {
			continue
		}
		// A zombie has neither a working folder nor a command line.
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		postmaster := serves(strings.Split(string(line), "\x00"), pgdata)
		if postmaster || cwd == pgdata {
			found = append(found, leftover{pid: pid, postmaster: postmaster})
		}
	}
	return found
}
