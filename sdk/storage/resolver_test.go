package storage_test

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

func TestResolver(t *testing.T) {
	t.Parallel()
	var opened []string
	open := func(_ context.Context, url string) (storage.Store, error) {
		opened = append(opened, url)
		return storagetest.NewMemory("x", nil), nil
	}
	r := storage.Resolver{"mem": open, "file": open}
	for _, url := range []string{"mem://x", "MEM://x", "data/lake", "/data/lake"} {
		if _, err := r.Open(t.Context(), url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	_, err := r.Open(t.Context(), "gs://user:secret@bucket")
	if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "file, mem") || strings.Contains(err.Error(), "secret") {
		t.Errorf("unknown scheme: %v", err)
	}
	opened = nil
	for url, want := range map[string][2]string{
		"mem://x/a/b.csv": {"mem://x/a", "b.csv"}, "b.csv": {".", "b.csv"}, "/b.csv": {"/", "b.csv"}, "a/b.csv": {"a", "b.csv"},
	} {
		opened = nil
		_, name, err := r.OpenObject(t.Context(), url)
		if err != nil || name != want[1] || opened[0] != want[0] {
			t.Errorf("%s: store %q, object %q, %v; want %q", url, opened, name, err, want)
		}
	}
	if _, _, err := r.OpenObject(t.Context(), "mem://x/folder/"); fault.Of(err) != fault.Usage {
		t.Errorf("a folder: %v, want a usage error", err)
	}
}
