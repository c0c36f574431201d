package statement

import (
	"errors"
	"io"
	"iter"
)

// All ranges over the entries of a file until its end. An error comes as the last pair, with a nil entry. The entry is valid until the next one.
//
//	for e, err := range statement.All(decoder) {
//		if err != nil {
//			return err // the file is refused
//		}
//		use(e)
//	}
func All(d Decoder) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		var e Entry
		for {
			err := d.Next(&e)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, err)
				return
			case !yield(&e, nil):
				return
			}
		}
	}
}
