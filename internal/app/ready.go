package app

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
)

// readyTimeout bounds each check of readiness.
const readyTimeout = 3 * time.Second

// ready answers 200 when everything that the process's roles stand on works,
// and 503 with what does not.
func (p *process) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	checks := map[string]func(context.Context) error{
		"objects": p.bucket.Check,
		"workflows": func(ctx context.Context) error {
			_, err := p.temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		},
		"identity": p.shared.Ping,
	}
	for _, id := range p.tenants.IDs() {
		checks["database of "+string(id)] = func(ctx context.Context) error {
			pool, err := p.pools.Pool(string(id))
			if err != nil {
				return err
			}
			return pool.Ping(ctx)
		}
	}
	status := http.StatusOK
	found := map[string]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, check := range checks {
		wg.Go(func() {
			err := check(ctx)
			mu.Lock()
			defer mu.Unlock()
			found[name] = "ok"
			if err != nil {
				// What exactly is wrong is for the log, not for everybody.
				found[name], status = "unavailable", http.StatusServiceUnavailable
				p.logger.WarnContext(ctx, "not ready", "part", name, "error", err.Error())
			}
		})
	}
	wg.Wait()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(map[string]any{"ready": status == http.StatusOK, "roles": p.settings.Roles, "parts": found})
}
