package clusterhealth

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
)

// A leader that lives is ready only while it does its work.
func TestReadinessDependsOnProgress(t *testing.T) {
	turning := engine.Progress{Started: true, SinceTick: time.Second}
	for _, tt := range []struct {
		name     string
		progress engine.Progress
		stalled  time.Duration
		want     string // in the reason; ready where empty
	}{
		{"turning", turning, 0, ""},
		{"not started", engine.Progress{}, 0, "yet to start"},
		{"stuck", engine.Progress{Started: true, SinceTick: 11 * time.Second}, 0, "last turned 11s ago"},
		{"a little late", engine.Progress{Started: true, Overdue: 20 * time.Second}, 0, ""},
		{"late", engine.Progress{Started: true, Overdue: 31 * time.Second}, 0, "31s overdue"},
		{"writes fail for a moment", turning, 20 * time.Second, ""},
		{"writes fail", turning, 31 * time.Second, "no status could be written for 31s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := progressing(tt.progress, tt.stalled)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Why a replica is not ready is in its log, once, since whoever asks is told
// nothing but that it is not.
func TestReadinessIsLogged(t *testing.T) {
	for expiry, want := range map[time.Time]string{
		{}: "has yet to get a certificate",
		time.Now().Add(-time.Hour).Round(time.Second): "the webhook's certificate expired at",
	} {
		var log bytes.Buffer
		op := &operator{
			cfg: Config{Webhook: "self-signed"}, expiry: func() time.Time { return expiry },
			log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		for range 2 {
			if err := op.ready(&http.Request{}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("logged %q, want %q once", log.String(), want)
		}
	}
}
