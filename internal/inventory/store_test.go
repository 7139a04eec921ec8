package inventory

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

// statements are the package's SQL as its source has it: what is handed to
// every call that runs a statement, with constants put together. A call whose
// SQL cannot be known before it runs is reported, and so is a literal that
// looks like SQL and is part of no statement.
type statements struct {
	fset      *token.FileSet
	constants map[string]ast.Expr
	sql       map[string]token.Position
	problems  []string
}

// runs are the methods of pgx that take SQL as their second argument.
var runs = []string{"Exec", "Query", "QueryRow", "Queue", "Prepare"}

var looksLikeSQL = regexp.MustCompile(`(?s)^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|TRUNCATE|LOCK|SET|ALTER|CREATE|DROP)\s.*\s`)

func collectStatements(t *testing.T) *statements {
	t.Helper()
	s := &statements{fset: token.NewFileSet(), constants: map[string]ast.Expr{}, sql: map[string]token.Position{}}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(s.fset, e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	for _, f := range files {
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				for _, spec := range g.Specs {
					v := spec.(*ast.ValueSpec)
					for i, name := range v.Names {
						if i < len(v.Values) {
							s.constants[name.Name] = v.Values[i]
						}
					}
				}
			}
		}
	}
	for _, f := range files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					s.call(fn.Name.Name, call)
				}
				return true
			})
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil || !looksLikeSQL.MatchString(text) {
				return true
			}
			for sql := range s.sql {
				if strings.Contains(sql, text) {
					return true
				}
			}
			s.problems = append(s.problems, fmt.Sprintf("%s: this SQL is in no statement that runs: %q", s.fset.Position(lit.Pos()), text))
			return true
		})
	}
	return s
}

func (s *statements) call(in string, call *ast.CallExpr) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	at := s.fset.Position(call.Pos())
	// feedWhere is the one statement that its callers complete.
	if sel.Sel.Name == "feedWhere" {
		condition, ok := s.text(call.Args[2])
		if !ok {
			s.problems = append(s.problems, fmt.Sprintf("%s: the condition of feedWhere is no constant", at))
			return
		}
		s.sql[selectFeed+` WHERE `+condition+` LIMIT 1`] = at
		return
	}
	// A URL has a Query too, without arguments.
	if !slices.Contains(runs, sel.Sel.Name) || len(call.Args) < 2 || in == "feedWhere" {
		return
	}
	argument := call.Args[1]
	if sel.Sel.Name == "Queue" {
		argument = call.Args[0]
	}
	sql, ok := s.text(argument)
	if !ok {
		s.problems = append(s.problems, fmt.Sprintf("%s: the SQL of this %s is no constant, so that nothing prepares it", at, sel.Sel.Name))
		return
	}
	s.sql[sql] = at
}

// text is the value of a constant expression of strings.
func (s *statements) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		value, ok := s.constants[e.Name]
		if !ok {
			return "", false
		}
		return s.text(value)
	case *ast.ParenExpr:
		return s.text(e.X)
	case *ast.BinaryExpr:
		left, ok := s.text(e.X)
		if !ok || e.Op != token.ADD {
			return "", false
		}
		right, ok := s.text(e.Y)
		return left + right, ok
	}
	return "", false
}

func TestEveryStatementPrepares(t *testing.T) {
	s := collectStatements(t)
	for _, problem := range s.problems {
		t.Error(problem)
	}
	// Far fewer than there are would mean that the source was not understood.
	if len(s.sql) < 50 {
		t.Fatalf("found %d statements only", len(s.sql))
	}
	pool := postgres.New(t)
	if err := pg.Migrate(t.Context(), pool, "prod_inventory", Migrations()); err != nil {
		t.Fatal(err)
	}
	inSchema := searching(t, pool, "prod_inventory")
	for sql, at := range s.sql {
		t.Run(fmt.Sprintf("%s:%d", at.Filename, at.Line), func(t *testing.T) { postgres.Prepare(t, inSchema, sql) })
	}
	t.Logf("%d statements", len(s.sql))
}

func TestTablesStayInTheDialect(t *testing.T) {
	pool := postgres.New(t)
	for range 2 { // a second time does nothing
		if err := pg.Migrate(t.Context(), pool, "prod_inventory", Migrations()); err != nil {
			t.Fatal(err)
		}
	}
	postgres.CheckDialect(t, pool)
}

// The server of the tests runs half an hour off UTC's full hours, and sends
// times in its own zone.
func TestTimesSurviveAnotherTimeZone(t *testing.T) {
	w := newWorld(t)
	at := time.Date(2026, 3, 29, 1, 30, 0, 123456000, time.FixedZone("", -7*3600)) // an hour that some zones skip
	f := w.send(submission{At: at}, file(1, 20, "2.50"))
	if !f.SourceTime.Equal(at) {
		t.Errorf("source time %s, want %s", f.SourceTime, at)
	}
	it := w.item("1", "00001")
	if !it.State.SourceTime.Equal(at) {
		t.Errorf("the item's source time is %s, want %s", it.State.SourceTime, at)
	}
	st, err := w.service.store.storeByKey(w.ctx, StoreKey{"corner", "1"})
	if err != nil || !st.Watermark.Equal(at) {
		t.Errorf("watermark %s (%v), want %s", st.Watermark, err, at)
	}
	// A day later, in another zone: the rhythm is a day, whatever the zones say.
	w.send(submission{At: at.Add(24 * time.Hour).In(time.FixedZone("", 13*3600))}, file(1, 20, "2.60"))
	if st, err = w.service.store.storeByKey(w.ctx, StoreKey{"corner", "1"}); err != nil || st.FullInterval != 24*time.Hour {
		t.Errorf("the usual interval is %s (%v), want 24h", st.FullInterval, err)
	}
	// An instant older in another zone is older.
	stale := w.send(submission{At: at.Add(24*time.Hour - time.Second).In(time.FixedZone("", 14*3600))}, file(1, 20, "9.99"))
	wantAccount(t, stale, Account{RowsRead: 20, Stale: 20})
	hold := openOneHold(t, w)
	if hold.CreatedAt.After(w.now()) || w.now().Sub(hold.CreatedAt) > time.Hour {
		t.Errorf("the hold of a moment ago was made at %s, now is %s", hold.CreatedAt, w.now())
	}
}

// openOneHold sends a price ten times too high and returns its hold.
func openOneHold(t *testing.T, w *world) Hold {
	t.Helper()
	w.send(submission{Store: "2"}, file(1, 20, "2.50"))
	f := w.send(submission{Store: "2", Kind: "delta"}, rows("00003,Item 3,25.00,Shelf 0"))
	wantAccount(t, f, Account{RowsRead: 1, Held: 1})
	holds := w.holds()
	if len(holds) != 1 {
		t.Fatalf("%d holds, want 1", len(holds))
	}
	return holds[0]
}

// Text that means something to LIKE means itself.
func TestSearchTakesPatternsLiterally(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, rows(`a1,100% juice,1.00,Drinks`, `a_2,Plain juice,1.00,Drinks`, `a3,Back\slash,1.00,Drinks`))
	for query, want := range map[string][]string{
		"juice": {"a1", "a_2"}, "100%": {"a1"}, "%": {"a1"}, "_": {"a_2"}, `\`: {"a3"}, `k\s`: {"a3"}, "': DROP": nil, "JUICE": {"a1", "a_2"},
	} {
		items, err := w.service.store.searchItems(w.ctx, itemFilter{Merchant: "corner", Query: query, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range items {
			got = append(got, items[i].ID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("searching %q finds %q, want %q", query, got, want)
		}
	}
}

// Feeds of the same microsecond are ordered by id, so that a cursor never
// loses one.
func TestFeedsOfOneMomentArePagedWhole(t *testing.T) {
	w := newWorld(t)
	at := w.now().UTC().Truncate(time.Microsecond)
	want := map[FeedID]bool{}
	pool, err := w.service.store.pool(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		id, err := newFeedID()
		if err != nil {
			t.Fatal(err)
		}
		tx, err := pool.Begin(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		f := &Feed{ID: id, Merchant: "corner", Kind: feed.KindDelta, Cause: CauseFeed, Status: Done, SourceTime: at, SubmittedAt: at, FileName: strconv.Itoa(i)}
		if err := w.service.store.insertFeed(w.ctx, tx, f); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(w.ctx); err != nil {
			t.Fatal(err)
		}
		want[id] = true
	}
	var before time.Time
	var beforeID FeedID
	for len(want) > 0 {
		feeds, err := w.service.store.feeds(w.ctx, feedFilter{Merchant: "corner", BeforeTime: before, BeforeID: beforeID, Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		if len(feeds) == 0 {
			t.Fatalf("%d feeds were lost", len(want))
		}
		for i := range feeds {
			if !want[feeds[i].ID] {
				t.Fatalf("feed %s came twice", feeds[i].ID)
			}
			delete(want, feeds[i].ID)
		}
		before, beforeID = feeds[len(feeds)-1].SubmittedAt, feeds[len(feeds)-1].ID
	}
}

// Systems that cannot leave a date open write the last one there is.
func TestSaleThatNeverEnds(t *testing.T) {
	w := newWorld(t)
	const header = "item_id,name,price,sale_price,sale_period\n"
	for _, end := range []string{"9999-12-31", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00", ".."} {
		w.send(submission{}, header+"a1,Milk,2.50,2.00,2026-01-01/"+end+"\n")
		f := w.send(submission{Kind: "delta"}, header+"a1,Milk,2.60,2.10,2026-01-01/"+end+"\n")
		if f.Account.Applied != 1 {
			t.Errorf("a sale until %s: %+v", end, f.Account)
		}
		if it := w.item("1", "a1"); it.State.Price.Effective != 210 && it.State.Price.Effective != 260 {
			t.Errorf("a sale until %s: the price is %d", end, it.State.Price.Effective)
		}
	}
}
