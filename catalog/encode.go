package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// metadataEncoder writes table metadata as JSON. A commit adds one snapshot to hundreds that it leaves as they are, and
// encoding those again would be most of its work: their texts are kept.
type metadataEncoder struct {
	mu    sync.Mutex
	texts lru[[]byte] // by manifest list
}

// snapshotTextBudget holds about ten thousand snapshots.
const snapshotTextBudget = 8 << 20

func newMetadataEncoder() *metadataEncoder {
	return &metadataEncoder{texts: newLRU[[]byte](snapshotTextBudget)}
}

// metadataFile is the JSON form of format version 2, without its snapshots.
type metadataFile struct {
	FormatVersion       int                             `json:"format-version"`
	UUID                uuid.UUID                       `json:"table-uuid"`
	Location            string                          `json:"location"`
	LastSequenceNumber  int64                           `json:"last-sequence-number"`
	LastUpdated         int64                           `json:"last-updated-ms"`
	LastColumnID        int                             `json:"last-column-id"`
	Schemas             []*iceberg.Schema               `json:"schemas"`
	CurrentSchema       int                             `json:"current-schema-id"`
	Specs               []iceberg.PartitionSpec         `json:"partition-specs"`
	DefaultSpec         int                             `json:"default-spec-id"`
	LastPartition       *int                            `json:"last-partition-id,omitempty"`
	Properties          iceberg.Properties              `json:"properties,omitempty"`
	CurrentSnapshot     *int64                          `json:"current-snapshot-id,omitempty"`
	SnapshotLog         []table.SnapshotLogEntry        `json:"snapshot-log,omitempty"`
	MetadataLog         []table.MetadataLogEntry        `json:"metadata-log,omitempty"`
	SortOrders          []table.SortOrder               `json:"sort-orders"`
	DefaultSortOrder    int                             `json:"default-sort-order-id"`
	Refs                map[string]table.SnapshotRef    `json:"refs,omitempty"`
	Statistics          []table.StatisticsFile          `json:"statistics,omitempty"`
	PartitionStatistics []table.PartitionStatisticsFile `json:"partition-statistics,omitempty"`
}

func (e *metadataEncoder) encode(m table.Metadata) ([]byte, error) {
	snapshots := m.Snapshots()
	old := slices.ContainsFunc(snapshots, func(s table.Snapshot) bool { return s.ManifestList == "" })
	if own, ok := m.(json.Marshaler); ok && (m.Version() != 2 || old) {
		return own.MarshalJSON()
	}
	f := metadataFile{
		FormatVersion: 2, UUID: m.TableUUID(), Location: m.Location(), LastSequenceNumber: m.LastSequenceNumber(), LastUpdated: m.LastUpdatedMillis(),
		LastColumnID: m.LastColumnID(), Schemas: m.Schemas(), CurrentSchema: m.CurrentSchema().ID, Specs: m.PartitionSpecs(),
		DefaultSpec: m.DefaultPartitionSpec(), LastPartition: m.LastPartitionSpecID(), Properties: m.Properties(),
		SnapshotLog: slices.Collect(m.SnapshotLogs()), MetadataLog: slices.Collect(m.PreviousFiles()),
		SortOrders: m.SortOrders(), DefaultSortOrder: m.DefaultSortOrder(), Refs: map[string]table.SnapshotRef{},
		Statistics: slices.Collect(m.Statistics()), PartitionStatistics: slices.Collect(m.PartitionStatistics()),
	}
	if s := m.CurrentSnapshot(); s != nil {
		f.CurrentSnapshot = &s.SnapshotID
	}
	for name, ref := range m.Refs() {
		f.Refs[name] = ref
	}
	text, err := json.Marshal(f)
	if err != nil || len(snapshots) == 0 {
		return text, err
	}
	var out bytes.Buffer
	out.Write(text[:len(text)-1]) // without the closing brace
	out.WriteString(`,"snapshots":[`)
	for i, s := range snapshots {
		if i > 0 {
			out.WriteByte(',')
		}
		one, err := e.snapshot(s)
		if err != nil {
			return nil, err
		}
		out.Write(one)
	}
	out.WriteString("]}")
	return out.Bytes(), nil
}

// snapshot encodes a snapshot once: a table's snapshots never change.
func (e *metadataEncoder) snapshot(s table.Snapshot) ([]byte, error) {
	key := fmt.Sprint(s.SnapshotID, s.ManifestList) // attempts at one snapshot share its id, but not the list
	e.mu.Lock()
	text, ok := e.texts.get(key)
	e.mu.Unlock()
	if ok {
		return text, nil
	}
	text, err := s.MarshalJSON()
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.texts.put(key, text, int64(len(text)))
	return text, nil
}
