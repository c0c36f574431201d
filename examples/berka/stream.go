package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/sdk/money"
)

//go:embed millrace.yaml
var projectFile []byte

// date is a day as Debezium sends it: days since 1970.
type date time.Time

// MarshalJSON writes the day's number.
func (d date) MarshalJSON() ([]byte, error) { return json.Marshal(time.Time(d).Unix() / 86400) }

// The rows of the source's tables, as the stream carries them.
type (
	district struct {
		ID             int64          `json:"district_id"`
		Name           string         `json:"name"`
		Region         string         `json:"region"`
		Inhabitants    int64          `json:"inhabitants"`
		Hamlets        int64          `json:"hamlets"`
		Villages       int64          `json:"villages"`
		Towns          int64          `json:"towns"`
		LargeTowns     int64          `json:"large_towns"`
		Cities         int64          `json:"cities"`
		Urban          money.Decimal  `json:"urban_percent"`
		Salary         int64          `json:"average_salary"`
		Unemployment95 *money.Decimal `json:"unemployment_1995"`
		Unemployment96 money.Decimal  `json:"unemployment_1996"`
		Entrepreneurs  int64          `json:"entrepreneurs_per_1000"`
		Crimes95       *int64         `json:"crimes_1995"`
		Crimes96       int64          `json:"crimes_1996"`
	}
	client struct {
		ID       int64  `json:"client_id"`
		Born     date   `json:"born_on"`
		Sex      string `json:"sex"`
		District int64  `json:"district_id"`
	}
	account struct {
		ID         int64  `json:"account_id"`
		District   int64  `json:"district_id"`
		Statements string `json:"statements"`
		Opened     date   `json:"opened_on"`
	}
	disposition struct {
		ID      int64  `json:"disposition_id"`
		Client  int64  `json:"client_id"`
		Account int64  `json:"account_id"`
		Kind    string `json:"kind"`
	}
	card struct {
		ID          int64  `json:"card_id"`
		Disposition int64  `json:"disposition_id"`
		Kind        string `json:"kind"`
		Issued      date   `json:"issued_on"`
	}
	order struct {
		ID        int64         `json:"order_id"`
		Account   int64         `json:"account_id"`
		BankTo    string        `json:"bank_to"`
		AccountTo string        `json:"account_to"`
		Amount    money.Decimal `json:"amount"`
		Symbol    *string       `json:"symbol"`
	}
	loan struct {
		ID      int64         `json:"loan_id"`
		Account int64         `json:"account_id"`
		Granted date          `json:"granted_on"`
		Amount  money.Decimal `json:"amount"`
		Months  int64         `json:"months"`
		Payment money.Decimal `json:"payment"`
		Status  *string       `json:"status"`
	}
	movement struct {
		ID        int64         `json:"movement_id"`
		Account   int64         `json:"account_id"`
		Booked    date          `json:"booked_on"`
		Amount    money.Decimal `json:"amount"` // a credit is positive
		Balance   money.Decimal `json:"balance"`
		Kind      string        `json:"kind"`
		Operation *string       `json:"operation"`
		Symbol    *string       `json:"symbol"`
		Bank      *string       `json:"bank"`
		Partner   *string       `json:"partner"`
	}
)

// event is one change of a row.
type event struct {
	table         string
	before, after any
}

// history is the data set in the order in which it happened: what was there before the first day, then
// the changes of each day.
type history struct {
	snapshot []event
	days     map[time.Time][]event
}

func (h *history) on(day time.Time, table string, before, after any) {
	h.days[day] = append(h.days[day], event{table, before, after})
}

// dataEnds is the last day of the data set: loans that still run are stated as of it.
var dataEnds = time.Date(1998, 12, 31, 0, 0, 0, 0, time.UTC)

// historyOf orders the data set. Clients and dispositions have no date of their own: they come with their
// account. Districts and permanent orders have none at all: they are there from the start, as a snapshot.
func historyOf(d *dataSet) (*history, error) {
	h := &history{days: map[time.Time][]event{}}
	for _, r := range d.districts {
		h.snapshot = append(h.snapshot, event{"districts", nil, district(r)})
	}
	for _, r := range d.orders {
		h.snapshot = append(h.snapshot, event{"orders", nil, order{r.ID, r.Account, r.BankTo, r.AccountTo, r.Amount, text(r.Symbol)}})
	}
	opened := map[int64]time.Time{}
	for _, r := range d.accounts {
		opened[r.ID] = r.Date
		h.on(r.Date, "accounts", nil, account{r.ID, r.District, r.Frequency, date(r.Date)})
	}
	if err := h.people(d, opened); err != nil {
		return nil, err
	}
	for _, r := range d.loans {
		granted := loan{r.ID, r.Account, date(r.Date), r.Amount, r.Months, r.Payments, nil}
		decided := granted
		decided.Status = &r.Status
		h.on(r.Date, "loans", nil, granted)
		h.on(outcomeOf(r), "loans", granted, decided)
	}
	for _, r := range d.transactions {
		if r.Type != "PRIJEM" {
			r.Amount = r.Amount.Neg()
		}
		h.on(r.Date, "movements", nil, movement{r.ID, r.Account, date(r.Date), r.Amount, r.Balance, r.Type, text(r.Operation), text(r.Symbol), text(r.Bank), text(r.Partner)})
	}
	return h, nil
}

// people puts clients, dispositions and cards into the history.
func (h *history) people(d *dataSet, opened map[int64]time.Time) error {
	clients := map[int64]clientRow{}
	for _, r := range d.clients {
		clients[r.ID] = r
	}
	for _, r := range d.dispositions {
		day, known := opened[r.Account]
		c, owned := clients[r.Client]
		if !known || !owned {
			return fmt.Errorf("disposition %d: account %d or client %d is not in the data, or has a disposition before", r.ID, r.Account, r.Client)
		}
		delete(clients, r.Client) // each has one disposition
		birth, sex, err := born(c.Birth)
		if err != nil {
			return fmt.Errorf("client %d: %w", c.ID, err)
		}
		h.on(day, "clients", nil, client{c.ID, date(birth), sex, c.District})
		h.on(day, "dispositions", nil, disposition{r.ID, r.Client, r.Account, r.Type})
	}
	for _, r := range d.cards {
		h.on(r.Issued, "cards", nil, card{r.ID, r.Disposition, r.Type, date(r.Issued)})
	}
	if len(clients) > 0 {
		return fmt.Errorf("%d clients have no disposition", len(clients))
	}
	return nil
}

// outcomeOf is the day on which a loan's status was known: the end of its term (A, B), or of the data (C, D).
func outcomeOf(r loanRow) time.Time {
	if r.Status == "A" || r.Status == "B" {
		return r.Date.AddDate(0, int(r.Months), 0)
	}
	return dataEnds
}

// output is the stream while it is written: a file of each table a month, in memory.
type output map[string]*bytes.Buffer

func (f output) line(folder string, day time.Time, v any) error {
	name := folder + "/" + day.Format("2006-01") + ".ndjson"
	if f[name] == nil {
		f[name] = new(bytes.Buffer)
	}
	return json.NewEncoder(f[name]).Encode(v)
}

// envelope is Debezium's form of an event.
type envelope struct {
	Before any            `json:"before"`
	After  any            `json:"after"`
	Source map[string]any `json:"source"`
	Op     string         `json:"op"`
	At     int64          `json:"ts_ms"`
	Tx     any            `json:"transaction"`
}

// encode writes the history as Debezium would have: the snapshot first, then a transaction for each business day,
// because the data knows no finer unit. It returns how many events each table has.
func (h *history) encode(f output) (map[string]int, error) {
	days := slices.SortedFunc(maps.Keys(h.days), time.Time.Compare)
	counts, lsn := map[string]int{}, int64(0)
	for _, e := range h.snapshot {
		lsn++
		counts[e.table]++
		source := map[string]any{"snapshot": "true", "ts_ms": days[0].UnixMilli(), "lsn": lsn}
		if err := f.line(e.table, days[0], envelope{nil, e.after, source, "r", days[0].UnixMilli(), nil}); err != nil {
			return nil, err
		}
	}
	for n, day := range days {
		if err := encodeDay(f, day, n+1, h.days[day], &lsn, counts); err != nil {
			return nil, fmt.Errorf("day %s: %w", day.Format(time.DateOnly), err)
		}
	}
	return counts, nil
}

// encodeDay writes one day's transaction, committed at eight in the evening.
func encodeDay(f output, day time.Time, tx int, events []event, lsn *int64, counts map[string]int) error {
	at, id := day.Add(20*time.Hour).UnixMilli(), fmt.Sprintf("%d:%d", tx, *lsn+1)
	if err := f.line("boundaries", day, map[string]any{"status": "BEGIN", "id": id, "ts_ms": at}); err != nil {
		return err
	}
	perTable := map[string]int{}
	for i, e := range events {
		*lsn++
		counts[e.table]++
		perTable[e.table]++
		op := "c"
		if e.before != nil {
			op = "u"
		}
		source := map[string]any{"snapshot": "false", "ts_ms": at, "txId": tx, "lsn": *lsn}
		block := map[string]any{"id": id, "total_order": i + 1, "data_collection_order": perTable[e.table]}
		if err := f.line(e.table, day, envelope{e.before, e.after, source, op, at, block}); err != nil {
			return err
		}
	}
	var collections []map[string]any
	for _, table := range slices.Sorted(maps.Keys(perTable)) {
		collections = append(collections, map[string]any{"data_collection": "bank." + table, "event_count": perTable[table]})
	}
	return f.line("boundaries", day, map[string]any{"status": "END", "id": id, "ts_ms": at, "event_count": len(events), "data_collections": collections})
}

// writeStream turns the data set into files of change events, and a project file beside them.
func writeStream(ctx context.Context, data, out string, w io.Writer) error {
	d, err := readData(ctx, data)
	if err != nil {
		return err
	}
	h, err := historyOf(d)
	if err != nil {
		return err
	}
	f := output{}
	counts, err := h.encode(f)
	if err != nil {
		return err
	}
	f["../millrace.yaml"] = bytes.NewBuffer(projectFile)
	for name, text := range f {
		path := filepath.Join(out, "arriving", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	for _, table := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) }) {
		fmt.Fprintf(w, "%-13s %6d events\n", table, counts[table])
	}
	_, err = fmt.Fprintf(w, "%d business days, %d files in %s\n", len(h.days), len(f)-1, filepath.Join(out, "arriving"))
	return err
}
