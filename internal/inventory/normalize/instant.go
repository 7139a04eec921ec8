package normalize

import (
	"errors"
	"strings"
	"time"
)

// layouts are tried in turn; each is told apart from the others by its shape.
var layouts = []struct {
	layout string
	day    bool // a date without a time of day
}{
	{time.RFC3339Nano, false},
	{"2006-01-02T15:04:05Z0700", false},
	{"2006-01-02T15:04Z07:00", false},
	{"2006-01-02T15:04Z0700", false},
	{"2006-01-02T15:04:05", false},
	{"2006-01-02T15:04", false},
	{"2006-01-02 15:04:05Z07:00", false},
	{"2006-01-02 15:04:05 Z07:00", false},
	{"2006-01-02 15:04:05 -0700", false},
	{"2006-01-02 15:04:05", false},
	{"2006-01-02 15:04", false},
	{"2006-01-02", true},
	{"20060102T150405Z0700", false},
	{"20060102T150405", false},
	{"20060102", true},
	{"02.01.2006 15:04:05", false},
	{"02.01.2006 15:04", false},
	{"02.01.2006", true},
	{time.RFC1123Z, false},
	{"Mon, 02 Jan 2006 15:04:05", false},
}

var (
	errSlashes = errors.New("is a date with slashes, which is read day first in one country and month first in another")
	errInstant = errors.New("is not a date and time that is known")
)

// parseInstant reads an instant. day says that only a date was given, which is
// its first moment. A text without a zone is in location.
func parseInstant(s string, location *time.Location) (t time.Time, day bool, err error) {
	if location == nil {
		location = time.UTC
	}
	if n, ok := epoch(s); ok {
		return n, false, nil
	}
	if strings.Contains(s, "/") {
		return time.Time{}, false, errSlashes
	}
	// Other abbreviations of zones are not tried: EST and IST are several.
	if rest, ok := strings.CutSuffix(s, "UTC"); ok {
		s, location = strings.TrimSpace(rest), time.UTC
	} else if rest, ok := strings.CutSuffix(s, "GMT"); ok {
		s, location = strings.TrimSpace(rest), time.UTC
	}
	for _, l := range layouts {
		// Only an exact date is eight or ten long, so that most are skipped.
		if l.day != (len(s) == 8 || len(s) == 10) {
			continue
		}
		t, err := time.ParseInLocation(l.layout, s, location)
		if err != nil {
			continue
		}
		if t = t.UTC(); t.Year() < 1990 || t.Year() > 9999 {
			return time.Time{}, false, errInstant
		}
		return t, l.day, nil
	}
	return time.Time{}, false, errInstant
}

// epoch reads seconds or milliseconds since 1970.
func epoch(s string) (time.Time, bool) {
	if len(s) != 10 && len(s) != 13 {
		return time.Time{}, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return time.Time{}, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	if len(s) == 13 {
		return time.UnixMilli(n).UTC(), n >= 631_152_000_000
	}
	return time.Unix(n, 0).UTC(), n >= 631_152_000
}

// parsePeriod reads "start/end", either of which may be missing. An end that is
// only a date includes that day.
func parsePeriod(s string, location *time.Location) (from, until time.Time, err error) {
	start, end, ok := strings.Cut(s, "/")
	if !ok {
		return from, until, errors.New("has no / between its start and its end")
	}
	if start = strings.TrimSpace(start); start != "" && start != ".." {
		if from, _, err = parseInstant(start, location); err != nil {
			return time.Time{}, time.Time{}, err
		}
	}
	if end = strings.TrimSpace(end); end != "" && end != ".." {
		var day bool
		if until, day, err = parseInstant(end, location); err != nil {
			return time.Time{}, time.Time{}, err
		}
		if day {
			if location == nil {
				location = time.UTC
			}
			// 9999-12-31 is how systems write "for ever"; the day after has no
			// form in RFC 3339.
			if until = until.In(location).AddDate(0, 0, 1).UTC(); until.Year() > 9999 {
				until = time.Time{}
			}
		}
	}
	if !from.IsZero() && !until.IsZero() && !from.Before(until) {
		return time.Time{}, time.Time{}, errors.New("ends before it starts")
	}
	return from, until, nil
}
