package sqlio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
)

// DefaultBatchRows is the most rows of a batch by default.
const DefaultBatchRows = 8192

// result is a query's rows as a server writes them.
type result interface {
	columns() ([]column, error)
	// next gives the texts of a row, nil for null, valid until the next call, or io.EOF.
	next() ([][]byte, error)
	close() error
	// kind says what kind of failure an error of the server is.
	kind(err error) fault.Kind
	// late reports whether the server itself has ended the query, for its time.
	late(err error) bool
}

// Reader reads the rows of a query. It is used by one goroutine.
type Reader struct {
	config  Config
	ctx     context.Context // of the whole reading, with the time-out
	cancel  context.CancelFunc
	rows    result
	columns []column
	schema  *arrow.Schema
	build   *array.RecordBuilder
	batch   int
	count   int64
	err     error
}

// Options are what a program, and no configuration file, says. The zero value is ready to use.
type Options struct {
	BatchRows int // most rows of a batch; 0: DefaultBatchRows
}

// Open runs the query. ctx governs all of the reading. Close the reader.
func Open(ctx context.Context, c Config, o Options) (*Reader, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := &Reader{config: c, batch: cmp.Or(o.BatchRows, DefaultBatchRows)}
	r.ctx, r.cancel = context.WithTimeoutCause(ctx, c.timeout(), c.late())
	if err := r.open(); err != nil {
		return nil, errors.Join(r.explain(err), r.Close())
	}
	return r, nil
}

func (r *Reader) open() (err error) {
	if strings.HasPrefix(r.config.URL, "postgres") {
		r.rows, err = openPostgres(r.ctx, &r.config)
	} else {
		r.rows, err = openMariaDB(r.ctx, &r.config)
	}
	if err != nil {
		return err
	}
	if r.columns, err = r.rows.columns(); err != nil {
		return err
	}
	if r.schema, err = schemaOf(r.columns, &r.config); err != nil {
		return err
	}
	r.build = array.NewRecordBuilder(memory.DefaultAllocator, r.schema)
	return nil
}

// explain says of which query an error is, and of which kind.
func (r *Reader) explain(err error) error {
	if cause := context.Cause(r.ctx); cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	} else if r.rows != nil && r.rows.late(err) {
		err = fmt.Errorf("%w: %w", r.config.late(), err)
	} else if r.rows != nil {
		err = fault.Mark(r.rows.kind(err), err)
	}
	return fmt.Errorf("query of %s (%s): %w", r.config.Place(), r.config.asked(), err)
}

// Schema of the rows: the query's columns by their names, all nullable.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// Counts says what was read so far.
func (r *Reader) Counts() files.Counts { return files.Counts{Records: r.count, Rows: r.count} }

// Next returns the next batch, which the caller releases, or io.EOF. ctx may end it early, and with it the reading.
func (r *Reader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := 0
	for n < r.batch && r.err == nil {
		if r.err = r.row(); r.err == nil {
			n++
		}
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		r.err = r.explain(r.err)
		return nil, r.err
	}
	if n == 0 {
		return nil, r.err
	}
	return r.build.NewRecordBatch(), nil
}

func (r *Reader) row() error {
	texts, err := r.rows.next()
	if err != nil {
		return err
	}
	r.count++
	for i, text := range texts {
		if text == nil {
			r.build.Field(i).AppendNull()
			continue
		}
		if err := r.columns[i].append(r.build.Field(i), text); err != nil {
			return fault.Usagef("row %d: column %s: %w", r.count, r.columns[i].name, err)
		}
	}
	return nil
}

// Close ends the query and frees what the reader holds. It may be called early and more than once.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	r.cancel()
	if r.build != nil {
		r.build.Release()
		r.build = nil
	}
	if r.rows == nil {
		return nil
	}
	rows := r.rows
	r.rows = nil
	return rows.close()
}

// schemaOf checks the columns and makes their schema.
func schemaOf(columns []column, c *Config) (*arrow.Schema, error) {
	var fields []arrow.Field
	var names []string
	for _, col := range columns {
		if slices.Contains(names, col.name) {
			return nil, fault.Usagef("two columns are called %q: name them with AS", col.name)
		}
		names = append(names, col.name)
		if col.float && !slices.Contains(c.Floats, col.name) {
			return nil, fault.Usagef("column %s is %s, which is not exact: cast it to DECIMAL, or name it in floats", col.name, col.from)
		}
		if col.kind == refused {
			return nil, fault.Usagef("column %s is %s: cast it", col.name, col.from)
		}
		fields = append(fields, arrow.Field{Name: col.name, Type: col.arrow(), Nullable: true})
	}
	if len(fields) == 0 {
		return nil, fault.Usagef("the query gives no columns")
	}
	for what, list := range map[string][]string{"ref": c.Ref, "floats": c.Floats} {
		for _, n := range list {
			if !slices.Contains(names, n) {
				return nil, fault.Usagef("%s: the query has no column %q", what, n)
			}
		}
	}
	return arrow.NewSchema(fields, nil), nil
}
