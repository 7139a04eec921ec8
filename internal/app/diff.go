package app

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// kongDefault is what a flag is where nobody sets it.
func kongDefault(flag *kong.Flag) reflect.Value {
	target := zeroOf(flag)
	scan := kong.ScanFromTokens(kong.Token{Value: flag.Default, Type: kong.FlagValueToken})
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, target); err != nil {
		panic(err) // the parser has decoded every default by now
	}
	return target
}

func zeroOf(flag *kong.Flag) reflect.Value { return reflect.New(flag.Target.Type()).Elem() }

// settingText writes a setting as a flag takes it.
func settingText(v reflect.Value) string {
	if list, ok := v.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v.Interface())
}

// redact hides the password of a database URL.
func redact(name, value string) string {
	if name != "database-url" && name != "blob-url" {
		return value
	}
	u, err := url.Parse(value)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}
