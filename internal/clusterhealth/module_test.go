package clusterhealth

import (
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
