package expr

import "github.com/millrace/millrace/sdk/money"

// wantBool adapts null literals to Bool and refuses operands of other types.
func (t *term) wantBool(args []*term) error {
	for i, a := range args {
		if a.typ.Kind == Null {
			args[i] = a.adapt(Type{Kind: Bool})
		}
		if k := args[i].typ.Kind; k != Bool {
			return t.typeErrorf("%s is not a bool", a.describe())
		}
	}
	return nil
}

func (t *term) bindNot() error {
	if err := t.wantBool(t.args); err != nil {
		return err
	}
	t.typ = Type{Kind: Bool}
	t.run = func(b *batch, need bitmap) (*vec, error) {
		v, err := t.args[0].eval(b, need)
		if err != nil {
			return nil, err
		}
		return &vec{typ: t.typ, n: b.n, bits: v.isFalse(b.n), valid: v.rows(b.n)}, nil
	}
	return nil
}

// isTrue are the rows where a Bool vec is true; the caller does not change them.
func (v *vec) isTrue(n int) bitmap {
	if v.konst {
		if v.bool().has(0) {
			return ones(n)
		}
		return newBitmap(n)
	}
	return v.bool()
}

// isFalse are the rows where a Bool vec is false: not true and not null.
func (v *vec) isFalse(n int) bitmap {
	return without(v.rows(n), v.isTrue(n), n)
}

// bindLogic binds and, or. Operands are evaluated from left to right; a fallible one only for
// the rows that are not decided yet, and none once all rows are decided.
func (t *term) bindLogic() error {
	if err := t.wantBool(t.args); err != nil {
		return err
	}
	t.typ = Type{Kind: Bool}
	and := t.op == opAnd
	t.run = func(b *batch, need bitmap) (*vec, error) {
		allTrue, someFalse := ones(b.n), newBitmap(b.n) // for or: with the roles of true and false exchanged
		for i, a := range t.args {
			open := without(need, someFalse, b.n)
			if i > 0 && open.empty() {
				break
			}
			if !a.fallible {
				open = need
			}
			v, err := a.eval(b, open)
			if err != nil {
				return nil, err
			}
			yes, no := v.isTrue(b.n), v.isFalse(b.n)
			if !and {
				yes, no = no, yes
			}
			for w := range allTrue {
				allTrue[w] &= yes[w]
				someFalse[w] |= no[w]
			}
		}
		known := newBitmap(b.n)
		for w := range known {
			known[w] = allTrue[w] | someFalse[w]
		}
		if !and {
			allTrue = someFalse
		}
		// A row that an early end left open for an operand is decided or not needed.
		return &vec{typ: t.typ, n: b.n, bits: both(allTrue, known), valid: known}, nil
	}
	return nil
}

func (t *term) bindIsNull() {
	t.typ, t.nullable = Type{Kind: Bool}, false
	t.run = func(b *batch, need bitmap) (*vec, error) {
		var valid bitmap
		if a := t.args[0]; a.op == opCol && a.typ.Kind == Other {
			if c := b.rec.Column(a.column); c.NullN() > 0 {
				valid = newBitmap(b.n)
				for i := range b.n {
					if c.IsValid(i) {
						valid.set(i)
					}
				}
			}
		} else {
			v, err := a.eval(b, need)
			if err != nil {
				return nil, err
			}
			valid = v.rows(b.n)
		}
		switch {
		case valid == nil && t.op == opIsNull:
			return boolVec(b.n, newBitmap(b.n), nil), nil
		case valid == nil:
			return boolVec(b.n, ones(b.n), nil), nil
		case t.op == opIsNull:
			return boolVec(b.n, without(nil, valid, b.n), nil), nil
		}
		return boolVec(b.n, valid, nil), nil
	}
}

func (t *term) bindBetween() error {
	adaptTogether(t.args)
	low, err := t.comparerOf(t.args[0], t.args[1], relations[opGe])
	if err != nil {
		return err
	}
	high, err := t.comparerOf(t.args[0], t.args[2], relations[opLe])
	if err != nil {
		return err
	}
	t.typ = Type{Kind: Bool}
	t.run = func(b *batch, need bitmap) (*vec, error) {
		v, err := t.evalAll(b, need)
		if err != nil {
			return nil, err
		}
		x := v[0].rows(b.n)
		above := boolVec(b.n, low(v[0], v[1], b.n), both(x, v[1].rows(b.n)))
		below := boolVec(b.n, high(v[0], v[2], b.n), both(x, v[2].rows(b.n)))
		yes, no := both(above.bits, below.bits), above.isFalse(b.n)
		for w, f := range below.isFalse(b.n) {
			no[w] |= f
		}
		if above.valid == nil && below.valid == nil {
			return boolVec(b.n, yes, nil), nil
		}
		for w := range no {
			no[w] |= yes[w] // what is known
		}
		return boolVec(b.n, yes, no), nil
	}
	return nil
}

// bindIn binds membership: by a set where all members are constants of a kind that has one, else by comparing one by one.
func (t *term) bindIn() error {
	adaptTogether(t.args)
	for _, m := range t.args[1:] {
		if _, err := t.comparerOf(t.args[0], m, relations[opEq]); err != nil {
			return err
		}
	}
	t.typ = Type{Kind: Bool}
	null := false // a member is the constant null
	for _, m := range t.args[1:] {
		if m.konst == nil {
			return t.bindInByOne()
		}
		null = null || m.konst.valid != nil && !m.konst.valid.has(0)
	}
	match := t.setMatcher()
	if match == nil {
		return t.bindInByOne()
	}
	t.run = func(b *batch, need bitmap) (*vec, error) {
		v, err := t.args[0].eval(b, need)
		if err != nil {
			return nil, err
		}
		yes := match(v, b.n)
		valid := v.rows(b.n)
		if valid != nil {
			yes = both(yes, valid)
		}
		if null {
			valid = yes // what does not match is unknown
		}
		return boolVec(b.n, yes, valid), nil
	}
	return nil
}

// bindInByOne is x = a or x = b or …, with x evaluated once.
func (t *term) bindInByOne() error {
	equal := make([]comparer, len(t.args))
	for i, m := range t.args[1:] {
		var err error
		if equal[i+1], err = t.comparerOf(t.args[0], m, relations[opEq]); err != nil {
			return err
		}
	}
	t.run = func(b *batch, need bitmap) (*vec, error) {
		v, err := t.evalAll(b, need)
		if err != nil {
			return nil, err
		}
		yes, valid := newBitmap(b.n), v[0].rows(b.n)
		for i, m := range v[1:] {
			known := both(v[0].rows(b.n), m.rows(b.n))
			for w, x := range boolVec(b.n, equal[i+1](v[0], m, b.n), known).bits {
				yes[w] |= x
			}
			valid = both(valid, m.rows(b.n))
		}
		if valid != nil {
			known := newBitmap(b.n)
			for w := range known {
				known[w] = valid[w] | yes[w]
			}
			valid = known
		}
		return boolVec(b.n, yes, valid), nil
	}
	return nil
}

// setMatcher looks values up in the set of the constant members; nil for kinds without sets.
func (t *term) setMatcher() func(v *vec, n int) bitmap {
	x := t.args[0]
	switch {
	case x.typ.Kind == String || x.typ.Kind == Bytes:
		set := map[string]struct{}{}
		for _, m := range t.args[1:] {
			if m.konst.valid == nil {
				set[m.konst.text().at(0)] = struct{}{}
			}
		}
		return func(v *vec, n int) bitmap {
			if t := v.text(); len(set) <= 8 && t.index == nil && t.offsets != nil {
				out := newBitmap(n)
				for c := range set {
					for w, x := range equalTexts(v, c, n) {
						out[w] |= x
					}
				}
				return out
			}
			return matchTexts(v, n, func(s string) bool { _, ok := set[s]; return ok })
		}
	case x.typ.Kind == Int || x.typ.Kind == Date || x.typ.Kind == Timestamp || x.typ.Kind == Decimal:
		set := map[money.Int128]struct{}{}
		for _, m := range t.args[1:] {
			c, r := threshold(m.konst.decimals()[0], scaleOf(m.typ), scaleOf(x.typ), relations[opEq])
			if m.konst.valid == nil && r.equal {
				set[c] = struct{}{}
			}
		}
		if x.typ.Kind == Decimal {
			return func(v *vec, n int) bitmap { return matchSet(v, v.decimals(), set, n) }
		}
		narrow := map[int64]struct{}{}
		for c := range set {
			if i, ok := c.Int64(); ok {
				narrow[i] = struct{}{}
			}
		}
		return func(v *vec, n int) bitmap { return matchSet(v, v.int64s(), narrow, n) }
	}
	return nil
}

// matchSet looks values up; a few members are compared one by one, which is faster.
func matchSet[T comparable](v *vec, values []T, set map[T]struct{}, n int) bitmap {
	out := newBitmap(n)
	mask := v.index()
	if len(set) <= 8 {
		for c := range set {
			for i := range n {
				out[i>>6] |= bit(values[i&mask] == c) << (uint(i) & 63)
			}
		}
		return out
	}
	for i := range n {
		_, ok := set[values[i&mask]]
		out[i>>6] |= bit(ok) << (uint(i) & 63)
	}
	return out
}
