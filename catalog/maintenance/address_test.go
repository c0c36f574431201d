package maintenance_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/catalog/internal/laketest"
	"github.com/millrace/millrace/catalog/maintenance"
)

// A lake in a bucket whose folder is opened in its place: the store's URL is not the one that the tables' files are named by.
func TestGarbageUnderAnotherAddress(t *testing.T) {
	t.Parallel()
	ctx, name := t.Context(), "ledger.accounts"
	cfg, _ := laketest.New(t, &laketest.Clock{})
	cfg.Warehouse = "s3://lake/wh"
	lake := laketest.OpenConfig(t, cfg)
	if err := lake.EnsureTable(ctx, laketest.Spec(name)); err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(time.Hour)
	for range 3 {
		ahead = ahead.Add(time.Hour)
		res, err := maintenance.Collect(ctx, lake, name, maintenance.CollectOptions{MinAge: time.Nanosecond, Grace: time.Nanosecond, Clock: func() time.Time { return ahead }})
		if err != nil || len(res.Deleted) != 0 || res.Referenced == 0 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	if _, err := laketest.OpenConfig(t, cfg).Table(ctx, name); err != nil {
		t.Fatal(err)
	}
}
