package project

import _ "embed"

// Template is a commented project file to start from.
//
//go:embed template.yaml
var Template string
