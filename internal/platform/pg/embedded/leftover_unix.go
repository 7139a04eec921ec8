//go:build unix && !linux

package embedded

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// leftovers looks at the one process that the pid file names.
func leftovers(pgdata string) []leftover {
	content, err := os.ReadFile(filepath.Join(pgdata, "postmaster.pid"))
	if err != nil {
		return nil
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid < 2 {
		return nil
	}
	line, err := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil || !strings.Contains(string(line), "postgres -D "+pgdata+" ") {
		return nil
	}
	return []leftover{{pid: pid, postmaster: true}}
}
