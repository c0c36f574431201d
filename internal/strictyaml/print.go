package strictyaml

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Masked is what stands for a secret.
const Masked = "********"

// Print writes the effective settings as YAML: defaults filled in, secrets
// masked (fields tagged secret, and passwords inside URLs), empty optional settings left out.
func Print(target any) (string, error) {
	n := node(reflect.ValueOf(target), false)
	out, err := yaml.Marshal(n)
	if err != nil {
		return "", fmt.Errorf("print settings: %w", err)
	}
	return string(out), nil
}

func node(v reflect.Value, secret bool) *yaml.Node {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		m := &yaml.Node{Kind: yaml.MappingNode}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if key := f.Tag.Get("yaml"); key != "" {
				add(m, key, node(v.Field(i), f.Tag.Get("secret") == "true"))
			}
		}
		return orNil(m)
	case reflect.Map:
		m := &yaml.Node{Kind: yaml.MappingNode}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			add(m, k.String(), node(v.MapIndex(k), secret))
		}
		return orNil(m)
	case reflect.Slice:
		s := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			if c := node(v.Index(i), secret); c != nil {
				s.Content = append(s.Content, c)
			}
		}
		return orNil(s)
	}
	text := fmt.Sprint(v.Interface())
	if text == "" {
		return nil
	}
	if secret {
		text = Masked
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: MaskURL(text)}
	if v.Kind() == reflect.String {
		n.Tag = "!!str"
	}
	return n
}

func orNil(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

func add(m *yaml.Node, key string, c *yaml.Node) {
	if c != nil {
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, c)
	}
}

// MaskURL hides a password inside a URL; any other text is returned as it is.
func MaskURL(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		scheme, _, _ := strings.Cut(text, "://")
		return scheme + "://" + Masked
	}
	if _, has := u.User.Password(); !has {
		return text
	}
	return strings.Replace(u.Redacted(), ":xxxxx@", ":"+Masked+"@", 1)
}

// JSONSchema describes target's type for editors (JSON Schema, draft 2020-12).
func JSONSchema(target any, title string) ([]byte, error) {
	s := schema(reflect.TypeOf(target), "", "")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = title
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JSON schema: %w", err)
	}
	return append(out, '\n'), nil
}

func schema(t reflect.Type, enum, def string) map[string]any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s := map[string]any{}
	switch {
	case t == durationType:
		s["type"], s["pattern"] = "string", `^([0-9.]+(ns|us|ms|s|m|h))+$|^\$\{`
	case t == sizeType:
		s["type"], s["pattern"] = []string{"string", "integer"}, `^[0-9]+ ?([KMGT]iB|B)?$|^\$\{`
	case t.Kind() == reflect.Struct:
		object(s, t)
	case t.Kind() == reflect.Map:
		s["type"], s["additionalProperties"] = "object", schema(t.Elem(), "", "")
	case t.Kind() == reflect.Slice:
		s["type"], s["items"] = "array", schema(t.Elem(), enum, "")
		return s
	case t.Kind() == reflect.Bool:
		s["type"] = "boolean"
	case t.Kind() == reflect.String:
		s["type"] = "string"
	default:
		s["type"] = "integer"
	}
	if enum != "" {
		s["enum"] = strings.Split(enum, "|")
	}
	switch {
	case def == "":
	case s["type"] == "boolean":
		s["default"] = def == "true"
	case s["type"] == "integer":
		s["default"] = json.Number(def)
	default:
		s["default"] = def
	}
	return s
}

func object(s map[string]any, t reflect.Type) {
	props, required := map[string]any{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("yaml")
		if key == "" {
			continue
		}
		p := schema(f.Type, f.Tag.Get("enum"), f.Tag.Get("default"))
		if d := f.Tag.Get("doc"); d != "" {
			p["description"] = d
		}
		props[key] = p
		if f.Tag.Get("required") == "true" {
			required = append(required, key)
		}
	}
	s["type"], s["properties"], s["additionalProperties"] = "object", props, false
	if len(required) > 0 {
		s["required"] = required
	}
}
