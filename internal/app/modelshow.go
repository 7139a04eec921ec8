package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/ml/gbdt"
)

// ModelShowCmd describes a model: `bodega model show`.
type ModelShowCmd struct {
	Model string `arg:"" placeholder:"MODEL.txt" help:"Model in LightGBM's text format."`
	All   bool   `help:"List features that no tree uses, too."`
}

// modelShown is what `model show -o json` prints.
type modelShown struct {
	Objective  string              `json:"objective"`
	Classes    int                 `json:"classes"`
	Iterations int                 `json:"iterations"`
	Trees      int                 `json:"trees"`
	Leaves     int                 `json:"leaves"`
	LabelIndex int                 `json:"label_index"`
	Features   []modelShownFeature `json:"features"`
	Parameters map[string]string   `json:"parameters"`
	used       []gbdt.Parameter
}

// modelShownFeature is a feature and how much the trees use it.
type modelShownFeature struct {
	Name       string  `json:"name"`
	Kind       string  `json:"kind"` // numeric, categorical or unused
	Range      string  `json:"range"`
	Splits     int     `json:"splits"`
	Gain       float64 `json:"gain"`
	Categories []any   `json:"categories,omitempty"`
}

// Run reads the model and prints what it is made of, the features that matter
// most first.
func (c *ModelShowCmd) Run(_ context.Context, t *term.Terminal) error {
	model, err := modelLoad(t, c.Model)
	if err != nil {
		return fmt.Errorf("model show: %w", err)
	}
	shown := modelDescribe(model)
	return t.Print(shown, func(w io.Writer) error { return shown.text(w, c.All) })
}

func modelDescribe(model *gbdt.Model) *modelShown {
	shown := &modelShown{
		Objective: model.Objective, Classes: model.NumClass, Iterations: model.Iterations(),
		Trees: len(model.Trees), LabelIndex: model.LabelIndex, Parameters: make(map[string]string),
	}
	if shown.Objective == "" {
		shown.Objective = "custom"
	}
	for _, tree := range model.Trees {
		shown.Leaves += tree.Leaves()
	}
	splits, gain := model.Importance(false), model.Importance(true)
	categorical := modelCategoricalFeatures(model)
	for i, name := range model.FeatureNames {
		f := modelShownFeature{Name: name, Kind: "numeric", Range: model.FeatureInfos[i], Splits: int(splits[i]), Gain: gain[i]}
		at := slices.Index(categorical, i)
		switch {
		case f.Range == "none":
			f.Kind = "unused"
		case at >= 0:
			f.Kind = "categorical"
			f.Range = fmt.Sprintf("%d categories", strings.Count(f.Range, ":"))
		}
		if at >= 0 && len(categorical) == len(model.PandasCategorical) {
			f.Categories = model.PandasCategorical[at]
		}
		shown.Features = append(shown.Features, f)
	}
	slices.SortStableFunc(shown.Features, func(a, b modelShownFeature) int { return cmp.Compare(b.Gain, a.Gain) })
	for _, p := range model.Parameters {
		shown.Parameters[p.Name] = p.Value
		if p.Value != "" {
			shown.used = append(shown.used, p)
		}
	}
	return shown
}

// modelShortRange rounds "[min:max]" to what people read.
func modelShortRange(text string) string {
	low, high, ok := strings.Cut(strings.Trim(text, "[]"), ":")
	a, errA := strconv.ParseFloat(low, 64)
	b, errB := strconv.ParseFloat(high, 64)
	if !ok || errA != nil || errB != nil {
		return text
	}
	return fmt.Sprintf("%.6g to %.6g", a, b)
}

func (s *modelShown) text(w io.Writer, all bool) error {
	if _, err := fmt.Fprintf(w, "%s: %d trees in %d rounds, %d leaves, %d features\n\n", s.Objective, s.Trees, s.Iterations, s.Leaves, len(s.Features)); err != nil {
		return err
	}
	var rows [][]string
	hidden := 0
	for _, f := range s.Features {
		if f.Splits == 0 && !all {
			hidden++
			continue
		}
		rows = append(rows, []string{f.Name, f.Kind, modelShortRange(f.Range), strconv.Itoa(f.Splits), strconv.FormatFloat(f.Gain, 'g', 6, 64)})
	}
	if err := term.Table(w, []string{"feature", "kind", "range", "splits", "gain"}, rows); err != nil {
		return err
	}
	if hidden > 0 {
		if _, err := fmt.Fprintf(w, "and %d that no tree uses (--all lists them)\n", hidden); err != nil {
			return err
		}
	}
	differ := gbdt.Differing(s.used)
	if len(differ) == 0 {
		return nil
	}
	rows = rows[:0]
	for _, p := range differ {
		rows = append(rows, []string{p.Name, p.Value})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return term.Table(w, []string{"parameter not at its default", "value"}, rows)
}
