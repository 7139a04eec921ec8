package app

import (
	"errors"
	"fmt"
	"testing"

	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

func TestTextThatCannotBeStoredIsTheCallersMistake(t *testing.T) {
	_, err := postgres.New(t).Exec(t.Context(), `SELECT $1::text`, "a\x00b")
	if err == nil {
		t.Fatal("the database takes NUL")
	}
	if kind := classify(fmt.Errorf("find items: %w", err)); kind != fault.Invalid {
		t.Errorf("NUL in a text is %s (%v), want %s", kind, err, fault.Invalid)
	}
	if kind := classify(errors.New("anything else")); kind != fault.Internal {
		t.Errorf("an unknown error is %s", kind)
	}
}

func TestRolesAreCheckedBeforeAnythingStarts(t *testing.T) {
	for _, c := range []struct {
		role string
		ok   bool
	}{{"all", true}, {"api", true}, {"worker", true}, {"schedule", true}, {"", false}, {"API", false}, {"wroker", false}} {
		if got := (&Settings{Roles: []string{c.role}}); c.ok {
			for _, r := range roles {
				if got.runs(r.name) != (c.role == r.name || c.role == roleAll) {
					t.Errorf("--roles %s and the role %s disagree", c.role, r.name)
				}
			}
		} else if got.Validate() == nil {
			t.Errorf("--roles %q passes", c.role)
		}
	}
}
