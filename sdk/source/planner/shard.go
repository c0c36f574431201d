package planner

import (
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/sdk/source/cut"
)

// flushRows is from how many rows on a decoder is emptied without waiting for the epoch's end.
const flushRows = 4096

// pieceRecords is the least number of records for which a further decoder is worth its while.
const pieceRecords = 2048

// decode runs a shard's records through its decoders.
func (p *Planner) decode(s *shard, records []Record) error {
	s.parts = s.parts[:0]
	for len(records) > 0 && records[0].Offset < s.told {
		records = records[1:]
	}
	if pieces := min(p.opts.Workers, len(records)/pieceRecords); pieces > 1 {
		done, err := p.decodePieces(s, records, pieces)
		if done || err != nil {
			return err
		}
	}
	d := s.own
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
	schema := s.own.dec.Schema()
	if schema.NumFields() == 0 || len(s.own.dec.Key()) == 0 {
		return false, nil
	}
	if err := p.flush(s); err != nil { // so that the pieces' batches come after what is there
		return false, err
	}
	helpers, err := s.help(pieces - 1)
	if err != nil {
		return false, err
	}
	work := append([]*shardDecoder{s.own}, helpers...)
	var g errgroup.Group
	for i, d := range work {
		piece := records[i*len(records)/pieces : (i+1)*len(records)/pieces]
		g.Go(func() error { d.decodeAll(s, piece); return nil })
	}
	_ = g.Wait() // decodeAll keeps its errors
	for _, d := range work {
		if d.stopped != nil || !d.dec.Schema().Equal(schema) || d != s.own && d.log != s.own.log {
			// The columns that the own decoder learned are kept: the same events come again.
			for _, d := range work {
				d.discard()
			}
			s.helpers = nil
			return false, nil
		}
	}
	for _, d := range work {
		s.take(d)
		if err := p.flushDecoder(s, d); err != nil {
			return false, err
		}
	}
	return true, nil
}

// help returns n more decoders for the shard's columns as they are now.
func (s *shard) help(n int) ([]*shardDecoder, error) {
	if len(s.helpers) > 0 && !s.helpers[0].dec.Schema().Equal(s.own.dec.Schema()) {
		s.helpers = nil
	}
	cfg := s.Config
	cfg.Schema, cfg.Key = s.own.dec.Schema(), s.own.dec.Key()
	for len(s.helpers) < n {
		d, err := newShardDecoder(cfg)
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", s.Name, err)
		}
		d.log = s.own.log
		s.helpers = append(s.helpers, d)
	}
	return s.helpers[:n], nil
}

// take notes what a decoder made of its records. It is valid until the decoder's next.
func (s *shard) take(d *shardDecoder) {
	s.parts = append(s.parts, d.msgs)
	if n := len(d.msgs); n > 0 {
		s.told = d.msgs[n-1].ev.Offset + 1
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
	return p.flushDecoder(s, s.own)
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
	d.msgs = d.msgs[:0]
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
