package feed

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
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

// drain reads everything, and is how many rows there were.
func drain(b *testing.B, data []byte, m Mapping) (rows int) {
	r, err := NewReader(bytes.NewReader(data), m)
	if err != nil {
		b.Fatal(err)
	}
	var row Row
	for {
		err := r.Next(&row)
		if err == io.EOF {
			return rows
		}
		if err != nil {
			b.Fatal(err)
		}
		rows++
	}
}

// measure runs read over data again and again; read says how many rows it saw.
func measure(b *testing.B, data []byte, read func() int) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if n := read(); n != benchRows {
			b.Fatalf("%d rows", n)
		}
	}
	b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
}

// The baselines are the standard library's readers: encoding/csv with its
// record reused and nothing mapped, encoding/xml and encoding/json into a
// struct of the mapped fields.

func BenchmarkCSV(b *testing.B) {
	data, m := table12(benchRows), mustPreset(b, "konzum")
	b.Run("feed", func(b *testing.B) { measure(b, data, func() int { return drain(b, data, m) }) })
	b.Run("encoding-csv", func(b *testing.B) {
		measure(b, data, func() int {
			r := csv.NewReader(bytes.NewReader(data))
			r.ReuseRecord = true
			n := -1
			for {
				_, err := r.Read()
				if err == io.EOF {
					return n
				}
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	})
}

func BenchmarkGzipCSV(b *testing.B) {
	data, m := []byte(zipped(string(table12(benchRows)))), mustPreset(b, "konzum")
	measure(b, data, func() int { return drain(b, data, m) })
}

// googleXML is a made-up feed of about 750 bytes a product.
func googleXML(rows int) []byte {
	var b bytes.Buffer
	b.WriteString(rss)
	for i := range rows {
		fmt.Fprintf(&b, `<item>
<g:id>%08d</g:id>
<title>Milk whole fresh &amp; cold %d</title>
<description><![CDATA[Whole milk from the hills, 3.5%% fat. Keep it cold, and drink it within three days of opening.]]></description>
<link>https://shop.example.com/products/%d?utm_source=feed&amp;utm_medium=xml</link>
<g:image_link>https://shop.example.com/images/%d.jpg</g:image_link>
<g:price>%d.%02d USD</g:price>
<g:availability>in_stock</g:availability>
<g:brand>Dairy Co</g:brand>
<g:gtin>385033404%04d</g:gtin>
<g:google_product_category>Food, Beverages &amp; Tobacco &gt; Food Items</g:google_product_category>
<g:shipping><g:country>US</g:country><g:price>4.00 USD</g:price></g:shipping>
</item>
`, i, i, i, i, i%40, i%100, i%10000)
	}
	b.WriteString("</channel></rss>\n")
	return b.Bytes()
}

func BenchmarkXML(b *testing.B) {
	data, m := googleXML(benchRows), mustPreset(b, "google-merchant")
	b.Run("feed", func(b *testing.B) { measure(b, data, func() int { return drain(b, data, m) }) })
	b.Run("encoding-xml", func(b *testing.B) {
		type item struct {
			ID           string `xml:"http://base.google.com/ns/1.0 id"`
			Title        string `xml:"title"`
			Description  string `xml:"description"`
			Link         string `xml:"link"`
			Image        string `xml:"http://base.google.com/ns/1.0 image_link"`
			Price        string `xml:"http://base.google.com/ns/1.0 price"`
			Availability string `xml:"http://base.google.com/ns/1.0 availability"`
			Brand        string `xml:"http://base.google.com/ns/1.0 brand"`
			GTIN         string `xml:"http://base.google.com/ns/1.0 gtin"`
			Category     string `xml:"http://base.google.com/ns/1.0 google_product_category"`
		}
		measure(b, data, func() int {
			dec := xml.NewDecoder(bytes.NewReader(data))
			n := 0
			for {
				tok, err := dec.Token()
				if err == io.EOF {
					return n
				}
				if err != nil {
					b.Fatal(err)
				}
				if start, ok := tok.(xml.StartElement); ok && start.Name.Local == "item" {
					var it item
					if err := dec.DecodeElement(&it, &start); err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
		})
	})
}

func BenchmarkJSONL(b *testing.B) {
	var buf bytes.Buffer
	for i := range benchRows {
		fmt.Fprintf(&buf, `{"id":"%08d","name":"Milk whole fresh %d","brand":"Dairy Co","category":"Food \u0026 Drink","price":%d.%02d,"currency":"USD","gtin":"385033404%04d","unit":"each","size":"1 l","availability":"in_stock","quantity":%d,"image_url":"https://shop.example.com/images/%d.jpg"}`+"\n", i, i, i%40, i%100, i%10000, i%90, i)
	}
	data, m := buf.Bytes(), mustPreset(b, "bodega")
	b.Run("feed", func(b *testing.B) { measure(b, data, func() int { return drain(b, data, m) }) })
	b.Run("encoding-json", func(b *testing.B) {
		type item struct {
			ID, Name, Brand, Category, Currency, GTIN, Unit, Size, Availability string
			Price, Quantity                                                     json.Number
			ImageURL                                                            string `json:"image_url"`
		}
		measure(b, data, func() int {
			dec := json.NewDecoder(bytes.NewReader(data))
			for n := 0; ; n++ {
				var it item
				err := dec.Decode(&it)
				if err == io.EOF {
					return n
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkSplit reads, sorts and writes segments: once in memory, once
// through a folder.
func BenchmarkSplit(b *testing.B) {
	data := table12(benchRows)
	base := mustPreset(b, "konzum")
	m := base.WithConstant(StoreID, "0204")
	for _, bench := range []struct {
		name   string
		memory int
	}{{"in-memory", 64 << 20}, {"spilled", 256 << 10}} {
		b.Run(bench.name, func(b *testing.B) {
			dir := b.TempDir()
			measure(b, data, func() int {
				r, err := NewReader(bytes.NewReader(data), m)
				if err != nil {
					b.Fatal(err)
				}
				s := NewSplitter(SplitOptions{Spill: dirSpill{dir}, MemoryBytes: bench.memory})
				if err := s.Drain(b.Context(), r); err != nil {
					b.Fatal(err)
				}
				sorted, err := s.Finish()
				if err != nil {
					b.Fatal(err)
				}
				infos, err := sorted.WriteSegments(b.Context(), 0, func(string) (io.WriteCloser, error) { return discard{}, nil })
				if err != nil {
					b.Fatal(err)
				}
				if err := sorted.Close(); err != nil {
					b.Fatal(err)
				}
				return int(infos[0].Rows)
			})
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

func BenchmarkReadChunks(b *testing.B) {
	data, _ := segmentOf(b, benchRows, DefaultChunk)
	var rows []Row
	measure(b, data, func() int {
		r, err := OpenSegment(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for k := range r.Chunks() {
			if rows, err = r.ReadChunk(rows[:0], k); err != nil {
				b.Fatal(err)
			}
			n += len(rows)
		}
		return n
	})
}
