package debezium

import (
	"bytes"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/change"
)

// notWanted is the slot of a hole whose value no column takes.
const notWanted = -1

// hole is a value's place within a message.
type hole struct{ a, b, slot int32 }

// learner rations learning, which costs a few times a scan: a stream without
// stable shapes must not pay for it on every message.
type learner struct {
	hits, learned int // decaying counts
	pause, length int // messages not to learn from; the last pause's length
}

// due reports whether to learn from the next message.
func (l *learner) due() bool {
	if l.pause > 0 {
		l.pause--
		return false
	}
	return true
}

// backOff doubles the pause.
func (l *learner) backOff() {
	l.length = min(2*l.length+1, 1<<14)
	l.pause = l.length
}

// count notes that a shape was learned, and backs off if shapes are of little use.
func (l *learner) count() {
	if l.learned++; l.learned > 64 && l.hits < 4*l.learned {
		l.backOff()
	} else {
		l.length = 0
	}
	if l.learned > 1024 {
		l.learned, l.hits = l.learned/2, l.hits/2
	}
}

// Bounds on what is learned.
const (
	maxHoles   = 4096
	maxLearned = 256 << 10 // bytes of a message
)

// learn makes or refines a shape from a message that the scanner has accepted.
func (d *Decoder) learn(msg []byte) {
	f := d.s.fam
	if d.s.dup || f.prefix == nil || len(msg) > maxLearned || !bytes.HasPrefix(msg, f.prefix) {
		d.learner.backOff()
		return
	}
	holes, ok := shift(d.s.holes, len(f.prefix))
	if !ok || len(holes) == 0 || len(holes) > maxHoles {
		d.learner.backOff()
		return
	}
	msg = msg[len(f.prefix):]
	at := slices.IndexFunc(f.shapes, func(sh *shape) bool { return sameSkeleton(sh.base, sh.holes, msg, holes) })
	var sh *shape
	if at >= 0 {
		sh = f.shapes[at]
		for j, h := range holes {
			o := sh.holes[j]
			sh.vary[j] = sh.vary[j] || string(msg[h.a:h.b]) != string(sh.base[o.a:o.b])
		}
		f.shapes = slices.Delete(f.shapes, at, at+1)
	} else {
		sh = &shape{vary: make([]bool, len(holes))}
		f.shapes = f.shapes[:min(len(f.shapes), maxShapes-1)]
	}
	sh.base, sh.holes, sh.present = bytes.Clone(msg), slices.Clone(holes), d.s.present
	sh.build(d.lay, f)
	f.shapes = slices.Insert(f.shapes, 0, sh)
	d.learner.count()
}

// shift moves holes by n bytes to the left and drops those before. ok is false if one of these was wanted.
func shift(holes []hole, n int) (out []hole, ok bool) {
	for _, h := range holes {
		h.a, h.b = h.a-int32(n), h.b-int32(n)
		if h.a >= 0 {
			out = append(out, h)
		} else if h.slot != notWanted {
			return nil, false
		}
	}
	return out, true
}

// sameSkeleton reports whether two messages differ in their holes only.
func sameSkeleton(a []byte, ha []hole, b []byte, hb []hole) bool {
	if len(ha) != len(hb) {
		return false
	}
	var pa, pb int32
	for j := range ha {
		if ha[j].slot != hb[j].slot || string(a[pa:ha[j].a]) != string(b[pb:hb[j].a]) {
			return false
		}
		pa, pb = ha[j].b, hb[j].b
	}
	return string(a[pa:]) == string(b[pb:])
}

// build makes the steps. Unwanted values and words of the envelope that have
// not varied belong to the literals.
func (sh *shape) build(l *layout, f *family) {
	sh.steps, sh.fixed, sh.set = nil, nil, make([]uint64, l.words)
	needless, need := sh.needless()
	text := string(sh.base)
	p := int32(0)
	for j, h := range sh.holes {
		value := text[h.a:h.b]
		if h.slot != notWanted && !(h.slot < firstColumn && needless>>h.slot&1 != 0) {
			sh.set[h.slot>>6] |= 1 << (h.slot & 63)
		}
		if !sh.vary[j] && (h.slot == notWanted || sh.fix(int(h.slot), value)) { // a needless one too
			continue
		}
		lit := text[p:h.a]
		st := step{lit: []byte(lit), first: word(lit), slot: h.slot, op: opSkip}
		if n := len(lit); n > 8 {
			st.second = word(lit[n-8:])
		} else {
			st.second = 1<<(8*n) - 1
		}
		switch {
		case h.slot == notWanted:
		case h.slot >= firstColumn || needless>>h.slot&1 == 0:
			st.op = l.stepOp(f, int(h.slot), h.slot < firstColumn && need>>h.slot&1 != 0)
		}
		sh.steps = append(sh.steps, st)
		p = h.b
	}
	sh.tail = text[p:]
}

// fix makes a word of the envelope part of the literals, if the value is a plain one.
func (sh *shape) fix(slot int, value string) bool {
	if slot >= firstColumn || metaWord>>slot&1 == 0 || value[0] != '"' || strings.ContainsRune(value, '\\') {
		return false
	}
	x := wordOf(slot, []byte(value[1:len(value)-1]))
	if x < 0 || slot == mOp && !change.Op(x).Valid() {
		return false
	}
	sh.fixed = append(sh.fixed, fixed{slot, x})
	return true
}

// needless are the envelope's slots that nothing depends on as long as those of
// need hold a number or text: the coarser of two times, the second name of a transaction.
func (sh *shape) needless() (needless, need uint64) {
	var plain uint64 // slots whose value in base is a number or text
	for _, h := range sh.holes {
		if c := sh.base[h.a]; h.slot >= 0 && h.slot < firstColumn && (c == '-' || c-'0' <= 9 || c == '"' && h.b-h.a > 2) {
			plain |= 1 << h.slot
		}
	}
	for _, rule := range [...]struct{ need, needless uint64 }{
		{1 << mTsMicros, 1<<mTsNanos | 1<<mTsMillis},
		{1 << mTsNanos, 1 << mTsMillis},
		{1 << mTx, 1<<mSourceTx | 1<<mGTID},
		{1 << mLSN, 1<<mPos | 1<<mFile | 1<<mSCN | 1<<mChangeLSN | 1<<mCommitLSN},
		{1 << mOp, 1 << mSentMillis},
	} {
		if plain&rule.need&^needless != 0 {
			need |= rule.need
			needless |= rule.needless
		}
	}
	return needless, need
}

// stepOp chooses the fast way for a slot. must says that other values were left out for its sake.
func (l *layout) stepOp(f *family, slot int, must bool) stepOp {
	if slot < firstColumn {
		switch text := metaText>>slot&1 != 0; {
		case metaWord>>slot&1 != 0 && must:
			return opMust
		case metaWord>>slot&1 != 0:
			return opAny
		case text && must:
			return opString
		case text:
			return opText
		case must:
			return opNumber
		}
		return opWord
	}
	c := l.column(slot)
	switch enc := f.enc[c]; enc.codec {
	case cText:
		return opText
	case cInt64, cTsMicros:
		return opWord
	case cInt32, cDays:
		return opShort
	case cTsMillis:
		return opMillis
	case cDecText:
		return opDecimal
	case cDecBytes:
		if enc.scale == l.cols[c].scale {
			return opBytes
		}
	}
	return opAny
}
