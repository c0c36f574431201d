package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/record"
	"github.com/millrace/millrace/sdk/storage"
)

// The rows of the data set's files, under the names that their headers have.
type (
	accountRow struct {
		ID        int64     `lake:"account_id"`
		District  int64     `lake:"district_id"`
		Frequency string    `lake:"frequency"`
		Date      time.Time `lake:"date,date"`
	}
	clientRow struct {
		ID       int64  `lake:"client_id"`
		Birth    string `lake:"birth_number"` // YYMMDD, the month plus 50 for women
		District int64  `lake:"district_id"`
	}
	dispositionRow struct {
		ID      int64  `lake:"disp_id"`
		Client  int64  `lake:"client_id"`
		Account int64  `lake:"account_id"`
		Type    string `lake:"type"`
	}
	cardRow struct {
		ID          int64     `lake:"card_id"`
		Disposition int64     `lake:"disp_id"`
		Type        string    `lake:"type"`
		Issued      time.Time `lake:"issued,date"`
	}
	loanRow struct {
		ID       int64         `lake:"loan_id"`
		Account  int64         `lake:"account_id"`
		Date     time.Time     `lake:"date,date"`
		Amount   money.Decimal `lake:"amount,decimal(18,2)"`
		Months   int64         `lake:"duration"`
		Payments money.Decimal `lake:"payments,decimal(18,2)"`
		Status   string        `lake:"status"`
	}
	orderRow struct {
		ID        int64         `lake:"order_id"`
		Account   int64         `lake:"account_id"`
		BankTo    string        `lake:"bank_to"`
		AccountTo string        `lake:"account_to"`
		Amount    money.Decimal `lake:"amount,decimal(18,2)"`
		Symbol    *string       `lake:"k_symbol"`
	}
	transactionRow struct {
		ID        int64         `lake:"trans_id"`
		Account   int64         `lake:"account_id"`
		Date      time.Time     `lake:"date,date"`
		Type      string        `lake:"type"`
		Operation *string       `lake:"operation"`
		Amount    money.Decimal `lake:"amount,decimal(18,2)"`
		Balance   money.Decimal `lake:"balance,decimal(18,2)"`
		Symbol    *string       `lake:"k_symbol"`
		Bank      *string       `lake:"bank"`
		Partner   *string       `lake:"account"`
	}
	districtRow struct {
		ID             int64          `lake:"A1"`
		Name           string         `lake:"A2"`
		Region         string         `lake:"A3"`
		Inhabitants    int64          `lake:"A4"`
		Hamlets        int64          `lake:"A5"` // municipalities with fewer than 500 inhabitants
		Villages       int64          `lake:"A6"` // 500 to 1,999
		Towns          int64          `lake:"A7"` // 2,000 to 9,999
		LargeTowns     int64          `lake:"A8"`
		Cities         int64          `lake:"A9"`
		Urban          money.Decimal  `lake:"A10,decimal(5,1)"` // percent of inhabitants
		Salary         int64          `lake:"A11"`              // average
		Unemployment95 *money.Decimal `lake:"A12,decimal(5,2)"`
		Unemployment96 money.Decimal  `lake:"A13,decimal(5,2)"`
		Entrepreneurs  int64          `lake:"A14"` // of 1,000 inhabitants
		Crimes95       *int64         `lake:"A15"`
		Crimes96       int64          `lake:"A16"`
	}
)

// dataSet is the whole data set in memory: 70,000 rows.
type dataSet struct {
	districts    []districtRow
	clients      []clientRow
	accounts     []accountRow
	dispositions []dispositionRow
	cards        []cardRow
	loans        []loanRow
	orders       []orderRow
	transactions []transactionRow
}

// readData reads the files in a folder. A record that does not fit is an error with file and line.
func readData(ctx context.Context, dir string) (*dataSet, error) {
	store, err := localio.Open(dir, localio.Options{MustExist: true})
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	var d dataSet
	err = errors.Join(
		readFile(ctx, store, "district.asc", &d.districts),
		readFile(ctx, store, "client.asc", &d.clients),
		readFile(ctx, store, "account.asc", &d.accounts),
		readFile(ctx, store, "disp.asc", &d.dispositions),
		readFile(ctx, store, "card.asc", &d.cards),
		readFile(ctx, store, "loan.asc", &d.loans),
		readFile(ctx, store, "order.asc", &d.orders),
		readFile(ctx, store, "trans.asc", &d.transactions),
	)
	return &d, err
}

// readFile reads one file as rows of T.
func readFile[T any](ctx context.Context, store storage.Store, name string, into *[]T) error {
	schema, err := record.SchemaOf[T]()
	if err != nil {
		return fmt.Errorf("rows of %s: %w", name, err)
	}
	opts := csvio.Options{
		Schema: schema, Delimiter: ";", Encoding: "latin-1", Nulls: []string{"", "?"}, OneLine: true,
		Text: files.TextOptions{DateLayouts: []string{"060102", "060102 15:04:05"}},
	}
	splits, err := csvio.Splits(ctx, store, name, opts)
	if err != nil {
		return err
	}
	for _, split := range splits {
		if err := readSplit(ctx, store, split, opts, into); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil
}

func readSplit[T any](ctx context.Context, store storage.Store, split files.Split, opts csvio.Options, into *[]T) (err error) {
	r, err := csvio.Open(ctx, store, split, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		batch, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rows, err := record.All[T](batch)
		batch.Release()
		if err != nil {
			return err
		}
		*into = append(*into, rows...)
	}
}

// text is a code of the data set, nil where it is blank.
func text(s *string) *string {
	if s == nil || strings.TrimSpace(*s) == "" {
		return nil
	}
	return s
}

// born takes a birth number apart.
func born(number string) (day time.Time, sex string, err error) {
	if len(number) != 6 {
		return day, "", fmt.Errorf("birth number %q: want YYMMDD", number)
	}
	sex = "M"
	month := (number[2]-'0')*10 + number[3] - '0'
	if month > 50 {
		sex, month = "F", month-50
	}
	day, err = time.Parse("20060102", fmt.Sprintf("19%s%02d%s", number[:2], month, number[4:]))
	if err != nil {
		return day, "", fmt.Errorf("birth number %q: %w", number, err)
	}
	return day, sex, nil
}
