package planner

import (
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/sdk/source/cut"
)

// flushRows is from how many rows on a decoder is emptied without waiting for the epoch's end.
const flushRows = 4096

// pieceRecords is the least number of records for which a further decoder is worth its while.
const pieceRecords = 2048

// decode runs a shard's records through its decoders.
func (p *Planner) decode(s *shard, records []Record) error {
	s.msgs = s.msgs[:0]
	for len(records) > 0 && records[0].Offset < s.told {
		records = records[1:]
	}
	pieces := min(p.opts.Workers, len(records)/pieceRecords)
	if pieces > 1 {
		done, err := p.decodePieces(s, records, pieces)
		if done || err != nil {
			return err
		}
	}
	d := s.decoders[0]
	d.decodeAll(s, records)
	s.take(d)
	if d.dec.Rows() >= flushRows || len(d.rejects) >= flushRows {
		return p.flush(s)
	}
	return nil
}

// decodePieces lets several decoders work on consecutive pieces of records. It
// is done if none of them met new columns; else each would know different ones, and nothing has happened.
func (p *Planner) decodePieces(s *shard, records []Record, pieces int) (done bool, err error) {
	own := s.decoders[0]
	schema, key := own.dec.Schema(), own.dec.Key()
	if schema.NumFields() == 0 || len(key) == 0 {
		return false, nil
	}
	if err := p.flush(s); err != nil { // so that the pieces' batches come after what is there
		return false, err
	}
	work := []*shardDecoder{own}
	cfg := s.Config
	cfg.Schema, cfg.Key = schema, key
	for len(work) < pieces {
		d, err := newShardDecoder(cfg)
		if err != nil {
			return false, fmt.Errorf("decode %s: %w", s.Name, err)
		}
		d.log = own.log
		work = append(work, d)
	}
	var g errgroup.Group
	for i, d := range work {
		piece := records[i*len(records)/pieces : (i+1)*len(records)/pieces]
		g.Go(func() error { d.decodeAll(s, piece); return nil })
	}
	_ = g.Wait() // decodeAll keeps its errors
	same := !slices.ContainsFunc(work, func(d *shardDecoder) bool { return d.stopped != nil || d.dec.Schema() != schema })
	if !same {
		for _, d := range work {
			d.discard()
		}
		// The columns that the own decoder learned are kept: the same events come again.
		return false, nil
	}
	for _, d := range work {
		s.take(d)
		if err := p.flushDecoder(s, d); err != nil {
			return false, err
		}
	}
	return true, nil
}

// take appends what a decoder made of its records to the shard's messages.
func (s *shard) take(d *shardDecoder) {
	s.msgs = append(s.msgs, d.msgs...)
	d.msgs = d.msgs[:0]
	if n := len(s.msgs); n > 0 {
		s.told = s.msgs[n-1].ev.Offset + 1
	}
	if d.stopped != nil {
		s.stopped, s.told = d.stopped, s.told-1
	}
}

// flush moves what a shard's decoder holds into the cache.
func (p *Planner) flush(s *shard) error {
	if s.Role != cut.Data {
		return nil
	}
	return p.flushDecoder(s, s.decoders[0])
}

func (p *Planner) flushDecoder(s *shard, d *shardDecoder) error {
	batches, err := d.dec.Flush(s.Name)
	if err != nil {
		return fmt.Errorf("decode %s: %w", s.Name, err)
	}
	p.cache.add(s.Name, batches, d.rejects, d.told)
	d.rejects = nil
	return nil
}

// decodeAll decodes records in order until one cannot be followed.
func (d *shardDecoder) decodeAll(s *shard, records []Record) {
	for i := range records {
		r := &records[i]
		m, err := d.decode(r)
		if err != nil {
			d.stopped = fmt.Errorf("%s offset %d: %w", s.Name, r.Offset, err)
			d.msgs = append(d.msgs, message{ev: cut.Event{Offset: r.Offset}, err: d.stopped})
			d.told = r.Offset
			return
		}
		if m.err != nil {
			d.rejects = append(d.rejects, reject(s.Table, s.Name, r, m.err))
		}
		d.msgs = append(d.msgs, m)
		d.told = r.Offset + 1
	}
}

// discard drops what a decoder holds.
func (d *shardDecoder) discard() {
	batches, err := d.dec.Flush("")
	if err == nil {
		releaseAll(batches)
	}
	d.msgs, d.rejects, d.stopped = d.msgs[:0], nil, nil
}
