package probe

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"unicode/utf8"
)

// askEvery is how many characters are matched between two looks at the context.
const askEvery = 4096

// Match is pattern.Match that ends with ctx, whose error it then returns. An
// expression takes time in proportion to its size times its input, which for a
// megabyte can be minutes.
func Match(ctx context.Context, pattern *regexp.Regexp, text []byte) (bool, error) {
	if literal, complete := pattern.LiteralPrefix(); complete {
		return bytes.Contains(text, []byte(literal)), nil
	}
	if len(text) <= askEvery {
		return pattern.Match(text), nil
	}
	matched := pattern.MatchReader(&interruptible{ctx: ctx, text: text})
	if err := ctx.Err(); err != nil && !matched {
		return false, err
	}
	return matched, nil
}

// interruptible reads text until its context ends.
type interruptible struct {
	ctx  context.Context
	text []byte
	read int
}

func (r *interruptible) ReadRune() (rune, int, error) {
	if r.read++; r.read%askEvery == 0 && r.ctx.Err() != nil {
		return 0, 0, io.EOF
	}
	if len(r.text) == 0 {
		return 0, 0, io.EOF
	}
	char, size := utf8.DecodeRune(r.text)
	r.text = r.text[size:]
	return char, size, nil
}
