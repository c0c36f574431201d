package strictyaml

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// override sets one "a.b=value" in a parsed document.
func override(doc *yaml.Node, assignment string) error {
	path, text, ok := strings.Cut(assignment, "=")
	if !ok || path == "" {
		return fmt.Errorf("--set %s: write it as setting=value, such as lake.warehouse=file://lake", assignment)
	}
	var value yaml.Node
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return fmt.Errorf("--set %s: the value is not YAML: %w", assignment, err)
	}
	leaf := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if len(value.Content) == 1 {
		leaf = value.Content[0]
	}
	if len(doc.Content) == 0 {
		doc.Kind, doc.Content = yaml.DocumentNode, []*yaml.Node{{Kind: yaml.MappingNode, Line: 1, Column: 1}}
	}
	at := doc.Content[0]
	keys := strings.Split(path, ".")
	for i, k := range keys {
		if at.Kind != yaml.MappingNode {
			return fmt.Errorf("--set %s: %s holds no settings", assignment, strings.Join(keys[:i], "."))
		}
		at = child(at, k, leaf, i == len(keys)-1)
	}
	return nil
}

// child finds or adds the value of key in a mapping; the last one is replaced by leaf.
func child(m *yaml.Node, key string, leaf *yaml.Node, last bool) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			if last {
				m.Content[i+1] = leaf
			}
			return m.Content[i+1]
		}
	}
	next := leaf
	if !last {
		next = &yaml.Node{Kind: yaml.MappingNode, Line: m.Line, Column: m.Column}
	}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key, Line: m.Line, Column: m.Column}, next)
	return next
}
