package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// scalar parses text into v.
func scalar(v reflect.Value, text, enum string) error {
	if enum != "" && !slices.Contains(strings.Split(enum, "|"), text) {
		return fmt.Errorf("%q is not one of %s%s", text, strings.ReplaceAll(enum, "|", ", "), DidYouMean(text, strings.Split(enum, "|")))
	}
	switch {
	case v.Type() == durationType:
		n, err := time.ParseDuration(text)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a duration; write it like 90s, 5m or 24h", text)
		}
		v.SetInt(int64(n))
	case v.Type() == sizeType:
		n, err := ParseSize(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(n))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	case v.CanInt():
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number of 0 or more", text)
		}
		v.SetUint(n)
	default:
		return fmt.Errorf("a setting of type %s cannot be read", v.Type())
	}
	return nil
}

var units = []struct {
	name string
	n    int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}}

// ParseSize reads a number of bytes such as 64MiB, 512 KiB or 1048576.
func ParseSize(text string) (Size, error) {
	num, mul := strings.TrimSpace(text), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(num, u.name); ok {
			num, mul = strings.TrimSpace(rest), u.n
			break
		}
	}
	n, err := strconv.ParseInt(num, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/mul {
		return 0, fmt.Errorf("%q is not a size; write it like 64MiB or 1GiB", text)
	}
	return Size(n * mul), nil
}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	best := fmt.Sprintf("%d", int64(s))
	for _, u := range units[:4] {
		if s > 0 && int64(s)%u.n == 0 {
			best = fmt.Sprintf("%d%s", int64(s)/u.n, u.name)
		}
	}
	return best
}

// expand replaces ${NAME} and ${NAME:-default}; $$ is a dollar sign.
func expand(text string, lookup func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 || i+1 >= len(text) {
			b.WriteString(text)
			return b.String(), nil
		}
		b.WriteString(text[:i])
		switch text[i+1] {
		case '$':
			b.WriteByte('$')
			text = text[i+2:]
		case '{':
			name, rest, ok := strings.Cut(text[i+2:], "}")
			if !ok {
				return "", fmt.Errorf("${ without a closing }")
			}
			val, err := variable(name, lookup)
			if err != nil {
				return "", err
			}
			b.WriteString(val)
			text = rest
		default:
			b.WriteByte('$')
			text = text[i+1:]
		}
	}
}

func variable(ref string, lookup func(string) (string, bool)) (string, error) {
	name, def, has := strings.Cut(ref, ":-")
	if v, ok := lookup(name); ok && v != "" {
		return v, nil
	}
	if has {
		return def, nil
	}
	return "", fmt.Errorf("the environment variable %s is not set; set it, or write ${%s:-default}", name, name)
}

// DidYouMean names the nearest known word as the end of a message, "; did you mean x?", or all
// known words where none is near.
func DidYouMean(word string, known []string) string {
	best, dist := "", len(word)/3+2
	for _, k := range known {
		if d := distance(word, k); d < dist {
			best, dist = k, d
		}
	}
	if best == "" {
		return "; known here: " + strings.Join(known, ", ")
	}
	return "; did you mean " + best + "?"
}

// distance is the edit distance between two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			prev, row[j+1] = row[j+1], min(prev+cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "settings (key: value)"
	case yaml.SequenceNode:
		return "a list"
	default:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return fmt.Sprintf("%q", n.Value)
	}
}

func typeName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration"
	case t == sizeType:
		return "a size"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "a text"
	}
	return "a whole number"
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == key && key != "" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("yaml"); k != "" {
			keys = append(keys, k)
		}
	}
	return keys
}
