package controller

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// A result that a former process left ends with the promise of its spec: its own
// includes the time that its write could wait.
func TestFormerResultsEndWithTheirSpec(t *testing.T) {
	now := time.Now()
	spec := &health.ClusterHealthSpec{ObjectMeta: metav1.ObjectMeta{Name: "s", UID: "u"}}
	spec.Spec.Checks = []health.Check{{Name: "c", TCP: &health.TCPCheck{Address: "h:1"}}}
	r := &Reconciler{}
	def, err := r.define(t.Context(), spec, &spec.Spec.Checks[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		promised time.Duration
		owner    string
		left     time.Duration
		obsolete bool
	}{
		{"spec ends first", 20 * time.Second, "u", 20 * time.Second, false},
		{"check ends first", time.Hour, "u", time.Minute, false},
		{"of another spec", time.Hour, "v", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			until := metav1.NewTime(now.Add(tt.promised))
			spec.Status.ValidUntil = &until
			f := &formerStates{byName: map[string]formerState{"s.c": {
				owner: tt.owner, definition: def.Definition, result: health.Success, validUntil: now.Add(time.Minute),
				runs: []verdict.Run{{At: now, Result: health.Success}},
			}}}
			restored, obsolete := f.take(spec, &def)
			if obsolete != tt.obsolete || (restored == nil) != tt.obsolete {
				t.Fatalf("restored %v, obsolete %v", restored, obsolete)
			}
			if restored != nil && !restored.ValidUntil.Equal(now.Add(tt.left)) {
				t.Errorf("valid for %s, want %s", restored.ValidUntil.Sub(now), tt.left)
			}
			if again, _ := f.take(spec, &def); again != nil {
				t.Error("is handed out twice")
			}
		})
	}
}
