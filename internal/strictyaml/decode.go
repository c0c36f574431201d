package strictyaml

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Problem is one mistake in a file.
type Problem struct {
	File      string
	Line, Col int
	Path      string // dotted path of the setting, "" for the whole file
	Message   string
}

// Error formats the problem as file:line:col: path: message.
func (p Problem) Error() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
	if p.Path == "" {
		return where + ": " + p.Message
	}
	return where + ": " + p.Path + ": " + p.Message
}

// Size is a number of bytes, written as 64MiB or 1048576.
type Size int64

// Where tells the line and column of a decoded setting by its dotted path, so
// that checks after decoding can point at the file too.
type Where map[string][2]int

// Decode reads data into target, a pointer to a tagged struct. lookup gives
// environment variables. Each override, "a.b=value", replaces or adds one
// setting, as a command line flag does; value is YAML. All problems are returned, in file order.
func Decode(file string, data []byte, lookup func(string) (string, bool), target any, overrides ...string) (Where, []Problem) {
	d := &decoder{file: file, lookup: lookup, where: Where{}}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return d.where, []Problem{{File: file, Line: lineOf(err), Col: 1, Message: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	for _, o := range overrides {
		if err := override(&doc, o); err != nil {
			d.problems = append(d.problems, Problem{File: file, Message: err.Error()})
		}
	}
	v := reflect.ValueOf(target).Elem()
	if len(doc.Content) == 0 {
		d.defaults("", v, 1, 1)
	} else {
		d.value("", doc.Content[0], v, "")
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int { return cmp.Or(a.Line-b.Line, a.Col-b.Col) })
	return d.where, d.problems
}

func lineOf(err error) int {
	_, rest, ok := strings.Cut(err.Error(), "line ")
	if !ok {
		return 1
	}
	n, _, _ := strings.Cut(rest, ":")
	if i, err := strconv.Atoi(n); err == nil {
		return i
	}
	return 1
}

type decoder struct {
	file     string
	lookup   func(string) (string, bool)
	where    Where
	problems []Problem
}

func (d *decoder) fail(path string, n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, Problem{d.file, n.Line, n.Column, path, fmt.Sprintf(format, args...)})
}

var durationType, sizeType = reflect.TypeFor[time.Duration](), reflect.TypeFor[Size]()

// value decodes one node into v. enum is the list of allowed texts, or "".
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value, enum string) {
	d.where[path] = [2]int{n.Line, n.Column}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, n, v.Elem(), enum)
	case reflect.Struct:
		d.object(path, n, v)
	case reflect.Map:
		d.table(path, n, v)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.fail(path, n, "expected a list, such as [a, b]; found %s", kindName(n))
			return
		}
		out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, c := range n.Content {
			d.value(fmt.Sprintf("%s[%d]", path, i), c, out.Index(i), enum)
		}
		v.Set(out)
	default:
		if n.Kind != yaml.ScalarNode {
			d.fail(path, n, "expected %s; found %s", typeName(v.Type()), kindName(n))
			return
		}
		text, err := expand(n.Value, d.lookup)
		if err == nil {
			err = scalar(v, text, enum)
		}
		if err != nil {
			d.fail(path, n, "%v", err)
		}
	}
}

func (d *decoder) object(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		n = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	}
	if n.Kind != yaml.MappingNode {
		d.fail(path, n, "expected settings (key: value); found %s", kindName(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		f, ok := fieldOf(v.Type(), k.Value)
		if !ok {
			d.fail(join(path, k.Value), k, "unknown key%s", DidYouMean(k.Value, keysOf(v.Type())))
			continue
		}
		if seen[k.Value] {
			d.fail(join(path, k.Value), k, "set twice")
			continue
		}
		seen[k.Value] = true
		d.value(join(path, k.Value), c, v.FieldByIndex(f.Index), f.Tag.Get("enum"))
	}
	d.missing(path, v, seen, n.Line, n.Column)
}

// missing fills defaults of keys that were not set, and reports required ones.
func (d *decoder) missing(path string, v reflect.Value, seen map[string]bool, line, col int) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := f.Tag.Get("yaml")
		if key == "" || seen[key] {
			continue
		}
		if f.Tag.Get("required") == "true" {
			d.problems = append(d.problems, Problem{d.file, line, col, join(path, key), "is required: " + f.Tag.Get("doc")})
			continue
		}
		if def := f.Tag.Get("default"); def != "" {
			if err := scalar(v.Field(i), def, ""); err != nil {
				d.problems = append(d.problems, Problem{d.file, line, col, join(path, key), "default: " + err.Error()})
			}
			continue
		}
		if f.Type.Kind() == reflect.Struct {
			d.defaults(join(path, key), v.Field(i), line, col)
		}
	}
}

func (d *decoder) defaults(path string, v reflect.Value, line, col int) {
	d.missing(path, v, map[string]bool{}, line, col)
}

func (d *decoder) table(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(path, n, "expected names with settings below them; found %s", kindName(n))
		return
	}
	out := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		if out.MapIndex(reflect.ValueOf(k.Value)).IsValid() {
			d.fail(join(path, k.Value), k, "set twice")
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, k.Value), c, e, "")
		out.SetMapIndex(reflect.ValueOf(k.Value), e)
	}
	v.Set(out)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
