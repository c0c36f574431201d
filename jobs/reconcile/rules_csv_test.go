package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// However the bank's program writes its CSV, it says the same: all of it matches.
func TestHowCSVSidesAreWritten(t *testing.T) {
	t.Parallel()
	const ledger = "ref;name;amount\nA1;Müller;1234567.50\nA2;Žižka;-12.00\nA3;Bakery;0.05\n"
	const plain = "ref;name;amount\nA1;Müller;1234567.50\nA2;Žižka;-12.00\nA3;Bakery;0.05\n"
	latin := strings.ReplaceAll(strings.ReplaceAll(plain, "ü", "\xfc"), "Žižka", "Zizka")
	for name, c := range map[string]struct{ bank, csv, amount string }{
		"as it is":           {plain, "{delimiter: ;}", "{}"},
		"BOM":                {"\ufeff" + plain, "{delimiter: ;}", "{}"},
		"CR LF":              {strings.ReplaceAll(plain, "\n", "\r\n"), "{delimiter: ;}", "{}"},
		"no break at end":    {strings.TrimRight(plain, "\n"), "{delimiter: ;}", "{}"},
		"BOM, CR LF, no end": {"\ufeff" + strings.TrimRight(strings.ReplaceAll(plain, "\n", "\r\n"), "\r\n"), "{delimiter: ;}", "{}"},
		"blank lines":        {strings.ReplaceAll(plain, "\nA2", "\n\n\nA2"), "{delimiter: ;}", "{}"},
		"latin-1":            {latin, "{delimiter: ;, encoding: latin-1}", "{}"},
		"quotes":             {strings.ReplaceAll(plain, "Bakery", `"Bakery; ""Inc"""`), "{delimiter: ;}", "{}"},
		"thousands":          {strings.ReplaceAll(plain, "1234567.50", "1,234,567.50"), "{delimiter: ;}", "{group_mark: ','}"},
		"thousands, comma":   {strings.NewReplacer("1234567.50", "1.234.567,50", "-12.00", "-12,00", "0.05", "0,05").Replace(plain), "{delimiter: ;}", "{group_mark: ., decimal_mark: ','}"},
		"brackets":           {strings.ReplaceAll(plain, "-12.00", "(12.00)"), "{delimiter: ;}", "{brackets: true}"},
		"sign behind":        {strings.ReplaceAll(plain, "-12.00", "12.00-"), "{delimiter: ;}", "{trailing_sign: true}"},
		"lines before":       {"Export of 2026-03-31\n\n" + plain, "{delimiter: ;, skip_lines: 2}", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep, err := csvSides(t, ledger, c.bank, c.csv, c.amount)
			if err != nil || rep.Verdict != Pass || rep.Matched != 3 {
				t.Errorf("%+v, %v", rep, err)
			}
		})
	}
}

// A malformed line refuses the file with its name, line and reason; an empty file has no header, and is refused.
func TestCSVSidesThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ bank, says string }{
		"too few fields": {"ref;name;amount\nA1;x\n", "bank.csv:2: "},
		"no number":      {"ref;name;amount\nA1;x;1.00\nA2;x;1,00\n", "bank.csv:3: "},
		"no end":         {"ref;name;amount\nA1;\"x;1.00\n", "bank.csv:2: "},
		"empty":          {"", "bank.csv"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := csvSides(t, "ref;name;amount\n", c.bank, "{delimiter: ;}", "{}"); err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v (%v), want %s", err, fault.Of(err), c.says)
			}
		})
	}
}

// csvSides compares two texts by their ref.
func csvSides(t *testing.T, ledger, bank, csv, amount string) (RulesReport, error) {
	t.Helper()
	dir := t.TempDir()
	rules := "name: odd\nsides:\n" +
		"  - {name: ledger, file: ledger.csv, csv: {delimiter: ;}, columns: {ref: {}, amount: {}, currency: {is: EUR}}}\n" +
		"  - {name: bank, file: bank.csv, csv: " + csv + ", columns: {ref: {}, amount: " + amount + ", currency: {is: EUR}}}\n" +
		"passes: [{name: exact, keys: [ref]}]\n"
	for name, text := range map[string]string{"ledger.csv": ledger, "bank.csv": bank} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := rulefile.Parse(filepath.Join(dir, "rules.yaml"), []byte(rules), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return RunRules(t.Context(), RulesOptions{Rules: f, Text: []byte(rules), Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}})
}

// TestEvidenceOfFiles: the report has every file's name, size and SHA-256, as anybody can compute them later.
func TestEvidenceOfFiles(t *testing.T) {
	t.Parallel()
	const ledger, bank = "ref;name;amount\nA1;x;1.00\n", "\ufeffref;name;amount\r\nA1;x;1.00"
	rep, err := csvSides(t, ledger, bank, "{delimiter: ;}", "{}")
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{ledger, bank} {
		sum := sha256.Sum256([]byte(text))
		f := rep.Sides[i].Files
		if len(f) != 1 || f[0].SHA256 != hex.EncodeToString(sum[:]) || f[0].Bytes != int64(len(text)) || f[0].Name == "" {
			t.Errorf("side %s: %+v", rep.Sides[i].Name, f)
		}
	}
}
