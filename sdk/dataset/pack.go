package dataset

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
)

func init() {
	register.DoFn2x2[int64, []byte, int64, []byte](&gatherFn{})
	register.DoFn4x1[context.Context, int64, func(*[]byte) bool, func(int64, []byte), error](&packFn{})
}

// packTarget is how many bytes of input make a task worth its while. Partitions
// that hold less are worked on together, so that a small result is one file and a small
// job one task, whatever the number of partitions.
const packTarget = 8 << 20

// weight estimates a piece's bytes; what is unknown counts as a full task.
func (p piece) weight() int64 {
	switch {
	case p.Segment != nil:
		return p.Segment.Length
	case p.Extent != nil:
		return p.Extent.Length()
	case p.Split == nil:
		return 0
	case p.Split.Bytes > 0:
		return p.Split.Bytes
	case p.Split.Rows > 0:
		return 32 * p.Split.Rows
	}
	return packTarget
}

// pack gives each partition a task: neighbours share one until it is full.
func pack(weights map[int64]int64) map[int64]int64 {
	parts := make([]int64, 0, len(weights))
	for p := range weights {
		parts = append(parts, p)
	}
	slices.Sort(parts)
	tasks := make(map[int64]int64, len(parts))
	task, held := int64(0), int64(0)
	for i, p := range parts {
		if i > 0 && held+weights[p] > packTarget && held > 0 {
			task, held = task+1, 0
		}
		tasks[p] = task
		held += weights[p]
	}
	return tasks
}

// gatherFn brings the descriptors of all partitions to one place, with their partition in front.
type gatherFn struct{}

// ProcessElement moves the partition into the value.
func (gatherFn) ProcessElement(partition int64, data []byte) (int64, []byte) {
	return 0, append(binary.BigEndian.AppendUint64(nil, uint64(partition)), data...)
}

// packFn hands the descriptors out to tasks.
type packFn struct{}

// ProcessElement packs the partitions of one stage.
func (packFn) ProcessElement(_ context.Context, _ int64, next func(*[]byte) bool, emit func(int64, []byte)) error {
	all := drain(next)
	slices.SortFunc(all, slices.Compare)
	out, err := packed(all)
	if err != nil {
		return frame(err)
	}
	for _, m := range out {
		emit(m.partition, m.data)
	}
	return nil
}

// packed packs what gatherFn has made.
func packed(all [][]byte) ([]message, error) {
	out := make([]message, len(all))
	weights := map[int64]int64{}
	for i, data := range all {
		if len(data) < 8 {
			return nil, fmt.Errorf("pack tasks: a descriptor of %d bytes", len(data))
		}
		m := message{int64(binary.BigEndian.Uint64(data)), data[8:]}
		p, err := decodePiece(m.data)
		if err != nil {
			return nil, err
		}
		weights[m.partition] += p.weight()
		out[i] = m
	}
	return repartition(out, pack(weights)), nil
}

// repartition sends messages to the tasks of their partitions.
func repartition(out []message, tasks map[int64]int64) []message {
	for i := range out {
		out[i].partition = tasks[out[i].partition]
	}
	slices.SortStableFunc(out, func(a, b message) int { return cmp.Compare(a.partition, b.partition) })
	return out
}
