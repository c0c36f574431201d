package planner

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// Replay decodes the records of a split and hands them to a handler, as
// Planner.Read does from memory. It holds no more than a batch at a time.
type Replay struct {
	split source.Split
	dec   *shardDecoder
	next  int64
}

// NewReplay starts the decoding of a split of a table.
func NewReplay(s source.Split, cfg debezium.Config) (*Replay, error) {
	cfg.Table = s.Table
	d, err := newShardDecoder(cfg)
	if err != nil {
		return nil, err
	}
	return &Replay{split: s, dec: d, next: s.From}, nil
}

// Done reports whether nothing of the split is missing.
func (r *Replay) Done() bool { return r.next >= r.split.To }

// Feed decodes records in offset order; those outside the split are ignored.
func (r *Replay) Feed(ctx context.Context, records []Record, h source.Handler) error {
	for i := range records {
		rec := &records[i]
		if rec.Offset < r.next {
			continue
		}
		if r.next = rec.Offset + 1; rec.Offset >= r.split.To {
			break
		}
		m, err := r.dec.decode(rec)
		if err != nil {
			return fmt.Errorf("%s offset %d: %w", r.split.Shard, rec.Offset, err)
		}
		if m.err != nil {
			r.dec.rejects = append(r.dec.rejects, reject(r.split.Table, r.split.Shard, rec, m.err))
		}
		if r.dec.dec.Rows() >= flushRows || len(r.dec.rejects) >= flushRows {
			if err := r.Flush(ctx, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush hands over what is decoded. Call it after the last Feed.
func (r *Replay) Flush(ctx context.Context, h source.Handler) error {
	batches, err := r.dec.dec.Flush(r.split.Shard)
	if err != nil {
		return fmt.Errorf("decode %s: %w", r.split.Shard, err)
	}
	rejects := r.dec.rejects
	r.dec.rejects = nil
	return deliver(ctx, h, batches, rejects)
}
