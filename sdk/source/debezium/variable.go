package debezium

// variableScale takes io.debezium.data.VariableScaleDecimal, which holds numbers
// of columns without a scale: {"scale":2,"value":"base64"}. b has been validated.
func (s *scanner) variableScale(slot, c int, b []byte) (msg string) {
	const bad = "an object with scale and value was expected of a decimal"
	var scale int64
	var value []byte
	have := 0
	for i := space(b, 1); b[i] == '"'; {
		a := i + 1
		e, _ := s.quoted(b, a)
		i = s.colon(b, e+1)
		end := s.skip(b, i)
		switch string(b[a:e]) {
		case "scale":
			if scale, msg = parseInt(b[i:end]); msg != "" {
				return bad
			}
			have |= 1
		case "value":
			if b[i] != '"' {
				return bad
			}
			value = b[i+1 : end-1]
			have |= 2
		}
		if i = space(b, end); b[i] == ',' {
			i = space(b, i+1)
		}
	}
	if have != 3 {
		return bad
	}
	if scale < -38 || scale > 1000 {
		return decimalBig
	}
	col := &s.lay.cols[c]
	x, msg := parseDecimalBytes(value, int32(scale), col.scale, col.limit)
	if msg == "" {
		s.keepPair(slot, x)
	}
	return msg
}
