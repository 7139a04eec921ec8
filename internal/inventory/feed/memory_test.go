package feed

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// generator writes rows as they are read, so that the file is nowhere.
type generator struct {
	head, tail string
	row        func(b []byte, i int) []byte
	rows, next int
	pending    []byte
	ended      bool
	onRead     func() // where somebody watches
}

func (g *generator) Read(p []byte) (int, error) {
	if g.onRead != nil {
		g.onRead()
	}
	for len(g.pending) == 0 {
		switch {
		case g.head != "":
			g.pending, g.head = []byte(g.head), ""
		case g.next < g.rows:
			for len(g.pending) < 32<<10 && g.next < g.rows {
				g.pending = g.row(g.pending, g.next)
				g.next++
			}
		case !g.ended:
			g.ended = true
			g.pending = []byte(g.tail)
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, g.pending)
	g.pending = append(g.pending[:0], g.pending[n:]...)
	return n, nil
}

var generated = map[string]func(rows int) *generator{
	"csv": func(rows int) *generator {
		return &generator{rows: rows, head: "store_id,item_id,name,price\n", row: func(b []byte, i int) []byte {
			return fmt.Appendf(b, "%d,%09d,\"Milk, %d\",%d.%02d\n", i%7, i*7919%1_000_000_007, i, i%50, i%100)
		}}
	},
	"xml": func(rows int) *generator {
		return &generator{rows: rows, head: "<rss xmlns:g='http://base.google.com/ns/1.0'><channel>", tail: "</channel></rss>", row: func(b []byte, i int) []byte {
			return fmt.Appendf(b, "<item><g:id>%d</g:id><title>Milk &amp; %d</title><g:price>%d.00 USD</g:price></item>\n", i, i, i%50)
		}}
	},
	"jsonl": func(rows int) *generator {
		return &generator{rows: rows, row: func(b []byte, i int) []byte {
			return fmt.Appendf(b, "{\"id\":\"%d\",\"name\":\"Milk %d\",\"price\":%d.50}\n", i, i, i%50)
		}}
	},
	"json": func(rows int) *generator {
		return &generator{rows: rows, head: `{"products":[{"id":"first"}`, tail: "]}", row: func(b []byte, i int) []byte {
			return fmt.Appendf(b, ",\n{\"id\":\"%d\",\"name\":\"Milk %d\",\"price\":%d.50}", i, i, i%50)
		}}
	},
	// A row that never ends, and keys that never repeat.
	"csv of an unclosed quote": func(rows int) *generator {
		return &generator{rows: rows, head: "id,name\n1,x\n2,\"", tail: "\n", row: func(b []byte, i int) []byte {
			return fmt.Appendf(b, "%050d", i)
		}}
	},
	"xml of one element": func(rows int) *generator {
		return &generator{rows: rows, head: "<items><item><id>1</id></item><item><id>2</id><name>", tail: "</name></item></items>", row: func(b []byte, i int) []byte {
			return fmt.Appendf(b, "%050d &amp; <![CDATA[%d]]>", i, i)
		}}
	},
	"xml of ever new elements": func(rows int) *generator {
		return &generator{rows: rows, head: "<items>", tail: "</items>", row: func(b []byte, i int) []byte {
			return fmt.Appendf(b, "<item><id>%d</id><x%d>1</x%d></item>", i, i, i)
		}}
	},
	"jsonl of ever new keys": func(rows int) *generator {
		return &generator{rows: rows, row: func(b []byte, i int) []byte {
			return fmt.Appendf(b, "{\"id\":%d,\"k%d\":{\"x\":1}}\n", i, i)
		}}
	},
	"json of one row": func(rows int) *generator {
		return &generator{rows: rows, head: `[{"id":1},{"id":2,"name":"`, tail: `"},{"id":3}]`, row: func(b []byte, i int) []byte {
			return fmt.Appendf(b, "%050d", i)
		}}
	},
}

// liveHeap is what is reachable now.
func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// peak watches the most that is reachable, beyond what was at the start.
type peak struct {
	start, most int64
	calls       int
}

func newPeak() *peak { return &peak{start: liveHeap()} }

// look measures at every n-th call.
func (p *peak) look(n int) {
	if p.calls++; p.calls%n == 0 {
		p.most = max(p.most, liveHeap()-p.start)
	}
}

// A file a hundred times as large takes no more memory.
func TestReaderMemoryIsFlat(t *testing.T) {
	m := mustPreset(t, "bodega")
	const small, large = 4_000, 400_000
	// What may differ is by how much the window and the texts of a row have grown.
	const slack = 2 * DefaultMaxRowBytes
	for name, make := range generated {
		t.Run(name, func(t *testing.T) {
			measure := func(rows, every int) int64 {
				p := newPeak()
				g := make(rows)
				g.onRead = func() { p.look(every) }
				r, err := NewReader(g, m)
				if err != nil {
					t.Fatal(err)
				}
				var row Row
				for {
					err := r.Next(&row)
					if _, refused := err.(*RowError); err != nil && !refused {
						if err != io.EOF {
							t.Fatal(err)
						}
						return p.most
					}
				}
			}
			little, much := measure(small, 1), measure(large, 50)
			if much > little+slack {
				t.Errorf("%d rows take %d KiB, %d rows %d KiB", small, little>>10, large, much>>10)
			}
			if little <= 0 {
				t.Errorf("%d bytes for a window of %d: nothing was measured", little, firstWindow)
			}
			t.Logf("%d rows: %d KiB, %d rows: %d KiB", small, little>>10, large, much>>10)
		})
	}
}

// dirSpill keeps runs in a folder.
type dirSpill struct{ dir string }

func (s dirSpill) path(run int) string                    { return filepath.Join(s.dir, strconv.Itoa(run)) }
func (s dirSpill) Create(run int) (io.WriteCloser, error) { return os.Create(s.path(run)) }
func (s dirSpill) Open(run int) (io.ReadCloser, error)    { return os.Open(s.path(run)) }
func (s dirSpill) Remove(run int) error                   { return os.Remove(s.path(run)) }

// Splitting takes its MemoryBytes and the buffers of the merge, however many
// rows there are.
func TestSplitterMemoryIsFlat(t *testing.T) {
	const memory = 2 << 20
	measure := func(rows int) int64 {
		p := newPeak()
		r, err := NewReader(generated["csv"](rows), mustPreset(t, "bodega"))
		if err != nil {
			t.Fatal(err)
		}
		s := NewSplitter(SplitOptions{Spill: dirSpill{t.TempDir()}, MemoryBytes: memory})
		var row Row
		for {
			err := r.Next(&row)
			if err == io.EOF {
				break
			}
			if err == nil {
				err = s.Add(&row)
			}
			if err != nil {
				t.Fatal(err)
			}
			p.look(20_000)
		}
		sorted, err := s.Finish()
		if err != nil {
			t.Fatal(err)
		}
		defer sorted.Close()
		for n := 0; ; n++ {
			err := sorted.Next(&row)
			if err == io.EOF {
				if n != rows {
					t.Fatalf("%d rows became %d", rows, n)
				}
				return p.most
			}
			if err != nil {
				t.Fatal(err)
			}
			p.look(20_000)
		}
	}
	little, much := measure(50_000), measure(500_000)
	// The merge of two levels has up to 2*15 sources of two 64 KiB buffers each.
	if limit := little + 30*2*runBuffer + memory; much > limit {
		t.Errorf("500,000 rows take %d KiB, 50,000 %d KiB", much>>10, little>>10)
	}
	t.Logf("500,000 rows: %d KiB, 50,000 rows: %d KiB", much>>10, little>>10)
}

// A gzip bomb is refused long before it is expanded.
func TestGzipBombIsRefused(t *testing.T) {
	pr, pw := io.Pipe()
	go func() {
		zw, _ := gzip.NewWriterLevel(pw, gzip.BestCompression)
		_, err := io.Copy(zw, &generator{rows: 3_000_000, head: "id,name\n", row: func(b []byte, _ int) []byte {
			return append(b, "1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"...)
		}})
		if err == nil {
			err = zw.Close()
		}
		pw.CloseWithError(err)
	}()
	defer pr.Close()
	r, err := NewReader(pr, mustPreset(t, "bodega"))
	if err != nil {
		t.Fatal(err)
	}
	var row Row
	for err == nil {
		err = r.Next(&row)
	}
	fe, ok := err.(*FileError)
	if !ok || fe.Reason != TooLarge || row.Number != 0 || fe.Row < 500_000 || fe.Row > 2_000_000 {
		t.Errorf("%v", err)
	}
}
