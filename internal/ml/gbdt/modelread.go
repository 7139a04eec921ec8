package gbdt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// largestModel bounds what ReadModel reads, in bytes.
const largestModel = 4 << 30

// modelError is an error about a tree of a model file.
func modelError(tree int, format string, args ...any) error {
	return fmt.Errorf("%w: tree %d %s", ErrModel, tree, fmt.Sprintf(format, args...))
}

// ReadModel reads a model in LightGBM's text format, versions v2 to v4. What is
// read is checked: every tree is a tree, every number it needs is there. Memory
// is only taken for what the file really holds. Errors wrap ErrModel.
func ReadModel(r io.Reader) (*Model, error) {
	text, err := io.ReadAll(io.LimitReader(r, largestModel+1))
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	if len(text) > largestModel {
		return nil, fmt.Errorf("%w: over %d bytes", ErrModel, int64(largestModel))
	}
	d := &modelReader{lines: lineReader{rest: text}, model: &Model{}}
	if err := d.read(); err != nil {
		return nil, err
	}
	return d.model, nil
}

// lineReader hands out lines without their ends, and can take one back.
type lineReader struct {
	rest, last []byte
}

func (l *lineReader) next() (line string, ok bool) {
	if len(l.rest) == 0 {
		return "", false
	}
	l.last = l.rest
	text, rest, _ := bytes.Cut(l.rest, []byte{'\n'})
	l.rest = rest
	return string(bytes.TrimSuffix(text, []byte{'\r'})), true
}

func (l *lineReader) back() { l.rest = l.last }

type modelReader struct {
	lines lineReader
	model *Model
}

func (d *modelReader) read() error {
	header, err := d.header()
	if err != nil {
		return err
	}
	if err := d.settings(header); err != nil {
		return err
	}
	ended := false
	for !ended {
		line, ok := d.lines.next()
		switch {
		case !ok:
			return fmt.Errorf("%w: ends after tree %d without the line \"end of trees\"; the file is truncated", ErrModel, len(d.model.Trees)-1)
		case line == "end of trees":
			ended = true
		case strings.HasPrefix(line, "Tree="):
			if err := d.tree(); err != nil {
				return err
			}
		case strings.TrimSpace(line) != "":
			return fmt.Errorf("%w: %s between trees", ErrModel, quoted(line))
		}
	}
	if sizes, ok := header["tree_sizes"]; ok {
		if n := len(strings.Fields(sizes)); n != len(d.model.Trees) {
			return fmt.Errorf("%w: tree_sizes announces %d trees, there are %d", ErrModel, n, len(d.model.Trees))
		}
	}
	if len(d.model.Trees)%d.model.TreesPerIteration != 0 {
		return fmt.Errorf("%w: %d trees do not make whole rounds of %d", ErrModel, len(d.model.Trees), d.model.TreesPerIteration)
	}
	return d.trailer()
}

// header reads the lines up to the first tree.
func (d *modelReader) header() (map[string]string, error) {
	if first, _ := d.lines.next(); first != "tree" {
		return nil, fmt.Errorf("%w: starts with %s instead of \"tree\"; this is not a text model", ErrModel, quoted(first))
	}
	header := make(map[string]string)
	for {
		line, ok := d.lines.next()
		if !ok {
			return nil, fmt.Errorf("%w: ends within its header; the file is truncated", ErrModel)
		}
		if strings.HasPrefix(line, "Tree=") || line == "end of trees" {
			d.lines.back()
			return header, nil
		}
		if line == "" {
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		header[key] = value
	}
}

func quoted(line string) string {
	const most = 60
	if len(line) > most {
		line = line[:most] + "..."
	}
	return strconv.QuoteToASCII(line)
}

// mostClasses bounds the number of outputs, which every row needs room for.
const mostClasses = 1e5

func (d *modelReader) settings(header map[string]string) error {
	m := d.model
	if v := header["version"]; v != "v4" && v != "v3" && v != "v2" {
		return fmt.Errorf("%w: version %s is not v2, v3 or v4", ErrModel, quoted(v))
	}
	whole := func(key string, least, most int) (int, error) {
		text, ok := header[key]
		if !ok {
			return 0, fmt.Errorf("%w: no %s in its header", ErrModel, key)
		}
		v, err := strconv.Atoi(text)
		if err != nil || v < least || v > most {
			return 0, fmt.Errorf("%w: %s is %s, not a whole number from %d to %d", ErrModel, key, quoted(text), least, most)
		}
		return v, nil
	}
	var err error
	if m.NumClass, err = whole("num_class", 1, mostClasses); err != nil {
		return err
	}
	m.TreesPerIteration = m.NumClass
	if _, ok := header["num_tree_per_iteration"]; ok {
		if m.TreesPerIteration, err = whole("num_tree_per_iteration", m.NumClass, m.NumClass); err != nil {
			return err
		}
	}
	if m.LabelIndex, err = whole("label_index", 0, math.MaxInt32); err != nil {
		return err
	}
	last, err := whole("max_feature_idx", 0, math.MaxInt32)
	if err != nil {
		return err
	}
	_, m.AverageOutput = header["average_output"]
	m.Objective = header["objective"]
	m.FeatureNames = strings.Fields(header["feature_names"])
	m.FeatureInfos = strings.Fields(header["feature_infos"])
	if n := len(m.FeatureNames); n != last+1 {
		return fmt.Errorf("%w: %d feature_names for max_feature_idx %d", ErrModel, n, last)
	}
	if n := len(m.FeatureInfos); n != last+1 {
		return fmt.Errorf("%w: %d feature_infos for max_feature_idx %d", ErrModel, n, last)
	}
	if text, ok := header["monotone_constraints"]; ok {
		if m.MonotoneConstraints, err = ints(text); err != nil || len(m.MonotoneConstraints) != last+1 {
			return fmt.Errorf("%w: monotone_constraints is not %d whole numbers", ErrModel, last+1)
		}
	}
	return nil
}

// trailer reads what follows the trees.
func (d *modelReader) trailer() error {
	inParameters := false
	for {
		line, ok := d.lines.next()
		if !ok {
			break
		}
		switch {
		case line == "parameters:":
			inParameters = true
		case line == "end of parameters":
			inParameters = false
		case inParameters && strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			name, value, _ := strings.Cut(line[1:len(line)-1], ":")
			d.model.Parameters = append(d.model.Parameters, Parameter{name, strings.TrimSpace(value)})
		case strings.HasPrefix(line, "pandas_categorical:"):
			decode := json.NewDecoder(strings.NewReader(strings.TrimPrefix(line, "pandas_categorical:")))
			decode.UseNumber()
			if err := decode.Decode(&d.model.PandasCategorical); err != nil {
				return fmt.Errorf("%w: pandas_categorical: %w", ErrModel, err)
			}
		}
	}
	if inParameters {
		return fmt.Errorf("%w: ends within its parameters; the file is truncated", ErrModel)
	}
	return nil
}

// tree reads the body of a tree, after its "Tree=" line.
func (d *modelReader) tree() error {
	number := len(d.model.Trees)
	fields := make(map[string]string)
	for {
		line, ok := d.lines.next()
		if !ok {
			return modelError(number, "ends within its lines; the file is truncated")
		}
		if line == "" {
			break
		}
		key, value, found := strings.Cut(line, "=")
		if !found {
			return modelError(number, "has the line %s, which is not key=value", quoted(line))
		}
		fields[key] = value
	}
	t, err := parseTree(number, fields, len(d.model.FeatureNames))
	if err != nil {
		return err
	}
	d.model.Trees = append(d.model.Trees, t)
	return nil
}

// ints parses whole numbers of 32 bits separated by spaces.
func ints(text string) ([]int, error) {
	fields := strings.Fields(text)
	out := make([]int, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseInt(f, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s is not a whole number of 32 bits", quoted(f))
		}
		out[i] = int(v)
	}
	return out, nil
}

// words parses unsigned whole numbers of 32 bits separated by spaces.
func words(text string) ([]uint32, error) {
	fields := strings.Fields(text)
	out := make([]uint32, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s is not an unsigned whole number of 32 bits", quoted(f))
		}
		out[i] = uint32(v)
	}
	return out, nil
}

func floats(text string) ([]float64, error) {
	fields := strings.Fields(text)
	out := make([]float64, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseFloat(f, 64)
		// A number out of range comes back as the infinity that it rounds to.
		if err != nil && !math.IsInf(v, 0) {
			return nil, fmt.Errorf("%s is not a number", quoted(f))
		}
		out[i] = v
	}
	return out, nil
}

// treeParser takes a tree's arrays from its fields, and keeps the first error.
type treeParser struct {
	number int
	fields map[string]string
	err    error
}

func (p *treeParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = modelError(p.number, format, args...)
	}
}

// text is a field that must be there where required, to hold n entries.
func (p *treeParser) text(key string, required bool) (string, bool) {
	text, ok := p.fields[key]
	if !ok && required {
		p.fail("has no %s", key)
	}
	return text, ok
}

func (p *treeParser) length(key string, got, want int) {
	if got != want {
		p.fail("has %d entries in %s instead of %d", got, key, want)
	}
}

func (p *treeParser) ints(key string, n int, required bool) []int {
	text, ok := p.text(key, required)
	if !ok {
		return make([]int, n)
	}
	v, err := ints(text)
	if err != nil {
		p.fail("has in %s: %v", key, err)
		return make([]int, n)
	}
	p.length(key, len(v), n)
	return v
}

func (p *treeParser) floats(key string, n int, required bool) []float64 {
	text, ok := p.text(key, required)
	if !ok {
		return make([]float64, n)
	}
	v, err := floats(text)
	if err != nil {
		p.fail("has in %s: %v", key, err)
		return make([]float64, n)
	}
	p.length(key, len(v), n)
	return v
}

func parseTree(number int, fields map[string]string, features int) (*Tree, error) {
	p := &treeParser{number: number, fields: fields}
	leaves, err := strconv.Atoi(fields["num_leaves"])
	// The values are counted before anything is made as long as num_leaves says.
	if values := len(strings.Fields(fields["leaf_value"])); err != nil || leaves < 1 || values != leaves {
		return nil, modelError(number, "has num_leaves %s and %d entries in leaf_value", quoted(fields["num_leaves"]), values)
	}
	sets, err := strconv.Atoi(fields["num_cat"])
	if err != nil || sets < 0 || sets >= leaves {
		return nil, modelError(number, "has num_cat %s, not a whole number below its %d leaves", quoted(fields["num_cat"]), leaves)
	}
	nodes := leaves - 1
	t := &Tree{LeafValue: p.floats("leaf_value", leaves, true), Shrinkage: 1}
	for i, v := range t.LeafValue {
		if v-v != 0 {
			p.fail("has %v as the value of leaf %d", v, i)
		}
	}
	if text, ok := fields["shrinkage"]; ok {
		if t.Shrinkage, err = strconv.ParseFloat(text, 64); err != nil {
			p.fail("has shrinkage %s, not a number", quoted(text))
		}
	}
	// A tree of one leaf has nothing else, and may have empty lists.
	if nodes == 0 {
		t.LeafWeight, t.LeafCount = []float64{0}, []int{0}
		if v, err := ints(fields["leaf_count"]); err == nil && len(v) == 1 {
			t.LeafCount = v
		}
	} else {
		t.LeafWeight = p.floats("leaf_weight", leaves, false)
		t.LeafCount = p.ints("leaf_count", leaves, false)
		p.parseNodes(t, nodes)
	}
	if fields["is_linear"] == "1" {
		p.parseLinear(t, features)
	}
	if sets > 0 {
		p.parseSets(t, sets)
	}
	if p.err == nil {
		p.check(t, sets, features)
	}
	return t, p.err
}

func (p *treeParser) parseNodes(t *Tree, nodes int) {
	t.SplitFeature = p.ints("split_feature", nodes, true)
	t.SplitGain = p.floats("split_gain", nodes, false)
	t.Threshold = p.floats("threshold", nodes, true)
	t.Left = p.ints("left_child", nodes, true)
	t.Right = p.ints("right_child", nodes, true)
	t.InternalValue = p.floats("internal_value", nodes, false)
	t.InternalWeight = p.floats("internal_weight", nodes, false)
	t.InternalCount = p.ints("internal_count", nodes, false)
	for i, v := range p.ints("decision_type", nodes, false) {
		// Bits 2 and 3 are the missing type, of which 3 has no meaning.
		if v < 0 || v > 11 {
			p.fail("has decision_type %d at node %d", v, i)
		}
		t.DecisionType = append(t.DecisionType, uint8(v))
	}
}

func (p *treeParser) parseSets(t *Tree, sets int) {
	t.CategoryStart = p.ints("cat_boundaries", sets+1, true)
	text, _ := p.text("cat_threshold", true)
	var err error
	if t.CategoryBits, err = words(text); err != nil {
		p.fail("has in cat_threshold: %v", err)
	}
	if p.err != nil {
		return
	}
	for i, start := range t.CategoryStart {
		if i == 0 && start != 0 || i > 0 && start < t.CategoryStart[i-1] {
			p.fail("has cat_boundaries that do not ascend from 0")
		}
	}
	if end := t.CategoryStart[sets]; end != len(t.CategoryBits) {
		p.fail("has %d entries in cat_threshold instead of %d", len(t.CategoryBits), end)
	}
}

func (p *treeParser) parseLinear(t *Tree, features int) {
	leaves := t.Leaves()
	constants := p.floats("leaf_const", leaves, true)
	counts := p.ints("num_features", leaves, true)
	total := 0
	for i, n := range counts {
		if n < 0 {
			p.fail("has %d features in the model of leaf %d", n, i)
		}
		total += max(n, 0)
	}
	text, _ := p.text("leaf_features", true)
	if n := len(strings.Fields(text)); n != total {
		p.fail("has %d entries in leaf_features instead of %d", n, total)
	}
	if p.err != nil {
		return
	}
	used := p.ints("leaf_features", total, true)
	coefficients := p.floats("leaf_coeff", total, true)
	if p.err != nil {
		return
	}
	at := 0
	for leaf := range leaves {
		model := LinearLeaf{Constant: constants[leaf], Features: used[at : at+counts[leaf]], Coefficients: coefficients[at : at+counts[leaf]]}
		for _, f := range model.Features {
			if f < 0 || f >= features {
				p.fail("uses feature %d in leaf %d, the model has %d", f, leaf, features)
			}
		}
		t.Linear = append(t.Linear, model)
		at += counts[leaf]
	}
}

// check makes sure that the nodes form one tree and refer to what exists.
func (p *treeParser) check(t *Tree, sets, features int) {
	nodes := len(t.SplitFeature)
	for i := range nodes {
		if f := t.SplitFeature[i]; f < 0 || f >= features {
			p.fail("splits node %d on feature %d, the model has %d", i, f, features)
		}
		k := t.Threshold[i]
		if k != k {
			p.fail("has no number as the threshold of node %d", i)
		}
		if t.DecisionType[i]&decisionCategorical != 0 && !(k >= 0 && k < float64(sets) && k == math.Trunc(k)) {
			p.fail("refers at node %d to set %v of %d", i, k, sets)
		}
	}
	if nodes == 0 {
		return
	}
	seenNodes, seenLeaves := make([]bool, nodes), make([]bool, nodes+1)
	seenNodes[0] = true
	reached := 0
	for stack := []int{0}; len(stack) > 0 && p.err == nil; {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		reached++
		for _, child := range []int{t.Left[node], t.Right[node]} {
			switch {
			case child >= nodes || ^child > nodes:
				p.fail("has child %d below node %d, beyond its %d nodes", child, node, nodes)
			case child >= 0 && seenNodes[child] || child < 0 && seenLeaves[^child]:
				p.fail("reaches child %d a second time from node %d; it is no tree", child, node)
			case child >= 0:
				seenNodes[child] = true
				stack = append(stack, child)
			default:
				seenLeaves[^child] = true
			}
		}
	}
	if p.err == nil && reached != nodes {
		p.fail("has %d nodes that its root does not reach", nodes-reached)
	}
}
