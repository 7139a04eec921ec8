package table

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name, text string
		header     Header
		format     Format
		names      []string
		columns    [][]float64
		label      []float64
	}{
		{"header", "a,b\n1,2\n3,\n", Auto, CSV, []string{"a", "b"}, [][]float64{{1, 3}, {2, nan}}, nil},
		{"no header", "1\t2\n3\tNA\n", Auto, TSV, nil, [][]float64{{1, 3}, {2, nan}}, nil},
		{"windows lines and a blank one", "a,b\r\n1,2\r\n\r\n3,4", Auto, CSV, []string{"a", "b"}, [][]float64{{1, 3}, {2, 4}}, nil},
		{"numbers as header", "1,2\n3,4\n", Yes, CSV, []string{"1", "2"}, [][]float64{{3}, {4}}, nil},
		{"infinite", "inf,-Infinity\n1e999,2\n", Auto, CSV, nil, [][]float64{{1e308, 1e308}, {-1e308, 2}}, nil},
		{"quoted", "\"a,b\",c\n\"1\",2\n", Auto, CSV, []string{"a,b", "c"}, [][]float64{{1}, {2}}, nil},
		{"sparse", "1 0:5 2:7\n0 1:-2.5\n", Auto, LibSVM, nil, [][]float64{{5, 0}, {0, -2.5}, {7, 0}}, []float64{1, 0}},
		{"sparse with an empty first row", "0\n1 1:2\n", Auto, LibSVM, nil, [][]float64{{0, 0}, {0, 2}}, []float64{0, 1}},
		{"sparse without labels", "0:5\n1:2\n", Auto, LibSVM, nil, [][]float64{{5, 0}, {0, 2}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.text), tt.header)
			if err != nil {
				t.Fatal(err)
			}
			if got.Format != tt.format || !reflect.DeepEqual(got.Names, tt.names) || !reflect.DeepEqual(got.Label, tt.label) {
				t.Errorf("format %s, names %v, label %v", got.Format, got.Names, got.Label)
			}
			for i, want := range tt.columns {
				values, err := got.Numbers(i)
				if err != nil {
					t.Fatal(err)
				}
				for r := range want {
					if values[r] != want[r] && !(values[r] != values[r] && want[r] != want[r]) {
						t.Errorf("column %d: %v, want %v", i, values, want)
					}
				}
			}
		})
	}
}

func TestParseTextColumn(t *testing.T) {
	got, err := Parse([]byte("n,kind\n1,7\n2,USD\n3,\"C, AD\"\n"), Auto)
	if err != nil {
		t.Fatal(err)
	}
	if got.Numeric(1) || !got.Numeric(0) {
		t.Error("the second column alone holds text")
	}
	if _, err := got.Numbers(1); !errors.Is(err, ErrText) || !strings.Contains(err.Error(), `column "kind", line 3: "USD"`) {
		t.Errorf("the error does not say where the text stands: %v", err)
	}
	texts, err := got.Texts(1)
	if err != nil || !reflect.DeepEqual(texts, []string{"7", "USD", "C, AD"}) {
		t.Errorf("texts %q, %v", texts, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", " \n\n", "empty"},
		{"header only", "a,b\n", "no rows"},
		{"ragged", "1,2\n3\n", "line 2 has 1 cells"},
		{"twice", "a,a\n1,2\n", `columns 0 and 1 "a"`},
		{"huge feature number", "1 0:1\n0 2000000000:1\n", "line 2: feature 2000000000 is beyond"},
		{"many features of many rows", "1 1048575:1\n" + strings.Repeat("0\n", 300), "too many"},
		{"negative feature number", "1 0:1\n0 -2:1\n", `"-2:1"`},
		{"feature twice", "1 0:1 0:2\n", "appears twice"},
		{"ranking", "1 qid:3 0:1\n", "ranking"},
		{"open quote", "a,b\n\"1,2\n", "line 2"},
		{"some labels", "1 0:1\n0:1\n", "no label"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text), Auto)
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want something of %q", err, tt.want)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	named, err := Parse([]byte("y,1\n5,6\n"), Auto)
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string]int{"y": 0, "1": 1, "0": 0} {
		if got, err := named.Index(column); err != nil || got != want {
			t.Errorf("column %s is %d, %v", column, got, err)
		}
	}
	for _, column := range []string{"z", "2", "-1"} {
		if _, err := named.Index(column); !errors.Is(err, ErrColumn) {
			t.Errorf("column %s: %v", column, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "1\t2\n", "1 0:5 2:7\n", "\"a\nb\",c\n1,2", "0:1e9\n", "qid:1\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := Parse(content, Auto)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if got.Rows < 1 {
			t.Fatal("a table without rows")
		}
		for i := range min(got.Columns, 50) {
			if got.Numeric(i) {
				if values, err := got.Numbers(i); err != nil || len(values) != got.Rows {
					t.Fatalf("column %d has %d numbers for %d rows: %v", i, len(values), got.Rows, err)
				}
			}
			if texts, err := got.Texts(i); err != nil || len(texts) != got.Rows {
				t.Fatalf("column %d has %d texts for %d rows: %v", i, len(texts), got.Rows, err)
			}
		}
	})
}
