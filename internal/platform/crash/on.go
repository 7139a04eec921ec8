//go:build faults

package crash

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Before is called when all of a write is ready and nothing of it can be seen.
func Before(name string) Write {
	w := plan.count(name)
	plan.reach("before", w)
	return w
}

// After is called when the write is durable.
func (w Write) After() { plan.reach("after", w) }

// plan is what the environment asks for.
var plan = func() *crashes {
	p := &crashes{from: os.Getenv("BODEGA_CRASH_FROM")}
	if at := os.Getenv("BODEGA_CRASH_AT"); at != "" {
		side, number, _ := strings.Cut(at, ":")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || side != "before" && side != "after" {
			fmt.Fprintf(os.Stderr, "BODEGA_CRASH_AT %q: want before:N or after:N\n", at)
			os.Exit(2)
		}
		p.side, p.at = side, n
	}
	if path := os.Getenv("BODEGA_CRASH_LOG"); path != "" {
		log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			fmt.Fprintf(os.Stderr, "BODEGA_CRASH_LOG: %v\n", err)
			os.Exit(2)
		}
		p.log = log
	}
	return p
}()

type crashes struct {
	from string
	side string
	at   int
	log  *os.File

	mu      sync.Mutex
	counted int
}

func (p *crashes) count(name string) Write {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counted == 0 && !strings.Contains(name, p.from) {
		return Write{}
	}
	p.counted++
	return Write{p.counted, name}
}

func (p *crashes) reach(side string, w Write) {
	if w.number == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log != nil {
		// The kernel has the line when Write returns, whatever becomes of the process.
		fmt.Fprintf(p.log, "%s %d %s\n", side, w.number, w.name)
	}
	if p.side == side && p.at == w.number {
		// The lock stays taken, so that no other write passes a seam meanwhile.
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
