package xlsxio

// SetMost makes sheets that are full after fewer rows.
func (b *Workbook) SetMost(rows int) { b.most = rows }
