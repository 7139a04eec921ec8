package feed

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// checkLaws reads data and holds it to what every reader promises; it gives
// back the rows, whether nothing was refused, and why reading ended.
func checkLaws(t *testing.T, data []byte, m Mapping, opts ...Option) (rows []Row, clean bool, end Reason) {
	t.Helper()
	rows, problems, ended := readLawful(t, bytes.NewReader(data), m, opts...)
	// However the bytes arrive, they say the same.
	again, problemsAgain, endedAgain := readLawful(t, iotest.HalfReader(iotest.DataErrReader(bytes.NewReader(data))), m, opts...)
	if !slices.Equal(rows, again) || !slices.Equal(problems, problemsAgain) || ended.Error() != endedAgain.Error() {
		t.Fatalf("read in pieces it differs:\n%v %v %v\n%v %v %v", rows, problems, ended, again, problemsAgain, endedAgain)
	}
	if ended != io.EOF {
		end = reasonOf(ended)
	}
	return rows, len(problems) == 0 && end == "", end
}

func readLawful(t *testing.T, in io.Reader, m Mapping, opts ...Option) (rows []Row, problems []string, end error) {
	t.Helper()
	r, err := NewReader(in, m, opts...)
	if err != nil {
		var fe *FileError
		if !errors.As(err, &fe) || fe.Reason == "" || fe.Detail == "" {
			t.Fatalf("a file is refused by %T %v", err, err)
		}
		return nil, nil, err
	}
	var number, line int64
	for {
		var row Row
		err := r.Next(&row)
		var re *RowError
		if errors.As(err, &re) {
			if re.Row != row.Number || re.Line != row.Line || re.Reason == "" || re.Detail == "" || row.Values != [NumFields]string{} {
				t.Fatalf("problem %+v of row %+v", re, row)
			}
			problems = append(problems, re.Error())
			err = nil
		} else if err == nil {
			rows = append(rows, row)
			for f, v := range row.Values {
				if !utf8.ValidString(v) || strings.Contains(v, "\x00") || v != trimString(v) {
					t.Fatalf("row %d: %s is %q", row.Number, Field(f), v)
				}
			}
		}
		if err != nil {
			var fe *FileError
			if err != io.EOF && (!errors.As(err, &fe) || fe.Reason == "" || fe.Detail == "") {
				t.Fatalf("a file ends by %T %v", err, err)
			}
			if again := r.Next(&row); again != err {
				t.Fatalf("%v, then %v", err, again)
			}
			r.Columns()
			return rows, problems, err
		}
		if row.Number != number+1 || row.Line < line {
			t.Fatalf("row %d at line %d follows row %d at line %d", row.Number, row.Line, number, line)
		}
		number, line = row.Number, row.Line
	}
}

func mustParse(t testing.TB, profile string) Mapping {
	m, err := ParseMapping([]byte(profile))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// FuzzCSV compares with encoding/csv, wherever both take the whole file.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b,c\n1,2,3\n", "a,b\n\"x\"\"y\",\"z\n\"\n", "a,b\r\n1,2\r\n", "a,b\n1,\"2\n3,4\n", "a,b\n1,x\"y\n", "\"a\",b\n, \n",
		"a,b\r1,2\r", "a,b\n1,2,3\n1\n", bom + "a,b\n1,é\n", "\xff\xfe00", "a,b\n\xff,\x00\n", "sep=;\na;b\n1;2\n",
	} {
		f.Add([]byte(seed))
	}
	m := mustParse(f, "format: {header: false, delimiter: ',', encoding: utf-8}\nfields: {item_id: {index: 1}, name: {index: 2}, price: {index: 3}}")
	f.Fuzz(func(t *testing.T, data []byte) {
		checkLaws(t, data, m, MaxRowBytes(64))
		rows, clean, _ := checkLaws(t, data, m)
		// A lone CR, byte order marks and blanks around quotes are where this reader
		// takes more.
		if !clean || bytes.Contains(bytes.ReplaceAll(data, []byte("\r\n"), nil), []byte("\r")) || bytes.Contains(data, []byte("\x1a")) ||
			bytes.HasPrefix(data, []byte(bom)) || bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) ||
			bytes.HasPrefix(bytes.ToLower(data), []byte("sep=")) || bytes.ContainsAny(data, " \t") {
			return
		}
		reference := csv.NewReader(bytes.NewReader(data))
		reference.FieldsPerRecord = -1
		records, err := reference.ReadAll()
		if err != nil {
			return
		}
		if len(records) != len(rows) {
			t.Fatalf("%d rows, but encoding/csv has %d: %q", len(rows), len(records), records)
		}
		for i, record := range records {
			for c, f := range []Field{ItemID, Name, Price} {
				want := ""
				if c < len(record) {
					want = trimString(strings.ReplaceAll(record[c], "\r\n", "\n"))
				}
				if got := strings.ReplaceAll(rows[i].Values[f], "\r\n", "\n"); got != want {
					t.Fatalf("row %d, column %d: %q, but encoding/csv has %q", i+1, c+1, got, want)
				}
			}
		}
	})
}

// FuzzTSV has no reference; the laws hold.
func FuzzTSV(f *testing.F) {
	f.Add([]byte("id\ttitle\n1\t\"x\n2\t\"y\"\n"))
	f.Add([]byte("id\ttitle\r\n1\t\"x\"z\t\r\n"))
	m := mustPreset(f, "google-merchant")
	f.Fuzz(func(t *testing.T, data []byte) {
		checkLaws(t, append([]byte("id\ttitle\n"), data...), m, MaxRowBytes(100))
	})
}

// FuzzJSONL compares with encoding/json, line by line.
func FuzzJSONL(f *testing.F) {
	for _, seed := range []string{
		`{"id":"1","price":1.50}`, `{"id":1e400,"name":"\u0161\n"}`, `{"id":true,"x":{"id":2}}`, `{"id":null}`, `[]`, `{"id":"\ud83d\ude00"}`, `{"id":1}{}`, "{\"id\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	m := mustParse(f, "format: {encoding: utf-8}\nfields: {item_id: id, name: name, price: x/id}")
	f.Fuzz(func(t *testing.T, line []byte) {
		// A first line that is sound makes the file JSONL, a hundred rows in front
		// settle its columns.
		data := append(bytes.Repeat([]byte("{\"id\":0,\"name\":\"n\"}\n"), settled), line...)
		rows, clean, _ := checkLaws(t, data, m)
		if bytes.ContainsAny(line, "\r\n") || len(trim(line)) == 0 || string(trim(line)) == "\x1a" {
			return
		}
		var want map[string]json.RawMessage
		err := json.Unmarshal(line, &want)
		if clean && (err != nil || want == nil) {
			t.Fatalf("%q was read, but encoding/json says %v", line, err)
		}
		if !clean || strings.Count(string(line), `"`)%2 != 0 {
			return
		}
		got := rows[len(rows)-1].Values[ItemID]
		raw := want["id"]
		// encoding/json takes the last of two equal names, and \u0069 for an i.
		if bytes.Count(line, []byte(`"id"`)) != 1 || len(raw) == 0 || bytes.Contains(line, []byte(`\u`)) || folds(want) {
			return
		}
		text := string(raw)
		switch raw[0] {
		case '"':
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
		case '{', '[', 'n':
			return
		}
		if got != trimString(text) {
			t.Fatalf("%q is read from %q, want %q", got, line, text)
		}
	})
}

// folds says whether another name than "id" is read as such.
func folds(members map[string]json.RawMessage) bool {
	for name := range members {
		if name != "id" && fold(name) == "id" {
			return true
		}
	}
	return false
}

// FuzzJSONDocument compares with encoding/json: what it calls sound is read.
func FuzzJSONDocument(f *testing.F) {
	for _, seed := range []string{
		`[{"id":1},{"id":"]"}]`, `{"a":{"b":[{"id":1}]},"c":[]}`, "[\n]", `{"a":[1,{"id":1}]}`, `[{"id":1}`, `{"a":"\"","b":[{}]}`, `[[{"id":1}]]`,
	} {
		f.Add([]byte(seed))
	}
	m := mustParse(f, "format: {encoding: utf-8}\nfields: {item_id: id}")
	f.Fuzz(func(t *testing.T, data []byte) {
		if !bytes.HasPrefix(data, []byte("[")) && !bytes.HasPrefix(data, []byte("{")) {
			return
		}
		checkLaws(t, data, m, MaxRowBytes(64))
		rows, clean, end := checkLaws(t, data, m)
		if end == Malformed || end == Truncated {
			// Broken after all, or without a list of objects.
			var list []map[string]json.RawMessage
			if err := json.Unmarshal(data, &list); err == nil && len(list) > 0 {
				t.Fatalf("it ends as %s, but encoding/json reads it: %q", end, data)
			}
		}
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(data, &list); err != nil || len(list) == 0 || !clean {
			return
		}
		if len(rows) != len(list) {
			t.Fatalf("%d rows, but encoding/json has %d", len(rows), len(list))
		}
	})
}

// FuzzXML compares with encoding/xml: the same items have the same texts.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{
		"<a><item><id>1</id></item><item><id>x<![CDATA[<y>&amp;]]>z</id></item></a>", "<?xml version='1.0'?><a><item id='1' name=\"x&amp;y\"/><!-- c --></a>",
		"<a><item><id><![CDATA[<x>]]></id><name>&#353;&lt;</name></item></a>", "<!DOCTYPE a [<!ENTITY x 'y'>]><a><item><id>&x;</id></item></a>",
		"<a><item><id>1</id><name>2</name></item><item/></a>", "<a><item><id>a&lt;&#x161;b</id></item>\n<item><name>x</name><id> 2 </id></item></a>", "<a><item><id>1</id><id>2</id></item></a>", "<a><item><id>1<b>2</b>3</id></item>", "<a><item><id>1\r\n2</id></item></a>",
	} {
		f.Add([]byte(seed))
	}
	m := mustParse(f, "format: {encoding: utf-8}\nfields: {item_id: id, name: name}")
	f.Fuzz(func(t *testing.T, data []byte) {
		if !bytes.HasPrefix(data, []byte("<")) {
			return
		}
		checkLaws(t, data, m, MaxRowBytes(64))
		rows, clean, end := checkLaws(t, data, m)
		if (end == Malformed || end == Truncated) && strings.Count(string(data), "<") < maxDepth {
			if err := soundByStandardLibrary(data); err == nil {
				t.Fatalf("it ends as %s, but encoding/xml reads it: %q", end, data)
			}
		}
		if !clean {
			return
		}
		ids, err := idsByStandardLibrary(data)
		if err != nil {
			return
		}
		var got []string
		for _, row := range rows {
			got = append(got, row.Values[ItemID])
		}
		if ids != nil && !slices.Equal(got, ids) {
			t.Fatalf("ids %q, but encoding/xml has %q", got, ids)
		}
	})
}

// soundByStandardLibrary says whether encoding/xml takes the whole file as one
// element.
func soundByStandardLibrary(data []byte) error {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	depth, roots := 0, 0
	for {
		tok, err := dec.Token()
		if err == io.EOF && roots == 1 {
			return nil
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			depth++
			if depth == 1 {
				roots++
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(trim(tok)) > 0 {
				return errors.New("text outside of the root")
			}
		}
	}
}

// idsByStandardLibrary are the texts of a/item/id for the plain files in which
// nothing else could be meant; nil for others.
func idsByStandardLibrary(data []byte) ([]string, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var ids []string
	var path []string
	id, have := "", false
	for {
		tok, err := dec.RawToken()
		if err == io.EOF {
			return ids, nil
		}
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(tok.Attr) > 0 || tok.Name.Space != "" || len(path) == 1 && tok.Name.Local != "item" || len(path) == 0 && tok.Name.Local != "a" {
				return nil, nil
			}
			path = append(path, tok.Name.Local)
			if len(path) == 3 {
				if fold(tok.Name.Local) != tok.Name.Local || have && tok.Name.Local == "id" {
					return nil, nil
				}
			}
			if len(path) > 3 && path[2] == "id" {
				return nil, nil
			}
		case xml.EndElement:
			if len(path) == 2 {
				ids = append(ids, trimString(id))
				id, have = "", false
			}
			if len(path) == 3 && path[2] == "id" {
				have = true
			}
			path = path[:len(path)-1]
		case xml.CharData:
			if len(path) == 3 && path[2] == "id" {
				id += string(tok)
			}
		}
	}
}
