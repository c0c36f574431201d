package debezium

import (
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
)

// Evolve says what happens when events carry a field that the columns lack.
type Evolve uint8

// The policies. Under each of them a field whose type no longer fits its column is an error.
const (
	EvolveAdd    Evolve = iota // the field becomes a nullable column, last in the schema
	EvolveFail                 // ErrSchemaChange
	EvolveIgnore               // the field is not decoded
)

// TimeEncoding is how a source writes a date or time as a JSON number.
type TimeEncoding uint8

// The encodings, named after Debezium's and Kafka Connect's schema names.
const (
	Millis TimeEncoding = iota + 1 // Timestamp, Time: milliseconds since 1970 or midnight
	Micros                         // MicroTimestamp, MicroTime: microseconds
	Nanos                          // NanoTimestamp, NanoTime: nanoseconds, rounded down to microseconds
	Days                           // Date: days since 1970
)

// DecimalEncoding is how a source writes decimals where no inline schema says so.
type DecimalEncoding uint8

// The encodings, after Debezium's decimal.handling.mode.
const (
	DecimalText   DecimalEncoding = iota // "string": decimal digits in quotes, or a JSON integer
	DecimalBase64                        // "precise": base64 of the unscaled value, at the declared scale
)

// Config describes the table whose events a Decoder decodes.
type Config struct {
	// Table is the lake table's base name, copied into batches.
	Table string
	// Schema declares columns: int32, int64, utf8, bool, decimal128, timestamp[us] with
	// no zone or UTC, date32, time64[us], binary, float64. Fields that events carry
	// besides are subject to Evolve. A column that is not nullable refuses events
	// without a value, except deletes. Nil: the first event's fields are the columns,
	// exactly as its inline schema has them, or else int64, utf8 or bool by their values
	// (nullable but for the key; a field that is null joins when it first has a value).
	Schema *arrow.Schema
	// Key names the primary key's columns. Nil: the fields of the first message key.
	Key    []string
	Evolve Evolve
	// AllowDouble names columns for which a JSON number with a fraction or exponent is
	// taken at its digits: for decimals from decimal.handling.mode=double, and to learn
	// a column as float64. A column declared float64 needs no entry.
	AllowDouble []string
	// AllowUnavailable names columns that become null where PostgreSQL sent no value for an unchanged TOASTed column.
	AllowUnavailable []string
	// Time says how numbers encode time in columns without inline schema. Default: Micros for timestamps and times, Days for dates.
	// ISO 8601 text is accepted always; without a zone it is UTC. A column that is named here
	// and learned from values is a timestamp[us], or a date32 for Days.
	Time map[string]TimeEncoding
	// Decimals says how decimals are written where there is no inline schema.
	Decimals DecimalEncoding
	// Flattened says that events went through Debezium's ExtractNewRecordState: the
	// value is the row itself, and what the transform's add.fields adds starts with two
	// underscores. It must add op; lsn (or file and pos), source.ts_ms and the transaction's
	// id and total_order are used where they are added. Deletes must be rewritten
	// (delete.tombstone.handling.mode=rewrite): a tombstone deletes nothing here.
	Flattened bool
	// BatchRows is the largest number of rows in a batch. 0: 8192.
	BatchRows int
}

// validate reports the first mistake in c and fills in defaults.
func (c *Config) validate() error {
	if c.BatchRows == 0 {
		c.BatchRows = 8192
	}
	if c.BatchRows < 1 || c.BatchRows > math.MaxInt32/64 {
		return fault.Usagef("table %s: batches of %d rows: choose between 1 and %d", c.Table, c.BatchRows, math.MaxInt32/64)
	}
	if c.Evolve > EvolveIgnore || c.Decimals > DecimalBase64 {
		return fault.Usagef("table %s: unknown schema policy or decimal encoding", c.Table)
	}
	if c.Schema == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, f := range c.Schema.Fields() {
		if seen[f.Name] {
			return fault.Usagef("table %s: column %s is declared twice", c.Table, f.Name)
		}
		seen[f.Name] = true
		if c.Time[f.Name] != 0 && !takesTime(f.Type) {
			return fault.Usagef("table %s: column %s: a time encoding is configured but the type is %s", c.Table, f.Name, f.Type)
		}
		if _, err := c.defaultEncoding(f); err != nil {
			return fault.Mark(fault.Usage, fmt.Errorf("table %s: column %s: %w", c.Table, f.Name, err))
		}
	}
	if c.Evolve != EvolveAdd {
		for _, k := range c.Key {
			if !seen[k] {
				return fault.Usagef("table %s: key column %s is not among the declared columns", c.Table, k)
			}
		}
	}
	return nil
}

func (c *Config) allowsDouble(column string) bool { return slices.Contains(c.AllowDouble, column) }
