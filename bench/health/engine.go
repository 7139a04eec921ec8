package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
	"github.com/bodega-hq/bodega/internal/platform/probe"
)

// discard is a sink that writes nothing.
type discard struct{ ran atomic.Int64 }

func (d *discard) CheckRan(engine.Key, bool)  { d.ran.Add(1) }
func (d *discard) SpecChanged(string, bool)   {}
func (d *discard) Announce(engine.Transition) {}

func define(env *check.Env, name, address string, interval time.Duration) engine.Check {
	c := &health.Check{Name: name, HTTP: &health.HTTPCheck{URL: "http://" + address + "/"}}
	return engine.Check{
		Name: name, Type: "http", Target: address, Interval: interval, Timeout: check.DefaultTimeout,
		Policy: verdict.PolicyOf(c), Definition: name, Compile: func() (check.Check, error) { return check.New(c, env) },
	}
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// throughput runs HTTP checks on one core, targets included, as fast as they
// go: first in a plain loop over the same probe, then under the engine.
func throughput(ctx context.Context) ([]result, error) {
	procs := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(procs)
	address, stop, err := target()
	if err != nil {
		return nil, err
	}
	defer stop()

	// Per second of processor time, since other work shares the machine.
	const span = 10 * time.Second
	u := &url.URL{Scheme: "http", Host: address, Path: "/"}
	p := &probe.HTTP{Method: http.MethodGet, URL: u, Transport: probe.NewTransport(&probe.Dialer{}, nil)}
	loop := 0
	begin, used := time.Now(), cpu()
	for time.Since(begin) < span && ctx.Err() == nil {
		if res := p.Run(ctx, nil); res.Verdict != probe.Up {
			return nil, fmt.Errorf("the target is not up: %s", res.Message)
		}
		loop++
	}
	baseline := float64(loop) / (cpu() - used).Seconds()

	// A thousand checks that are always due: as many runs as the core can do.
	sink := &discard{}
	e := engine.New(sink, engine.Options{Concurrency: 16, PerTarget: 16})
	env := check.NewEnv(nil, nil)
	spec := engine.Spec{Name: "bench", Generation: 1}
	for i := range 1000 {
		spec.Checks = append(spec.Checks, define(env, fmt.Sprintf("c%d", i), address, 50*time.Millisecond))
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		e.Run(ctx)
	}()
	if err := e.Apply(spec); err != nil {
		cancel()
		return nil, err
	}
	time.Sleep(2 * time.Second)
	ran, used := sink.ran.Load(), cpu()
	time.Sleep(span)
	rate := float64(sink.ran.Load()-ran) / (cpu() - used).Seconds()
	status, _ := e.Spec("bench")
	cancel()
	done.Wait()
	if status.Summary.Overall != health.Success {
		return nil, fmt.Errorf("not every check succeeded: %s", status.Summary.Message)
	}
	return []result{
		{"HTTP checks per core-second, plain loop", fmt.Sprintf("%.0f", baseline), "baseline", true},
		{"HTTP checks per core-second, engine", fmt.Sprintf("%.0f (%.2f of the loop)", rate, rate/baseline), ">= 2000", rate >= 2000},
	}, nil
}

// churn adds and removes checks and looks for what is left behind.
func churn(ctx context.Context) ([]result, error) {
	address, stop, err := target()
	if err != nil {
		return nil, err
	}
	defer stop()
	e := engine.New(&discard{}, engine.Options{FirstRunSpread: time.Millisecond})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go e.Run(ctx)
	env := check.NewEnv(nil, nil)
	cycle := func(i int) error {
		name := fmt.Sprintf("s%d", i%50)
		if err := e.Apply(engine.Spec{Name: name, UID: fmt.Sprint(i), Generation: 1, Checks: []engine.Check{define(env, "c", address, time.Second)}}); err != nil {
			return err
		}
		if i%10 == 0 {
			time.Sleep(2 * time.Millisecond) // so that some are removed while they run
		}
		e.Remove(name)
		return nil
	}
	settled := func() int {
		time.Sleep(2 * time.Second)
		runtime.GC()
		return runtime.NumGoroutine()
	}
	for i := range 100 {
		if err := cycle(i); err != nil {
			return nil, err
		}
	}
	before := settled()
	const cycles = 10_000
	for i := range cycles {
		if err := cycle(i); err != nil {
			return nil, err
		}
	}
	after := settled()
	return []result{{
		fmt.Sprintf("goroutines after %d add/remove cycles", cycles), fmt.Sprintf("%d before, %d after", before, after),
		"no growth", after <= before+2,
	}}, nil
}
