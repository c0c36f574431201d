package debezium

import (
	"math/bits"
)

// learnKey takes the key's columns from a message key, wrapped or not. A key that is no object teaches nothing.
func (d *Decoder) learnKey(key []byte) {
	fields := d.keyFields(key)
	if len(fields) == 0 {
		return
	}
	d.keys, d.keyed = nil, true
	for _, f := range fields {
		d.keys = append(d.keys, f.name)
	}
	if len(d.lay.cols) > 0 {
		d.relayout(d.lay.cols)
	}
}

// keyFields lists the members of a message key.
func (d *Decoder) keyFields(key []byte) []newField {
	i := space(key, 0)
	if i == len(key) || key[i] != '{' {
		return nil
	}
	if null, ok := d.k.scan(&node{}, key, nil); null || !ok {
		return nil
	}
	fields := d.k.members(key[i:])
	for _, f := range fields {
		if f.name == "payload" && f.value[0] == '{' {
			return d.k.members(f.value)
		}
	}
	return fields
}

// members lists the members of an object that has been validated; of a name that comes twice, the last.
func (s *scanner) members(b []byte) []newField {
	var out []newField
	at := map[string]int{}
	for i := space(b, 1); b[i] == '"'; {
		a := i + 1
		e, _ := s.quoted(b, a)
		i = s.colon(b, e+1)
		end := s.skip(b, i)
		k := len(s.scratch)
		s.unescape(b[a:e])
		name := string(s.scratch[k:])
		s.scratch = s.scratch[:k]
		f := newField{hasKey, name, b[i:end]}
		if j, ok := at[name]; ok {
			out[j] = f
		} else {
			at[name] = len(out)
			out = append(out, f)
		}
		if i = space(b, end); b[i] == ',' {
			i = space(b, i+1)
		}
	}
	return out
}

// deletedRow completes the image before of a delete by the message key, where
// the source did not send the key's columns in the image.
func (d *Decoder) deletedRow(key, value []byte) error {
	if d.missingKey() != "" {
		if err := d.learnFromKey(key, value); err != nil {
			return err
		}
	}
	if d.s.present&hasBefore != 0 && d.keyMissing(&d.s, d.lay.before) < 0 {
		return nil
	}
	if len(d.keys) == 0 {
		return &DecodeError{Byte: -1, Msg: "a delete with neither an image before nor a key"}
	}
	d.k.fam = d.s.fam
	null, ok := d.k.scan(d.lay.keyRoot, key, d.s.fam)
	if !ok {
		e := d.k.err
		e.Key = true
		return &e
	}
	if c := d.keyMissing(&d.k, d.lay.before); null || c >= 0 {
		name := ""
		if c >= 0 {
			name = d.lay.cols[c].field.Name
		}
		return &DecodeError{Byte: -1, Column: name, Key: true, Msg: "a delete needs the value of every key column"}
	}
	d.takeKey(key)
	return nil
}

// deletedFlat checks a flattened delete, whose row has at least the key.
func (d *Decoder) deletedFlat() error {
	name := d.missingKey()
	if c := d.keyMissing(&d.s, firstColumn); c >= 0 && name == "" {
		name = d.lay.cols[c].field.Name
	}
	if name != "" || len(d.keys) == 0 {
		return &DecodeError{Byte: -1, Column: name, Msg: "a delete needs the value of every key column"}
	}
	return nil
}

// keyMissing is a key column without a value in the image of s whose first slot is first, or -1.
func (d *Decoder) keyMissing(s *scanner, first int) int {
	for w, need := range d.lay.keys {
		if miss := need &^ s.set[first>>6+w]; miss != 0 {
			return w<<6 + bits.TrailingZeros64(miss)
		}
	}
	return -1
}

// takeKey copies the key's values from its scanner into the image before.
func (d *Decoder) takeKey(key []byte) {
	for c, col := range d.lay.cols {
		if !col.key {
			continue
		}
		slot := d.lay.before + c
		d.s.num[slot], d.s.high[slot] = d.k.num[slot], d.k.high[slot]
		if col.store == inBytes {
			a := len(d.s.scratch)
			d.s.scratch = append(d.s.scratch, d.k.text(slot, key)...)
			d.s.str[slot] = span{int32(a), int32(len(d.s.scratch)), true}
		}
		d.s.have(slot)
	}
}

// learnFromKey makes columns of the key's members, when a delete is the first event of a table.
func (d *Decoder) learnFromKey(key, value []byte) error {
	if d.learned && d.cfg.Evolve != EvolveAdd {
		return &DecodeError{Byte: -1, Column: d.missingKey(), Msg: "the key's column is not among the table's columns"}
	}
	var news []newField
	for _, f := range d.keyFields(key) {
		if _, ok := d.lay.byName[f.name]; !ok {
			news = append(news, f)
		}
	}
	if _, err := d.evolve(news); err != nil {
		return err
	}
	if name := d.missingKey(); name != "" {
		return &DecodeError{Byte: -1, Column: name, Key: true, Msg: "a delete needs the value of every key column"}
	}
	_, err := d.read(value)
	return err
}
