package export

import (
	"encoding/json"
	"testing"
)

// FuzzManifest: whatever lies where a manifest should be is refused or read, and what is read is written again as it was.
func FuzzManifest(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", `{"manifest_version":2}`, `{"manifest_version":1,"files":[{"name":"../etc/passwd"}]}`,
		`{"manifest_version":1,"name":"x","identity":"0f","table":"a.b","format":"parquet","columns":[{"name":"a","type":"decimal(38,2)","nullable":true}],"rows":1,"bytes":2,"files":[{"name":"part-0.parquet","rows":1,"bytes":2,"sha256":"00"}],"totals":[{"column":"a","currency":"EUR","sum":"1.00","values":1,"nulls":0}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeManifest(data)
		if err != nil {
			return
		}
		if _, err := m.schema(); err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			return // a year that JSON cannot write
		}
		if _, err := decodeManifest(again); err != nil {
			t.Errorf("%s\nwas read and written as\n%s\n%v", data, again, err)
		}
	})
}
