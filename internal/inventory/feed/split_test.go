package feed

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// memorySpill keeps runs in memory, and fails the test when the Splitter
// breaks the rules of Spill.
type memorySpill struct {
	t       rapid.TB
	files   map[int][]byte
	opened  map[int]bool
	created int
	// failWrite makes the write that passes this many bytes fail; 0 for never.
	failWrite int
	written   int
}

func newMemorySpill(t rapid.TB) *memorySpill {
	return &memorySpill{t: t, files: map[int][]byte{}, opened: map[int]bool{}}
}

type memoryFile struct {
	s    *memorySpill
	run  int
	data bytes.Buffer
}

var errDisk = errors.New("no space left")

func (f *memoryFile) Write(p []byte) (int, error) {
	f.s.written += len(p)
	if f.s.failWrite > 0 && f.s.written > f.s.failWrite {
		return 0, errDisk
	}
	return f.data.Write(p)
}

func (f *memoryFile) Close() error {
	f.s.files[f.run] = f.data.Bytes()
	return nil
}

func (s *memorySpill) Create(run int) (io.WriteCloser, error) {
	if _, taken := s.files[run]; taken || run != s.created {
		s.t.Fatalf("run %d is created, but the next is %d", run, s.created)
	}
	s.created++
	return &memoryFile{s: s, run: run}, nil
}

func (s *memorySpill) Open(run int) (io.ReadCloser, error) {
	data, ok := s.files[run]
	if !ok || s.opened[run] {
		s.t.Fatalf("run %d is opened: there %v, opened before %v", run, ok, s.opened[run])
	}
	s.opened[run] = true
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (s *memorySpill) Remove(run int) error {
	if _, ok := s.files[run]; !ok {
		s.t.Fatalf("run %d is removed but not there", run)
	}
	delete(s.files, run)
	return nil
}

var anyText = rapid.StringOfN(rapid.RuneFrom([]rune("ab0čß\"\n,日")), 0, 12, -1)

func anyRows() *rapid.Generator[[]Row] {
	return rapid.Custom(func(t *rapid.T) []Row {
		n := rapid.IntRange(0, 400).Draw(t, "rows")
		rows := make([]Row, n)
		items := rapid.SampledFrom([]string{"", "0", "00", "000000001", "000000002", "a", "b", "ab", "č", "long item identifier 1", "long item identifier 2"})
		stores := rapid.SampledFrom([]string{"", "1", "2", "10", "č"})
		for i := range rows {
			rows[i] = Row{Number: int64(i + 1), Line: int64(i + 2)}
			rows[i].Values[StoreID] = stores.Draw(t, "store")
			rows[i].Values[ItemID] = items.Draw(t, "item")
			rows[i].Values[Price] = fmt.Sprint(i)
			rows[i].Values[Name] = anyText.Draw(t, "name")
			rows[i].Values[ProductURL] = anyText.Draw(t, "url")
		}
		return rows
	})
}

// A split agrees with a map: the last row of a store and item is kept, all
// others are reported once, in whatever little memory.
func TestSplitAgreesWithMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRows().Draw(t, "rows")
		spill := newMemorySpill(t)
		problems := map[int64]Reason{}
		s := NewSplitter(SplitOptions{
			Spill: spill, MemoryBytes: rapid.SampledFrom([]int{1, 100, 2000, 1 << 20}).Draw(t, "memory"),
			OnProblem: func(e *RowError) {
				if _, twice := problems[e.Row]; twice {
					t.Fatalf("row %d is reported twice", e.Row)
				}
				problems[e.Row] = e.Reason
			},
		})
		type key struct{ store, item string }
		want := map[key]Row{}
		wantProblems := map[int64]Reason{}
		for i := range rows {
			if err := s.Add(&rows[i]); err != nil {
				t.Fatal(err)
			}
			k := key{rows[i].Values[StoreID], rows[i].Values[ItemID]}
			switch before, dup := want[k]; {
			case k.store == "":
				wantProblems[rows[i].Number] = NoStore
				continue
			case k.item == "":
				wantProblems[rows[i].Number] = NoItem
				continue
			case dup:
				wantProblems[before.Number] = Duplicate
			}
			want[k] = rows[i]
		}
		sorted, err := s.Finish()
		if err != nil {
			t.Fatal(err)
		}
		segments := map[string]*closableBuffer{}
		var order []string
		infos, err := sorted.WriteSegments(context.Background(), rapid.IntRange(1, 5).Draw(t, "chunk"), func(store string) (io.WriteCloser, error) {
			order = append(order, store)
			segments[store] = &closableBuffer{}
			return segments[store], nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := sorted.Close(); err != nil {
			t.Fatal(err)
		}
		if len(spill.files) > 0 {
			t.Fatalf("runs are left: %v", slices.Collect(maps.Keys(spill.files)))
		}
		if !slices.IsSorted(order) || len(infos) != len(order) {
			t.Fatalf("stores %v, %d infos", order, len(infos))
		}
		var got []Row
		for i, store := range order {
			if !segments[store].closed {
				t.Fatalf("segment of store %q was not closed", store)
			}
			data := segments[store].Bytes()
			r, err := OpenSegment(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			if infos[i].Rows != r.Rows() || infos[i].Bytes != int64(len(data)) || infos[i].Store != r.Store() {
				t.Fatalf("info %+v of a segment with %d rows and %d bytes of store %q", infos[i], r.Rows(), len(data), r.Store())
			}
			for k := range r.Chunks() {
				if got, err = r.ReadChunk(got, k); err != nil {
					t.Fatal(err)
				}
			}
		}
		wanted := slices.SortedFunc(maps.Values(want), func(a, b Row) int {
			return cmp.Or(strings.Compare(a.Values[StoreID], b.Values[StoreID]), strings.Compare(a.Values[ItemID], b.Values[ItemID]))
		})
		if !slices.Equal(got, wanted) {
			t.Fatalf("got %d rows\n%v\nwant %d\n%v", len(got), got, len(wanted), wanted)
		}
		if !maps.Equal(problems, wantProblems) {
			t.Fatalf("problems %v, want %v", problems, wantProblems)
		}
		c := sorted.Counts()
		if c.Read != int64(len(rows)) || c.Kept != int64(len(wanted)) || c.Read != c.Kept+c.Duplicates+c.Rejected {
			t.Fatalf("counts %+v of %d rows, %d kept", c, len(rows), len(wanted))
		}
	})
}

type closableBuffer struct {
	bytes.Buffer
	closed bool
}

func (b *closableBuffer) Close() error {
	b.closed = true
	return nil
}

// A thousand spills go through several levels of merging.
func TestSplitMergesInLevels(t *testing.T) {
	spill := newMemorySpill(t)
	s := NewSplitter(SplitOptions{Spill: spill, MemoryBytes: 1})
	const n = 1000
	for i := range n {
		row := Row{Number: int64(i + 1)}
		row.Values[StoreID] = "1"
		row.Values[ItemID] = fmt.Sprintf("%04d", (i*7919)%500)
		if err := s.Add(&row); err != nil {
			t.Fatal(err)
		}
	}
	if open := len(spill.files); open > 3*fanIn {
		t.Errorf("%d runs are there at once", open)
	}
	sorted, err := s.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer sorted.Close()
	var row Row
	for i := range 500 {
		if err := sorted.Next(&row); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%04d", i); row.Values[ItemID] != want || row.Number <= 500 {
			t.Fatalf("got item %s of row %d, want %s of a row above 500", row.Values[ItemID], row.Number, want)
		}
	}
	if err := sorted.Next(&row); err != io.EOF {
		t.Fatal(err)
	}
	if c := sorted.Counts(); c.Duplicates != 500 {
		t.Errorf("%+v", c)
	}
}

func TestSplitGivesUpCleanly(t *testing.T) {
	rows := func(s *Splitter) error {
		for i := range 2000 {
			row := Row{Number: int64(i + 1)}
			row.Values[StoreID], row.Values[ItemID] = "1", fmt.Sprint(i)
			if err := s.Add(&row); err != nil {
				return err
			}
		}
		sorted, err := s.Finish()
		if err != nil {
			return err
		}
		return sorted.Close()
	}
	t.Run("disk full", func(t *testing.T) {
		// At every point at which a write may fail, nothing is left behind.
		for limit := 1; ; limit += 997 {
			spill := newMemorySpill(t)
			spill.failWrite = limit
			s := NewSplitter(SplitOptions{Spill: spill, MemoryBytes: 500})
			err := rows(s)
			if err == nil {
				break
			}
			if !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
			if again := s.Add(&Row{}); !errors.Is(again, errDisk) {
				t.Fatalf("a split that failed takes a row: %v", again)
			}
			if err := s.Discard(); err != nil {
				t.Fatal(err)
			}
			if len(spill.files) > 0 {
				t.Fatalf("limit %d leaves %d runs", limit, len(spill.files))
			}
		}
	})
	t.Run("nowhere to spill", func(t *testing.T) {
		err := rows(NewSplitter(SplitOptions{MemoryBytes: 500}))
		if err == nil || !strings.Contains(err.Error(), "nowhere to spill") {
			t.Fatal(err)
		}
	})
	t.Run("damaged run", func(t *testing.T) {
		spill := newMemorySpill(t)
		s := NewSplitter(SplitOptions{Spill: spill, MemoryBytes: 500})
		for i := range 100 {
			row := Row{Number: int64(i + 1)}
			row.Values[StoreID], row.Values[ItemID] = "1", fmt.Sprint(i)
			if err := s.Add(&row); err != nil {
				t.Fatal(err)
			}
		}
		for run := range spill.files {
			spill.files[run][len(spill.files[run])/2] ^= 1
		}
		if _, err := s.Finish(); err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Fatal(err)
		}
		if len(spill.files) > 0 {
			t.Fatalf("%d runs are left", len(spill.files))
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r, err := NewReader(bytes.NewReader(table12(10)), mustPreset(t, "konzum"))
		if err != nil {
			t.Fatal(err)
		}
		if err := NewSplitter(SplitOptions{}).Drain(ctx, r); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func mustPreset(t testing.TB, name string) Mapping {
	m, ok := Preset(name)
	if !ok {
		t.Fatalf("no preset %q", name)
	}
	return m
}
