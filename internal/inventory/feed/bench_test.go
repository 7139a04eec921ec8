package feed

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"testing"
)

// table12 is a made-up file of 12 columns and about 120 bytes a row.
func table12(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("Product,ProductId,Brand,Quantity,Unit,Barcode,Category,Price,UnitPrice,SpecialPrice,BestPrice30,AnchorPrice\n")
	for i := range rows {
		if i%50 == 0 {
			fmt.Fprintf(&b, "\"MILK, WHOLE \"\"FRESH\"\" %d\",", i)
		} else {
			fmt.Fprintf(&b, "MILK WHOLE FRESH ŠIBENIK %d,", i)
		}
		fmt.Fprintf(&b, "%08d,DAIRY CO,1.00 l,ko,385033404%04d,PROIZVODI ZA KUĆANSTVO,%d.%02d,1.19,,,0.99\n", i, i%10000, i%40, i%100)
	}
	return b.Bytes()
}

const benchRows = 20_000

func BenchmarkCSV(b *testing.B) {
	data := table12(benchRows)
	m, _ := Preset("konzum")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(data), m)
		if err != nil {
			b.Fatal(err)
		}
		var row Row
		n := 0
		for {
			err := r.Next(&row)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchRows {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkCSVStandardLibrary is the baseline: encoding/csv with its record
// reused, and nothing mapped.
func BenchmarkCSVStandardLibrary(b *testing.B) {
	data := table12(benchRows)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		r := csv.NewReader(bytes.NewReader(data))
		r.ReuseRecord = true
		n := -1
		for {
			_, err := r.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchRows {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
}
