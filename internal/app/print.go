package app

import (
	"errors"
	"fmt"
	"io"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
)

// textLine prints one line for people.
func textLine(format string, args ...any) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintf(w, format+"\n", args...)
		return err
	}
}

// textTable prints a table for people, or a sentence where it would be empty.
func textTable(headers []string, rows [][]string, empty string) func(io.Writer) error {
	if len(rows) == 0 {
		return textLine("%s", empty)
	}
	return func(w io.Writer) error { return term.Table(w, headers, rows) }
}

// explain is an error as a person at the command line should read it: what
// the server says of it, and the id to quote.
func explain(err error) string {
	var fromServer *connect.Error
	if !errors.As(err, &fromServer) {
		return err.Error()
	}
	text := fromServer.Message()
	if id := rpc.RequestIDOf(err); id != "" {
		text += fmt.Sprintf(" (request %s)", id)
	}
	return text
}

// message prints a protobuf message under the names that the API has.
type message struct{ proto.Message }

// MarshalJSON writes the message's fields under their proto names, zero
// values too, so that a script finds every field.
func (m message) MarshalJSON() ([]byte, error) {
	return protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m.Message)
}
