package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// formerStates is what a former process wrote about its checks. It is read once,
// in pages, since the checks are otherwise cached as metadata only.
type formerStates struct {
	reader client.Reader

	mu     sync.Mutex
	loaded bool
	byName map[string]formerState
}

type formerState struct {
	owner      string
	definition string
	result     health.Result
	message    string
	since      time.Time
	flapping   bool
	runs       []verdict.Run
	generation int64
	lastRun    time.Time
	validUntil time.Time
}

const restorePage = 500

func (f *formerStates) load(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loaded {
		return nil
	}
	byName := map[string]formerState{}
	var list health.ClusterHealthCheckList
	options := &client.ListOptions{Limit: restorePage}
	for {
		if err := f.reader.List(ctx, &list, options); err != nil {
			return fmt.Errorf("list the states of a former process: %w", err)
		}
		for i := range list.Items {
			chc := &list.Items[i]
			if owner := metav1.GetControllerOf(chc); owner != nil && chc.Status.LastRunTime != nil {
				byName[chc.Name] = former(string(owner.UID), &chc.Status)
			}
		}
		if options.Continue = list.Continue; options.Continue == "" {
			break
		}
	}
	f.byName, f.loaded = byName, true
	return nil
}

func former(owner string, s *health.ClusterHealthCheckStatus) formerState {
	out := formerState{
		owner: owner, definition: s.Definition, result: s.Result, message: s.Message,
		since: timeAt(s.LastTransitionTime), flapping: s.Flapping, generation: s.SpecGeneration,
		lastRun: timeAt(s.LastRunTime), validUntil: timeAt(s.ValidUntil),
	}
	for _, run := range s.Runs {
		out.runs = append(out.runs, verdict.Run{
			At: run.Time.Time, Duration: time.Duration(run.DurationMilliseconds) * time.Millisecond,
			Result: run.Result, Message: run.Message,
		})
	}
	return out
}

func timeAt(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// take hands out the state of a check once, if it is of the same spec and the
// same definition; else it may be obsolete.
func (f *formerStates) take(spec *health.ClusterHealthSpec, def *engine.Check) (restored *engine.Restored, obsolete bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := health.CheckObjectName(spec.Name, def.Name)
	state, known := f.byName[name]
	delete(f.byName, name)
	if !known || state.owner != string(spec.UID) || state.definition != def.Definition {
		return nil, known
	}
	// A check's own promise is longer by the time that its write could wait; the
	// spec's is not, and no result outlives it.
	until := state.validUntil
	if promised := spec.Status.ValidUntil; promised != nil && promised.Time.Before(until) {
		until = promised.Time
	}
	return &engine.Restored{
		State:      verdict.Restore(def.Policy, state.result, state.message, state.since, state.flapping, state.runs),
		Generation: state.generation, LastRun: state.lastRun, ValidUntil: until,
	}, false
}
