package feed

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Draft is a mapping profile to start from for a file that no profile reads:
// columns whose names come close to one that a preset knows are mapped, the
// others are listed as comments. It parses where it maps a column at all, and
// is to be looked through by somebody who knows the file.
func Draft(columns []ColumnUse) string {
	free := make([]string, 0, len(columns))
	for _, c := range columns {
		if c.Name != "" && !slices.Contains(free, c.Name) {
			free = append(free, c.Name)
		}
	}
	var chosen [NumFields]string
	take := func(match func(alias string) (string, bool)) {
		for f := range NumFields {
			for _, preset := range PresetNames() {
				m, _ := Preset(preset)
				for _, c := range m.Fields[f].Columns {
					if chosen[f] != "" {
						break
					}
					if name, ok := match(c.Name); ok {
						chosen[f] = name
						free = slices.DeleteFunc(free, func(n string) bool { return n == name })
					}
				}
			}
		}
	}
	// Whoever has a name to the letter gets it before those that come close.
	take(func(alias string) (string, bool) {
		for _, name := range free {
			if fold(name) == fold(alias) {
				return name, true
			}
		}
		return "", false
	})
	take(func(alias string) (string, bool) { return nearest(alias, free) })

	var b strings.Builder
	b.WriteString("name: draft\nfields:\n")
	for f, name := range chosen {
		switch {
		case name != "":
			fmt.Fprintf(&b, "  %s: %s\n", Field(f), strconv.Quote(name))
		case Field(f) == ItemID:
			fmt.Fprintf(&b, "  # %s: which column?\n", Field(f))
		}
	}
	for _, name := range free {
		fmt.Fprintf(&b, "  # not read: %s\n", strconv.Quote(name))
	}
	return b.String()
}
