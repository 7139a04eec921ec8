package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

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

// message prints a protobuf message for scripts.
type message struct{ proto.Message }

// MarshalJSON writes every field under its name in the proto, in its order:
// whole numbers of 64 bits as numbers, where protobuf's own JSON quotes them,
// enumerations as the words that flags take, and what is not set as null.
func (m message) MarshalJSON() ([]byte, error) { return messageJSON(m.ProtoReflect()) }

func messageJSON(m protoreflect.Message) ([]byte, error) {
	if m.Descriptor().FullName().Parent() == "google.protobuf" {
		return protojson.Marshal(m.Interface())
	}
	out := []byte{'{'}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if i > 0 {
			out = append(out, ',')
		}
		value, err := fieldJSON(m, field)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field.FullName(), err)
		}
		out = append(append(strconv.AppendQuote(out, string(field.Name())), ':'), value...)
	}
	return append(out, '}'), nil
}

func fieldJSON(m protoreflect.Message, field protoreflect.FieldDescriptor) ([]byte, error) {
	value := m.Get(field)
	switch {
	case field.HasPresence() && !m.Has(field):
		return []byte("null"), nil
	case field.IsMap():
		members := map[string]json.RawMessage{}
		var wrong error
		value.Map().Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
			members[key.String()], wrong = valueJSON(field.MapValue(), v)
			return wrong == nil
		})
		if wrong != nil {
			return nil, wrong
		}
		return json.Marshal(members)
	case field.IsList():
		list := make([]json.RawMessage, value.List().Len())
		for i := range list {
			var err error
			if list[i], err = valueJSON(field, value.List().Get(i)); err != nil {
				return nil, err
			}
		}
		return json.Marshal(list)
	}
	return valueJSON(field, value)
}

func valueJSON(field protoreflect.FieldDescriptor, v protoreflect.Value) ([]byte, error) {
	switch field.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return messageJSON(v.Message())
	case protoreflect.EnumKind:
		value := field.Enum().Values().ByNumber(v.Enum())
		if value == nil {
			return json.Marshal(v.Enum())
		}
		// FEED_STATUS_DONE of FeedStatus is "done".
		zero := string(field.Enum().Values().ByNumber(0).Name())
		return json.Marshal(strings.ToLower(strings.TrimPrefix(string(value.Name()), strings.TrimSuffix(zero, "UNSPECIFIED"))))
	}
	return json.Marshal(v.Interface())
}
