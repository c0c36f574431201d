package catalog_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/storage"
)

// closable is a store that counts how often it is closed.
type closable struct {
	storage.Store
	closed *int
	err    error
}

func (c closable) Close() error {
	*c.closed++
	return c.err
}

// TestCloseClosesStores: what the lake opened it closes, once, and says what failed.
func TestCloseClosesStores(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]error{"well": nil, "with an error": errors.New("connection reset")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, closed := t.TempDir(), 0
			lake, err := catalog.Open(t.Context(), catalog.Config{
				Catalog: "sqlite://" + filepath.Join(dir, "catalog.db"), Warehouse: filepath.Join(dir, "warehouse"),
				Storage: func(_ context.Context, url string) (storage.Store, error) {
					s, err := localio.Open(url, localio.Options{})
					return closable{s, &closed, fails}, err
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			err = lake.Close()
			if closed != 1 || (err == nil) != (fails == nil) || !errors.Is(err, fails) {
				t.Errorf("closed %d times: %v", closed, err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "close lake: ") {
				t.Errorf("it does not say what was done: %v", err)
			}
			if err := lake.Close(); closed != 1 {
				t.Errorf("closed again: %d, %v", closed, err)
			}
		})
	}
}
