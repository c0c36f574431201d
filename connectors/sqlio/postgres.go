package sqlio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/sdk/fault"
)

// postgres are the rows of a query of PostgreSQL, all as text.
type postgres struct {
	conn *pgconn.PgConn
	rows *pgconn.ResultReader
	ctx  context.Context
}

func openPostgres(ctx context.Context, c *Config) (result, error) {
	conf, err := pgconn.ParseConfig(c.URL)
	if err != nil { // it may show the password
		return nil, fault.Usagef("the url has a setting that is not known, or a wrong value")
	}
	for name, value := range map[string]string{"TimeZone": "UTC", "DateStyle": "ISO", "extra_float_digits": "1", "application_name": "millrace"} {
		conf.RuntimeParams[name] = value
	}
	p := &postgres{ctx: ctx}
	if p.conn, err = pgconn.ConnectConfig(ctx, conf); err != nil {
		return nil, fault.Mark(p.kind(err), fmt.Errorf("connect: %w", bare(err)))
	}
	begin := fmt.Sprintf("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = %d", c.timeout().Milliseconds())
	if _, err := p.conn.Exec(ctx, begin).ReadAll(); err != nil {
		return p, errors.Join(err, p.close())
	}
	p.rows = p.conn.ExecParams(ctx, c.Query, nil, nil, nil, nil)
	return p, nil
}

// bare is why a connection could not be made, without user and settings.
func bare(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

func (p *postgres) columns() ([]column, error) {
	fields := p.rows.FieldDescriptions()
	if len(fields) == 0 { // the query has failed, or has none
		if _, err := p.rows.Close(); err != nil {
			return nil, err
		}
	}
	var out []column
	for _, f := range fields {
		out = append(out, postgresColumn(f.Name, f.DataTypeOID, f.TypeModifier))
	}
	return out, nil
}

// postgresColumn tells a column's kind by its type.
func postgresColumn(name string, oid uint32, modifier int32) column {
	c := column{name: name}
	switch oid {
	case 20, 21, 23: // int8, int2, int4
		c.kind = whole
	case 1700:
		c.kind = digits
		if modifier >= 4 {
			precision, scale := (modifier-4)>>16&0xffff, (modifier-4)&0x7ff
			if scale <= 38 { // a scale may be negative, which is above
				c.kind, c.precision, c.scale = decimal, precision, scale
			}
		}
	case 700, 701:
		c.kind, c.float, c.from = digits, true, "a binary floating-point number"
	case 790:
		c.kind, c.from = refused, "MONEY, which is written as the server's locale has it"
	case 17:
		c.kind, c.from = refused, "BYTEA"
	case 1082:
		c.kind = day
	case 1114:
		c.kind = clock
	case 1184:
		c.kind = instant
	}
	return c
}

func (p *postgres) next() ([][]byte, error) {
	if p.rows.NextRow() {
		return p.rows.Values(), nil
	}
	if _, err := p.rows.Close(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// close ends the connection, and with it the transaction. A query that still runs is cancelled on the server.
func (p *postgres) close() error {
	if p.conn == nil || p.conn.IsClosed() {
		return nil
	}
	ctx := context.WithoutCancel(p.ctx) // which has ended: to say goodbye takes no time
	if p.conn.IsBusy() {
		_ = p.conn.CancelRequest(ctx) // the connection ends all the same
	}
	_ = p.conn.Close(ctx) // nothing was written
	return nil
}

func (p *postgres) late(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == "57014"
}

func (p *postgres) kind(err error) fault.Kind {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return fault.Retryable
	}
	switch class := server.Code[:min(2, len(server.Code))]; {
	case strings.Contains("08 53 57 40", class):
		return fault.Retryable
	case strings.Contains("22 25 28 3D 3F 42 0A", class):
		return fault.Usage
	}
	return fault.Fault
}
