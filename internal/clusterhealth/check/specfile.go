package check

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

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
		var spec health.ClusterHealthSpec
		problems, err := json.UnmarshalStrict(text, &spec)
		if err = errors.Join(append(problems, err)...); err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if spec.APIVersion == "" && spec.Kind == "" && spec.Name == "" && len(spec.Spec.Checks) == 0 {
			continue // nothing but comments
		}
		if spec.APIVersion != health.GroupVersion.String() || spec.Kind != "ClusterHealthSpec" {
			return nil, fmt.Errorf("document %d: is a %s of %s, want a ClusterHealthSpec of %s", n, spec.Kind, spec.APIVersion, health.GroupVersion)
		}
		out = append(out, spec)
	}
	if len(out) == 0 {
		return nil, errors.New("holds no ClusterHealthSpec")
	}
	return out, nil
}
