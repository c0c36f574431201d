package reconcile

import (
	"bufio"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/spillfile"
)

// foundBreaks are the breaks of a leg whose parts were settled apart. Each part's come in their order; together they are in the order of their keys, which two
// parts never share. They lie in a file that has no name.
type foundBreaks struct {
	file *spillfile.File
	out  *bufio.Writer
	size int64
	runs [][2]int64 // from and to, by part
}

// settledPart is what a worker makes of a part's settlement.
type settledPart struct {
	settlement *reconciliation.Settlement // for its matches
	breaks     []byte
	classes    map[[2]reconciliation.Class]int64 // by class and base
}

// describePart makes the texts of a part's breaks.
func (l *settledLeg) describePart(s *reconciliation.Settlement) (*settledPart, error) {
	if err := s.Classify(l.plan.Classes); err != nil {
		return nil, err
	}
	p := &settledPart{settlement: s, classes: map[[2]reconciliation.Class]int64{}}
	of := &settledLeg{plan: l.plan, account: l.account, result: s}
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		if o.Class == reconciliation.Matched {
			continue
		}
		p.classes[[2]reconciliation.Class{o.Class, o.Base}]++
		b, err := of.describe(o)
		if err != nil {
			return nil, err
		}
		p.breaks = b.encode(p.breaks)
	}
	return p, nil
}

// add takes a part's breaks.
func (f *foundBreaks) add(breaks []byte) (err error) {
	if len(breaks) == 0 {
		return nil
	}
	if f.file == nil {
		if f.file, err = spillfile.Open(""); err != nil {
			return fmt.Errorf("keep breaks on disk: %w", err)
		}
		f.out = bufio.NewWriterSize(f.file, 64<<10)
	}
	if _, err := f.out.Write(breaks); err != nil {
		return fmt.Errorf("keep breaks on disk: %w", err)
	}
	f.runs = append(f.runs, [2]int64{f.size, f.size + int64(len(breaks))})
	f.size += int64(len(breaks))
	return nil
}

func (f *foundBreaks) close() {
	if f != nil && f.file != nil {
		_ = f.file.Close() // nothing in it is wanted any more
	}
}

// each calls do for all breaks, in the order of their keys.
func (f *foundBreaks) each(do func(*ruleBreak) error) error {
	if f.file == nil {
		return nil
	}
	if err := f.out.Flush(); err != nil {
		return fmt.Errorf("keep breaks on disk: %w", err)
	}
	var merge breakRuns
	for i, r := range f.runs {
		run := &breakRun{number: i, in: bufio.NewReaderSize(io.NewSectionReader(f.file, r[0], r[1]-r[0]), 4<<10)}
		if err := run.next(); err != nil {
			return err
		}
		merge = append(merge, run)
	}
	heap.Init(&merge)
	for len(merge) > 0 {
		first := merge[0]
		if err := do(&first.now); err != nil {
			return err
		}
		err := first.next()
		switch {
		case errors.Is(err, io.EOF):
			heap.Pop(&merge)
		case err != nil:
			return err
		default:
			heap.Fix(&merge, 0)
		}
	}
	return nil
}

// breakRun reads the breaks of one part.
type breakRun struct {
	number int
	in     *bufio.Reader
	now    ruleBreak
	buf    []byte
}

func (r *breakRun) next() error {
	err := r.now.decode(r)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read breaks from disk: %w", err)
	}
	return err
}

// text reads one text.
func (r *breakRun) text() (string, error) {
	n, err := binary.ReadUvarint(r.in)
	if err != nil {
		return "", err
	}
	if uint64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	if _, err := io.ReadFull(r.in, b); err != nil {
		return "", io.ErrUnexpectedEOF
	}
	return string(b), nil
}

// breakRuns is a heap of runs by the key of what comes next.
type breakRuns []*breakRun

func (h breakRuns) Len() int { return len(h) }
func (h breakRuns) Less(i, j int) bool {
	if c := strings.Compare(h[i].now.Key, h[j].now.Key); c != 0 {
		return c < 0
	}
	return h[i].number < h[j].number
}
func (h breakRuns) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *breakRuns) Push(x any)   { *h = append(*h, x.(*breakRun)) }
func (h *breakRuns) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// texts are all that a break says, but for its life.
func (b *ruleBreak) texts() []*string {
	return []*string{&b.ID, &b.Class, &b.Side, &b.Rule, &b.Key, &b.AmountLeft, &b.AmountRight, &b.Difference, &b.CurrencyLeft, &b.CurrencyRight, &b.DateLeft, &b.DateRight,
		&b.RefLeft, &b.RefRight, &b.RowLeft, &b.RowRight, &b.Base, &b.Leg, &b.Days, &b.Over, &b.Left, &b.Right, &b.Suggested, &b.Alike, &b.account}
}

func (b *ruleBreak) encode(dst []byte) []byte {
	for _, t := range b.texts() {
		dst = append(binary.AppendUvarint(dst, uint64(len(*t))), *t...)
	}
	return dst
}

func (b *ruleBreak) decode(r *breakRun) error {
	b.Life = lived{}
	for i, t := range b.texts() {
		var err error
		if *t, err = r.text(); err != nil {
			if i > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}
