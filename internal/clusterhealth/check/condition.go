package check

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/util/jsonpath"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/platform/probe"
)

// condition is a compiled FieldCondition.
type condition struct {
	text     string
	path     *jsonpath.JSONPath
	operator health.Operator
	value    string
	values   []string
	number   resource.Quantity
	pattern  *regexp.Regexp
}

func compileCondition(c *health.FieldCondition) (condition, error) {
	out := condition{operator: c.Operator}
	if len(c.JSONPath) > 512 {
		return out, fmt.Errorf("jsonPath is longer than 512 characters")
	}
	if !strings.HasPrefix(c.JSONPath, "{") || !strings.HasSuffix(c.JSONPath, "}") {
		return out, fmt.Errorf("jsonPath is not in braces, as {.status.phase}")
	}
	var err error
	if out.path, err = compilePath(c.JSONPath); err != nil {
		return out, fmt.Errorf("jsonPath: %w", err)
	}
	switch c.Operator {
	case health.Exists, health.NotExists, health.Empty, health.NotEmpty:
		if c.Value != nil || c.Values != nil {
			return out, fmt.Errorf("operator %s takes no value", c.Operator)
		}
		out.text = fmt.Sprintf("%s %s", c.JSONPath, c.Operator)
		return out, nil
	case health.In, health.NotIn:
		if len(c.Values) == 0 || len(c.Values) > 64 || c.Value != nil {
			return out, fmt.Errorf("operator %s takes values, at most 64, and no value", c.Operator)
		}
		for i := range c.Values {
			out.values = append(out.values, string(c.Values[i]))
		}
		out.text = fmt.Sprintf("%s %s %v", c.JSONPath, c.Operator, out.values)
		return out, nil
	}
	if c.Value == nil || c.Values != nil {
		return out, fmt.Errorf("operator %s takes one value", c.Operator)
	}
	if out.value = string(*c.Value); len(out.value) > maxPattern {
		return out, fmt.Errorf("value is longer than %d characters", maxPattern)
	}
	out.text = fmt.Sprintf("%s %s %s", c.JSONPath, c.Operator, out.value)
	switch c.Operator {
	case health.Equals, health.NotEquals, health.ListContains, health.NotListContains:
	case health.RegexMatch, health.NotRegexMatch:
		if out.pattern, err = compilePattern(out.value); err != nil {
			return out, err
		}
	case health.GreaterThan, health.GreaterThanOrEqual, health.LessThan, health.LessThanOrEqual:
		if out.number, err = quantity(out.value); err != nil {
			return out, fmt.Errorf("value: %w", err)
		}
	default:
		return out, fmt.Errorf("operator %q is not known", c.Operator)
	}
	return out, nil
}

// maxUnion is how many ways through an object the unions of a path may make.
const maxUnion = 64

// compilePath parses a path whose results are no more than a small multiple of
// the object's values. Evaluation cannot be stopped once it runs, and recursive
// descents, unions and ranges multiply with each other: a path of 512
// characters could ask for more results than there is memory.
func compilePath(text string) (*jsonpath.JSONPath, error) {
	parsed, err := jsonpath.Parse("condition", text)
	if err != nil {
		return nil, err
	}
	if len(parsed.Root.Nodes) != 1 {
		return nil, fmt.Errorf("is more than one path in one pair of braces")
	}
	descents, union := 0, 1
	if err := measurePath(parsed.Root, &descents, &union); err != nil {
		return nil, err
	}
	if descents > 1 {
		return nil, fmt.Errorf("descends recursively (..) more than once")
	}
	out := jsonpath.New("condition").AllowMissingKeys(true)
	return out, out.Parse(text)
}

// measurePath counts recursive descents, and multiplies the widths of unions.
func measurePath(node jsonpath.Node, descents, union *int) error {
	var inner []*jsonpath.ListNode
	switch node := node.(type) {
	case *jsonpath.ListNode:
		for _, n := range node.Nodes {
			if err := measurePath(n, descents, union); err != nil {
				return err
			}
		}
	case *jsonpath.RecursiveNode:
		*descents++
	case *jsonpath.UnionNode:
		*union *= len(node.Nodes)
		if *union > maxUnion {
			// No further, or the product overflows.
			return fmt.Errorf("has unions of more than %d ways", maxUnion)
		}
		inner = node.Nodes
	case *jsonpath.FilterNode:
		inner = []*jsonpath.ListNode{node.Left, node.Right}
	case *jsonpath.IdentifierNode:
		return fmt.Errorf("holds %q, which is for templates", node.Name)
	}
	for _, list := range inner {
		if list != nil {
			if err := measurePath(list, descents, union); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds says whether an object fulfils the condition, and if not, why.
func (c *condition) holds(ctx context.Context, object map[string]any) (bool, string, error) {
	groups, err := c.path.FindResults(object)
	if err != nil && strings.Contains(err.Error(), "out of bounds") {
		// A list that is shorter than the path asks has nothing there.
		groups, err = nil, nil
	}
	if err != nil {
		return false, "", fmt.Errorf("jsonPath of %s: %w", c.text, err)
	}
	var found []any
	for _, group := range groups {
		for _, value := range group {
			found = append(found, unwrap(value))
		}
	}
	switch c.operator {
	case health.Exists:
		return len(found) > 0, c.text + ": it does not", nil
	case health.NotExists:
		return len(found) == 0, c.text + ": it does", nil
	case health.Empty, health.NotEmpty:
		empty := true
		for _, value := range found {
			empty = empty && isEmpty(value)
		}
		return empty == (c.operator == health.Empty), c.text + ": it is not so", nil
	case health.ListContains, health.NotListContains:
		contains := false
		for _, value := range found {
			list, isList := value.([]any)
			if !isList {
				list = []any{value}
			}
			for _, element := range list {
				contains = contains || jsonText(element) == c.value
			}
		}
		if len(found) == 0 && c.operator == health.ListContains {
			return false, c.text + ": nothing is there", nil
		}
		return contains == (c.operator == health.ListContains), c.text + ": it is not so", nil
	}
	if len(found) == 0 {
		return false, c.text + ": nothing is there", nil
	}
	for _, value := range found {
		ok, err := c.compare(ctx, value)
		if ctx.Err() != nil {
			return false, "", fmt.Errorf("%s takes too long: %w", c.text, ctx.Err())
		}
		if err != nil || !ok {
			why := fmt.Sprintf("%s: it is %s", c.text, clip(jsonText(value)))
			if err != nil {
				why += ", " + err.Error()
			}
			return false, why, nil
		}
	}
	return true, "", nil
}

// compare applies an operator to one value. A value that cannot be compared is
// not as expected, which the error explains.
func (c *condition) compare(ctx context.Context, value any) (bool, error) {
	text := jsonText(value)
	switch c.operator {
	case health.Equals:
		return text == c.value, nil
	case health.NotEquals:
		return text != c.value, nil
	case health.RegexMatch, health.NotRegexMatch:
		matched, err := probe.Match(ctx, c.pattern, []byte(text))
		return matched == (c.operator == health.RegexMatch), err
	case health.In, health.NotIn:
		in := false
		for _, candidate := range c.values {
			in = in || candidate == text
		}
		return in == (c.operator == health.In), nil
	}
	number, err := quantity(text)
	if err != nil {
		return false, err
	}
	sign := number.Cmp(c.number)
	switch c.operator {
	case health.GreaterThan:
		return sign > 0, nil
	case health.GreaterThanOrEqual:
		return sign >= 0, nil
	case health.LessThan:
		return sign < 0, nil
	default:
		return sign <= 0, nil
	}
}

func unwrap(v reflect.Value) any {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if !v.IsValid() || !v.CanInterface() {
		return nil
	}
	return v.Interface()
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}

// maxQuantity bounds what is parsed as a number: the exponent of a longer one
// would take memory without end.
const maxQuantity = 32

func quantity(text string) (resource.Quantity, error) {
	if len(text) > maxQuantity {
		return resource.Quantity{}, fmt.Errorf("is not a number")
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return q, fmt.Errorf("is not a number")
	}
	return q, nil
}

func clip(text string) string {
	const limit = 64
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
