package dbscan

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// testdata/make_golden.py wrote the file with scikit-learn itself.
func TestLabelsEqualScikitLearn(t *testing.T) {
	content, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Name       string
			Columns    [][]float64
			Scales     []float64
			Layers     [][]uint32
			Eps        float64
			MinSamples int `json:"min_samples"`
			Labels     []int32
			Core       string
		}
	}
	if err := json.Unmarshal(content, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 20 {
		t.Fatalf("only %d golden cases", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			var columns Columns
			for j, values := range c.Columns {
				columns.Dimensions = append(columns.Dimensions, Dimension{Values: values, Scale: c.Scales[j]})
			}
			for _, codes := range c.Layers {
				columns.Layers = append(columns.Layers, Layer{Codes: codes})
			}
			for _, method := range methodsFor(len(c.Columns)) {
				got, err := Cluster(context.Background(), columns, Options{Eps: c.Eps, MinSamples: c.MinSamples, Method: method})
				if err != nil {
					t.Fatal(err)
				}
				core := make([]byte, len(got.Core))
				for i, is := range got.Core {
					core[i] = '0'
					if is {
						core[i] = '1'
					}
				}
				if string(core) != c.Core {
					t.Errorf("method %q: core points\n got %s\nwant %s", method, core, c.Core)
				}
				if !slices.Equal(got.Labels, c.Labels) {
					t.Errorf("method %q: labels\n got %v\nwant %v", method, got.Labels, c.Labels)
				}
			}
		})
	}
}
