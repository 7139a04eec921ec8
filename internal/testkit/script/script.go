// Package script runs command-line scripts (testscript's txtar files) with the
// commands that the scripts of this project share.
package script

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// Command is one command of a script.
type Command = func(ts *testscript.TestScript, neg bool, args []string)

// Commands are those that every script knows:
//
//	exits CODE PROGRAM ARG...   runs a program and compares its exit code
//	json PATH [VALUE]           compares a value of the JSON on standard output
//	jsonenv NAME PATH           keeps such a value in an environment variable
//	jsonkeys PATH NAME...       compares the names of an object's members
//	gzip FROM TO [BYTES]        compresses a file, and cuts that many bytes off its end
//	rows FILE COUNT PRICE       writes a CSV file of items 1 to COUNT at that price
//	hex FILE DIGITS             writes a file of these bytes
//
// A path is names and indexes joined by points; length counts a list, and . the whole.
func Commands() map[string]Command {
	return map[string]Command{
		"exits": exits, "json": compareJSON, "jsonenv": keepJSON, "jsonkeys": compareKeys, "gzip": compress, "rows": writeRows, "hex": writeHex,
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// at walks to a value of the JSON that the last program printed.
func at(ts *testscript.TestScript, path string) any {
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		ts.Fatalf("standard output is not JSON: %v", err)
	}
	if decoder.More() {
		ts.Fatalf("standard output holds more than one JSON value")
	}
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		switch x := v.(type) {
		case map[string]any:
			member, ok := x[step]
			if !ok {
				ts.Fatalf("%s: no member %q in %v", path, step, x)
			}
			v = member
		case []any:
			if step == "length" {
				v = len(x)
				continue
			}
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				ts.Fatalf("%s: no element %q of %d", path, step, len(x))
			}
			v = x[i]
		default:
			ts.Fatalf("%s: %v has nothing inside", path, v)
		}
	}
	return v
}

// text writes a value as a script does: strings without quotes.
func text(v any) string {
	switch x := v.(type) {
	case string:
		// A number in quotes is not a number.
		if json.Valid([]byte(x)) {
			return strconv.Quote(x)
		}
		return x
	case map[string]any, []any:
		encoded, err := json.Marshal(x)
		if err != nil {
			return fmt.Sprint(x)
		}
		return string(encoded)
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}

func compareJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	v := at(ts, args[0])
	if got := text(v); (got == args[1]) == neg {
		ts.Fatalf("%s is %s, want %s%s", args[0], got, map[bool]string{true: "anything but "}[neg], args[1])
	}
}

func keepJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jsonenv NAME PATH")
	}
	ts.Setenv(args[0], text(at(ts, args[1])))
}

func compareKeys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: jsonkeys PATH NAME...")
	}
	object, ok := at(ts, args[0]).(map[string]any)
	if !ok {
		ts.Fatalf("%s is no object", args[0])
	}
	var got []string
	for name := range object {
		got = append(got, name)
	}
	want := slices.Clone(args[1:])
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		ts.Fatalf("%s has the members %v, want %v", args[0], got, want)
	}
}

func compress(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: gzip FROM TO [BYTES]")
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(errors.Join(err, z.Close()))
	if len(args) == 3 {
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		out.Truncate(max(out.Len()-n, 0))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out.Bytes(), 0o600))
}

func writeHex(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hex FILE DIGITS")
	}
	var content []byte
	_, err := fmt.Sscanf(args[1], "%x", &content)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o600))
}

func writeRows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: rows FILE COUNT PRICE")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	out := []byte("item_id,name,price\n")
	for i := 1; i <= n; i++ {
		// The number's digest keeps the file from compressing to nothing.
		out = fmt.Appendf(out, "%d,Item %d of %x,%s\n", i, i, sha256.Sum256([]byte(strconv.Itoa(i))), args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out, 0o600))
}
