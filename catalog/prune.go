package catalog

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"

	"github.com/millrace/millrace/sdk/fault"
)

// pruner decides which files a scan may leave out.
type pruner struct {
	table   *Table
	buckets map[int]bool // nil wants all
	matches func(*liveFile) bool
}

func newPruner(t *Table, schema *arrow.Schema, opts ScanOptions) (*pruner, error) {
	p := &pruner{table: t}
	column, n, _ := layoutOf(t.meta, t.schema)
	if opts.Buckets != nil {
		if column == "" {
			return nil, fault.Usagef("buckets were asked for, but the table is not bucketed")
		}
		p.buckets = map[int]bool{}
		for _, b := range opts.Buckets {
			if b < 0 || b >= n {
				return nil, fault.Usagef("bucket %d: the table has buckets 0 to %d", b, n-1)
			}
			p.buckets[b] = true
		}
	}
	if opts.Filter == nil {
		return p, nil
	}
	return p, p.addFilter(schema, opts.Filter, column, n)
}

// narrow keeps only the buckets that are also in others.
func (p *pruner) narrow(others map[int]bool) {
	if p.buckets == nil {
		p.buckets = others
		return
	}
	both := map[int]bool{}
	for b := range p.buckets {
		if others[b] {
			both[b] = true
		}
	}
	p.buckets = both
}

// wantsManifest looks at the range of buckets that a manifest states.
func (p *pruner) wantsManifest(m iceberg.ManifestFile) bool {
	if p.buckets == nil || int(m.PartitionSpecID()) != p.table.meta.DefaultPartitionSpec() {
		return true
	}
	parts := m.Partitions()
	if len(parts) != 1 || parts[0].ContainsNull || parts[0].LowerBound == nil || parts[0].UpperBound == nil {
		return true
	}
	lower, upper := *parts[0].LowerBound, *parts[0].UpperBound
	if len(lower) != 4 || len(upper) != 4 {
		return true
	}
	from, to := int(int32(binary.LittleEndian.Uint32(lower))), int(int32(binary.LittleEndian.Uint32(upper)))
	for b := range p.buckets {
		if b >= from && b <= to {
			return true
		}
	}
	return false
}

// wantsBucket keeps files of other partition specs, whose bucket is not known.
func (p *pruner) wantsBucket(f *liveFile, spec int32) bool {
	return p.buckets == nil || f.spec != spec || f.bucket < 0 || p.buckets[f.bucket]
}

func (p *pruner) mayMatch(f *liveFile) bool { return p.matches == nil || p.matches(f) }

// bucketLiteral is the bucket of a value among n, by Iceberg's hash.
func bucketLiteral(n int, v iceberg.Literal) (int, error) {
	out := (iceberg.BucketTransform{NumBuckets: n}).Apply(iceberg.Optional[iceberg.Literal]{Valid: true, Val: v})
	if b, ok := out.Val.(iceberg.Int32Literal); ok && out.Valid {
		return int(b), nil
	}
	return 0, fmt.Errorf("a %s cannot be hashed into buckets", v.Type())
}
