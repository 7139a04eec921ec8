package feed

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Spill is where a Splitter puts sorted runs that memory does not hold. Runs
// are numbered from 0; each is created once, read at most once, and removed
// once. A Splitter calls it from one goroutine.
type Spill interface {
	Create(run int) (io.WriteCloser, error)
	Open(run int) (io.ReadCloser, error)
	Remove(run int) error
}

const (
	// DefaultSplitMemory is what a Splitter sorts in memory at a time.
	DefaultSplitMemory = 64 << 20
	// fanIn is how many runs of a level are merged into one of the next: with
	// 64 MiB a level, the second holds 1 GiB and the third 16.
	fanIn     = 16
	runBuffer = 64 << 10
	// firstArena is up to where the arena grows by doubling.
	firstArena = 16 << 20
)

// SplitOptions are the limits and the connections of a Splitter.
type SplitOptions struct {
	// Spill may be nil where the rows surely fit in MemoryBytes; when they do
	// not, Add fails.
	Spill Spill
	// MemoryBytes bounds the rows held in memory; 0 means DefaultSplitMemory.
	MemoryBytes int
	// OnProblem is told of every row that is not kept: those that the reader
	// refused (by Drain), those without store or item, and duplicates. Not in
	// the order of rows. May be nil.
	OnProblem func(*RowError)
}

// SplitCounts says what became of the rows. Read = Kept + Duplicates + Rejected.
type SplitCounts struct {
	Read       int64
	Kept       int64
	Duplicates int64 // of the same store and item, a later row was kept
	Rejected   int64 // unreadable, or without store or item
}

// Splitter sorts rows by store and item in bounded memory, however many there
// are. Of rows with the same store and item it keeps the one added last.
type Splitter struct {
	o      SplitOptions
	counts SplitCounts
	arena  []byte
	index  []entry
	stores map[string]uint32
	names  []string // of the stores, by their number
	levels [][]int  // runs by level, older ones first
	runs   int
	err    error
}

// entry points at a record in the arena.
type entry struct {
	prefix uint64 // first eight bytes of the item, for comparing
	store  uint32
	record uint32 // where it begins
	item   uint32 // where its item id begins
	length uint32 // of the item id
}

const entryBytes = 24

// NewSplitter begins a split.
func NewSplitter(o SplitOptions) *Splitter {
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = DefaultSplitMemory
	}
	o.MemoryBytes = min(o.MemoryBytes, 1<<31)
	return &Splitter{o: o, stores: make(map[string]uint32)}
}

func (s *Splitter) report(e *RowError) {
	if s.o.OnProblem != nil {
		s.o.OnProblem(e)
	}
}

// Reject counts a row that could not be read.
func (s *Splitter) Reject(e *RowError) {
	s.counts.Read++
	s.counts.Rejected++
	s.report(e)
}

// Add takes a row in. A row without store or item is counted as rejected and
// reported to OnProblem, which is no error here. The row is not kept hold of.
func (s *Splitter) Add(row *Row) error {
	if s.err != nil {
		return s.err
	}
	for _, need := range [...]struct {
		field  Field
		reason Reason
		detail string
	}{
		{StoreID, NoStore, "the row names no store, and the feed has no store of its own"},
		{ItemID, NoItem, "the row has no item id"},
	} {
		if row.Values[need.field] == "" {
			s.Reject(&RowError{
				Row: row.Number, Line: row.Line, Column: need.field.String(), Field: need.field, Reason: need.reason, Detail: need.detail,
				Store: row.Values[StoreID], Item: row.Values[ItemID],
			})
			return nil
		}
	}
	s.counts.Read++
	if len(s.arena)+entryBytes*len(s.index) >= s.o.MemoryBytes {
		if s.err = s.spill(); s.err != nil {
			return s.err
		}
	}
	store := row.Values[StoreID]
	number, known := s.stores[store]
	if !known {
		number = uint32(len(s.names))
		store = strings.Clone(store)
		s.stores[store] = number
		s.names = append(s.names, store)
	}
	item := row.Values[ItemID]
	e := entry{store: number, record: uint32(len(s.arena)), prefix: prefixOf(item), length: uint32(len(item))}
	var at int
	if len(s.arena) >= cap(s.arena)*3/4 && cap(s.arena) < s.o.MemoryBytes {
		s.growArena()
	}
	s.arena, at = appendRecord(s.arena, row, true)
	e.item = uint32(at)
	s.index = append(s.index, e)
	return nil
}

// growArena doubles a small arena, and gives a large one all its memory at
// once: growing step by step would leave as much garbage as there are rows.
func (s *Splitter) growArena() {
	more := max(len(s.arena), runBuffer)
	if len(s.arena) >= firstArena {
		more = max(s.o.MemoryBytes-len(s.arena), 0)
	}
	s.arena = slices.Grow(s.arena, more)
}

// prefixOf orders like the text's first eight bytes.
func prefixOf(item string) uint64 {
	var b [8]byte
	copy(b[:], item)
	return binary.BigEndian.Uint64(b[:])
}

// Drain adds every row of the reader until its end, and rejects those that it
// refuses. It returns the error that ended the file, nil for a whole one.
func (s *Splitter) Drain(ctx context.Context, r *Reader) error {
	var row Row
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return fmt.Errorf("split feed at row %d: %w", row.Number, context.Cause(ctx))
		}
		err := r.Next(&row)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			if err := s.Add(&row); err != nil {
				return err
			}
			continue
		}
		var re *RowError
		if !errors.As(err, &re) {
			return err
		}
		s.Reject(re)
	}
}

// Counts is what became of the rows so far. Duplicates are all found only when
// the sorted rows have been read to their end.
func (s *Splitter) Counts() SplitCounts { return s.counts }

// sort orders the index by store and item, of equal ones the last added first,
// and drops the others.
func (s *Splitter) sort() error {
	order := make([]uint32, len(s.names))
	byName := make([]uint32, len(s.names))
	for i := range byName {
		byName[i] = uint32(i)
	}
	slices.SortFunc(byName, func(a, b uint32) int { return strings.Compare(s.names[a], s.names[b]) })
	for rank, number := range byName {
		order[number] = uint32(rank)
	}
	item := func(e *entry) []byte { return s.arena[e.item : e.item+e.length] }
	compare := func(a, b entry) int {
		switch {
		case a.store != b.store:
			return int(order[a.store]) - int(order[b.store])
		case a.prefix < b.prefix:
			return -1
		case a.prefix > b.prefix:
			return 1
		}
		return bytes.Compare(item(&a), item(&b))
	}
	slices.SortFunc(s.index, func(a, b entry) int {
		if c := compare(a, b); c != 0 {
			return c
		}
		return int(b.record) - int(a.record)
	})
	kept := s.index[:0]
	for _, e := range s.index {
		if len(kept) > 0 && compare(kept[len(kept)-1], e) == 0 {
			if err := s.duplicate(s.arena[e.record:], s.arena[kept[len(kept)-1].record:]); err != nil {
				return err
			}
			continue
		}
		kept = append(kept, e)
	}
	s.index = kept
	return nil
}

// duplicate reports that the row of record earlier gave way to that of later.
func (s *Splitter) duplicate(earlier, later []byte) error {
	var rows [2]Row
	for i, record := range [][]byte{earlier, later} {
		body, _, err := cutRecord(record)
		if err == nil {
			err = decodeBody(string(body), &rows[i], currentFields)
		}
		if err != nil {
			return fmt.Errorf("split feed: %w", err)
		}
	}
	s.counts.Duplicates++
	s.report(&RowError{
		Row: rows[0].Number, Line: rows[0].Line, Column: ItemID.String(), Field: ItemID, Reason: Duplicate,
		Detail: fmt.Sprintf("row %d has the same store %q and item %q, and comes later: it counts",
			rows[1].Number, rows[0].Values[StoreID], rows[0].Values[ItemID]),
	})
	return nil
}

// spill writes the rows in memory as a sorted run, and merges runs where a
// level is full.
func (s *Splitter) spill() error {
	if s.o.Spill == nil {
		return fmt.Errorf("split feed: the rows need more than %d bytes of memory, and there is nowhere to spill them", s.o.MemoryBytes)
	}
	if err := s.sort(); err != nil {
		return err
	}
	run, err := s.writeRun(func(put func([]byte) error) error {
		for i := range s.index {
			record := s.arena[s.index[i].record:]
			n, at := uvarint(record)
			if err := put(record[:at+int(n)]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.arena, s.index = s.arena[:0], s.index[:0]
	clear(s.stores)
	s.names = s.names[:0]
	return s.enter(0, run)
}

// enter puts a run into a level and merges the level when it is full.
func (s *Splitter) enter(level, run int) error {
	if len(s.levels) == level {
		s.levels = append(s.levels, nil)
	}
	s.levels[level] = append(s.levels[level], run)
	if len(s.levels[level]) < fanIn {
		return nil
	}
	runs := s.levels[level]
	s.levels[level] = nil // merge removes them, whatever happens
	merged, err := s.merge(runs)
	if err != nil {
		return err
	}
	return s.enter(level+1, merged)
}

// merge writes one run of several, given from the oldest to the newest.
func (s *Splitter) merge(runs []int) (merged int, err error) {
	m := merger{s: s, runs: runs}
	defer func() { err = errors.Join(err, m.close()) }()
	for _, run := range runs {
		if err := m.addRun(run); err != nil {
			return 0, err
		}
	}
	return s.writeRun(func(put func([]byte) error) error {
		for {
			record, err := m.next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := put(record); err != nil {
				return err
			}
		}
	})
}

// writeRun writes what fill puts as a new run, in frames of about 64 KiB.
func (s *Splitter) writeRun(fill func(put func(record []byte) error) error) (run int, err error) {
	run = s.runs
	s.runs++
	w, err := s.o.Spill.Create(run)
	if err != nil {
		return run, fmt.Errorf("split feed: create run %d: %w", run, err)
	}
	var content, frame []byte
	flush := func() error {
		frame = appendFrame(frame[:0], content)
		content = content[:0]
		_, err := w.Write(frame)
		return err
	}
	err = fill(func(record []byte) error {
		content = append(content, record...)
		if len(content) < runBuffer {
			return nil
		}
		return flush()
	})
	if err == nil && len(content) > 0 {
		err = flush()
	}
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return run, errors.Join(fmt.Errorf("split feed: write run %d: %w", run, err), s.o.Spill.Remove(run))
	}
	return run, nil
}

// Finish sorts what is left. The Splitter must not be used further; close
// what Finish returns.
func (s *Splitter) Finish() (*Sorted, error) {
	if s.err != nil {
		return nil, s.err
	}
	s.err = errors.New("split feed: the split is finished")
	out := &Sorted{m: merger{s: s}}
	for _, level := range slices.Backward(s.levels) {
		out.m.runs = append(out.m.runs, level...)
	}
	s.levels = nil
	for _, run := range out.m.runs {
		if err := out.m.addRun(run); err != nil {
			return nil, errors.Join(err, out.Close())
		}
	}
	if err := s.sort(); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	if err := out.m.addMemory(); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// Discard removes the runs of a split that is given up before Finish.
func (s *Splitter) Discard() error {
	var errs []error
	for _, level := range s.levels {
		for _, run := range level {
			errs = append(errs, s.o.Spill.Remove(run))
		}
	}
	s.levels = nil
	if s.err == nil {
		s.err = errors.New("split feed: the split was discarded")
	}
	return errors.Join(errs...)
}

// Sorted yields the rows of a split by store, then by item.
type Sorted struct {
	m merger
}

// Next reads the next row; io.EOF after the last. The row stays valid.
func (o *Sorted) Next(row *Row) error {
	record, err := o.m.next()
	if err != nil {
		return err
	}
	body, _, err := cutRecord(record)
	if err == nil {
		err = decodeBody(string(body), row, currentFields)
	}
	if err != nil {
		return fmt.Errorf("split feed: %w", err)
	}
	o.m.s.counts.Kept++
	return nil
}

// Counts is what became of the rows; final once Next has returned io.EOF.
func (o *Sorted) Counts() SplitCounts { return o.m.s.counts }

// WriteSegments writes one segment per store, in the order of stores. create
// opens where the segment of a store goes; it is closed here, also after an
// error, where what was written is no segment. chunkRows 0 means DefaultChunk.
func (o *Sorted) WriteSegments(ctx context.Context, chunkRows int, create func(store string) (io.WriteCloser, error)) ([]SegmentInfo, error) {
	var (
		infos []SegmentInfo
		row   Row
		file  io.WriteCloser
		buf   *bufio.Writer
		seg   *SegmentWriter
	)
	finish := func() error {
		if seg == nil {
			return nil
		}
		info, err := seg.Close()
		if err == nil {
			err = buf.Flush()
		}
		closeErr := file.Close()
		seg = nil
		if err = errors.Join(err, closeErr); err == nil {
			infos = append(infos, info)
		}
		return err
	}
	abandon := func(err error) ([]SegmentInfo, error) {
		if seg != nil {
			err = errors.Join(err, file.Close())
		}
		return infos, err
	}
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return abandon(fmt.Errorf("write segments: %w", context.Cause(ctx)))
		}
		err := o.Next(&row)
		if err == io.EOF {
			return infos, finish()
		}
		if err != nil {
			return abandon(err)
		}
		if store := row.Values[StoreID]; seg == nil || seg.info.Store != store {
			if err := finish(); err != nil {
				return infos, err
			}
			store = strings.Clone(store)
			if file, err = create(store); err != nil {
				return infos, fmt.Errorf("create segment of store %q: %w", store, err)
			}
			buf = bufio.NewWriterSize(file, runBuffer)
			seg = NewSegmentWriter(buf, store, chunkRows)
		}
		if err := seg.Add(&row); err != nil {
			return abandon(err)
		}
	}
}

// Close removes the runs.
func (o *Sorted) Close() error { return o.m.close() }
