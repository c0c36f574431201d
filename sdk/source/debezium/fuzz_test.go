package debezium

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const seedInline = `{"schema":{"type":"struct","fields":[{"type":"struct","fields":[{"type":"int64","field":"id"},{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"amount"},{"type":"int64","name":"io.debezium.time.NanoTimestamp","field":"us"},{"type":"int32","name":"org.apache.kafka.connect.data.Time","field":"tod"}],"field":"after"}]},"payload":`

var seeds = []string{
	`{"before":null,"after":{"id":12,"amount":"74606.97","dbl":1.5,"big":"12345678901234567890.0123456789","memo":"card purchase 0","doc":"d","us":1700000000000000,"ms":1700000000000,"ns":1700000000000000123,"day":19000,"tod":3600000000,"t_ms":1,"t_ns":1999,"flag":true,"n32":-5,"bin":"AQID","x":-1.5e3},"source":{"version":"3.3.0.Final","ts_ms":1700000000000,"ts_us":1700000000000001,"sequence":null,"gtid":"3E11FA47-71CA:0","pos":300,"row":0,"query":null,"lsn":77},"transaction":{"id":"3E11FA47:0","total_order":1,"data_collection_order":1},"op":"c","ts_ms":1700000000000}`,
	`{"before":{"id":1,"memo":"old"},"after":{"id":1,"memo":"__debezium_unavailable_value","doc":"__debezium_unavailable_value"},"source":{"ts_ms":1700000000000,"gtid":"x","pos":-5,"file":"bin.000001"},"op":"u","ts_ms":1700000000000}`,
	`{"before":{"id":1,"memo":"old","doc":"__debezium_unavailable_value"},"after":{"id":1,"doc":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","memo":{"a":[1,"\u00e9"]},"big":{"scale":3,"value":"AeJA"}},"source":{"ts_ns":-1},"op":"u","transaction":null}`,
	`{"before":null,"after":{"id":13,"amount":"AeJA","memo":"é","us":-1,"day":null,"bin":"","x":0},"source":{"lsn":5,"txId":8,"snapshot":"false"},"op":"c"}`,
	`{"before":null,"after":null,"op":"d","source":{}}`,
	seedInline + `{"op":"r","after":{"id":"99","amount":"AeJA","us":1999,"tod":1,"big":"1.5"},"ts_ms":1}}`,
	` { "op" : "r" , "after" : {"id":1, "amount" : "-0.5e1" , "bin":"/w==", "x":[1,2.5e-3,{"y":[]},{}], "day":"2024-02-29","tod":"24:00:00","us":"2023-11-14 22:13:20.5+01:00" } , "ts_ms" : 0 } `,
	"{\"op\":\"\xff\\ud800x\",\"\\u006fp\":\"t\",\"after\":{\"memo\":true,\"id\":-9223372036854775808,\"amount\":100}}\n",
	`{"op":"c","after":{"id":1},"payload":{"op":"t"},"ts_ms":{}}`, `null`, ``, `[]`, `{"payload":null}`, `{"after":{"id":1},"op":"c","after":{"id":2}}`,
	`{"op":"c","after":{"id":01}}`, `{"op":"c","after":{"id":1,"amount":"9999999999999999.99"}}`, `{"op":"c","ts_ms":123456789012345678}`, `{"ts_ms":5}`, `{"op":"m"}`,
	`{"payload":{"op":"c","after":{"id":1,"amount":"AeJA"}},"schema":` + strings.TrimSuffix(strings.TrimPrefix(seedInline, `{"schema":`), `,"payload":`) + `}`,
}

var seedKeys = []string{`{"id":7}`, `{"schema":{},"payload":{"id":8}}`, ``, `{"payload":null,"id":1}`, `{"id":null}`, `{"id":"x"}`}

// pair is a decoder that predicts and one that only scans, of each decimal encoding.
func pair(t testing.TB) []*Decoder {
	var ds []*Decoder
	for _, dec := range []DecimalEncoding{DecimalText, DecimalBase64} {
		for _, scan := range []bool{false, true} {
			d := newDecoder(t, refConfig(dec))
			d.scanOnly = scan
			ds = append(ds, d)
		}
	}
	return ds
}

func TestAgainstReference(t *testing.T) {
	t.Parallel()
	for _, d := range pair(t) {
		rows := 0
		for range 3 {
			for i, s := range seeds {
				for range 3 {
					if check(t, d, []byte(seedKeys[i%len(seedKeys)]), []byte(s)) {
						rows++
					}
				}
			}
		}
		if rows < 30 {
			t.Error("the seeds should mostly decode:", rows)
		}
		for _, s := range seeds { // every prefix: an error, never a panic
			for i := range s {
				check(t, d, nil, []byte(s[:i]))
			}
		}
	}
}

// TestDepth compares the limit of nesting with encoding/json's.
func TestDepth(t *testing.T) {
	t.Parallel()
	for _, d := range pair(t)[:2] {
		for _, n := range []int{9996, 9997, 9998, 9999, 10000, 10001} {
			for _, p := range []string{`{"op":"t","x":%s}`, `{"op":"c","after":{"id":1,"memo":%s}}`, `{"payload":{"op":"c","after":{"id":1,"y":%s}}}`} {
				for _, in := range []string{strings.Repeat("[", n) + strings.Repeat("]", n), strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)} {
					b := []byte(fmt.Sprintf(p, in))
					if _, err := d.Append(0, nil, b); (err == nil) != json.Valid(b) {
						t.Fatalf("%s at %d: %v", p, n, err)
					}
				}
			}
		}
	}
}

func FuzzAppend(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(seedKeys[i%len(seedKeys)]), []byte(s), []byte(seeds[(i+1)%len(seeds)]))
		f.Add([]byte(nil), []byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, key, a, b []byte) {
		for _, d := range pair(t) {
			for _, s := range seeds[:6] { // known shapes
				check(t, d, []byte(seedKeys[0]), []byte(s))
			}
			for _, m := range [][]byte{a, b, a, b, b, a} {
				check(t, d, key, m)
			}
		}
	})
}

// mutator makes messages from messages, mostly valid ones.
type mutator struct {
	r    *rand.Rand
	hole *regexp.Regexp
}

var tokens = strings.Split(`"|\|\"|\u0041|\ud83d\ude00|\ud83d|\udead\ud83d|null|true|false|-|0|00|1e5|-0|1.50|.|,|:|{|}|[|]| |{"op":"x"}|"op":"q",|"after":{"id":5},|"after":null,|"payload":{"op":"t"},|"payload":null,|"schema":{},|123456789|12345678901234567|9223372036854775807|9223372036854775808|-9223372036854775808|99999999.99|"+5"|"1e-2"|"100.000"|"0.001"|""|"AQ=="|"AR=="|"AeJA"|"/////////////w=="|"f/////////////////////"|"gAAAAAAAAAAAAAAAAAAAAA=="|"S0sLTFqImcSYhQ=="|[1,{"a":[]}]|"source":{},|"ts_ms":7,|\u006f|1e+0|1E1000|1e1001|"99999999999999999999999999999999999999"|"1e38"|"-9999999999999999999999999999.9999999999"|2147483648|-2147483649|86400000|86400000001|"2024-02-30"|"2024-02-29"|"23:59:60"|"23:59:59.9999999"|"2023-11-14T22:13:20Z"|"0000-01-01 00:00-23:59"|{"scale":2,"value":"AQ=="}|{"scale":-3,"value":"/w=="}|"__debezium_unavailable_value"|"id":3,`, "|")

func (u *mutator) next(cur []byte) []byte {
	m := append([]byte(nil), cur...)
	for range u.r.IntN(3) {
		if len(m) == 0 {
			break
		}
		i := u.r.IntN(len(m))
		j := min(len(m), i+u.r.IntN(12))
		switch u.r.IntN(8) {
		case 0:
			m[i] ^= 1 << u.r.IntN(8)
		case 1:
			m = append(m[:i:i], m[j:]...)
		case 2:
			m = append(append(m[:i:i], tokens[u.r.IntN(len(tokens))]...), m[i:]...)
		case 3:
			m = append(append(m[:i:i], m[i:j]...), m[i:]...)
		default: // replace a value
			hs := u.hole.FindAllIndex(m, -1)
			if len(hs) == 0 {
				continue
			}
			h := hs[u.r.IntN(len(hs))]
			v := tokens[u.r.IntN(len(tokens))]
			switch u.r.IntN(5) {
			case 0, 1:
				v = fmt.Sprint(u.r.Int64() >> u.r.IntN(63))
			case 2:
				v = `"` + v + `"`
			case 3: // another value of the same message
				o := hs[u.r.IntN(len(hs))]
				v = string(m[o[0]:o[1]])
			}
			m = append(append(m[:h[0]:h[0]], v...), m[h[1]:]...)
		}
	}
	return m
}

// TestMutations compares long-lived decoders with the reference over mutated
// messages: what was learned from one must not change how the next is read.
func TestMutations(t *testing.T) {
	t.Parallel()
	seed, n := uint64(1), 6000
	if s, err := strconv.ParseUint(os.Getenv("DEBEZIUM_FUZZ_SEED"), 10, 64); err == nil { // a longer hunt
		seed, n = s, 300_000
	}
	u := &mutator{rand.New(rand.NewPCG(seed, 7)), regexp.MustCompile(`"[^"\\]*"|-?[0-9]+(\.[0-9]+)?|null`)}
	ds := pair(t)
	rows := 0
	cur := []byte(seeds[0])
	for i := range n {
		if i%7 == 0 {
			cur = []byte(seeds[min(u.r.IntN(len(seeds)), u.r.IntN(len(seeds)))])
		}
		m := u.next(cur)
		key := []byte(seedKeys[u.r.IntN(len(seedKeys))])
		decoded := false
		for _, d := range ds {
			if check(t, d, key, m) {
				rows++
				decoded = true
			}
			if u.r.IntN(3) == 0 {
				check(t, d, key, m)
			}
			d.learner = learner{} // keep it busy
		}
		if decoded && len(m) < 3000 && u.r.IntN(2) == 0 {
			cur = m
		}
	}
	if rows < n/2 {
		t.Errorf("%d of %d messages decoded: the mutations are too wild to show much", rows, 4*n)
	}
}

// learners are decoders that learn their columns, each with a twin that only scans.
func learners(t testing.TB) [][2]*Decoder {
	var out [][2]*Decoder
	for _, cfg := range []Config{{}, {Flattened: true}, {Evolve: EvolveFail, AllowDouble: []string{"x", "dbl"}}, {Evolve: EvolveIgnore, BatchRows: 2}} {
		twin := newDecoder(t, cfg)
		twin.scanOnly = true
		out = append(out, [2]*Decoder{newDecoder(t, cfg), twin})
	}
	return out
}

// agree feeds a message to both and compares all that can be seen of them. It reports whether a row came of it.
func agree(t testing.TB, ds [2]*Decoder, key, value []byte) bool {
	t.Helper()
	var seen [2]string
	for i, d := range ds {
		m, err := d.Append(3, key, value)
		seen[i] = fmt.Sprintf("%+v %v %s %v %d", m, err, d.Schema(), d.Key(), d.Rows())
		if rows := d.Rows(); rows == 3 {
			bs, _ := d.Flush("s")
			for _, b := range bs {
				seen[i] += strings.Join(render(b), "\n")
				b.Release()
			}
		}
		if err == nil && m.Op != 0 {
			seen[i] += " row"
		}
	}
	if seen[0] != seen[1] {
		t.Fatalf("key %q value %q\npredicted %s\nscanned %s", key, value, seen[0], seen[1])
	}
	return strings.HasSuffix(seen[0], " row")
}

func FuzzLearn(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(seedKeys[i%len(seedKeys)]), []byte(s), []byte(seeds[(i+1)%len(seeds)]))
	}
	f.Add([]byte(`{"id":1}`), []byte(`{"id":1,"a":null,"__op":"c","__lsn":5}`), []byte(`{"id":1,"a":"x","__op":"u","__lsn":6}`))
	f.Fuzz(func(t *testing.T, key, a, b []byte) {
		for _, ds := range learners(t) {
			for _, m := range [][]byte{a, b, a, b, b, a, a} {
				agree(t, ds, key, m)
			}
		}
	})
}

// TestMutationsLearned is TestMutations for learned columns, against the scanner.
func TestMutationsLearned(t *testing.T) {
	t.Parallel()
	u := &mutator{rand.New(rand.NewPCG(3, 7)), regexp.MustCompile(`"[^"\\]*"|-?[0-9]+(\.[0-9]+)?|null`)}
	starts := []string{
		`{"before":null,"after":{"id":12,"amount":"74606.97","a":null,"n":5,"flag":true},"source":{"ts_ms":1,"ts_us":2,"lsn":3,"txId":4},"transaction":{"id":"4:3","total_order":1},"op":"c","ts_ms":17}`,
		`{"before":{"id":12,"a":"x"},"after":{"id":12,"a":"y","n":6},"source":{"ts_ms":1,"lsn":3,"file":"a.7","pos":3},"op":"u"}`,
		`{"id":1,"a":null,"n":4,"__op":"c","__lsn":5,"__table":"x"}`,
		seeds[5],
	}
	rows := 0
	for round := range 40 {
		ds := learners(t)
		cur := []byte(starts[round%len(starts)])
		for i := range 60 {
			m := u.next(cur)
			key := []byte(seedKeys[u.r.IntN(len(seedKeys))])
			decoded := false
			for _, pair := range ds {
				decoded = agree(t, pair, key, m) || decoded
				agree(t, pair, key, cur)
				pair[0].learner = learner{}
			}
			if decoded && i%3 == 0 {
				cur = m
			}
			if decoded {
				rows++
			}
		}
	}
	if rows < 600 {
		t.Errorf("only %d messages decoded", rows)
	}
}
