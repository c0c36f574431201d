package statementio

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// odd is a format with a good file, and what is odd about others of its kind.
type odd struct {
	format statement.Format
	file   string
	rows   string // of shown, joined by ;
	// wrong, malformed and cut are old and new texts that make a wrong trailer, a record that cannot be read, and a file that ends too early ("" as new).
	wrong, malformed [2]string
	cut              string   // what stands behind it is gone
	words            []string // of the refusals of wrong, malformed, cut
	place            []string // file and line of them
	two              string   // a file of two statements, "" where file has them
	twoRows          string
}

// shown are the columns that rows are compared by.
var shown = []string{"statement", "account", "booking_date", "value_date", "amount", "currency", "mark", "counterparty", "remittance"}

const camtHead = `<?xml version="1.0"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
`

func camtStatement(id, closing string) string {
	return `<Stmt><Id>` + id + `</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">500.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-30</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">` + closing + `</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-31</Dt></Dt></Bal>
<Ntry><Amt Ccy="EUR">150.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-03-31</Dt></BookgDt><NtryDtls>
<TxDtls><RltdPties><Cdtr><Pty><Nm>Müller</Nm></Pty></Cdtr></RltdPties><RmtInf><Ustrd>Miete März</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
</Stmt>
`
}

const camtTail = `</BkToCstmrStmt></Document>`

const mtStatement = ":20:A\n:25:ACC\n:28C:1\n:60F:C260330EUR100,00\n:61:2603310331C10,50NTRFX\n:86:166?00TRANSFER?20Miete?21M\u00e4rz?32M\u00fcller\n" +
	":61:260331RC0,5NTRFY\n:62F:C260331EUR110,00\n-\n"

const baiFile = "01,BANK,ME,260331,0200,1,,,2/\n02,ME,BANK,1,260331,,USD,/\n03,0123456789,,010,100000,,,015,103000,,/\n" +
	"16,165,3000,0,BR1,CR1,Miete M\u00e4rz\n49,206000,3/\n98,206000,1,5/\n99,206000,1,7/\n"

var nachaFile = strings.Join([]string{
	"101 07640125107640125122603310815A094101ACHDESTINATION         FIRST COMPANY",
	"5220FIRST COMPANY                       1234567890PPDPAYROLL         260401   1076401250000001",
	"62205320000112345678         0000250000EMP-1          ANN M\u00dcLLER              0076401250000001",
	"82200000010005320000000000000000000000250000" + "1234567890                         076401250000001",
	"9000001000001000000010005320000000000000000000000250000",
}, "\n") + "\n"

const ofxStatement = "<STMTTRNRS><STMTRS><CURDEF>EUR<BANKACCTFROM><BANKID>1<ACCTID>4111<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST><DTSTART>20260330<DTEND>20260331\n" +
	"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260331120000<TRNAMT>-12,50<FITID>F1<NAME>M\u00fcller<MEMO>Miete M\u00e4rz</STMTTRN>\n</BANKTRANLIST></STMTRS></STMTTRNRS>\n"

const ofxHead, ofxTail = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\n\n<OFX><BANKMSGSRSV1>", "</BANKMSGSRSV1></OFX>\n"

var odds = []odd{
	{format: statement.CAMT, file: camtHead + camtStatement("S1", "350.00") + camtTail,
		rows:  "1|DE02120300000000202051|2026-03-31|-|-150.00|EUR|D|Müller|Miete März",
		wrong: [2]string{">350.00<", ">350.01<"}, malformed: [2]string{">150.00<", ">150,00<"}, cut: "<Ntry>",
		words: []string{"closing balance of statement 1", "150,00", "the file ends"}, place: []string{"camt:8", "camt:6", "camt:"},
		two: camtHead + camtStatement("S1", "350.00") + camtStatement("S2", "350.00") + camtTail, twoRows: "1|DE02120300000000202051|2026-03-31|-|-150.00|EUR|D|Müller|Miete März;2|DE02120300000000202051|2026-03-31|-|-150.00|EUR|D|Müller|Miete März"},
	{format: statement.MT940, file: mtStatement,
		rows:  "1|ACC|2026-03-31|2026-03-31|10.50|EUR|C|Müller|Miete März;1|ACC|-|2026-03-31|-0.50|EUR|RC|-|-",
		wrong: [2]string{"EUR110,00", "EUR110,01"}, malformed: [2]string{"RC0,5N", "RX0,5N"}, cut: ":62F:",
		words: []string{"closing balance of statement 1", "mark", "the statement has no closing balance"}, place: []string{"mt940:9", "mt940:7", "mt940:1"},
		two: mtStatement + mtStatement, twoRows: "1|ACC|2026-03-31|2026-03-31|10.50|EUR|C|Müller|Miete März;1|ACC|-|2026-03-31|-0.50|EUR|RC|-|-;2|ACC|2026-03-31|2026-03-31|10.50|EUR|C|Müller|Miete März;2|ACC|-|2026-03-31|-0.50|EUR|RC|-|-"},
	{format: statement.BAI2, file: baiFile, rows: "1|0123456789|2026-03-31|2026-03-31|30.00|USD|C|-|Miete März",
		wrong: [2]string{"99,206000,1,7/", "99,206000,1,8/"}, malformed: [2]string{"16,165,3000", "16,165,30x0"}, cut: "98,",
		words: []string{"record count of the file", "30x0", "trailer"}, place: []string{"bai2:7", "bai2:4", "bai2:"}},
	{format: statement.NACHA, file: nachaFile, rows: "1|12345678|-|2026-04-01|2500.00|USD|C|FIRST COMPANY|-",
		wrong: [2]string{"00000000000000250000", "00000000000000250001"}, malformed: [2]string{"0000250000EMP", "00002x0000EMP"}, cut: "8220",
		words: []string{"total", "2x0", "control"}, place: []string{"nacha:", "nacha:3", "nacha:"}},
	{format: statement.OFX, file: ofxHead + ofxStatement + ofxTail, rows: "1|4111|2026-03-31|-|-12.50|EUR|D|Müller|Miete März",
		malformed: [2]string{"-12,50", "-12,5x"}, cut: "</BANKTRANLIST>", words: []string{"", "12,5x", "the file ends"}, place: []string{"", "ofx:", "ofx:"},
		two: ofxHead + ofxStatement + ofxStatement + ofxTail, twoRows: "1|4111|2026-03-31|-|-12.50|EUR|D|Müller|Miete März;2|4111|2026-03-31|-|-12.50|EUR|D|Müller|Miete März"},
}

// readOdd reads bytes as a file that is called like its format; rejects are set apart where quarantine says so.
func readOdd(t *testing.T, name string, data []byte, quarantine bool, opts Options) (rows string, rejects []string, report Report, err error) {
	t.Helper()
	store := storagetest.NewMemory("inbox", nil)
	put(t, store, name, string(data))
	scale := int32(2)
	opts.Scale, opts.Columns = &scale, shown
	if quarantine {
		opts.OnReject = func(_ context.Context, r files.Reject) error {
			rejects = append(rejects, r.String())
			return nil
		}
	}
	got, reports, err := read(t, store, "*", opts)
	if len(reports) > 0 {
		report = reports[0]
	}
	return strings.Join(got, ";"), rejects, report, err
}

func latin1(text string) []byte {
	var out []byte
	for _, r := range text {
		out = append(out, byte(r))
	}
	return out
}

func wide(text string, big bool) []byte {
	out := []byte{0xff, 0xfe}
	if big {
		out = []byte{0xfe, 0xff}
	}
	for _, u := range utf16.Encode([]rune(text)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

// However a bank's programs write a file, the same rows are read from it, with its format told by its bytes.
func TestHowFilesAreWritten(t *testing.T) {
	t.Parallel()
	for _, o := range odds {
		for name, data := range map[string][]byte{
			"as it is":                 []byte(o.file),
			"BOM":                      []byte("\ufeff" + o.file),
			"latin-1":                  latin1(o.file),
			"UTF-16 little endian":     wide(o.file, false),
			"UTF-16 big endian":        wide(o.file, true),
			"CR LF":                    []byte(strings.ReplaceAll(o.file, "\n", "\r\n")),
			"no line break at the end": bytes.TrimRight([]byte(o.file), "\n"),
			"blank lines in front":     []byte("\n\r\n" + o.file),
			"BOM, CR LF, no end":       []byte(strings.TrimRight("\ufeff"+strings.ReplaceAll(o.file, "\n", "\r\n"), "\r\n")),
		} {
			t.Run(string(o.format)+"/"+name, func(t *testing.T) {
				t.Parallel()
				if o.format == statement.CAMT && name == "blank lines in front" {
					data = bytes.TrimSpace(data) // an XML declaration stands first, or it is none
				}
				want := o.rows
				if o.format == statement.CAMT && name == "latin-1" {
					data = bytes.Replace(data, []byte(`version="1.0"?>`), []byte(`version="1.0" encoding="ISO-8859-1"?>`), 1)
				}
				rows, _, report, err := readOdd(t, string(o.format), data, false, Options{})
				if err != nil || rows != want || report.Format != o.format {
					t.Errorf("%s\n%q, %v; want\n%q", report.Format, rows, err, want)
				}
			})
		}
	}
}

// A wrong total, a record that cannot be read and a file that is cut are refused whole with file, line and reason, or told apart, by option.
func TestFilesThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, o := range odds {
		for i, what := range []string{"wrong trailer", "malformed record", "cut"} {
			t.Run(string(o.format)+"/"+what, func(t *testing.T) {
				t.Parallel()
				file := o.file
				switch i {
				case 0:
					if o.wrong[0] == "" {
						return // OFX states no total of its entries
					}
					at := strings.LastIndex(file, o.wrong[0])
					file = file[:at] + o.wrong[1] + file[at+len(o.wrong[0]):]
				case 1:
					file = strings.Replace(file, o.malformed[0], o.malformed[1], 1)
				case 2:
					file = file[:strings.Index(file, o.cut)]
				}
				if file == o.file {
					t.Fatal("the file is as it was")
				}
				_, _, _, err := readOdd(t, string(o.format), []byte(file), false, Options{})
				if err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), o.words[i]) || !strings.Contains(err.Error(), o.place[i]) {
					t.Fatalf("%v; want %s at %s", err, o.words[i], o.place[i])
				}
				_, rejects, report, err := readOdd(t, string(o.format), []byte(file), true, Options{})
				switch {
				case i == 0 && (err != nil || report.Failed == 0):
					t.Errorf("a total is not reported: %+v, %v", report, err)
				case i == 1 && (err != nil || len(rejects) == 0 || !strings.Contains(rejects[0], o.words[i]) || !strings.Contains(rejects[0], o.place[i])):
					t.Errorf("rejects %q, %v", rejects, err)
				case i == 2 && err == nil && len(rejects) == 0 && report.Failed == 0 && report.Unproved == 0:
					t.Error("a file that is cut is read as if it were whole")
				}
			})
		}
	}
}

func TestSeveralStatementsInOneFile(t *testing.T) {
	t.Parallel()
	for _, o := range odds {
		if o.two == "" {
			continue
		}
		rows, _, report, err := readOdd(t, string(o.format), []byte(o.two), false, Options{})
		if err != nil || rows != o.twoRows || report.Statements != 2 {
			t.Errorf("%s: %d statements\n%q, %v; want\n%q", o.format, report.Statements, rows, err, o.twoRows)
		}
	}
}

// An empty file is of no format; where the format is set it is refused too: a night without movements has a statement that says so.
func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "\ufeff", " \r\n"} {
		for _, o := range odds {
			for _, f := range []statement.Format{"", o.format} {
				if _, _, _, err := readOdd(t, "empty", []byte(text), false, Options{Format: f}); err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "empty") {
					t.Errorf("%q as %q: %v", text, f, err)
				}
			}
		}
	}
}

// Reversals: RC takes money away that was credited, RD gives back what was debited; a missing entry date is null.
func TestReversalsAndMissingDates(t *testing.T) {
	t.Parallel()
	const file = ":20:A\n:25:ACC\n:28C:1\n:60F:C260330EUR100,00\n:61:2603310331RC10,00NTRFX\n:61:260331RD5,00NTRFY\n:62F:C260331EUR95,00\n"
	rows, _, _, err := readOdd(t, "a", []byte(file), false, Options{})
	if want := "1|ACC|2026-03-31|2026-03-31|-10.00|EUR|RC|-|-;1|ACC|-|2026-03-31|5.00|EUR|RD|-|-"; err != nil || rows != want {
		t.Errorf("%q, %v; want %q", rows, err, want)
	}
}

// Whatever the bytes, a format is told without a panic, and only one that can be read.
func FuzzDetect(f *testing.F) {
	for _, o := range odds {
		f.Add([]byte(o.file))
		f.Add(wide(o.file[:40], true))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		format := Detect(head)
		if format != "" && decoders[format] == nil {
			t.Errorf("%q is of no format that is known", format)
		}
		if again := Detect(append([]byte("\xef\xbb\xbf"), head...)); again != format && !bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) && !bytes.HasPrefix(head, []byte{0xff, 0xfe}) && !bytes.HasPrefix(head, []byte{0xfe, 0xff}) && !bytes.Contains(head, []byte{0}) {
			t.Errorf("%q, and with a mark %q", format, again)
		}
	})
}
