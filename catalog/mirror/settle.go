package mirror

import (
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog/mirror/internal/keyindex"
)

// settle makes index and files describe the table with the committed epoch.
func (m *Mirror) settle(s *staged) error {
	m.stats.RewrittenRows += s.rewritten
	m.rows += s.rows
	if !s.schema.Equal(m.spec.Schema) {
		m.spec.Schema = s.schema
		if err := m.chooseControls(); err != nil {
			return err
		}
	}
	if m.policy.appendOnly {
		m.files = newFileSet()
		return nil
	}
	if s.truncated {
		s.gone = m.files.of()
		m.index.Reset()
	}
	m.settleFiles(s)
	return m.settleIndex(s)
}

func (m *Mirror) settleFiles(s *staged) {
	for _, path := range s.folded {
		m.files.dropDeletes(path)
	}
	for _, id := range s.gone {
		m.files.remove(id)
	}
	for _, id := range s.newFiles {
		m.files.enter(id)
	}
	for _, d := range s.deletes {
		for path, rows := range d.rows {
			id := m.files.byPath[path]
			m.files.name(id, d.path)
			m.files.files[id].markDeleted(rows)
		}
	}
}

func (f *file) markDeleted(rows []int64) {
	for _, r := range rows {
		if f.deleted.Add(uint32(r), f.rows) {
			f.gone++
		}
	}
}

// settleIndex moves the keys.
func (m *Mirror) settleIndex(s *staged) error {
	var moves [keyindex.Shards][]move
	for _, mv := range s.moves {
		n := keyindex.ShardOf(mv.key)
		moves[n] = append(moves[n], mv)
	}
	var g errgroup.Group
	g.SetLimit(m.opts.Workers)
	for n := range keyindex.Shards {
		g.Go(func() error {
			shard := m.index.Shard(n)
			for i := range s.outcomes[n] {
				if err := s.outcomes[n][i].settle(shard); err != nil {
					return err
				}
			}
			for _, mv := range moves[n] {
				if err := shard.Put(mv.key, mv.at, true); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (o *outcome) settle(shard *keyindex.Shard) error {
	switch {
	case !o.deleted:
		return shard.Put(o.key, o.at, o.had)
	case o.had:
		return shard.Delete(o.key)
	}
	return nil
}
