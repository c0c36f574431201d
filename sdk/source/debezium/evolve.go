package debezium

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// maxFamilies bounds the inline schemas that are kept.
const maxFamilies = 8

// column makes a column of a field.
func (d *Decoder) column(f arrow.Field) (column, error) {
	plain, err := d.cfg.defaultEncoding(f)
	if err != nil {
		return column{}, err
	}
	c := column{
		field: f, store: storeOf(f.Type), plain: plain, double: d.cfg.allowsDouble(f.Name), timeGiven: d.cfg.Time[f.Name] != 0,
		unavailable: slices.Contains(d.cfg.AllowUnavailable, f.Name),
	}
	if t, ok := f.Type.(*arrow.Decimal128Type); ok {
		c.limit, c.scale = powerOfTen(t.Precision), t.Scale
	}
	return c, nil
}

// relayout makes a layout of cols the current one. Columns of the key are marked.
func (d *Decoder) relayout(cols []column) {
	cols = slices.Clone(cols)
	for c := range cols {
		cols[c].key = slices.Contains(d.keys, cols[c].field.Name)
		if cols[c].key && !cols[c].declared {
			cols[c].field.Nullable = false
		}
	}
	d.use(newLayout(cols, d.cfg.Flattened))
}

// read scans a message, after the columns have been fitted to it where the policy allows.
func (d *Decoder) read(value []byte) (null bool, err error) {
	d.s.rec = !d.scanOnly && d.learner.due()
	defer func() { d.s.rec = false }()
	var fam *family
	for range 10 { // a late schema, its adoption, new fields: one pass each, and some again
		null, ok := d.s.scan(d.lay.root, value, fam)
		if !ok {
			if err = d.retrySchema(value, fam); err != nil {
				return false, err
			}
		}
		changed := true
		switch {
		case null:
			return true, nil
		case d.s.schemaAt.b > 0:
			fam, err = nil, d.adopt(value)
		case d.s.late != nil:
			fam = d.s.late
		case len(d.s.news) > 0:
			fam = nil // families belong to a layout
			changed, err = d.evolve(d.s.news)
		default:
			changed = false
		}
		if err != nil {
			return false, err
		}
		if !changed {
			if d.s.rec {
				d.learn(value)
			}
			return false, nil
		}
	}
	return false, &DecodeError{Byte: -1, Msg: "the columns cannot be learned from the message"}
}

// retrySchema looks for an inline schema behind a payload that could not be
// decoded without it. It returns the scanner's error if there is none.
func (d *Decoder) retrySchema(value []byte, fam *family) error {
	e := d.s.err
	if e.Column == "" || fam != nil {
		return &e
	}
	d.s.metaOnly = true
	_, ok := d.s.scan(d.lay.root, value, nil)
	d.s.metaOnly = false
	if !ok || d.s.schemaAt.b == 0 && d.s.late == nil {
		return &e
	}
	return nil
}

// adopt makes a family of the inline schema that the scanner has found, and fits the columns to it.
func (d *Decoder) adopt(value []byte) error {
	text := value[d.s.schemaAt.a:d.s.schemaAt.b]
	fields, err := rowFields(text, d.cfg.Flattened)
	if err != nil {
		return &DecodeError{Byte: int(d.s.schemaAt.a), Msg: err.Error()}
	}
	cols, changed, err := d.fitColumns(fields)
	if err != nil {
		return err
	}
	if changed {
		d.relayout(cols)
	}
	f := &family{schema: slices.Clone(text), enc: slices.Clone(d.lay.plain.enc)}
	for _, field := range fields {
		if c, ok := d.lay.byName[field.Field]; ok {
			f.enc[c], _ = d.lay.cols[c].fit(field)
		}
	}
	if end := d.s.payloadAfter(value, int(d.s.schemaAt.b)); end > 0 {
		f.prefix = slices.Clone(value[:end])
	}
	d.lay.inline = slices.Insert(d.lay.inline[:min(len(d.lay.inline), maxFamilies-1)], 0, f)
	return nil
}

// payloadAfter is where the payload starts if it follows at i, else 0.
func (s *scanner) payloadAfter(b []byte, i int) int {
	if i = space(b, i); i >= len(b) || b[i] != ',' {
		return 0
	}
	i = space(b, i+1)
	const name = `"payload"`
	if len(b)-i < len(name) || string(b[i:i+len(name)]) != name {
		return 0
	}
	return max(0, s.colon(b, i+len(name)))
}

// fitColumns compares the columns with an inline schema's fields and returns what they become under the policy.
func (d *Decoder) fitColumns(fields []connectField) (cols []column, changed bool, err error) {
	cols = slices.Clone(d.lay.cols)
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		seen[f.Field] = true
		c, ok := d.lay.byName[f.Field]
		if !ok {
			col, add, err := d.addField(f)
			if err != nil {
				return nil, false, err
			}
			if add {
				cols, changed = append(cols, col), true
			}
			continue
		}
		if e, hint := cols[c].fit(f); e.codec == cNone {
			return nil, false, d.schemaChange(f.Field, cols[c].describe(), f.describe(), hint)
		}
		relaxed, err := d.relax(&cols[c], f.Optional, f.describe())
		if err != nil {
			return nil, false, err
		}
		changed = changed || relaxed
	}
	for c := range cols {
		if len(fields) == 0 || seen[cols[c].field.Name] {
			continue
		}
		relaxed, err := d.relax(&cols[c], true, "")
		if err != nil {
			return nil, false, err
		}
		changed = changed || relaxed
	}
	return cols, changed, nil
}

// addField makes a column of a field of an inline schema, if the policy wants one.
func (d *Decoder) addField(f connectField) (c column, add bool, err error) {
	if d.learned && !d.s.newsFrom.untyped[f.Field] {
		switch d.cfg.Evolve {
		case EvolveIgnore:
			return c, false, nil
		case EvolveFail:
			return c, false, d.schemaChange(f.Field, "", f.describe(), "")
		}
	}
	t, hint := f.columnType(d.cfg.allowsDouble(f.Field))
	if t == nil {
		return c, false, d.schemaChange(f.Field, "", f.describe(), hint)
	}
	if f.Name == "" && t.ID() == arrow.INT64 {
		t = d.cfg.timeType(f.Field, t)
	}
	c, err = d.column(arrow.Field{Name: f.Field, Type: t, Nullable: f.Optional || d.learned})
	return c, true, err
}

// relax makes a learned column nullable where the source now sends nulls or nothing (now is "").
func (d *Decoder) relax(c *column, nulls bool, now string) (changed bool, err error) {
	if !nulls || c.declared || c.key {
		return false, nil
	}
	if d.learned && d.cfg.Evolve == EvolveFail && (now == "" || !c.field.Nullable) {
		return false, d.schemaChange(c.field.Name, c.describe(), now, "")
	}
	if c.field.Nullable || d.learned && d.cfg.Evolve == EvolveIgnore {
		return false, nil
	}
	c.field.Nullable = true
	return true, nil
}

func (c *column) describe() string {
	s := c.field.Type.String()
	if c.field.Nullable {
		s += ", optional"
	}
	return s
}

// evolve makes columns of fields that have none, by their values, where the
// policy allows. changed is false if the columns stay as they are.
func (d *Decoder) evolve(news []newField) (changed bool, err error) {
	cols := slices.Clone(d.lay.cols)
	added := map[string]bool{}
	for _, f := range news {
		if added[f.name] {
			continue
		}
		known := d.s.newsFrom.untyped[f.name]
		t, hint := inferType(f.value, d.cfg.allowsDouble(f.name))
		if d.learned && d.cfg.Evolve == EvolveFail && !known {
			what := "unknown"
			if t != nil {
				what = t.String()
			}
			return false, d.schemaChange(f.name, "", what, hint)
		}
		if t == nil && hint != "" {
			return false, &DecodeError{Byte: -1, Column: f.name, Key: f.image == hasKey, Msg: hint}
		}
		if t == nil {
			d.untyped = append(d.untyped, f.name)
			continue
		}
		c, err := d.column(arrow.Field{Name: f.name, Type: d.cfg.timeType(f.name, t), Nullable: true})
		if err != nil {
			return false, fmt.Errorf("table %s: column %s: %w", d.cfg.Table, f.name, err)
		}
		cols, added[f.name] = append(cols, c), true
	}
	if len(added) > 0 {
		d.relayout(cols)
	}
	return len(added) > 0, nil
}

func (d *Decoder) schemaChange(column, old, now, hint string) error {
	return &SchemaChangeError{Table: d.cfg.Table, Column: column, Old: old, New: now, Hint: hint}
}
