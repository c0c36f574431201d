package dataset

import "github.com/apache/arrow-go/v18/arrow/decimal128"

func decimalOf(hi int64, lo uint64) decimal128.Num { return decimal128.New(hi, lo) }
