package feed

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// DefaultPreset is the profile that applies where a merchant has none.
const DefaultPreset = "bodega"

var presets = sync.OnceValue(func() map[string]Mapping {
	entries, err := presetFiles.ReadDir("presets")
	if err != nil {
		panic(fmt.Sprintf("feed: read embedded presets: %v", err))
	}
	all := make(map[string]Mapping, len(entries))
	for _, e := range entries {
		text, err := presetFiles.ReadFile("presets/" + e.Name())
		if err != nil {
			panic(fmt.Sprintf("feed: read embedded preset %s: %v", e.Name(), err))
		}
		m, err := ParseMapping(text)
		if err != nil {
			panic(fmt.Sprintf("feed: embedded preset %s: %v", e.Name(), err))
		}
		if m.Name+".yaml" != e.Name() {
			panic(fmt.Sprintf("feed: embedded preset %s is named %q", e.Name(), m.Name))
		}
		all[m.Name] = m
	}
	return all
})

// Preset is a mapping that comes with Bodega; see PresetNames.
func Preset(name string) (Mapping, bool) {
	m, ok := presets()[name]
	return m, ok
}

// PresetNames are the names that Preset knows, sorted.
func PresetNames() []string {
	names := make([]string, 0, len(presets()))
	for name := range presets() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// PresetSource is the YAML of a preset, to start a profile of one's own from.
func PresetSource(name string) (string, bool) {
	if strings.ContainsAny(name, "/\\") {
		return "", false
	}
	text, err := presetFiles.ReadFile("presets/" + name + ".yaml")
	return string(text), err == nil
}
