package app

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/ml/gbdt"
	"github.com/bodega-hq/bodega/internal/ml/gbdt/table"
)

// modelSchema says which columns of a table are a model's features.
type modelSchema struct {
	names []string
	label int // the label's column in the training file
	// levels turn a feature's cells into category codes.
	levels map[int]*modelLevels
}

// modelLevels are the categories of a feature, by text and by number.
type modelLevels struct {
	texts   map[string]int
	numbers map[float64]int
}

func modelLevelsOf(categories []any) *modelLevels {
	l := &modelLevels{texts: make(map[string]int), numbers: make(map[float64]int)}
	for code, category := range categories {
		switch v := category.(type) {
		case string:
			l.texts[v] = code
		case json.Number:
			if number, err := v.Float64(); err == nil {
				l.numbers[number] = code
			}
		case bool:
			for _, text := range modelBoolTexts[v] {
				l.texts[text] = code
			}
		}
	}
	return l
}

// modelBoolTexts are the texts that pandas reads as booleans.
var modelBoolTexts = map[bool][]string{false: {"False", "FALSE", "false"}, true: {"True", "TRUE", "true"}}

// codes turns cells into category codes; a category that the model does not
// know is missing.
func (l *modelLevels) codes(cells []string) []float64 {
	codes := make([]float64, len(cells))
	for i, cell := range cells {
		code, ok := l.texts[cell]
		if !ok {
			if number, isNumber := table.Number(cell); isNumber {
				code, ok = l.numbers[number]
			}
		}
		codes[i] = math.NaN()
		if ok {
			codes[i] = float64(code)
		}
	}
	return codes
}

// modelSchemaOf is a loaded model's schema. Which features a model's lists of
// categories belong to is only in their order, so that it takes a look at the
// table where some categorical features have none.
func modelSchemaOf(model *gbdt.Model, read *table.Table) (*modelSchema, error) {
	s := &modelSchema{names: model.FeatureNames, label: model.LabelIndex, levels: make(map[int]*modelLevels)}
	lists := model.PandasCategorical
	if len(lists) == 0 {
		return s, nil
	}
	features := modelCategoricalFeatures(model)
	if len(features) != len(lists) {
		var textual []int
		for _, feature := range features {
			if column, err := read.Index(model.FeatureNames[feature]); err == nil && !read.Numeric(column) {
				textual = append(textual, feature)
			}
		}
		if len(textual) != len(lists) {
			return nil, fmt.Errorf("the model lists the categories of %d columns and has %d categorical features; which belong together cannot be told", len(lists), len(features))
		}
		features = textual
	}
	for i, feature := range features {
		s.levels[feature] = modelLevelsOf(lists[i])
	}
	return s, nil
}

// modelCategoricalFeatures are the features that a model was told are
// categorical, ascending.
func modelCategoricalFeatures(model *gbdt.Model) []int {
	var features []int
	for i, info := range model.FeatureInfos {
		if strings.Contains(info, ":") && !strings.HasPrefix(info, "[") {
			features = append(features, i)
		}
	}
	// Features that were of no use in training have no info; the parameters
	// still name them.
	given, _ := model.Parameter("categorical_feature")
	for _, text := range strings.Split(given, ",") {
		if i, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && i >= 0 && i < model.Features() && !slices.Contains(features, i) {
			features = append(features, i)
		}
	}
	slices.Sort(features)
	return features
}

// modelAutomaticName is how features without names are called.
var modelAutomaticName = regexp.MustCompile(`^Column_\d+$`)

// places finds the table's column of every feature: by name, or by place where
// either side has no names. A LibSVM file may end before the last feature, whose
// values are then 0: place -1.
func (s *modelSchema) places(read *table.Table, label string) ([]int, error) {
	places := make([]int, len(s.names))
	if read.Format == table.LibSVM {
		if read.Columns > len(s.names) {
			return nil, fmt.Errorf("it has feature %d, the model's last is %d", read.Columns-1, len(s.names)-1)
		}
		for i := range places {
			places[i] = i
			if i >= read.Columns {
				places[i] = -1
			}
		}
		return places, nil
	}
	if read.Names != nil {
		missing := s.byName(read, places)
		if len(missing) == 0 {
			return places, nil
		}
		if slices.ContainsFunc(s.names, func(name string) bool { return !modelAutomaticName.MatchString(name) }) {
			return nil, fmt.Errorf("it has no column %s, which the model uses", strings.Join(missing, ", "))
		}
	}
	leave := -1
	switch {
	case label != "" && read.Columns != len(s.names):
		var err error
		if leave, err = read.Index(label); err != nil {
			return nil, err
		}
	case read.Columns == len(s.names)+1:
		leave = s.label
	}
	rest := read.Columns
	if leave >= 0 {
		rest--
	}
	if rest != len(s.names) {
		return nil, fmt.Errorf("it has %d columns, the model has %d features (and the file may hold the label besides)", read.Columns, len(s.names))
	}
	for i := range places {
		places[i] = i
		if leave >= 0 && i >= leave {
			places[i]++
		}
	}
	return places, nil
}

// byName finds columns by their names, in which spaces count as underscores,
// and returns the names that are missing.
func (s *modelSchema) byName(read *table.Table, places []int) (missing []string) {
	at := make(map[string]int, len(read.Names))
	for i, name := range read.Names {
		at[strings.ReplaceAll(name, " ", "_")] = i
	}
	for i, name := range s.names {
		place, ok := at[name]
		if !ok {
			missing = append(missing, strconv.Quote(name))
		}
		places[i] = place
	}
	return missing
}

// columns are the features' values.
func (s *modelSchema) columns(read *table.Table, label string) ([][]float64, error) {
	places, err := s.places(read, label)
	if err != nil {
		return nil, err
	}
	columns := make([][]float64, len(places))
	for i, place := range places {
		switch levels := s.levels[i]; {
		case place < 0:
			columns[i] = make([]float64, read.Rows)
		case levels != nil:
			cells, err := read.Texts(place)
			if err != nil {
				return nil, err
			}
			columns[i] = levels.codes(cells)
		default:
			if columns[i], err = read.Numbers(place); err != nil {
				return nil, err
			}
		}
	}
	return columns, nil
}

// dataset is a labelled table under the schema.
func (s *modelSchema) dataset(t *term.Terminal, read *table.Table, path, label, weight string) (*gbdt.Dataset, error) {
	columns, err := s.columns(read, label)
	if err != nil {
		return nil, err
	}
	d := &gbdt.Dataset{}
	if d.Label, err = modelLabel(read, label); err != nil {
		return nil, err
	}
	weightAt := -1
	if weight != "" {
		if weightAt, err = read.Index(weight); err != nil {
			return nil, err
		}
	}
	if d.Weight, err = modelWeights(t, read, path, weightAt); err != nil {
		return nil, err
	}
	for i, values := range columns {
		d.Features = append(d.Features, gbdt.Feature{Name: s.names[i], Values: values})
	}
	return d, nil
}

// modelLabel is the column of labels, of which none may be missing.
func modelLabel(read *table.Table, label string) ([]float64, error) {
	values, name := read.Label, "label"
	if read.Format != table.LibSVM {
		at, err := read.Index(label)
		if err != nil {
			return nil, fmt.Errorf("label: %w", err)
		}
		if values, err = read.Numbers(at); err != nil {
			return nil, fmt.Errorf("label: %w; classes are numbers from 0", err)
		}
		name = read.Name(at)
	}
	if values == nil {
		return nil, errors.New("its lines have no label")
	}
	for i, v := range values {
		if v != v {
			return nil, fmt.Errorf("label: column %q, line %d: there is no value", name, read.Line(i))
		}
		if math.Abs(v) > math.MaxFloat32 {
			return nil, fmt.Errorf("label: column %q, line %d: the value is infinite or beyond a label's range", name, read.Line(i))
		}
	}
	return values, nil
}

// modelWeights are the rows' weights: a column where one is named, else the
// numbers in the file of the same name with .weight behind it, where there is
// one, else nil.
func modelWeights(t *term.Terminal, read *table.Table, path string, column int) ([]float64, error) {
	if column >= 0 {
		weights, err := read.Numbers(column)
		if err != nil {
			return nil, fmt.Errorf("weight: %w", err)
		}
		return weights, nil
	}
	if path == "-" {
		return nil, nil
	}
	for _, other := range []string{".init", ".query", ".group", ".position"} {
		if _, err := os.Stat(path + other); err == nil {
			return nil, fmt.Errorf("%s lies beside it, and start scores, queries and positions are not supported; move it away to go without", path+other)
		}
	}
	f, err := os.Open(path + ".weight")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var weights []float64
	scan := bufio.NewScanner(f)
	for line := 1; scan.Scan(); line++ {
		text := strings.TrimSpace(scan.Text())
		if text == "" {
			continue
		}
		v, ok := table.Number(text)
		if !ok || v != v {
			return nil, fmt.Errorf("%s, line %d: %q is not a weight", f.Name(), line, text)
		}
		weights = append(weights, v)
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	if len(weights) != read.Rows {
		return nil, fmt.Errorf("%s has %d weights for %d rows", f.Name(), len(weights), read.Rows)
	}
	fmt.Fprintf(t.Err, "weights of %s: %s\n", path, f.Name())
	return weights, nil
}
