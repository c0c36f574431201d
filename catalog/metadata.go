package catalog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/iceberg-go/table"
	"github.com/klauspost/compress/gzip"
)

// metadataCache holds each table's newest parsed metadata. Metadata files never change, so an
// entry that is found by its location is never stale.
type metadataCache struct {
	mu      sync.Mutex
	entries map[string]head // by table
}

func newMetadataCache() *metadataCache { return &metadataCache{entries: map[string]head{}} }

func (c *metadataCache) get(name, location string) (table.Metadata, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.entries[name]
	if !ok || h.location != location {
		return nil, false
	}
	return h.meta, true
}

func (c *metadataCache) put(name, location string, m table.Metadata) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[name] = head{name, location, m}
}

// keep drops the metadata of tables that are gone.
func (c *metadataCache) keep(heads map[string]head) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.entries {
		if _, ok := heads[name]; !ok {
			delete(c.entries, name)
		}
	}
}

// readMetadata loads and parses a metadata file, plain or gzip.
func (f *fileStores) readMetadata(ctx context.Context, location string) (table.Metadata, error) {
	data, err := f.get(ctx, location)
	if err != nil {
		return nil, err
	}
	if data, err = inflate(data); err != nil {
		return nil, fmt.Errorf("read %s: %w", location, err)
	}
	m, err := table.ParseMetadataBytes(data)
	if err != nil {
		return nil, fmt.Errorf("read table metadata %s: %w", location, err)
	}
	return m, nil
}

// maxMetadataBytes bounds what a damaged or hostile gzip file may expand to.
const maxMetadataBytes = 1 << 30

func inflate(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, nil
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(zr, maxMetadataBytes))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return out, nil
}

// writeMetadata stores metadata under a new name and returns its location. The name follows
// Iceberg's <version>-<uuid>.gz.metadata.json, by which readers know that it is compressed.
func (f *fileStores) writeMetadata(ctx context.Context, m table.Metadata, previous string) (string, error) {
	places, err := table.LoadLocationProvider(m.Location(), m.Properties())
	if err != nil {
		return "", fmt.Errorf("place table metadata: %w", err)
	}
	location, err := places.NewTableMetadataFileLocation(metadataVersion(previous) + 1)
	if err != nil {
		return "", fmt.Errorf("place table metadata: %w", err)
	}
	data, err := f.encoder.encode(m)
	if err == nil && strings.HasSuffix(location, ".gz.metadata.json") {
		data, err = deflate(data)
	}
	if err != nil {
		return "", fmt.Errorf("encode table metadata: %w", err)
	}
	return location, f.put(ctx, location, data)
}

func deflate(data []byte) ([]byte, error) {
	var buf bytes.Buffer
	zw, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := zw.Write(data); err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// metadataVersion is the number at the start of a metadata file's name; -1 for none.
func metadataVersion(location string) int {
	base := strings.TrimPrefix(path.Base(location), "v") // Hadoop writes v3.metadata.json
	digits, _, _ := strings.Cut(strings.SplitN(base, "-", 2)[0], ".")
	v, err := strconv.Atoi(digits)
	if err != nil || v < 0 {
		return -1
	}
	return v
}
