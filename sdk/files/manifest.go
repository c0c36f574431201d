package files

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Manifest describes a finished set of files: what a receiver checks them against.
type Manifest struct {
	Files   []FileInfo       `json:"files"`
	Rows    int64            `json:"rows"`
	Bytes   int64            `json:"bytes"`
	Columns []ManifestColumn `json:"columns"`
	// Extra is for what the writer's caller knows: control totals, an as-of date.
	Extra map[string]string `json:"extra,omitempty"`
}

// ManifestColumn describes one column for a reader that may not know Arrow.
type ManifestColumn struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // as Arrow prints it, such as decimal128(18, 2)
	Nullable bool   `json:"nullable,omitempty"`
}

func newManifest(schema *arrow.Schema, infos []FileInfo) Manifest {
	m := Manifest{Files: infos}
	for _, f := range infos {
		m.Rows += f.Rows
		m.Bytes += f.Bytes
	}
	for _, f := range schema.Fields() {
		m.Columns = append(m.Columns, ManifestColumn{Name: f.Name, Type: f.Type.String(), Nullable: f.Nullable})
	}
	return m
}

// Merge joins the manifests of writers that wrote parts of one set. All must have the same columns.
func Merge(parts ...Manifest) (Manifest, error) {
	var all Manifest
	for i, m := range parts {
		if i == 0 {
			all.Columns = m.Columns
		} else if fmt.Sprint(all.Columns) != fmt.Sprint(m.Columns) {
			return Manifest{}, fmt.Errorf("merge manifests: the columns differ: %v and %v", all.Columns, m.Columns)
		}
		all.Files = append(all.Files, m.Files...)
		all.Rows += m.Rows
		all.Bytes += m.Bytes
		for k, v := range m.Extra {
			if all.Extra == nil {
				all.Extra = map[string]string{}
			}
			all.Extra[k] = v
		}
	}
	return all, nil
}

// PutManifest writes m as an object, in one step: the set is complete once it is there.
func PutManifest(ctx context.Context, store storage.Store, name string, m Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest %s: %w", name, err)
	}
	return store.Put(ctx, name, append(data, '\n'), storage.PutOptions{})
}

// GetManifest reads what PutManifest wrote.
func GetManifest(ctx context.Context, store storage.Store, name string) (Manifest, error) {
	data, err := store.Get(ctx, name)
	if err != nil {
		return Manifest{}, err
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("read manifest %s in %s: %w: %w", name, store.URL(), ErrCorrupt, err)
	}
	return m, nil
}

// EncodeSchema is a schema as a short text, for configurations that travel.
func EncodeSchema(schema *arrow.Schema) (string, error) {
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(schema))
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("encode schema: %w", err)
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes()), nil
}

// DecodeSchema reads what EncodeSchema wrote.
func DecodeSchema(text string) (*arrow.Schema, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fault.Usagef("decode schema: %w", err)
	}
	r, err := ipc.NewReader(bytes.NewReader(data), ipc.WithAllocator(memory.DefaultAllocator))
	if err != nil {
		return nil, fault.Usagef("decode schema: %w", err)
	}
	defer r.Release()
	return r.Schema(), nil
}
