package catalog

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// RowDeletes names rows of data files: for each file's path the positions of rows, counted from 0 over
// the whole file. Order does not matter, and a position that is named twice counts once.
type RowDeletes map[string][]int64

// maxReferences is up to how many data files a delete file lists by name.
const maxReferences = 1000

// WritePositionDeletes writes a position-delete file at a full location, and describes it. bucket is the
// partition bucket of all the data files named, -1 if the table is not bucketed. The location must be new.
// One file for one data file keeps readers fastest: its bounds say which file it is about.
func (l *Lake) WritePositionDeletes(ctx context.Context, location string, bucket int, deletes RowDeletes) (DataFile, error) {
	paths := slices.Sorted(maps.Keys(deletes))
	if len(paths) == 0 {
		return DataFile{}, fault.Usagef("write position deletes %s: there is nothing to delete", location)
	}
	f, err := l.WriteFile(ctx, location, deleteSchema, deleteBatches(paths, deletes), FileOptions{
		Bucket: bucket, Bucketed: bucket >= 0,
		// PyIceberg reads texts of delete files in these encodings only.
		Parquet: parquetfile.WriterOptions{Encodings: map[string]parquetfile.Encoding{deletePath: parquetfile.Dictionary}},
	})
	if err != nil {
		return DataFile{}, err
	}
	f.Content = PositionDeletes
	if len(paths) <= maxReferences {
		f.References = paths
	}
	bounds := f.Columns[DeletePathFieldID] // not truncated, so that equal bounds name the one file
	bounds.Lower, bounds.Upper = []byte(paths[0]), []byte(paths[len(paths)-1])
	f.Columns[DeletePathFieldID] = bounds
	return f, nil
}

// Columns of position-delete files.
const (
	deletePath = "file_path"
	deletePos  = "pos"
)

var deleteSchema = arrow.NewSchema([]arrow.Field{
	{Name: deletePath, Type: arrow.BinaryTypes.String, Metadata: idOf(DeletePathFieldID)},
	{Name: deletePos, Type: arrow.PrimitiveTypes.Int64, Metadata: idOf(DeletePosFieldID)},
}, nil)

func idOf(id int) arrow.Metadata {
	return arrow.NewMetadata([]string{FieldIDKey}, []string{strconv.Itoa(id)})
}

// deleteBatches lists the deletes in order of path and position, as a delete file must.
func deleteBatches(paths []string, deletes RowDeletes) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, path := range paths {
			rows := slices.Clone(deletes[path])
			slices.Sort(rows)
			rows = slices.Compact(rows)
			if len(rows) > 0 && rows[0] < 0 {
				yield(nil, fmt.Errorf("delete row %d of %s: there is no such row", rows[0], path))
				return
			}
			for part := range slices.Chunk(rows, gatherRows) {
				rec := deleteBatch(path, part)
				more := yield(rec, nil)
				rec.Release()
				if !more {
					return
				}
			}
		}
	}
}

func deleteBatch(path string, rows []int64) arrow.RecordBatch {
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	defer texts.Release()
	texts.Append(path)
	dict := texts.NewArray()
	defer dict.Release()
	index := array.NewInt32Builder(memory.DefaultAllocator)
	defer index.Release()
	index.AppendValues(make([]int32, len(rows)), nil)
	zeros := index.NewArray()
	defer zeros.Release()
	paths := array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, zeros, dict)
	defer paths.Release()
	pos := array.NewInt64Builder(memory.DefaultAllocator)
	defer pos.Release()
	pos.AppendValues(rows, nil)
	positions := pos.NewArray()
	defer positions.Release()
	schema := arrow.NewSchema([]arrow.Field{{Name: deletePath, Type: paths.DataType()}, {Name: deletePos, Type: arrow.PrimitiveTypes.Int64}}, nil)
	return array.NewRecordBatch(schema, []arrow.Array{paths, positions}, int64(len(rows)))
}
