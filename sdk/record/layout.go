package record

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// column says where a field lies in the struct and what its column is.
type column struct {
	goName   string // path of the field, for messages
	name     string
	offset   uintptr
	typ      reflect.Type // without the pointer
	pointer  bool
	nullable bool
	key      bool
	arrow    arrow.DataType
	kind     valueKind
	scale    int // of a decimal
	prec     int
}

// valueKind is how a value is moved between a field and a column.
type valueKind uint8

const (
	kindBool valueKind = iota
	kindInt8
	kindInt16
	kindInt32
	kindInt64
	kindUint8
	kindUint16
	kindUint32
	kindUint64
	kindFloat32
	kindFloat64
	kindString
	kindBytes
	kindTimestamp
	kindLocal
	kindDate
	kindDecimal
	kindCurrency
)

var (
	timeType     = reflect.TypeFor[time.Time]()
	decimalType  = reflect.TypeFor[money.Decimal]()
	currencyType = reflect.TypeFor[money.Currency]()
)

// SchemaOf is the Arrow schema of rows of type T. It fails with ErrType.
func SchemaOf[T any]() (*arrow.Schema, error) {
	cols, err := layoutOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	return schemaOf(cols), nil
}

// KeyOf are the names of T's columns that have the key option, in field order. It fails with ErrType.
func KeyOf[T any]() ([]string, error) {
	cols, err := layoutOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	var key []string
	for _, c := range cols {
		if c.key {
			key = append(key, c.name)
		}
	}
	return key, nil
}

func schemaOf(cols []column) *arrow.Schema {
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = arrow.Field{Name: c.name, Type: c.arrow, Nullable: c.nullable}
	}
	return arrow.NewSchema(fields, nil)
}

// layoutOf finds the columns of a struct type.
func layoutOf(t reflect.Type) ([]column, error) {
	if t.Kind() != reflect.Struct || t == timeType || t == decimalType || t == currencyType {
		return nil, fault.Usagef("%w: %v: want a struct with a field for each column", ErrType, t)
	}
	var cols []column
	if err := appendFields(&cols, t, 0, t.Name()); err != nil {
		return nil, err
	}
	seen := map[string]string{}
	for _, c := range cols {
		if other, twice := seen[c.name]; twice {
			return nil, fault.Usagef("%w: fields %s and %s have the same column %q", ErrType, other, c.goName, c.name)
		}
		seen[c.name] = c.goName
	}
	if len(cols) == 0 {
		return nil, fault.Usagef("%w: %v has no exported field", ErrType, t)
	}
	return cols, nil
}

func appendFields(cols *[]column, t reflect.Type, base uintptr, path string) error {
	for f := range t.Fields() {
		tag, tagged := f.Tag.Lookup("lake")
		name := path + "." + f.Name
		switch {
		case tag == "-":
			continue
		case f.Anonymous && f.Type.Kind() == reflect.Struct && !tagged && !isValueType(f.Type):
			if err := appendFields(cols, f.Type, base+f.Offset, name); err != nil {
				return err
			}
			continue
		case !f.IsExported():
			if tagged {
				return fault.Usagef("%w: field %s has a lake tag but is not exported", ErrType, name)
			}
			continue
		}
		c := column{goName: name, name: snakeCase(f.Name), offset: base + f.Offset, typ: f.Type}
		if err := c.setType(tag); err != nil {
			return fault.Usagef("%w: field %s: %w", ErrType, name, err)
		}
		*cols = append(*cols, c)
	}
	return nil
}

func isValueType(t reflect.Type) bool {
	return t == timeType || t == decimalType || t == currencyType
}

// options are the parsed parts of a tag.
type options struct {
	name                       string
	date, local, nullable, key bool
	decimal                    bool
	precision, scale           int
}

func parseTag(tag string) (o options, err error) {
	parts := splitOutsideParens(tag)
	o.name = strings.TrimSpace(parts[0])
	for _, p := range parts[1:] {
		switch p = strings.TrimSpace(p); {
		case p == "date":
			o.date = true
		case p == "local":
			o.local = true
		case p == "nullable":
			o.nullable = true
		case p == "key":
			o.key = true
		case strings.HasPrefix(p, "decimal(") && strings.HasSuffix(p, ")"):
			o.decimal = true
			ps, ss, _ := strings.Cut(p[len("decimal("):len(p)-1], ",")
			var errP, errS error
			o.precision, errP = strconv.Atoi(strings.TrimSpace(ps))
			o.scale, errS = strconv.Atoi(strings.TrimSpace(ss))
			if errP != nil || errS != nil || o.precision < 1 || o.precision > money.MaxPrecision || o.scale < 0 || o.scale > o.precision {
				return o, fmt.Errorf("option %s: want decimal(precision,scale) with a precision of 1 to 38 and a scale of 0 to the precision", p)
			}
		default:
			return o, fmt.Errorf("unknown option %q: want decimal(p,s), date, local, nullable or key", p)
		}
	}
	return o, nil
}

func splitOutsideParens(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i, r := range s {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth <= 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// setType takes the tag and finds the column's type.
func (c *column) setType(tag string) error {
	o, err := parseTag(tag)
	if err != nil {
		return err
	}
	if o.name != "" {
		c.name = o.name
	}
	if c.typ.Kind() == reflect.Pointer {
		c.pointer = true
		c.typ = c.typ.Elem()
	}
	c.nullable, c.key = o.nullable || c.pointer, o.key
	c.prec, c.scale = o.precision, o.scale
	switch {
	case o.key && c.pointer:
		return fmt.Errorf("a key column cannot be null: do not use a pointer")
	case o.decimal != (c.typ == decimalType):
		return fmt.Errorf("type %v: a money.Decimal needs the option decimal(p,s), and only it takes it", c.typ)
	case (o.date || o.local) && c.typ != timeType || o.date && o.local:
		return fmt.Errorf("type %v: only a time.Time takes one of the options date and local", c.typ)
	}
	return c.setKind(o)
}

func (c *column) setKind(o options) error {
	switch c.typ {
	case timeType:
		switch {
		case o.date:
			c.kind, c.arrow = kindDate, arrow.FixedWidthTypes.Date32
		case o.local:
			c.kind, c.arrow = kindLocal, &arrow.TimestampType{Unit: arrow.Microsecond}
		default:
			c.kind, c.arrow = kindTimestamp, arrow.FixedWidthTypes.Timestamp_us
		}
		return nil
	case decimalType:
		c.kind, c.arrow = kindDecimal, &arrow.Decimal128Type{Precision: int32(o.precision), Scale: int32(o.scale)}
		return nil
	case currencyType:
		c.kind, c.arrow = kindCurrency, arrow.BinaryTypes.String
		return nil
	}
	if c.typ.Kind() == reflect.Slice && c.typ.Elem().Kind() == reflect.Uint8 {
		c.kind, c.arrow = kindBytes, arrow.BinaryTypes.Binary
		return nil
	}
	basic, ok := basicKinds[c.typ.Kind()]
	if !ok {
		return fmt.Errorf("type %v is not supported: want a bool, number, string, []byte, time.Time, money.Decimal, money.Currency or a pointer to one", c.typ)
	}
	c.kind, c.arrow = basic.kind, basic.arrow
	return nil
}

var basicKinds = map[reflect.Kind]struct {
	kind  valueKind
	arrow arrow.DataType
}{
	reflect.Bool: {kindBool, arrow.FixedWidthTypes.Boolean},
	reflect.Int8: {kindInt8, arrow.PrimitiveTypes.Int8}, reflect.Int16: {kindInt16, arrow.PrimitiveTypes.Int16},
	reflect.Int32: {kindInt32, arrow.PrimitiveTypes.Int32}, reflect.Int64: {kindInt64, arrow.PrimitiveTypes.Int64},
	reflect.Int:   {kindInt64, arrow.PrimitiveTypes.Int64},
	reflect.Uint8: {kindUint8, arrow.PrimitiveTypes.Uint8}, reflect.Uint16: {kindUint16, arrow.PrimitiveTypes.Uint16},
	reflect.Uint32: {kindUint32, arrow.PrimitiveTypes.Uint32}, reflect.Uint64: {kindUint64, arrow.PrimitiveTypes.Uint64},
	reflect.Uint:    {kindUint64, arrow.PrimitiveTypes.Uint64},
	reflect.Float32: {kindFloat32, arrow.PrimitiveTypes.Float32}, reflect.Float64: {kindFloat64, arrow.PrimitiveTypes.Float64},
	reflect.String: {kindString, arrow.BinaryTypes.String},
}

// snakeCase turns BookedAt into booked_at and AccountID into account_id: a new word starts at
// an upper-case letter that follows another kind of character, or precedes a lower-case letter.
func snakeCase(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && runes[i-1] != '_' &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
