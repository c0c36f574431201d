package debezium

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// connectField is a field of Kafka Connect's JSON schema.
type connectField struct {
	Type       string
	Optional   bool
	Name       string
	Field      string
	Parameters map[string]string
	Fields     []connectField
}

const (
	connectDecimal  = "org.apache.kafka.connect.data.Decimal"
	variableDecimal = "io.debezium.data.VariableScaleDecimal"
)

// byName is what Debezium's and Connect's names say about values.
var byName = map[string]struct {
	codec codec
	typ   arrow.DataType
}{
	"io.debezium.time.Timestamp":              {cTsMillis, timestampUS},
	"io.debezium.time.MicroTimestamp":         {cTsMicros, timestampUS},
	"io.debezium.time.NanoTimestamp":          {cTsNanos, timestampUS},
	"io.debezium.time.IsoTimestamp":           {cTsText, timestampUS},
	"io.debezium.time.ZonedTimestamp":         {cTsText, timestampUTC},
	"org.apache.kafka.connect.data.Timestamp": {cTsMillis, timestampUS},
	"io.debezium.time.Date":                   {cDays, arrow.FixedWidthTypes.Date32},
	"io.debezium.time.IsoDate":                {cDateText, arrow.FixedWidthTypes.Date32},
	"org.apache.kafka.connect.data.Date":      {cDays, arrow.FixedWidthTypes.Date32},
	"io.debezium.time.Time":                   {cTimeMillis, arrow.FixedWidthTypes.Time64us},
	"io.debezium.time.MicroTime":              {cTimeMicros, arrow.FixedWidthTypes.Time64us},
	"io.debezium.time.NanoTime":               {cTimeNanos, arrow.FixedWidthTypes.Time64us},
	"io.debezium.time.IsoTime":                {cTimeText, arrow.FixedWidthTypes.Time64us},
	"org.apache.kafka.connect.data.Time":      {cTimeMillis, arrow.FixedWidthTypes.Time64us},
}

// describe names a field's type for people.
func (f connectField) describe() string {
	s := f.Type
	if f.Name != "" {
		s += " (" + f.Name
		if sc := f.Parameters["scale"]; sc != "" {
			s += ", scale " + sc
		}
		s += ")"
	}
	if f.Optional {
		s += ", optional"
	}
	return s
}

// rowFields finds the columns of the inline schema of an envelope or a flattened row; none if it is neither.
func rowFields(schema []byte, flattened bool) ([]connectField, error) {
	var env connectField
	if err := json.Unmarshal(schema, &env); err != nil {
		return nil, fmt.Errorf("inline schema: %w", err)
	}
	if flattened {
		return slices.DeleteFunc(env.Fields, func(f connectField) bool { return strings.HasPrefix(f.Field, "__") }), nil
	}
	for _, image := range []string{"after", "before"} {
		for _, f := range env.Fields {
			if f.Field == image {
				return f.Fields, nil
			}
		}
	}
	return nil, nil
}

// decimalScale is the scale of a Connect Decimal.
func (f connectField) decimalScale() (int32, bool) {
	n, err := strconv.ParseInt(f.Parameters["scale"], 10, 32)
	return int32(n), err == nil && n >= -38 && n <= 38
}

// precision is the precision of a Connect Decimal, 0 where it is not given.
func (f connectField) precision() int32 {
	n, err := strconv.ParseInt(f.Parameters["connect.decimal.precision"], 10, 32)
	if err != nil || n < 1 {
		return 0
	}
	return int32(n)
}

// encoding is how values of a field of this schema are written; cNone if it cannot be told.
func (f connectField) encoding() encoding {
	if f.Name == connectDecimal {
		scale, ok := f.decimalScale()
		if !ok {
			return encoding{}
		}
		return encoding{cDecBytes, scale}
	}
	if k, ok := byName[f.Name]; ok {
		return encoding{codec: k.codec}
	}
	switch f.Type {
	case "int8", "int16", "int32":
		return encoding{codec: cInt32}
	case "int64":
		return encoding{codec: cInt64}
	case "float", "double":
		return encoding{codec: cFloat}
	case "boolean":
		return encoding{codec: cBool}
	case "bytes":
		return encoding{codec: cBinary}
	case "string", "struct", "array", "map":
		return encoding{codec: cText}
	}
	return encoding{}
}

// columnType is the exact type of a column that is learned from the schema.
func (f connectField) columnType(allowDouble bool) (arrow.DataType, string) {
	if f.Name == variableDecimal {
		return nil, "a decimal without a fixed scale: declare the column as decimal128"
	}
	if k, ok := byName[f.Name]; ok {
		return k.typ, ""
	}
	switch e := f.encoding(); e.codec {
	case cDecBytes:
		p := f.precision()
		if p == 0 {
			p = 38
		}
		if e.scale < 0 || p > 38 || e.scale > p {
			return nil, "a decimal beyond 38 digits: declare the column as decimal128"
		}
		return &arrow.Decimal128Type{Precision: p, Scale: e.scale}, ""
	case cInt32:
		return arrow.PrimitiveTypes.Int32, ""
	case cInt64:
		return arrow.PrimitiveTypes.Int64, ""
	case cBool:
		return arrow.FixedWidthTypes.Boolean, ""
	case cBinary:
		return arrow.BinaryTypes.Binary, ""
	case cText:
		return arrow.BinaryTypes.String, ""
	case cFloat:
		if allowDouble {
			return arrow.PrimitiveTypes.Float64, ""
		}
		return nil, "a floating-point number may have lost digits: let the source send strings (decimal.handling.mode=string), declare the column, or allow doubles for it"
	}
	return nil, "an unknown type: declare the column"
}

// fit finds how a column reads values of the field; hint says why it cannot.
func (c *column) fit(f connectField) (e encoding, hint string) {
	e = f.encoding()
	if !c.declared && !(c.timeGiven && f.Name == "") {
		t, hint := f.columnType(c.double)
		if t == nil || !c.holds(t) {
			return encoding{}, hint
		}
	}
	switch c.field.Type.ID() {
	case arrow.STRING:
		if f.Name == connectDecimal || e.codec == cBinary || byName[f.Name].codec != cNone && f.Type != "string" {
			return encoding{}, ""
		}
		return encoding{codec: cText}, ""
	case arrow.DECIMAL128:
		return c.fitDecimal(f, e)
	case arrow.TIMESTAMP, arrow.TIME64, arrow.DATE32:
		return c.fitTime(f, e)
	case arrow.INT64:
		if f.Type == "int8" || f.Type == "int16" || f.Type == "int32" || f.Type == "int64" {
			return encoding{codec: cInt64}, ""
		}
	case arrow.INT32:
		if f.Type == "int8" || f.Type == "int16" || f.Type == "int32" {
			return encoding{codec: cInt32}, ""
		}
	case arrow.BOOL:
		if e.codec == cBool || f.Type == "int8" || f.Type == "int16" {
			return encoding{codec: cBool}, ""
		}
	case arrow.FLOAT64:
		if e.codec == cFloat || e.codec == cInt32 || e.codec == cInt64 {
			return encoding{codec: cFloat}, ""
		}
	case arrow.BINARY:
		if e.codec == cBinary {
			return e, ""
		}
	}
	return encoding{}, ""
}

// holds reports whether every value of type t, which a schema gives, fits a learned column.
func (c *column) holds(t arrow.DataType) bool {
	if a, ok := c.field.Type.(*arrow.Decimal128Type); ok {
		b, ok := t.(*arrow.Decimal128Type)
		return ok && b.Scale <= a.Scale && b.Precision-b.Scale <= a.Precision-a.Scale
	}
	return arrow.TypeEqual(c.field.Type, t) || c.field.Type.ID() == arrow.INT64 && t.ID() == arrow.INT32
}

func (c *column) fitDecimal(f connectField, e encoding) (encoding, string) {
	p := c.field.Type.(*arrow.Decimal128Type)
	switch {
	case f.Name == variableDecimal, f.Type == "string", byName[f.Name].codec == cNone && (e.codec == cInt32 || e.codec == cInt64):
		return encoding{cDecText, p.Scale}, ""
	case e.codec == cFloat && c.double:
		return encoding{cDecText, p.Scale}, ""
	case e.codec == cFloat:
		return encoding{}, "a floating-point number may have lost digits: let the source send strings (decimal.handling.mode=string) or allow doubles for the column"
	case e.codec == cDecBytes && e.scale <= p.Scale && f.precision()-e.scale <= p.Precision-p.Scale:
		return e, ""
	}
	return encoding{}, ""
}

// fitTime accepts the names of the column's own kind, text, and plain integers whose unit Config.Time gives.
func (c *column) fitTime(f connectField, e encoding) (encoding, string) {
	if k, ok := byName[f.Name]; ok {
		if k.typ.ID() == c.field.Type.ID() {
			return e, ""
		}
		return encoding{}, ""
	}
	switch {
	case f.Type == "string":
		return encoding{codec: map[arrow.Type]codec{arrow.TIMESTAMP: cTsText, arrow.TIME64: cTimeText, arrow.DATE32: cDateText}[c.field.Type.ID()]}, ""
	case f.Name == "" && c.timeGiven && (e.codec == cInt64 || e.codec == cInt32):
		return c.plain, ""
	case f.Name == "" && (e.codec == cInt64 || e.codec == cInt32):
		return encoding{}, "a plain integer: say in the configuration how it encodes time"
	}
	return encoding{}, ""
}

// inferType is the type of a column that is learned from one JSON value; nil for null.
func inferType(v []byte, allowDouble bool) (arrow.DataType, string) {
	switch c := v[0]; {
	case c == 'n':
		return nil, ""
	case c == 't' || c == 'f':
		return arrow.FixedWidthTypes.Boolean, ""
	case c == '"' || c == '{' || c == '[':
		return arrow.BinaryTypes.String, ""
	}
	if isDouble(v) {
		if allowDouble {
			return arrow.PrimitiveTypes.Float64, ""
		}
		return nil, "a JSON number with a fraction: declare the column as decimal128, or allow doubles for it"
	}
	if _, msg := parseInt(bytes.TrimSpace(v)); msg != "" {
		return nil, "an integer of more than 64 bits: declare the column as decimal128"
	}
	return arrow.PrimitiveTypes.Int64, ""
}
