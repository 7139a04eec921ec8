package feed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	utf "golang.org/x/text/encoding/unicode"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// outcomes is everything that reading a file says, as text.
func outcomes(r io.Reader, m Mapping, opts ...Option) string {
	var b strings.Builder
	rd, err := NewReader(r, m, opts...)
	if err != nil {
		fmt.Fprintf(&b, "  refused  %s: %v\n", reasonOf(err), err)
		return b.String()
	}
	fmt.Fprintf(&b, "  format   %s\n", rd.Format())
	var row Row
	for {
		err := rd.Next(&row)
		var re *RowError
		switch {
		case err == io.EOF:
			b.WriteString("  end\n")
			return b.String()
		case errors.As(err, &re):
			fmt.Fprintf(&b, "  problem  %s: %v\n", re.Reason, err)
		case err != nil:
			fmt.Fprintf(&b, "  stopped  %s: %v\n", reasonOf(err), err)
			if again := rd.Next(&row); again != err {
				fmt.Fprintf(&b, "  THEN     %v\n", again)
			}
			return b.String()
		default:
			fmt.Fprintf(&b, "  row %d line %d ", row.Number, row.Line)
			for f, v := range row.Values {
				if v != "" {
					fmt.Fprintf(&b, " %s=%q", Field(f), clip([]byte(v), 60))
				}
			}
			b.WriteString("\n")
		}
	}
}

func reasonOf(err error) Reason {
	var fe *FileError
	if errors.As(err, &fe) {
		return fe.Reason
	}
	return "NO REASON"
}

func zipped(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(p))
		_ = w.Close()
	}
	return b.String()
}

func encoded(t *testing.T, s string, e interface {
	String(string) (string, error)
}) string {
	out, err := e.String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func manyRows(n int) string {
	var b strings.Builder
	b.WriteString("id,price\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%d.%02d\n", i, i*7919%100, i*104729%100)
	}
	return b.String()
}

const rss = `<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">
<channel>
<title>Shop</title>
<link>https://example.com</link>
<description>All we sell &amp; more</description>
`

// TestReading shows what is said of sound and of broken files; read its golden
// file like a catalogue of complaints.
func TestReading(t *testing.T) {
	utf16le := utf.UTF16(utf.LittleEndian, utf.UseBOM).NewEncoder()
	utf16beBare := utf.UTF16(utf.BigEndian, utf.IgnoreBOM).NewEncoder()
	cp1250 := charmap.Windows1250.NewEncoder()
	cp1252 := charmap.Windows1252.NewEncoder()
	full := zipped(manyRows(30000))
	cases := []struct {
		name, data string
		profile    string // YAML, or the name of a preset; bodega where empty
		opts       []Option
		tail       int // show the last lines only
	}{
		// What strangers send, and is fine.
		{name: "csv", data: "id,price\n1,2.50\n2,3\n"},
		{name: "csv without a last line end", data: "id,price\n1,2.50\n2,3"},
		{name: "csv with byte order mark", data: bom + "id,price\n1,2.50\n"},
		{name: "csv with CR LF, blank lines and DOS end of file", data: "id,price\r\n\r\n1,2.50\r\n   \r\n2,3\r\n\x1a"},
		{name: "csv with CR only", data: "id,price\r1,2.50\r2,3\r"},
		{name: "csv with every line end in turn", data: "id,price\n1,2.50\r\n2,3\r3,4\n\n\r4,5"},
		{name: "semicolons and decimal commas", data: "id;price;name\n1;2,50;Milk, whole\n2;3,00;Bread\n"},
		{name: "bars", data: "id|price|name\n1|2.50|Milk, whole\n"},
		{name: "spreadsheet sep line", data: "sep=;\r\nid;price\r\n1;2,50\r\n"},
		{name: "quoted values", data: "id,name,price\n1,\"Milk, \"\"fresh\"\"\",2.50\n2,\"two\nlines\", \"3\" \n3,\"\",1\n"},
		{name: "quotes inside unquoted values", data: "id,name,price\n1,Pipe 5\" long,2.50\n2,the \"best\" milk,3\n"},
		{name: "headers in any spelling", data: " Item ID ,SALE-PRICE,Price\n1,2,3\n"},
		{name: "alternatives in order", data: "sku,id,price\nA,,1\nB,2,1\n"},
		{name: "trailing delimiters", data: "id,price,\n1,2.50,\n2,3,,\n"},
		{name: "leading zeros and no-break spaces", data: "id,gtin,price\n007,0036000291452,\u00a01\u00a0\n"},
		{name: "tsv with bare quotes", data: "id\ttitle\tprice\n1\t\"Best\" coffee\t2.50 USD\n2\t\"unclosed\t3 USD\n3\t\"quoted\ttab\"\t4 USD\n", profile: "google-merchant"},
		{name: "google local inventory", data: "store code\titemid\tquantity\tprice\tavailability\n12\t007\t3\t15.00 USD\tin stock\n", profile: "google-merchant"},
		{name: "headerless by index", data: "0204,1,2.50\n0204,2,3\n", profile: "format: {header: false}\nfields: {store_id: {index: 1}, item_id: {index: 2}, price: {index: 3}}"},
		{name: "padded short rows", data: "id,price,name\n1,2\n2\n", profile: "format: {pad_short_rows: true}\nfields: {item_id: id, price: price, name: name}"},
		{name: "one column with a stated delimiter", data: "id\n1\n2\n", profile: "format: {delimiter: ','}\nfields: {item_id: id}"},
		{name: "windows-1250", data: encoded(t, "id;name;price\n1;Kućanstvo šećer žuti;2,50\n2;Čokolada đumbir;3,00\n", cp1250)},
		{name: "windows-1252", data: encoded(t, "id;name;price\n1;Crème brûlée à la vanille;2,50\n2;Jamón ibérico señorío;3,00\n", cp1252)},
		{name: "utf-16 with mark", data: encoded(t, "id\tname\tprice\r\n1\tŠećer\t2,50\r\n", utf16le)},
		{name: "utf-16 without mark", data: encoded(t, "id,name,price\n1,milk,2\n", utf16beBare)},
		{name: "gzip", data: zipped("id,price\n1,2.50\n2,3\n")},
		{name: "gzip of several members", data: zipped("id,price\n1,2.", "50\n2,3\n", "", "3,4\n")},
		{name: "rss of google", data: rss + `<item>
<g:id>0042</g:id><title>Milk &amp; honey</title><g:price>15.00 USD</g:price><g:sale_price>12.00 USD</g:sale_price>
<g:availability>in_stock</g:availability><description><![CDATA[<b>good</b> & "cheap"]]></description>
<g:shipping><g:country>US</g:country><g:price>4.00 USD</g:price></g:shipping>
<g:shipping><g:country>CA</g:country><g:price>9.00 USD</g:price></g:shipping>
<g:gtin> 0036000291452 </g:gtin><!-- <g:gtin>1</g:gtin> --><g:product_type>Food &gt; Dairy</g:product_type>
</item>
<item><g:id>2</g:id><g:price>1 USD</g:price></item>
</channel></rss>`, profile: "google-merchant", opts: []Option{ForKind(KindFull)}},
		{name: "atom of google", data: `<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
<entry><id>urn:1</id><g:id>A1</g:id><title>Milk</title><link rel="alternate" href="https://example.com/a1?x=1&amp;y=2"/><g:price>1 EUR</g:price></entry>
<entry><g:id>A2</g:id><summary>long &#353;&#x161;</summary></entry></feed>`, profile: "google-merchant"},
		{name: "xml with attributes only", data: `<shop><goods date="today"><good sku='1' price="2.50"/><good sku='2' price='3'/></goods></shop>`},
		{name: "xml of an unknown element that repeats", data: "<a><meta><x>1</x></meta><list><thing><id>1</id></thing><thing><id>2</id></thing></list></a>"},
		{name: "xml by a stated record", data: `<x:a xmlns:x="u"><x:b><x:c>1</x:c></x:b><x:b><x:c>2</x:c></x:b></x:a>`, profile: "format: {record: a/b}\nfields: {item_id: c}"},
		{name: "xml in a declared encoding", data: encoded(t, `<?xml version="1.0" encoding="windows-1250"?><items><item><id>1</id><name>ŠEĆER</name></item></items>`, cp1250)},
		{name: "jsonl", data: "{\"id\":\"007\",\"price\":1.10,\"in_stock\":true}\r\n\r\n{\"id\":8,\"price\":12345678901234567890.5000,\"name\":null,\"quantity\":1e3}\n"},
		{name: "jsonl with nesting", data: `{"sku":"1","offer":{"price":{"value":2.50,"currency":"EUR"}},"images":["a.png","b.png"],"tags":[],"x":{}}` + "\n" + `{"sku":"2","offer":{"price":null}}`,
			profile: "fields: {item_id: sku, price: offer/price/value, currency: offer/price/currency, image_url: images/0}"},
		{name: "json list", data: "[\n {\"id\":\"1\",\"price\":\"2\"},\n {\"id\":\"2\",\"name\":\"a ] } \\\" \\u0161\"}\n]\n"},
		{name: "json wrapped", data: `{"meta":{"pages":[1,2],"by":"]}"},"data":{"products":[{"id":1},{"id":2}],"n":2},"rest":[{"id":3}]}`},
		{name: "json by a stated record", data: `{"errors":[{"id":9}],"products":[{"id":1}]}`, profile: "format: {record: products}\nfields: {item_id: id}"},

		// What is not fine, of the whole file.
		{name: "empty", data: ""},
		{name: "white space", data: " \r\n\r\n  \n"},
		{name: "empty inside gzip", data: zipped("")},
		{name: "header only", data: "id,price\n"},
		{name: "binary", data: "\x00\x01\x02\x03abc\x00\x00\x05\x06"},
		{name: "workbook", data: "PK\x03\x04\x14\x00\x06\x00"},
		{name: "pdf inside gzip", data: zipped("%PDF-1.7 ...")},
		{name: "prose", data: "Dear customer\nthe feed will follow tomorrow\n"},
		{name: "html", data: "<!-- x --><!DOCTYPE html>\n<html><body>Please sign in</body></html>"},
		{name: "unknown columns", data: "ProductID,Prise,SpecialPrice,Prodct,Foo\n1,2,3,4,5\n", profile: "konzum"},
		{name: "no price for a full feed", data: "id,availability\n1,in\n", opts: []Option{ForKind(KindFull)}},
		{name: "no stock for an availability feed", data: "id,price\n1,2\n", opts: []Option{ForKind(KindAvailability)}},
		{name: "headerless file with a mapping by name", data: "0204,1,2.50\n0204,2,3\n"},
		{name: "index beyond the columns", data: "1,2\n", profile: "format: {header: false}\nfields: {item_id: {index: 7, required: true}, price: {index: 1}}"},
		{name: "duplicate header that is mapped", data: "id,price,Price\n1,2,3\n"},
		{name: "duplicate header that nobody reads", data: "id,x,x\n1,2,3\n"},
		{name: "unclosed quote in the header", data: "id,\"price\n1,2\n"},
		{name: "truncated gzip", data: full[:len(full)*2/3], tail: 3},
		{name: "truncated gzip within the header", data: zipped(manyRows(10))[:14]},
		{name: "gzip cut in the trailer", data: full[:len(full)-3], tail: 3},
		{name: "gzip with a flipped bit", data: full[:len(full)/2] + string(full[len(full)/2]^8) + full[len(full)/2+1:], tail: 1},
		{name: "gzip with bytes behind it", data: zipped(manyRows(2)) + "trailing", tail: 3},
		{name: "gzip of nothing but a header", data: zipped("x")[:9]},
		{name: "larger than allowed", data: manyRows(30000), opts: []Option{MaxBytes(100_000)}, tail: 2},
		{name: "gzip larger than allowed", data: full, opts: []Option{MaxBytes(100_000)}, tail: 2},

		// What is not fine, of single rows of tables.
		{name: "ragged rows", data: "id,name,price\n1,milk,2\n2,milk, whole,2\n3,milk\n4\n5,bread,1\n"},
		{name: "unclosed quote", data: "id,name,price\n1,\"milk,2\n2,bread,3\n3,cake,4\n"},
		{name: "unclosed quote that a later one closes", data: "id,name,price\n1,\"milk,2\n2,bread,3\n3,\"cake\",4\n4,tea,5\n"},
		{name: "unclosed quote that takes in a row", data: "id,name,price\n1,\"milk,2\n2,bread\",3\n3,cake,4\n"},
		{name: "unclosed quotes on every line", data: "id,name,price\n" + strings.Repeat("1,\"milk,2\n", 4)},
		{name: "text behind a closing quote", data: "id,name,price\n1,\"5\" pipe\",2\n2,x,3\n"},
		{name: "zero byte", data: "id,name,price,other\n1,mi\x00lk,2,\n2,bread,3,\x00\n"},
		{name: "broken UTF-8", data: "id,name,price,other\n1,mi\xfflk,2,é\n2,š,3,\xff\n"},
		{name: "broken UTF-8 late in a file", data: "id,name\n" + strings.Repeat("1,šećer\n", 10000) + "2,\x9ae\xe6er\n", tail: 2},
		{name: "byte unknown to windows-1252", data: "id,name\n1,\x81x\n2,\xe9\n", profile: "format: {encoding: windows-1252}\nfields: {item_id: id, name: name}"},
		{name: "row too large", data: "id,name\n1," + strings.Repeat("x", 200) + "\n2,y\n3,\"" + strings.Repeat("x\n", 100) + "\"\n4,z\n", opts: []Option{MaxRowBytes(100)}, tail: 6},

		// What is not fine in XML.
		{name: "xml cut short", data: rss + "<item><g:id>1</g:id></item><item><g:id>2</g:", profile: "google-merchant"},
		{name: "xml closed wrongly", data: rss + "<item><g:id>1</g:id></item>\n<item><g:id>2</g:ID></item></channel></rss>", profile: "google-merchant"},
		{name: "xml with a bare <", data: rss + "<item><g:id>1</g:id><title>a < b</title></item></channel></rss>", profile: "google-merchant"},
		{name: "xml with bad entities", data: rss + "<item><g:id>1</g:id><title>M&M</title></item><item><g:id>2</g:id><title>a&nbsp;b</title></item><item><g:id>3</g:id><x>a&nbsp;b</x></item><item><g:id>4</g:id><title>&#0;</title></item></channel></rss>", profile: "google-merchant"},
		{name: "xml with entities that grow", data: `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;"><!-- don't > --><!ENTITY x SYSTEM "file:///etc/passwd">]>
<items><item><id>1</id><name>&lol2;</name></item><item><id>2</id><name>&x;</name></item><item><id>3</id></item></items>`},
		{name: "xml with a huge element", data: "<items><item><id>1</id><name>" + strings.Repeat("x", 500) + "</name></item><item><id>2</id></item></items>", opts: []Option{MaxRowBytes(200)}},
		{name: "xml with a huge tag", data: "<items><item><id>1</id></item><item x='" + strings.Repeat("x", 500) + "'><id>2</id></item></items>", opts: []Option{MaxRowBytes(200)}},
		{name: "xml nested too deep", data: "<items><item><id>1</id></item><item>" + strings.Repeat("<x>", 100) + "</item></items>"},
		{name: "xml without rows", data: "<products><updated>now</updated></products>"},
		{name: "xml without the stated record", data: "<a><item><id>1</id></item></a>", profile: "format: {record: a/b}\nfields: {item_id: id}"},
		{name: "xml with a second root", data: "<items><item><id>1</id></item></items><items/>"},
		{name: "xml of an encoding that is not read", data: `<?xml version="1.0" encoding="KOI8-R"?><items/>`},
		{name: "xml that lacks a column", data: "<items><item><idd>1</idd><price>1</price></item></items>"},
		{name: "xml with broken UTF-8 and zero bytes", data: "<items><item><id>0</id><name>šš</name></item><item><id>1</id><name>\xff</name></item><item><id>\x00</id></item><item><id>3</id></item></items>"},
		{name: "xml attributes without quotes", data: "<items><item id=1/></items>"},

		// What is not fine in JSON.
		{name: "jsonl with broken lines", data: "{\"id\":1,\"name\":\"šš\"}\n{\"id\":2\n[1,2]\n\"text\"\n42\nnull\ntrue\n{\"id\":3}{\"id\":4}\n{'id':5}\n{\"id\":\"6\\ud800\"}\n{\"id\":\"\\u0000\"}\n{\"id\":\"\xff\"}\n}\n{\"id\":01}\n{\"id\":7}\n"},
		{name: "jsonl with a huge line", data: "{\"id\":1}\n{\"id\":\"" + strings.Repeat("x", 500) + "\"}\n{\"id\":2}\n", opts: []Option{MaxRowBytes(100)}},
		{name: "jsonl nested too deep", data: "{\"id\":1}\n{\"id\":2,\"x\":" + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}\n"},
		{name: "json with bad rows", data: `[{"id":1},{"id" 2},3,[],{"id":"` + strings.Repeat("x", 300) + `"},{"id":4}]`, opts: []Option{MaxRowBytes(100)}},
		{name: "json cut short", data: `[{"id":1},{"id":2},{"id"`},
		{name: "json cut short behind a row", data: `{"products":[{"id":1},{"id":2}`},
		{name: "json without commas", data: `[{"id":1} {"id":2}]`},
		{name: "json with a comma at the end", data: `[{"id":1},]`},
		{name: "json empty list", data: `[]`},
		{name: "json without a list", data: "{\n\"id\": 1,\n\"price\": 2\n}\n"},
		{name: "json with something behind it", data: `[{"id":1}] [{"id":2}]`},
		{name: "json without the stated record", data: `{"products":[{"id":1}]}`, profile: "format: {record: data/items}\nfields: {item_id: id}"},
		{name: "jsonl that lacks a column", data: "{\"Id No\":1,\"price\":2}\n{\"Id No\":2,\"price\":2}\n"},
	}
	var got strings.Builder
	for _, tc := range cases {
		m := mustPreset(t, "bodega")
		if tc.profile != "" {
			preset, ok := Preset(tc.profile)
			if !ok {
				var err error
				if preset, err = ParseMapping([]byte(tc.profile)); err != nil {
					t.Fatalf("%s: %v", tc.name, err)
				}
			}
			m = preset
		}
		text := outcomes(strings.NewReader(tc.data), m, tc.opts...)
		// One byte at a time must say the same.
		if slow := outcomes(&dribble{data: tc.data}, m, tc.opts...); slow != text {
			t.Errorf("%s: read byte by byte it differs:\n%s\nfrom\n%s", tc.name, slow, text)
		}
		if lines := strings.SplitAfter(text, "\n"); tc.tail > 0 && len(lines) > tc.tail+1 {
			text = "  …\n" + strings.Join(lines[len(lines)-1-tc.tail:], "")
		}
		fmt.Fprintf(&got, "%s\n%s\n", tc.name, text)
	}
	const golden = "testdata/reading.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, got.String(), string(want))
}

// compareGolden shows the cases that differ.
func compareGolden(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n\n"), strings.Split(want, "\n\n")
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			t.Errorf("missing:\n%s", w[i])
		case i >= len(w):
			t.Errorf("new:\n%s", g[i])
		case g[i] != w[i]:
			t.Errorf("got\n%s\nwant\n%s", g[i], w[i])
		}
	}
}

// dribble gives one byte per read.
type dribble struct {
	data string
	at   int
}

func (d *dribble) Read(p []byte) (int, error) {
	if d.at == len(d.data) {
		return 0, io.EOF
	}
	p[0] = d.data[d.at]
	d.at++
	return 1, nil
}
