package gbdt

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// ParseConfig reads parameters in the form of LightGBM's train.conf: a line is
// "name = value", what follows # is a comment. Names stay as they are written.
// A name that two lines give different values, under itself or an alias, is an
// error.
func ParseConfig(r io.Reader) ([]Parameter, error) {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	var out []Parameter
	line := 0
	for scan.Scan() {
		line++
		text, _, _ := strings.Cut(scan.Text(), "#")
		text = strings.TrimSpace(strings.TrimPrefix(text, "\uFEFF"))
		if text == "" {
			continue
		}
		p, err := ParseParameter(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		out = append(out, p)
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", line+1, err)
	}
	return out, nil
}

// ParseParameter reads "name=value".
func ParseParameter(text string) (Parameter, error) {
	name, value, ok := strings.Cut(text, "=")
	name = strings.Trim(strings.TrimSpace(name), `"'`)
	if !ok || name == "" {
		return Parameter{}, fmt.Errorf("%w: %q is not of the form name=value", ErrParameter, text)
	}
	return Parameter{name, strings.Trim(strings.TrimSpace(value), `"'`)}, nil
}

// ParseParams sets the given parameters, by name or alias, over the defaults.
// Unknown and unsupported names, and values of the wrong kind, are errors.
// Whether the values fit together is for Validate to say.
func ParseParams(given []Parameter) (Params, error) {
	p := DefaultParams()
	set := make(map[string]Parameter)
	for _, g := range given {
		name := CanonicalName(strings.ToLower(g.Name))
		if before, ok := set[name]; ok && before.Value != g.Value {
			return p, fmt.Errorf("%w: %s = %s and %s = %s say two things of %s", ErrParameter, before.Name, before.Value, g.Name, g.Value, name)
		}
		set[name] = g
	}
	if g, ok := set["seed"]; ok {
		if err := assign(&p.Seed, g.Value); err != nil {
			return p, fmt.Errorf("%w: seed = %s %w", ErrParameter, g.Value, err)
		}
		p.spreadSeed()
	}
	_, p.NumLeavesGiven = set["num_leaves"]
	for _, g := range given {
		if err := p.setOne(g); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p *Params) setOne(g Parameter) error {
	name := CanonicalName(strings.ToLower(g.Name))
	entry, ok := findParameter(name)
	if !ok {
		return fmt.Errorf("%w: %s is not a parameter of training", ErrParameter, g.Name)
	}
	switch entry.standing {
	case effective:
		if err := assign(entry.field(p), g.Value); err != nil {
			return fmt.Errorf("%w: %s = %q %w", ErrParameter, g.Name, g.Value, err)
		}
	case unsupported:
		if !sameValue(normalized(name, g.Value), entry.fallback) {
			return fmt.Errorf("%w: %s = %s is not supported, only its default %q", ErrParameter, g.Name, g.Value, entry.fallback)
		}
	}
	return nil
}

func findParameter(name string) (parameter, bool) {
	for _, table := range [][]parameter{listedParameters, unlistedParameters} {
		if i := slices.IndexFunc(table, func(e parameter) bool { return e.name == name }); i >= 0 {
			return table[i], true
		}
	}
	return parameter{}, false
}

// normalized is a value of an unsupported parameter with its own aliases
// resolved.
func normalized(name, value string) string {
	value = strings.ToLower(value)
	switch {
	case name == "boosting" && value == "gbrt":
		return "gbdt"
	case name == "snapshot_freq" && strings.HasPrefix(value, "-"), name == "snapshot_freq" && value == "0":
		return "-1"
	}
	return value
}

func sameValue(a, b string) bool {
	if a == b {
		return true
	}
	if v, err := parseBool(a); err == nil && (b == "0" || b == "1") {
		return v == (b == "1")
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

// assign parses text into the field of a Params.
func assign(field any, text string) error {
	var err error
	switch f := field.(type) {
	case *int:
		var v int64
		if v, err = strconv.ParseInt(text, 10, 32); err != nil {
			return fmt.Errorf("is not a whole number of 32 bits")
		}
		*f = int(v)
	case *float64:
		if *f, err = strconv.ParseFloat(text, 64); err != nil {
			return fmt.Errorf("is not a number")
		}
	case *bool:
		if *f, err = parseBool(text); err != nil {
			return err
		}
	case *string:
		*f = text
	case *Objective:
		*f = objectiveOf(text)
	case *[]string:
		*f = splitList(text)
	case *[]float64:
		*f, err = parseFloats(text)
		return err
	case *[]int:
		*f = nil
		for _, item := range splitList(text) {
			v, err := strconv.ParseInt(item, 10, 32)
			if err != nil {
				return fmt.Errorf("holds %q, which is not a whole number", item)
			}
			*f = append(*f, int(v))
		}
	default:
		return fmt.Errorf("has no known kind %T", field)
	}
	return nil
}

func parseFloats(text string) ([]float64, error) {
	var out []float64
	for _, item := range splitList(text) {
		v, err := strconv.ParseFloat(item, 64)
		if err != nil || v-v != 0 {
			return nil, fmt.Errorf("holds %q, which is not a finite number", item)
		}
		out = append(out, v)
	}
	return out, nil
}

// splitList splits at commas; spaces do not count, nor does a pair of brackets
// around it all.
func splitList(text string) []string {
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "["), "]")
	var out []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "+", "1":
		return true, nil
	case "false", "-", "0":
		return false, nil
	}
	return false, fmt.Errorf("is neither true nor false")
}

// objectiveOf resolves an objective's aliases; an unknown one stays as it is,
// for Validate to refuse.
func objectiveOf(text string) Objective {
	switch name := strings.ToLower(text); name {
	case "regression_l2", "mean_squared_error", "mse", "l2", "l2_root", "root_mean_squared_error", "rmse":
		return Regression
	case "softmax":
		return Multiclass
	default:
		return Objective(name)
	}
}

// list is every parameter that a model file lists, with its value.
func (p *Params) list() []Parameter {
	out := make([]Parameter, 0, len(listedParameters))
	for _, entry := range listedParameters {
		value := entry.fallback
		if entry.field != nil {
			value = show(entry.field(p))
		}
		out = append(out, Parameter{entry.name, value})
	}
	return out
}

// show is the reverse of assign.
func show(field any) string {
	switch f := field.(type) {
	case *int:
		return strconv.Itoa(*f)
	case *float64:
		return formatShort(*f)
	case *bool:
		if *f {
			return "1"
		}
		return "0"
	case *Objective:
		return string(*f)
	case *string:
		return *f
	case *[]string:
		return strings.Join(*f, ",")
	case *[]float64:
		items := make([]string, len(*f))
		for i, v := range *f {
			items[i] = formatShort(v)
		}
		return strings.Join(items, ",")
	case *[]int:
		items := make([]string, len(*f))
		for i, v := range *f {
			items[i] = strconv.Itoa(v)
		}
		return strings.Join(items, ",")
	}
	return ""
}

// Differing are those of a model's parameters that are not at their defaults.
func Differing(given []Parameter) []Parameter {
	var out []Parameter
	for _, p := range given {
		if entry, ok := findParameter(p.Name); !ok || !sameValue(strings.ToLower(p.Value), entry.fallback) {
			out = append(out, p)
		}
	}
	return out
}
