package debezium

// notWanted is the slot of a hole whose value no column takes.
const notWanted = -1

// hole is a value's place within a message.
type hole struct{ a, b, slot int32 }

type shapes struct{}
type learner struct{}

func (l *learner) due() bool             { return false }
func (d *Decoder) predict(b []byte) bool { return false }
func (d *Decoder) learn(b []byte)        {}
