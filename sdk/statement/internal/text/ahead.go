package text

// Ahead reads lines and lets a caller look at the next one before taking it.
type Ahead struct {
	lines *Lines
	line  Line
	buf   []byte
	full  bool
}

// NewAhead reads the lines of src as NewLines does.
func NewAhead(src *Source, max int) *Ahead { return &Ahead{lines: NewLines(src, max)} }

// Peek returns the next line, which stays the next one. It is valid until the one behind it is looked at.
func (a *Ahead) Peek() (Line, error) {
	if a.full {
		return a.line, nil
	}
	line, err := a.lines.Next()
	if err != nil {
		return line, err
	}
	a.buf = append(a.buf[:0], line.Text...)
	line.Text = a.buf
	a.line, a.full = line, true
	return line, nil
}

// Take passes over the line that Peek returned.
func (a *Ahead) Take() { a.full = false }

// Number is the number of the last line that was looked at, at least 1.
func (a *Ahead) Number() int64 { return max(a.lines.number, 1) }

// Offset is where the line behind that begins.
func (a *Ahead) Offset() int64 { return a.lines.offset }
