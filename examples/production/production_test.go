// Package production_test holds the project file of the README's last chapter to what the program reads.
package production_test

import (
	"os"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/project"
)

func TestProductionSettings(t *testing.T) {
	t.Parallel()
	secrets := func(name string) (string, bool) { return "secret-of-" + name, true }
	f, err := project.Load("millrace.yaml", secrets)
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.Effective()
	if err != nil || strings.Contains(text, "secret-of-") || !strings.Contains(text, "password: '***'") && !strings.Contains(text, "***") {
		t.Errorf("%v: secrets are printed, or masked unseen:\n%s", err, text)
	}
	if _, err := project.Load("millrace.yaml", func(string) (string, bool) { return "", false }); err == nil || !strings.Contains(err.Error(), "LAKE_DB_PASSWORD") || !strings.Contains(err.Error(), "KAFKA_PASSWORD") {
		t.Errorf("secrets that are not set must be named, all at once: %v", err)
	}
	yaml, err := os.ReadFile("millrace.yaml")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```yaml\n"+string(yaml)+"```\n") {
		t.Error("the README does not show examples/production/millrace.yaml as it is")
	}
}
