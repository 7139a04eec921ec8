package feed

import (
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// corpora is the folder of real data, or skips the test naming what it leaves
// unchecked.
func corpora(t testing.TB, sub, unchecked string) string {
	root := os.Getenv("BODEGA_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	dir := filepath.Join(root, filepath.FromSlash(sub))
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus at %s (set BODEGA_CORPORA): %s is not checked", dir, unchecked)
	}
	return dir
}

var konzumStores = []struct {
	store              string
	rows, special, kgs int
}{
	{"0204", 10950, 817, 499},
	{"0530", 11470, 874, 491},
	{"0901", 6801, 579, 420},
	{"1601", 5984, 115, 210},
}

func TestKonzumFilesWhole(t *testing.T) {
	dir := corpora(t, "feeds/konzum", "that all 35,205 rows of the Konzum price lists are read as they stand")
	total := 0
	for _, want := range konzumStores {
		t.Run(want.store, func(t *testing.T) {
			path := filepath.Join(dir, want.store+"-2025-07-03.csv")
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			base, _ := Preset("konzum")
			m := base.WithConstant(StoreID, want.store)
			r, err := NewReader(f, m, ForKind(KindFull))
			if err != nil {
				t.Fatal(err)
			}
			g, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			reference := csv.NewReader(g)
			if _, err := reference.Read(); err != nil {
				t.Fatal(err)
			}
			var row Row
			rows, special, kgs := 0, 0, 0
			for {
				err := r.Next(&row)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				rows++
				record, err := reference.Read()
				if err != nil {
					t.Fatal(err)
				}
				for f, column := range map[Field]int{
					Name: 0, ItemID: 1, Brand: 2, Size: 3, Unit: 4, GTIN: 5, Category: 6,
					Price: 7, UnitPrice: 8, SalePrice: 9,
				} {
					if want := trimString(record[column]); row.Values[f] != want {
						t.Fatalf("row %d: %s is %q, want %q", row.Number, f, row.Values[f], want)
					}
				}
				if row.Values[StoreID] != want.store || row.Values[Currency] != "EUR" {
					t.Fatalf("row %d: constants are %q and %q", row.Number, row.Values[StoreID], row.Values[Currency])
				}
				if (row.Values[Price] == "") != (row.Values[SalePrice] != "") {
					t.Fatalf("row %d: price %q beside special price %q", row.Number, row.Values[Price], row.Values[SalePrice])
				}
				if row.Values[SalePrice] != "" {
					special++
				}
				word, ok := m.Word(Unit, row.Values[Unit])
				if !ok {
					t.Fatalf("row %d: unknown unit %q", row.Number, row.Values[Unit])
				}
				if word == WordKg {
					kgs++
				}
			}
			if _, err := reference.Read(); !errors.Is(err, io.EOF) {
				t.Fatalf("rows are left: %v", err)
			}
			if rows != want.rows || special != want.special || kgs != want.kgs {
				t.Fatalf("got %d rows, %d with a special price, %d by weight; want %+v", rows, special, kgs, want)
			}
			total += rows
		})
	}
	if total != 35205 {
		t.Errorf("%d rows in all, want 35,205", total)
	}
}
