package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxMappingBytes bounds a profile: what people write is a few kilobytes.
const maxMappingBytes = 256 << 10

// ParseMapping reads a mapping profile in YAML; docs/inventory/feeds.md is its
// reference. It is strict: a key that it does not know is an error that names
// the line and the key that may have been meant. Anchors and aliases are
// refused, so that a profile cannot expand.
func ParseMapping(profile []byte) (Mapping, error) {
	var m Mapping
	if len(profile) > maxMappingBytes {
		return m, fmt.Errorf("parse mapping: %d bytes are more than the %d allowed", len(profile), maxMappingBytes)
	}
	if !utf8.Valid(profile) {
		return m, errors.New("parse mapping: not valid UTF-8")
	}
	dec := yaml.NewDecoder(bytes.NewReader(profile))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if err == io.EOF {
			return m, errors.New("parse mapping: the profile is empty")
		}
		return m, fmt.Errorf("parse mapping: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var second yaml.Node
	if err := dec.Decode(&second); err != io.EOF {
		return m, errors.New("parse mapping: more than one YAML document")
	}
	p := profileParser{m: &m}
	p.profile(doc.Content[0])
	if p.err != nil {
		return Mapping{}, fmt.Errorf("parse mapping: %w", p.err)
	}
	m.Version = m.hash()
	return m, nil
}

// profileParser walks the YAML and keeps the first error.
type profileParser struct {
	m   *Mapping
	err error
}

func (p *profileParser) fail(n *yaml.Node, format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...))
	}
}

// members calls visit for every key of a YAML mapping; visit returns false
// for keys that it does not know, of which known are the right ones.
func (p *profileParser) members(n *yaml.Node, what string, known []string, visit func(key string, v *yaml.Node) bool) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		p.fail(n, "anchors and aliases are not read: write the values out")
		return
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, "%s must be a list of keys with values", what)
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content) && p.err == nil; i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			p.fail(k, "%s has a key that is no word", what)
			return
		}
		if seen[k.Value] {
			p.fail(k, "%s has the key %q twice", what, k.Value)
			return
		}
		seen[k.Value] = true
		if !visit(k.Value, v) {
			hint := "known are " + strings.Join(known, ", ")
			if near, ok := nearest(k.Value, known); ok {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			p.fail(k, "%s has no key %q, %s", what, k.Value, hint)
		}
	}
}

// text reads a scalar as it is written: 0204 stays "0204".
func (p *profileParser) text(n *yaml.Node, what string) string {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.fail(n, "anchors and aliases are not read: write the values out")
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		p.fail(n, "%s must be a text", what)
	case strings.ContainsRune(n.Value, 0):
		p.fail(n, "%s holds a zero byte", what)
	}
	return n.Value
}

func (p *profileParser) word(n *yaml.Node, what string, allowed ...string) string {
	v := p.text(n, what)
	if p.err == nil && !slices.Contains(allowed, v) {
		p.fail(n, "%s is %q, but must be one of %s", what, v, strings.Join(allowed, ", "))
	}
	return v
}

func (p *profileParser) yes(n *yaml.Node, what string) bool {
	return p.word(n, what, "true", "false") == "true"
}

// list reads a scalar as a list of one.
func (p *profileParser) list(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.SequenceNode {
		if n.Anchor != "" {
			p.fail(n, "anchors and aliases are not read: write the values out")
		}
		return n.Content
	}
	return []*yaml.Node{n}
}

func (p *profileParser) profile(n *yaml.Node) {
	decimal := DecimalAuto
	p.members(n, "the profile", []string{"name", "format", "decimal", "fields"}, func(key string, v *yaml.Node) bool {
		switch key {
		case "name":
			p.m.Name = p.text(v, "name")
		case "format":
			p.layout(v)
		case "decimal":
			decimal = DecimalStyle(p.word(v, "decimal", "auto", "point", "comma"))
		case "fields":
			p.members(v, "fields", fieldNames[:], func(key string, v *yaml.Node) bool {
				f, ok := ParseField(key)
				if ok {
					p.field(f, v)
				}
				return ok
			})
		default:
			return false
		}
		return true
	})
	if p.err != nil {
		return
	}
	mapped := 0
	for f := range p.m.Fields {
		src := &p.m.Fields[f]
		if src.Decimal == "" {
			src.Decimal = decimal
		}
		if len(src.Columns) > 0 {
			mapped++
		}
		for _, c := range src.Columns {
			if c.Index == 0 && p.m.Layout.NoHeader {
				p.fail(n, "%s names column %q, but format says that there is no header: use index", Field(f), c.Name)
			}
		}
	}
	if mapped == 0 {
		p.fail(n, "the profile maps no column to any field")
	}
}

func (p *profileParser) layout(n *yaml.Node) {
	l := &p.m.Layout
	known := []string{"encoding", "delimiter", "header", "record", "pad_short_rows"}
	p.members(n, "format", known, func(key string, v *yaml.Node) bool {
		switch key {
		case "encoding":
			name := strings.ToLower(p.text(v, "encoding"))
			e, ok := encodingNames[name]
			if !ok && p.err == nil {
				p.fail(v, "encoding %q is not read: use utf-8, utf-16le, utf-16be, windows-1252 or windows-1250", name)
			}
			l.Encoding = e
		case "delimiter":
			d := p.text(v, "delimiter")
			switch {
			case p.err != nil:
			case strings.EqualFold(d, "tab"):
				l.Delimiter = '\t'
			case len(d) != 1 || d[0] >= utf8.RuneSelf || strings.ContainsAny(d, "\"\r\n\x00 ") || isAlphanumeric(d[0]):
				p.fail(v, "delimiter is %q, but must be one sign such as %q, or tab", d, ";")
			default:
				l.Delimiter = d[0]
			}
		case "header":
			l.NoHeader = !p.yes(v, "header")
		case "record":
			l.Record = strings.Trim(p.text(v, "record"), "/")
		case "pad_short_rows":
			l.PadShortRows = p.yes(v, "pad_short_rows")
		default:
			return false
		}
		return true
	})
}

func isAlphanumeric(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// field reads "price: Price", "price: [Price, Cost]" and the long form.
func (p *profileParser) field(f Field, n *yaml.Node) {
	src := &p.m.Fields[f]
	if n.Kind != yaml.MappingNode {
		p.columns(src, n)
		return
	}
	known := []string{"column", "index", "constant", "required", "decimal", "minor_units", "words"}
	p.members(n, f.String(), known, func(key string, v *yaml.Node) bool {
		switch key {
		case "column":
			p.columns(src, v)
		case "index":
			for _, item := range p.list(v) {
				i, err := strconv.Atoi(p.text(item, "index"))
				if err != nil || i < 1 || i > maxColumns {
					p.fail(item, "index is %q, but must be the number of a column, from 1", item.Value)
				}
				src.Columns = append(src.Columns, Column{Index: i})
			}
		case "constant":
			src.Constant = trimString(p.text(v, "constant"))
		case "required":
			src.Required = p.yes(v, "required")
		case "decimal":
			src.Decimal = DecimalStyle(p.word(v, "decimal", "auto", "point", "comma"))
		case "minor_units":
			src.MinorUnits = p.yes(v, "minor_units")
		case "words":
			p.words(f, v)
		default:
			return false
		}
		return true
	})
	if len(src.Columns) == 0 && src.Constant == "" {
		p.fail(n, "%s has neither column, index nor constant", f)
	}
}

func (p *profileParser) columns(src *Source, n *yaml.Node) {
	items := p.list(n)
	if len(items) == 0 {
		p.fail(n, "the list of columns is empty")
	}
	for _, item := range items {
		name := strings.TrimSpace(p.text(item, "column"))
		if fold(name) == "" {
			p.fail(item, "a column has no name")
		}
		src.Columns = append(src.Columns, Column{Name: name})
	}
}

// vocabulary are the canonical words that values of a field can be given.
var vocabulary = map[Field][]string{
	Availability: {WordIn, WordOut},
	Unit:         {WordEach, WordKg, WordG, Word100g, WordLb, WordOz, WordLitre, WordMl, WordMetre, WordWeight},
}

func (p *profileParser) words(f Field, n *yaml.Node) {
	canonical, ok := vocabulary[f]
	if !ok {
		p.fail(n, "%s takes no words: only availability and unit do", f)
		return
	}
	src := &p.m.Fields[f]
	src.Words = make(map[string]string)
	p.members(n, "words of "+f.String(), canonical, func(word string, v *yaml.Node) bool {
		if !slices.Contains(canonical, word) {
			return false
		}
		for _, item := range p.list(v) {
			raw := fold(p.text(item, "a word of "+f.String()))
			if other, taken := src.Words[raw]; taken && other != word {
				p.fail(item, "the word %q stands for both %s and %s", item.Value, other, word)
			}
			src.Words[raw] = word
		}
		return true
	})
}

// WithConstant is the mapping with another constant for a field, such as the
// store of a file that does not name it. The version changes with it.
func (m *Mapping) WithConstant(f Field, value string) Mapping {
	c := *m
	c.Fields[f].Constant = value
	if c.Fields[f].Decimal == "" {
		c.Fields[f].Decimal = DecimalAuto
	}
	c.Version = c.hash()
	return c
}

// hash is the hex SHA-256 of everything that decides how a file is read, in
// an order of its own and with every text preceded by its length.
func (m *Mapping) hash() string {
	h := sha256.New()
	put := func(parts ...string) {
		for _, part := range parts {
			fmt.Fprintf(h, "%d:%s,", len(part), part)
		}
		h.Write([]byte("\n"))
	}
	put("bodega feed mapping 1")
	l := m.Layout
	put("format", string(l.Encoding), string(rune(l.Delimiter)), strconv.FormatBool(l.NoHeader),
		fold(l.Record), strconv.FormatBool(l.PadShortRows))
	for f := range NumFields {
		src := &m.Fields[f]
		if len(src.Columns) == 0 && src.Constant == "" {
			continue
		}
		put("field", f.String(), src.Constant, strconv.FormatBool(src.Required),
			string(m.Decimal(f)), strconv.FormatBool(src.MinorUnits))
		for _, c := range src.Columns {
			put("column", fold(c.Name), strconv.Itoa(c.Index))
		}
		raws := make([]string, 0, len(src.Words))
		for raw := range src.Words {
			raws = append(raws, raw)
		}
		slices.Sort(raws)
		for _, raw := range raws {
			put("word", raw, src.Words[raw])
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
