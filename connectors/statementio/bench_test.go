package statementio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/statement"
)

// large is how many bytes a file of BenchmarkHundredMegabytes has, about.
const large = 100 << 20

// repeated writes a file: a head, one entry again and again, and a tail that ties them out.
func repeated(t testing.TB, name string, f statement.Format) int64 {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := bufio.NewWriterSize(file, 1<<20)
	head, entry, tail := "", "", func(int64) string { return "" }
	switch f {
	case statement.CAMT:
		head = camtHead + `<Stmt><Id>S</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>` + "\n" +
			`<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">0.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-30</Dt></Dt></Bal>` + "\n"
		entry = `<Ntry><Amt Ccy="EUR">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-03-31</Dt></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>E2E-1</EndToEndId></Refs><RmtInf><Ustrd>Invoice 17 of March</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>` + "\n"
		tail = func(n int64) string {
			return fmt.Sprintf(`<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">%d.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-31</Dt></Dt></Bal></Stmt>`, n) + camtTail
		}
	case statement.MT940:
		head = ":20:A\n:25:ACC\n:28C:1\n:60F:C260330EUR0,00\n"
		entry = ":61:2603310331C1,00NTRFINV-17//B4711\n:86:/EREF/E2E-1/REMI/Invoice 17 of March/\n"
		tail = func(n int64) string { return fmt.Sprintf(":62F:C260331EUR%d,00\n", n) }
	case statement.BAI2:
		head = "01,BANK,ME,260331,0200,1,,,2/\n02,ME,BANK,1,260331,,USD,/\n03,0123456789,,,,,/\n"
		entry = "16,165,100,0,BR1,CR1,Invoice 17 of March\n"
		tail = func(n int64) string {
			return fmt.Sprintf("49,%d,%d/\n98,%d,1,%d/\n99,%d,1,%d/\n", n*100, n+2, n*100, n+4, n*100, n+6)
		}
	case statement.OFX:
		head = ofxHead + "<STMTTRNRS><STMTRS><CURDEF>EUR<BANKACCTFROM><BANKID>1<ACCTID>4111<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST>\n"
		entry = "<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260331120000<TRNAMT>1.00<FITID>F1<NAME>Bakery<MEMO>Invoice 17 of March</STMTTRN>\n"
		tail = func(int64) string { return "</BANKTRANLIST></STMTRS></STMTTRNRS>" + ofxTail }
	case statement.NACHA:
		lines := strings.Split(nachaFile, "\n")
		head, entry = lines[0]+"\n"+lines[1]+"\n", strings.Replace(lines[2], "0000250000", "0000000001", 1)+"\n"
		tail = func(n int64) string {
			hash := (n * 5320000) % 10_000_000_000
			return fmt.Sprintf("8220%06d%010d%012d%012d1234567890                         076401250000001\n9000001%06d%08d%010d%012d%012d\n", n, hash, 0, n, (n+4+9)/10, n, hash, 0, n)
		}
	}
	n := int64(large / len(entry))
	if f == statement.NACHA {
		n = min(n, 999_999) // of a batch, whose count has six digits
	}
	write := func(text string) {
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write(head)
	for range n {
		write(entry)
	}
	write(tail(n))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return n
}

// BenchmarkHundredMegabytes reads a file of 100 MB of each format, and reports the most heap that was in use.
func BenchmarkHundredMegabytes(b *testing.B) {
	for _, f := range []statement.Format{statement.CAMT, statement.MT940, statement.BAI2, statement.NACHA, statement.OFX} {
		b.Run(string(f), func(b *testing.B) {
			dir := b.TempDir()
			n := repeated(b, filepath.Join(dir, "f"), f)
			store, err := localio.Open(dir, localio.Options{})
			if err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(dir, "f"))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(info.Size())
			var most uint64
			for b.Loop() {
				splits, err := Splits(b.Context(), store, "f", Options{})
				if err != nil {
					b.Fatal(err)
				}
				r, err := Open(b.Context(), store, splits[0], Options{})
				if err != nil {
					b.Fatal(err)
				}
				rows := int64(0)
				for {
					batch, err := r.Next(b.Context())
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					rows += batch.NumRows()
					batch.Release()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapInuse)
				}
				if rows != n || r.Report().Failed > 0 {
					b.Fatalf("%d rows of %d, %+v", rows, n, r.Report())
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(most>>20), "MB-heap")
			b.ReportMetric(float64(n), "rows")
		})
	}
}
