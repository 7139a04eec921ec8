package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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
// values too, so that a script finds every field. Integers of 64 bits are
// numbers, as scripts expect, and not the text that protobuf's own JSON makes
// of them: what is counted here stays far below 2^53.
func (m message) MarshalJSON() ([]byte, error) {
	encoded, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m.Message)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, err
	}
	numbers(m.ProtoReflect().Descriptor(), fields)
	return json.Marshal(fields)
}

// numbers turns a message's integers of 64 bits from text into numbers.
func numbers(d protoreflect.MessageDescriptor, fields map[string]any) {
	for name, value := range fields {
		f := d.Fields().ByName(protoreflect.Name(name))
		if f == nil {
			continue // a well-known type has a form of its own
		}
		fields[name] = number(f, value)
	}
}

func number(f protoreflect.FieldDescriptor, value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = number(f, value[i])
		}
	case map[string]any:
		if f.Message() != nil && !f.IsMap() {
			numbers(f.Message(), value)
		}
	case string:
		switch f.Kind() {
		case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
			return json.Number(value)
		}
	}
	return value
}
