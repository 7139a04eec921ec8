package feed

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
)

func TestDetectDelimiters(t *testing.T) {
	for _, tc := range []struct {
		name, head string
		syntax     Syntax
		delimiter  byte
	}{
		{"comma", "a,b\n1,2\n", CSV, ','},
		{"tab", "a\tb\n1\t2,3,4\n", TSV, '\t'},
		{"semicolons with decimal commas", "a;b;c\n1,0;2,0;3,0\n1,5;2,5;3,5\n", CSV, ';'},
		{"commas within quotes", "\"a,b,c,d\";e\n\"1,2,3,4\";5\n", CSV, ';'},
		{"a header of one name and texts with commas", "a|b\nx, y, z|1\nq, r|2\n", CSV, '|'},
		{"header only", "a;b;c", CSV, ';'},
		{"semicolons within a comma's values", "id,tags\n1,x;y\n2,z\n3,a;b;c\n", CSV, ','},
		{"long first line", strings.Repeat("col;", 20000), CSV, ';'},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := Detect([]byte(tc.head))
			if err != nil || f.Syntax != tc.syntax || f.Delimiter != tc.delimiter {
				t.Errorf("%v %q, %v", f.Syntax, f.Delimiter, err)
			}
		})
	}
}

func TestDetectSyntax(t *testing.T) {
	for _, tc := range []struct {
		head string
		want Syntax
	}{
		{"<?xml version='1.0'?><a/>", XML},
		{"\n <rss>", XML},
		{bom + "<a/>", XML},
		{"{\"a\":1}\n{\"a\":2}\n", JSONL},
		{"{\"a\":1}", JSONL},
		{"{\"a\":[{\"b\":1}]}", JSON},
		{"{\"id\":1,\"offers\":[{\"b\":1}]}", JSONL},
		{"{\"a\":[{\"b\":1}]}\n{\"a\":[{\"b\":1}]}\n", JSONL},
		{"{\n \"a\": 1\n}\n", JSON},
		{"{\"a\":\n{\"a\":2}\n", JSONL},
		{"[{\"a\":1}]", JSON},
		{"[\n]", JSON},
	} {
		if f, err := Detect([]byte(tc.head)); err != nil || f.Syntax != tc.want {
			t.Errorf("%q is %s, %v; want %s", tc.head, f.Syntax, err, tc.want)
		}
	}
}

// Names of groceries, as their languages write them.
var groceries = map[string]struct {
	page *charmap.Charmap
	want Encoding
	text string
}{
	"Croatian":   {charmap.Windows1250, Windows1250, "Kućanstvo; šećer žuti; čokolada; đumbir; pšenično brašno; jaja svježa"},
	"Slovene":    {charmap.Windows1250, Windows1250, "Mleko sveže; čebula; piščančje prsi; žemlja"},
	"Czech":      {charmap.Windows1250, Windows1250, "Mléko čerstvé; pečivo; řízek; žitný chléb; šunka; máslo; těstoviny; jůgurt"},
	"Slovak":     {charmap.Windows1250, Windows1250, "Mlieko čerstvé; žemľa; šunka; ľadový šalát"},
	"Polish":     {charmap.Windows1250, Windows1250, "Masło; śmietana; chleb żytni; jabłko; kiełbasa wiejska; łosoś wędzony"},
	"Hungarian":  {charmap.Windows1250, Windows1250, "Tejföl; gyümölcslé; főtt sonka; hűtött csirke; szőlő; étolaj"},
	"French":     {charmap.Windows1252, Windows1252, "Crème brûlée; pâté à l'ancienne; gâteau; fenêtre; bœuf haché; thé glacé pêche"},
	"German":     {charmap.Windows1252, Windows1252, "Müsli; Käse; Weißbrot; Frühstücksflocken; Öl"},
	"Spanish":    {charmap.Windows1252, Windows1252, "Jamón ibérico; piña; señorío; champiñón; azúcar"},
	"Italian":    {charmap.Windows1252, Windows1252, "Caffè; tè verde; qualità; più gusto; tiramisù; prosciutto di città"},
	"Portuguese": {charmap.Windows1252, Windows1252, "Pão; feijão; limões; maçã; água; açúcar; camarões"},
	"Danish":     {charmap.Windows1252, Windows1252, "Rødgrød; æbler; smør; kød; blå druer; pålægschokolade"},
	"Swedish":    {charmap.Windows1252, Windows1252, "Smör; kött; grädde; blåbär; ägg; mjölk"},
	"a sign":     {charmap.Windows1252, Windows1252, "Terreau 10 m³; café 1½ kg; 20 °C; 5 €"},
}

func TestGuessWindows(t *testing.T) {
	for language, g := range groceries {
		data, err := g.page.NewEncoder().String("id;name\n1;" + strings.ReplaceAll(g.text, "; ", "\n1;") + "\n")
		if err != nil {
			t.Fatal(err)
		}
		f, err := Detect([]byte(data))
		if err != nil || f.Encoding != g.want || !f.Guessed {
			t.Errorf("%s is taken for %s (%v), want %s", language, f.Encoding, err, g.want)
		}
		if f, err := Detect([]byte("id;name\n1;" + g.text)); err != nil || f.Encoding != UTF8 || f.Guessed {
			t.Errorf("%s in UTF-8 is taken for %s, %v", language, f.Encoding, err)
		}
	}
}

// A head cut in the middle of a character is not broken.
func TestDetectCutCharacter(t *testing.T) {
	text := []byte("id,name\n1,š")
	for n := 5; n <= len(text); n++ {
		if f, err := Detect(text[:n]); n > 7 && (err != nil || f.Encoding != UTF8) {
			t.Errorf("cut to %d: %s, %v", n, f.Encoding, err)
		}
	}
}

func FuzzDetect(f *testing.F) {
	for _, seed := range []string{"", "a,b\n1,2", "<a/>", "{}", "[", "\xff\xfea\x00", zipped("a;b\n"), "sep=;\na", "PK\x03\x04", "\x1f\x8b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		format, err := Detect(head)
		if err != nil {
			var fe *FileError
			if !errors.As(err, &fe) || fe.Reason == "" || fe.Detail == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if format.Syntax == "" || format.Encoding == "" || format.Compression == "" || (format.Delimiter != 0) != (format.Syntax == CSV || format.Syntax == TSV) {
			t.Fatalf("%+v", format)
		}
	})
}
