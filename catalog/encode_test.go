package catalog

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// TestMetadataEncoding compares our JSON with iceberg-go's own along a table's life.
func TestMetadataEncoding(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := openTestLake(t)
	const name = "ledger.entries"
	if err := l.EnsureTable(ctx, entrySpec(name)); err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		m, _, err := l.Metadata(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.(json.Marshaler).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time from the kept texts
			got, err := l.files.encoder.encode(m)
			if err != nil {
				t.Fatal(err)
			}
			var a, b any
			if json.Unmarshal(got, &a) != nil || json.Unmarshal(want, &b) != nil || !reflect.DeepEqual(a, b) {
				t.Fatalf("%s: metadata is\n%s, want\n%s", what, got, want)
			}
			back, err := table.ParseMetadataBytes(got)
			if err != nil || !back.Equals(m) {
				t.Fatalf("%s: it does not read back as it was: %v", what, err)
			}
		}
	}
	check("new")
	for n := range 12 {
		c := Commit{Stream: "s", Epoch: fmt.Sprint(n), From: at(int64(n)), To: at(int64(n + 1)), Tables: []TableChange{{
			Table: name, Add: []DataFile{file(l, name, n, n%4)}, Totals: Totals{Control: nil, Rows: 10},
		}}}
		if n%3 == 0 {
			c.BusinessDate = time.Date(2026, 11, n+1, 0, 0, 0, 0, time.UTC)
		}
		if n == 5 {
			c.Tables[0].Schema = arrow.NewSchema(append(entrySchema.Fields(), arrow.Field{Name: `channel "x"`, Type: arrow.BinaryTypes.String}), nil)
		}
		if _, err := l.Commit(ctx, c); err != nil {
			t.Fatal(err)
		}
		check(c.Epoch)
	}
	if err := l.UpdateTables(ctx, []string{name}, func(_ string, m table.Metadata) ([]table.Update, []table.Requirement, error) {
		first := m.Snapshots()[1].SnapshotID
		return []table.Update{
			table.NewRemoveSnapshotsUpdate([]int64{first}, false),
			table.NewSetPropertiesUpdate(iceberg.Properties{"comment": "<&>\u2028 ünïcode"}),
			table.NewSetStatisticsUpdate(table.StatisticsFile{SnapshotID: m.CurrentSnapshot().SnapshotID, StatisticsPath: "x.puffin", FileSizeInBytes: 1}),
		}, nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	check("after maintenance")
}

func TestMetadataVersion(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]int{
		"s3://b/t/metadata/00012-0e3c.gz.metadata.json": 12, "file:///t/metadata/v3.metadata.json": 3, "/x/00000-a.metadata.json": 0,
		"": -1, "/x/latest.metadata.json": -1, "/x/-5-a.metadata.json": -1,
	} {
		if got := metadataVersion(location); got != want {
			t.Errorf("%s has version %d, want %d", location, got, want)
		}
	}
}

func TestLocations(t *testing.T) {
	t.Parallel()
	files := newFileStores(OpenFolder)
	dir := t.TempDir()
	if _, err := files.add(t.Context(), "file://"+dir+"/wh"); err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"file://" + dir + "/wh/ledger/t/x.avro": "ledger/t/x.avro",
		"file:" + dir + "/wh/ledger/t/x.avro":   "ledger/t/x.avro",
		dir + "/wh/ledger/t/x.avro":             "ledger/t/x.avro",
		"file://" + dir + "/elsewhere/x.avro":   "x.avro",
		"file://" + dir + "/whale/x.avro":       "x.avro",
	} {
		_, name, err := files.resolve(t.Context(), location)
		if err != nil || name != want {
			t.Errorf("%s is %q, %v; want %q", location, name, err, want)
		}
	}
	for location, want := range map[string]string{
		"s3a://b/k": "s3://b/k", "s3n://b/k/": "s3://b/k", "S3://b": "S3://b", "file:///a//": "file:///a",
	} {
		if got := normalizeLocation(location); got != want {
			t.Errorf("%s is normalized to %s, want %s", location, got, want)
		}
	}
	if got := bucketRoot("s3://bucket/a/b"); got != "s3://bucket" {
		t.Errorf("root is %s", got)
	}
}
