package feed

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func segmentOf(t testing.TB, rows, chunk int) ([]byte, []Row) {
	var b bytes.Buffer
	w := NewSegmentWriter(&b, "0204", chunk)
	var all []Row
	for i := range rows {
		row := Row{Number: int64(rows - i), Line: int64(rows - i + 1)}
		row.Values[StoreID] = "0204"
		row.Values[ItemID] = fmt.Sprintf("%08d", i*2)
		row.Values[Name] = strings.Repeat("č", i%40)
		row.Values[ProductURL] = "x"
		if err := w.Add(&row); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), all
}

// countingReaderAt counts the reads, which cost a round trip each in an
// object store.
type countingReaderAt struct {
	*bytes.Reader
	reads int
}

func (c *countingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.Reader.ReadAt(p, off)
}

func TestSegmentReadsChunksAlone(t *testing.T) {
	for _, tc := range []struct{ rows, chunk, chunks int }{
		{0, 10, 0}, {1, 10, 1}, {10, 10, 1}, {11, 10, 2}, {1000, 1, 1000}, {5000, 0, 5},
	} {
		t.Run(fmt.Sprintf("%d by %d", tc.rows, tc.chunk), func(t *testing.T) {
			data, want := segmentOf(t, tc.rows, tc.chunk)
			at := &countingReaderAt{Reader: bytes.NewReader(data)}
			r, err := OpenSegment(at, int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			if at.reads != 1 {
				t.Errorf("opening took %d reads", at.reads)
			}
			if len(r.Chunks()) != tc.chunks || r.Rows() != int64(tc.rows) || r.Store() != "0204" {
				t.Fatalf("%d chunks, %d rows of store %q", len(r.Chunks()), r.Rows(), r.Store())
			}
			var got []Row
			for k, c := range r.Chunks() {
				// By byte range, as an object store gives it.
				got, err = r.DecodeChunk(got, k, data[c.Offset:c.Offset+c.Length])
				if err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatal("the rows differ from those written")
			}
			for i := range want {
				at.reads = 0
				row, ok, err := r.Find(want[i].Values[ItemID])
				if err != nil || !ok || row != want[i] || at.reads != 1 {
					t.Fatalf("find %q: %v %v %v in %d reads", want[i].Values[ItemID], row, ok, err, at.reads)
				}
			}
			for _, absent := range []string{"", "00000001", "zz", "0"} {
				if _, ok, err := r.Find(absent); ok || err != nil {
					t.Fatalf("find %q: %v %v", absent, ok, err)
				}
			}
		})
	}
}

// A trailer larger than the first read is fetched whole.
func TestSegmentLargeTrailer(t *testing.T) {
	data, want := segmentOf(t, 20_000, 1)
	r, err := OpenSegment(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	row, ok, err := r.Find(want[12345].Values[ItemID])
	if err != nil || !ok || row != want[12345] {
		t.Fatal(row, ok, err)
	}
}

// Any single changed or missing byte is noticed, on opening or on reading the
// chunk that it is in.
func TestSegmentNoticesDamage(t *testing.T) {
	data, want := segmentOf(t, 20, 7)
	readAll := func(data []byte) ([]Row, error) {
		r, err := OpenSegment(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil, err
		}
		var rows []Row
		for k := range r.Chunks() {
			if rows, err = r.ReadChunk(rows, k); err != nil {
				return nil, err
			}
		}
		return rows, nil
	}
	for i := len(segmentMagic); i < len(data); i++ {
		damaged := slices.Clone(data)
		damaged[i] ^= 0x40
		if rows, err := readAll(damaged); err == nil {
			t.Fatalf("byte %d of %d changed, and %d rows were read", i, len(data), len(rows))
		}
	}
	for n := range data {
		if _, err := readAll(data[:n]); err == nil {
			t.Fatalf("cut to %d bytes of %d, it was read", n, len(data))
		}
	}
	rows, err := readAll(data)
	if err != nil || !slices.Equal(rows, want) {
		t.Fatal(err)
	}
}

func TestSegmentWriterRefuses(t *testing.T) {
	row := func(store, item string) *Row {
		r := &Row{Number: 7}
		r.Values[StoreID], r.Values[ItemID] = store, item
		return r
	}
	for _, tc := range []struct {
		name   string
		second *Row
		want   string
	}{
		{"another store", row("2", "c"), `row 7 is of store "2"`},
		{"the same item", row("1", "b"), `item "b" after "b"`},
		{"an earlier item", row("1", "a"), `item "a" after "b"`},
		{"no item", row("1", ""), "no item id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := NewSegmentWriter(&bytes.Buffer{}, "1", 2)
			if err := w.Add(row("1", "b")); err != nil {
				t.Fatal(err)
			}
			if err := w.Add(tc.second); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("after close", func(t *testing.T) {
		w := NewSegmentWriter(&bytes.Buffer{}, "1", 2)
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.Add(row("1", "b")); err == nil {
			t.Fatal("a closed segment took a row")
		}
	})
	t.Run("a full disk", func(t *testing.T) {
		spill := newMemorySpill(t)
		spill.failWrite = 20
		f, _ := spill.Create(0)
		w := NewSegmentWriter(f, "1", 1)
		_ = w.Add(row("1", "b"))
		if _, err := w.Close(); !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
	})
}

func FuzzOpenSegment(f *testing.F) {
	small, _ := segmentOf(f, 3, 2)
	none, _ := segmentOf(f, 0, 2)
	f.Add(small)
	f.Add(none)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := OpenSegment(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for k := range r.Chunks() {
			rows, err := r.ReadChunk(nil, k)
			if err == nil && len(rows) != r.Chunks()[k].Rows {
				t.Fatalf("chunk %d has %d rows, not %d", k, len(rows), r.Chunks()[k].Rows)
			}
		}
	})
}

// FuzzRecord decodes anything without panic, and what it wrote itself to the
// same row.
func FuzzRecord(f *testing.F) {
	b, _ := appendRecord(nil, &Row{Number: 1, Values: [NumFields]string{ItemID: "x", Name: "y"}}, true)
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		body, _, err := cutRecord(data)
		if err != nil {
			return
		}
		var row, again Row
		if decodeBody(string(body), &row, currentFields) != nil {
			return
		}
		b, _ := appendRecord(nil, &row, true)
		body, rest, err := cutRecord(b)
		if err != nil || len(rest) > 0 {
			t.Fatal(err)
		}
		if err := decodeBody(string(body), &again, currentFields); err != nil || again != row {
			t.Fatalf("%v: %v became %v", err, row, again)
		}
	})
}
