package check

import (
	"bufio"
	"bytes"
	"cmp"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	sigsyaml "sigs.k8s.io/yaml"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

// ParseSpecs reads the ClusterHealthSpecs of a YAML or JSON file. Unknown
// fields are errors, since a misspelt one would be a check that never runs.
func ParseSpecs(text []byte) ([]health.ClusterHealthSpec, error) {
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var out []health.ClusterHealthSpec
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		text, err := sigsyaml.YAMLToJSONStrict(document)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if bytes.Equal(text, []byte("null")) {
			continue // nothing but comments
		}
		spec, err := parseSpec(text)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		out = append(out, spec)
	}
	if len(out) == 0 {
		return nil, errors.New("holds no ClusterHealthSpec")
	}
	return out, nil
}

func parseSpec(text []byte) (health.ClusterHealthSpec, error) {
	var spec health.ClusterHealthSpec
	// What a document is comes first: of another kind, every field is unknown.
	var kind metav1.TypeMeta
	if err := json.UnmarshalCaseSensitivePreserveInts(text, &kind); err != nil {
		return spec, errors.New("is no Kubernetes object")
	}
	switch {
	case kind.APIVersion == "" || kind.Kind == "":
		return spec, fmt.Errorf("lacks apiVersion or kind, want a ClusterHealthSpec of %s", health.GroupVersion)
	case kind.APIVersion != health.GroupVersion.String() || kind.Kind != "ClusterHealthSpec":
		return spec, fmt.Errorf("is a %s of %s, want a ClusterHealthSpec of %s", kind.Kind, kind.APIVersion, health.GroupVersion)
	}
	problems, err := json.UnmarshalStrict(text, &spec)
	if err != nil {
		problems = append(problems, locate(text, err))
	}
	return spec, errors.Join(problems...)
}

// locate says which check does not decode, where it is one: the decoder leaves
// out indexes, and of some errors the field.
func locate(text []byte, err error) error {
	var parts struct {
		Spec struct {
			Checks []stdjson.RawMessage `json:"checks"`
		} `json:"spec"`
	}
	if json.UnmarshalCaseSensitivePreserveInts(text, &parts) == nil {
		for i, part := range parts.Spec.Checks {
			var c health.Check
			if err := json.UnmarshalCaseSensitivePreserveInts(part, &c); err != nil {
				return explain(fmt.Sprintf("spec.checks[%d]", i), err)
			}
		}
	}
	return explain("", err)
}

// misfit is how the decoder says that a value does not fit its field.
var misfit = regexp.MustCompile(`^json: cannot unmarshal (.+) into Go (?:value|struct field [^.]+\.(\S+)) of type (\S+)$`)

// explain says what to write where a value does not fit its field, in the words
// of YAML instead of Go's.
func explain(at string, err error) error {
	found := misfit.FindStringSubmatch(err.Error())
	if found == nil {
		return fmt.Errorf("%s: %w", cmp.Or(at, "spec"), err)
	}
	got, path, want := found[1], strings.Trim(at+"."+found[2], "."), found[3]
	switch {
	case strings.HasSuffix(path, "conditions.value"), strings.HasSuffix(path, "conditions.values") && !strings.HasPrefix(want, "[]"):
		want = "a text in quotes or a whole number"
	case strings.HasPrefix(want, "[]"):
		want = "a list"
	case want == "string":
		want = "a text in quotes"
	case strings.HasPrefix(want, "int"):
		want = "a whole number"
	case want == "bool":
		want = "true or false"
	default:
		want = "fields of its own"
	}
	return fmt.Errorf("%s: found %s, want %s", path, got, want)
}
