// Package join joins two streams that are sorted by their keys, in one pass.
//
// The rows of one key on the right side are held in memory while the left
// side's rows of that key go by; nothing else is. The order of both sides is checked.
package join

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/dataset/internal/columns"
	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
	"github.com/millrace/millrace/sdk/dataset/internal/runs"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
)

// Kind says which rows a join keeps.
type Kind string

// The kinds of joins. A key with a null matches nothing.
const (
	Inner Kind = "inner"
	Left  Kind = "left"
	Right Kind = "right"
	Full  Kind = "full"
	Semi  Kind = "semi" // left rows that have a match, once each
	Anti  Kind = "anti" // left rows that have none
)

// Column is a column of the right side and its name in the result.
type Column struct{ From, To string }

// Spec is a checked join.
type Spec struct {
	Kind        Kind
	LeftKeys    []string
	RightKeys   []string
	Keep        []Column // of the right side
	LeftSchema  *arrow.Schema
	RightSchema *arrow.Schema
	Out         *arrow.Schema
}

// New checks a join and computes its result's schema: the left side's columns,
// then the kept ones of the right. In right and full joins the left key columns hold the right
// key where there is no left row; columns of a side that may be absent become nullable.
func New(kind Kind, left, right *arrow.Schema, leftKeys, rightKeys []string, keep []Column) (*Spec, error) {
	s := &Spec{Kind: kind, LeftKeys: leftKeys, RightKeys: rightKeys, Keep: keep, LeftSchema: left, RightSchema: right}
	if len(leftKeys) == 0 || len(leftKeys) != len(rightKeys) {
		return nil, fmt.Errorf("a join needs as many key columns on the left as on the right, at least one: %v and %v", leftKeys, rightKeys)
	}
	if err := s.checkKeys(); err != nil {
		return nil, err
	}
	leftMissing := kind == Right || kind == Full
	rightMissing := kind == Left || kind == Full
	isKey := map[string]int{}
	for i, k := range leftKeys {
		isKey[k] = i + 1
	}
	var fields []arrow.Field
	for _, f := range left.Fields() {
		if k := isKey[f.Name]; k > 0 && leftMissing {
			f.Nullable = f.Nullable || right.Field(right.FieldIndices(rightKeys[k-1])[0]).Nullable
		} else if leftMissing {
			f.Nullable = true
		}
		fields = append(fields, f)
	}
	if kind == Semi || kind == Anti {
		s.Keep = nil
	}
	for _, k := range s.Keep {
		at := right.FieldIndices(k.From)
		if len(at) != 1 {
			return nil, fmt.Errorf("the right side has %d columns named %q", len(at), k.From)
		}
		f := right.Field(at[0])
		f.Name = k.To
		f.Nullable = f.Nullable || rightMissing
		fields = append(fields, f)
	}
	s.Out = arrow.NewSchema(fields, nil)
	for _, f := range fields {
		if len(s.Out.FieldIndices(f.Name)) > 1 {
			return nil, fmt.Errorf("both sides have a column %q: rename or leave out one of them", f.Name)
		}
	}
	return s, nil
}

func (s *Spec) checkKeys() error {
	if _, err := rowkey.New(s.LeftSchema, s.LeftKeys); err != nil {
		return fmt.Errorf("left side: %w", err)
	}
	if _, err := rowkey.New(s.RightSchema, s.RightKeys); err != nil {
		return fmt.Errorf("right side: %w", err)
	}
	for i := range s.LeftKeys {
		l := s.LeftSchema.Field(s.LeftSchema.FieldIndices(s.LeftKeys[i])[0]).Type
		r := s.RightSchema.Field(s.RightSchema.FieldIndices(s.RightKeys[i])[0]).Type
		if !arrow.TypeEqual(l, r) {
			return fmt.Errorf("key %q is %s on the left and %q is %s on the right: cast one of them", s.LeftKeys[i], l, s.RightKeys[i], r)
		}
	}
	switch s.Kind {
	case Inner, Left, Right, Full, Semi, Anti:
		return nil
	}
	return fmt.Errorf("unknown kind of join %q", s.Kind)
}

// Stream joins the two sorted streams, which it closes.
func (s *Spec) Stream(left, right stream.Stream, batchRows int) (stream.Stream, error) {
	le, err := rowkey.New(s.LeftSchema, s.LeftKeys)
	if err != nil {
		return nil, err
	}
	re, err := rowkey.New(s.RightSchema, s.RightKeys)
	if err != nil {
		return nil, err
	}
	j := &joiner{spec: s, batchRows: batchRows}
	j.left = side{in: left, enc: le, name: "left", keys: s.LeftKeys}
	j.right = side{in: right, enc: re, name: "right", keys: s.RightKeys}
	j.keyOf = make([]int, s.LeftSchema.NumFields())
	for i, k := range s.LeftKeys {
		j.keyOf[s.LeftSchema.FieldIndices(k)[0]] = s.RightSchema.FieldIndices(s.RightKeys[i])[0] + 1
	}
	for _, k := range s.Keep {
		j.keepAt = append(j.keepAt, s.RightSchema.FieldIndices(k.From)[0])
	}
	return j, nil
}

// side is one input with the batches that are still referred to.
type side struct {
	in      stream.Stream
	enc     *rowkey.Encoder
	name    string
	keys    []string
	sources []arrow.RecordBatch // the last is the current one
	at      rowkey.Keys
	row     int
	key     []byte // of the current row; nil at the end
	null    bool   // the current key holds a null
	nullAny bool   // the current batch has null keys
	prev    []byte
	started bool
}

// advance moves to the next row.
func (s *side) advance(ctx context.Context) error {
	if s.started && s.key == nil {
		return nil
	}
	if s.started {
		if s.row++; s.row < s.at.Len() {
			return s.settle(s.key)
		}
	}
	s.started = true
	s.prev = append(s.prev[:0], s.key...)
	for {
		b, err := s.in.Next(ctx)
		if errors.Is(err, io.EOF) {
			s.key = nil
			return nil
		}
		if err != nil {
			return err
		}
		if b.NumRows() == 0 {
			b.Release()
			continue
		}
		s.enc.Encode(b, &s.at)
		s.row = 0
		s.sources = append(s.sources, b)
		s.nullAny = false
		for _, k := range s.keys {
			s.nullAny = s.nullAny || b.Column(b.Schema().FieldIndices(k)[0]).NullN() > 0
		}
		return s.settle(s.prev)
	}
}

// settle reads the key of the current row and checks that it is not before the last one.
func (s *side) settle(prev []byte) error {
	key := s.at.At(s.row)
	if bytes.Compare(prev, key) > 0 {
		return fmt.Errorf("join, %s side by %v: %w", s.name, s.keys, runs.ErrOrder)
	}
	s.key = key
	s.null = s.nullAny && s.enc.HasNull(s.sources[len(s.sources)-1], s.row)
	return nil
}

// pick is the current row.
func (s *side) pick() columns.Pick {
	return columns.Pick{Source: int32(len(s.sources) - 1), Row: int32(s.row)}
}

// trim drops the batches before the current one that no pick refers to, and renumbers the picks.
func (s *side) trim(used ...[]columns.Pick) {
	if len(s.sources) <= 1 {
		return
	}
	first := int32(len(s.sources) - 1)
	for _, picks := range used {
		for _, p := range picks {
			if p.Source >= 0 {
				first = min(first, p.Source)
			}
		}
	}
	for _, b := range s.sources[:first] {
		b.Release()
	}
	s.sources = append(s.sources[:0], s.sources[first:]...)
	for _, picks := range used {
		for i := range picks {
			if picks[i].Source >= 0 {
				picks[i].Source -= first
			}
		}
	}
}

func (s *side) close() error {
	for _, b := range s.sources {
		b.Release()
	}
	s.sources = nil
	return s.in.Close()
}

type joiner struct {
	spec      *Spec
	batchRows int
	left      side
	right     side
	keyOf     []int // by left column: 1 + the right column of the same key, 0 if it is no key
	keepAt    []int

	lefts, rights []columns.Pick // of the result's rows
	group         []columns.Pick // right rows of groupKey
	groupKey      []byte
	inGroup       bool
	begun         bool
}

var none = columns.Pick{Source: -1}

func (j *joiner) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !j.begun {
		j.begun = true
		if err := errors.Join(j.left.advance(ctx), j.right.advance(ctx)); err != nil {
			return nil, err
		}
	}
	for len(j.lefts) < j.batchRows {
		done, err := j.step(ctx)
		if err != nil {
			return nil, err
		}
		if done {
			break
		}
	}
	if len(j.lefts) == 0 {
		return nil, io.EOF
	}
	return j.emit(ctx)
}

// step takes one left row, or one right row that has no match.
func (j *joiner) step(ctx context.Context) (done bool, err error) {
	l, r := &j.left, &j.right
	if j.inGroup {
		if l.key != nil && bytes.Equal(l.key, j.groupKey) {
			j.match(l.pick())
			return false, l.advance(ctx)
		}
		j.inGroup, j.group = false, j.group[:0]
	}
	switch {
	case l.key == nil && r.key == nil:
		return true, nil
	case r.key == nil || l.key != nil && (l.null || bytes.Compare(l.key, r.key) < 0):
		j.leftOnly(l.pick())
		return false, l.advance(ctx)
	case l.key == nil || r.null || bytes.Compare(l.key, r.key) > 0:
		if j.spec.Kind == Right || j.spec.Kind == Full {
			j.add(none, r.pick())
		}
		return false, r.advance(ctx)
	}
	return false, j.gather(ctx)
}

// gather takes in all right rows of the left row's key.
func (j *joiner) gather(ctx context.Context) error {
	j.groupKey = append(j.groupKey[:0], j.right.key...)
	j.inGroup = true
	for j.right.key != nil && bytes.Equal(j.right.key, j.groupKey) {
		j.group = append(j.group, j.right.pick())
		if err := j.right.advance(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (j *joiner) match(l columns.Pick) {
	switch j.spec.Kind {
	case Semi:
		j.add(l, none)
	case Anti:
	default:
		for _, r := range j.group {
			j.add(l, r)
		}
	}
}

func (j *joiner) leftOnly(l columns.Pick) {
	switch j.spec.Kind {
	case Left, Full, Anti:
		j.add(l, none)
	}
}

func (j *joiner) add(l, r columns.Pick) {
	j.lefts, j.rights = append(j.lefts, l), append(j.rights, r)
}

// emit makes a batch of the rows found so far.
func (j *joiner) emit(ctx context.Context) (arrow.RecordBatch, error) {
	n := min(len(j.lefts), j.batchRows)
	cols := make([]arrow.Array, 0, j.spec.Out.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for c, f := range j.spec.LeftSchema.Fields() {
		col, err := j.leftColumn(ctx, c, f, n)
		if err != nil {
			return nil, fmt.Errorf("join: column %q: %w", f.Name, err)
		}
		cols = append(cols, col)
	}
	for i, at := range j.keepAt {
		col, err := columns.Gather(ctx, j.spec.RightSchema.Field(at).Type, column(j.right.sources, at), j.rights[:n])
		if err != nil {
			return nil, fmt.Errorf("join: column %q: %w", j.spec.Keep[i].To, err)
		}
		cols = append(cols, col)
	}
	out := array.NewRecordBatch(j.spec.Out, cols, int64(n))
	j.lefts = append(j.lefts[:0], j.lefts[n:]...)
	j.rights = append(j.rights[:0], j.rights[n:]...)
	j.left.trim(j.lefts)
	j.right.trim(j.rights, j.group)
	return out, nil
}

// leftColumn gathers a left column; a key takes the right side's value where there is no left row.
func (j *joiner) leftColumn(ctx context.Context, c int, f arrow.Field, n int) (arrow.Array, error) {
	sources := column(j.left.sources, c)
	key := j.keyOf[c]
	if key == 0 || (j.spec.Kind != Right && j.spec.Kind != Full) {
		return columns.Gather(ctx, f.Type, sources, j.lefts[:n])
	}
	shift := int32(len(sources))
	sources = append(sources, column(j.right.sources, key-1)...)
	picks := make([]columns.Pick, n)
	for i := range picks {
		picks[i] = j.lefts[i]
		if picks[i].Source < 0 {
			picks[i] = columns.Pick{Source: shift + j.rights[i].Source, Row: j.rights[i].Row}
		}
	}
	return columns.Gather(ctx, f.Type, sources, picks)
}

func column(batches []arrow.RecordBatch, c int) []arrow.Array {
	cols := make([]arrow.Array, len(batches))
	for i, b := range batches {
		cols[i] = b.Column(c)
	}
	return cols
}

func (j *joiner) Close() error { return errors.Join(j.left.close(), j.right.close()) }
