package app

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

const referenceHead = `# The command line

Written by ` + "`go test ./internal/app -run TestReference -update`" + ` from the program itself.

Every flag may be given as an environment variable too: BODEGA_ and the flag's name
in capitals, with _ for -. A flag wins over the environment, the environment over
the configuration file (of the commands that take --config), the file over the
default. --server, --token, --tenant, --ca-cert and -o may also stand before the
command.

Without --token, commands use the credential that a server on this machine has
left for the user who started it; see [identity](platform/identity.md).

## Exit codes

| code | meaning |
|---|---|
| 0 | it is done; of ` + "`feed submit --wait`" + `: the feed is done, though rows may be held or rejected |
| 1 | it could not be done; of ` + "`feed submit --wait`" + `: the feed failed or was canceled; of ` + "`hold approve` and `hold discard`" + ` with ids: some were left alone |
| 2 | the command line or the configuration is wrong; nothing was tried |
| 3 | ` + "`feed submit --wait --strict`" + `: the feed is done, and rows or removals are held, or rows rejected |
| 130 | interrupted |

## JSON

With ` + "`-o json`" + ` a command prints one JSON value on standard output, and progress and
errors on standard error. Amounts are whole minor units, times are RFC 3339,
64-bit integers are numbers. Lists are whole: the command turns the pages.

Below each command stands the shape of its value, with the type of each field; one
with a ? is left out where it would be empty. Of a feed, status is queued, running,
done, failed or canceled, and rows_read is always the sum of applied, unchanged,
stale, held, rejected and duplicates. A hold of removals has no item_id and no
prices, but counts its removals.

## Commands
`

// shared are flags that many commands have; they are told of once.
var shared = []string{"server", "token", "tenant", "ca-cert"}

// TestReference holds docs/cli.md against the command line.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(referenceHead)
	source := readSource(t)
	for _, leaf := range commandModel(t).Leaves(true) {
		reference(&b, leaf)
		for _, shape := range source.prints(reflect.TypeOf(leaf.Target.Addr().Interface()).Elem().Name()) {
			fmt.Fprintf(&b, "\n```text\n%s\n```\n", shape)
		}
	}
	path := filepath.Join("..", "..", "docs", "cli.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("docs/cli.md is not what the command line is: run go test ./internal/app -run TestReference -update")
	}
}

func reference(b *strings.Builder, leaf *kong.Node) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n", leaf.FullPath(), leaf.Help)
	if hasFlag(leaf, "--data-dir") && leaf.Name != "serve" {
		b.WriteString("\nTakes the flags of `bodega serve`.\n")
		return
	}
	var rows []string
	for _, positional := range leaf.Positional {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | |", positional.Summary(), cell(positional.Help)))
	}
	remote := false
	for _, f := range leaf.Flags {
		if f.Name == "help" || f.Hidden {
			continue
		}
		if slices.Contains(shared, f.Name) && hasFlag(leaf, "--ca-cert") {
			remote = true
			continue
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", flagSummary(f), cell(flagHelp(f)), flagDefault(f)))
	}
	if len(rows) > 0 {
		b.WriteString("\n| | | default |\n|---|---|---|\n" + strings.Join(rows, "\n") + "\n")
	}
	if remote {
		b.WriteString("\nAlso `--server`, `--token`, `--tenant`, `--ca-cert`, `-o`.\n")
	} else {
		b.WriteString("\nAlso `-o`.\n")
	}
}

func flagSummary(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if f.IsBool() {
		return name
	}
	value := f.PlaceHolder
	if value == "" {
		value = strings.ToUpper(cmp.Or(f.Target.Type().Name(), "list"))
	}
	return name + " " + value
}

func flagHelp(f *kong.Flag) string {
	if f.Required {
		return f.Help + " Required."
	}
	return f.Help
}

func flagDefault(f *kong.Flag) string {
	if f.Default == "" {
		return ""
	}
	return "`" + f.Default + "`"
}

// cell keeps a text on one line and in one cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
