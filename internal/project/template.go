package project

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
)

// Template is a commented project file to start from, with a stream from Kafka.
//
//go:embed template.yaml
var Template string

//go:embed source_files.yaml
var sourceFiles string

// TemplateFor is Template with the kind of source asked for: kafka or files.
func TemplateFor(kind string) (string, error) {
	switch kind {
	case "kafka":
		return Template, nil
	case "files":
	default:
		return "", fault.Usagef("there is no source %q; write kafka or files", kind)
	}
	head, rest, ok := strings.Cut(Template, "\nsource:\n")
	_, tail, more := strings.Cut(rest, "\n\n") // sections are parted by an empty line
	if !ok || !more {
		return "", fmt.Errorf("the template has no section source")
	}
	return head + "\n" + sourceFiles + "\n" + tail, nil
}
