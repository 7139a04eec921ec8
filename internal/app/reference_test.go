package app

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
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

| command | value |
|---|---|
| ` + "`feed submit`, `feed show`, `feed cancel`" + ` | object: feed_id, status (queued, running, done, failed, canceled), rows_read, applied, unchanged, stale, held, rejected, duplicates, removed, removals_held, duration_ms, merchant_id, store_id, kind, truncated, error. rows_read = applied + unchanged + stale + held + rejected + duplicates |
| ` + "`feed list`" + ` | list of the same objects, the newest first |
| ` + "`feed rejects`" + ` | list of {row, store_id, item_id, column, value, reason, fix} |
| ` + "`feed check`" + ` | object: file, readable, format, encoding, compression, mapping {name, version, proposed}, columns [{name, field, sample}], rows, items, stores, problems [{row, line, column, severity, reason, detail}], problem_counts, suggestions, error {reason, after_row, detail} |
| ` + "`item why`" + ` | object: merchant_id, store_id, item_id, name, shown, hidden_reason, price_minor (null where none is known), currency, hold_id, stages [{stage, verdict, rule, detail, fix, feed_id, row, at}] |
| ` + "`hold list`" + ` | list of {hold_id, merchant_id, store_id, item_id (empty for removals), guard, before_minor, after_minor, currency, feed_id, state, removals, detail} |
| ` + "`hold approve`, `hold discard`" + ` | object: decided, skipped [{hold_id, reason}], feed_ids (what carried removals out) |
| ` + "`merchant create`" + ` | object: merchant_id, name, currency, store_count, mapping_name |
| ` + "`store create`" + ` | object: merchant_id, store_id, name, region, settings, items, shown, hidden, held, menu_version, … |
| ` + "`mapping apply`" + ` | object: name, version |
| ` + "`catalog load`" + ` | object: rows_read, loaded, unchanged, rejected, problems [{row, column, reason}], feed_id |
| ` + "`user create`" + ` | object: email, name, role, merchant_id, password (where one was drawn) |
| ` + "`token create`" + ` | object: token_id, name, role, merchant_id, secret |
| ` + "`config check`" + ` | object: valid |
| ` + "`config diff`" + ` | list of {name, default, value} |
| ` + "`migrate`" + ` | list of {schema, name, applied_at} |
| ` + "`version`" + ` | object: version, revision, go_version |

## Commands
`

// shared are flags that many commands have; they are told of once.
var shared = []string{"server", "token", "tenant", "ca-cert"}

// TestReference holds docs/cli.md against the command line.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, leaf := range commandModel(t).Leaves(true) {
		reference(&b, leaf)
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
