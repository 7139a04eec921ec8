package verdict

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

// Window is a compiled maintenance window.
type Window struct {
	Name     string
	checks   map[string]bool
	schedule cron.Schedule
	zone     *time.Location
	duration time.Duration
	start    time.Time
	end      time.Time
}

// CompileWindow reads a maintenance window, and says what is wrong with its
// schedule or time zone.
func CompileWindow(w *health.MaintenanceWindow) (Window, error) {
	out := Window{Name: w.Name, zone: time.UTC}
	if len(w.Checks) > 0 {
		out.checks = make(map[string]bool, len(w.Checks))
		for _, name := range w.Checks {
			out.checks[name] = true
		}
	}
	if w.Schedule == "" {
		switch {
		case w.Start == nil || w.End == nil || w.Duration != nil || w.TimeZone != "":
			return Window{}, fmt.Errorf("has neither schedule and duration nor start and end")
		case !w.Start.Before(w.End):
			return Window{}, fmt.Errorf("starts at %s, which is not before its end %s", w.Start.Format(time.RFC3339), w.End.Format(time.RFC3339))
		}
		out.start, out.end = w.Start.Time, w.End.Time
		return out, nil
	}
	if w.Duration == nil || w.Start != nil || w.End != nil {
		return Window{}, fmt.Errorf("has a schedule, so it needs a duration, and neither start nor end")
	}
	out.duration = w.Duration.Duration
	if out.duration < time.Minute || out.duration > 168*time.Hour {
		return Window{}, fmt.Errorf("duration %s is not from 1m to 168h", out.duration)
	}
	if w.TimeZone != "" {
		zone, err := time.LoadLocation(w.TimeZone)
		if err != nil {
			return Window{}, fmt.Errorf("timeZone %q is not a known IANA zone", w.TimeZone)
		}
		out.zone = zone
	}
	// The parser reads "TZ=..." prefixes and panics on malformed ones; the zone
	// has a field of its own.
	if strings.Contains(w.Schedule, "=") {
		return Window{}, fmt.Errorf("schedule %q names a zone; use timeZone", w.Schedule)
	}
	schedule, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(w.Schedule)
	if err != nil {
		return Window{}, fmt.Errorf("schedule %q: %w", w.Schedule, err)
	}
	out.schedule = schedule
	return out, nil
}

// Open says whether the window is open at that time.
func (w Window) Open(at time.Time) bool {
	if w.schedule == nil {
		return !at.Before(w.start) && at.Before(w.end)
	}
	// Next is strictly after its argument, so the window is open at the moment
	// it starts and closed at the one it ends.
	opened := w.schedule.Next(at.In(w.zone).Add(-w.duration))
	return !opened.IsZero() && !opened.After(at)
}

// OpenWindows are those of the windows that are open. A schedule takes a while
// to be asked, so that is done once and not for each check.
func OpenWindows(windows []Window, at time.Time) []Window {
	var out []Window
	for _, w := range windows {
		if w.Open(at) {
			out = append(out, w)
		}
	}
	return out
}

// Covering is the name of the first of the windows that covers the check, or
// nothing.
func Covering(windows []Window, check string) string {
	for _, w := range windows {
		if w.checks == nil || w.checks[check] {
			return w.Name
		}
	}
	return ""
}
