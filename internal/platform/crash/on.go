//go:build faults

package crash

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Write is a durable write on its way. The zero value is one that nobody counts.
type Write struct {
	number int
	name   string
	chosen bool
}

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
		var number, pattern string
		p.side, number, _ = strings.Cut(at, ":")
		number, pattern, _ = strings.Cut(number, ":")
		var errs [2]error
		p.at, errs[0] = strconv.Atoi(number)
		p.pattern, errs[1] = regexp.Compile("^(?:" + pattern + ")$")
		if err := errors.Join(errs[:]...); err != nil || p.at < 1 || p.side != "before" && p.side != "after" {
			fmt.Fprintf(os.Stderr, "BODEGA_CRASH_AT %q: want before:N:PATTERN or after:N:PATTERN (%v)\n", at, err)
			os.Exit(2)
		}
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
	from    string
	side    string
	at      int
	pattern *regexp.Regexp // nil kills nowhere
	log     *os.File

	mu      sync.Mutex
	counted int
	matched int
}

func (p *crashes) count(name string) Write {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counted == 0 && !strings.Contains(name, p.from) {
		return Write{}
	}
	p.counted++
	w := Write{number: p.counted, name: name}
	if p.pattern != nil && p.pattern.MatchString(name) {
		p.matched++
		w.chosen = p.matched == p.at
	}
	return w
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
	if w.chosen && p.side == side {
		// The lock stays taken, so that no other write passes a seam meanwhile.
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
