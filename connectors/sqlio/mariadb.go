package sqlio

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/millrace/millrace/sdk/fault"
)

// mariadb are the rows of a query of MariaDB, all as text.
type mariadb struct {
	db    *sql.DB
	tx    *sql.Tx
	rows  *sql.Rows
	texts [][]byte
	into  []any
}

func mariadbConfig(c *Config) (*mysql.Config, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fault.Usagef("the url cannot be read")
	}
	conf := mysql.NewConfig()
	conf.User, conf.Net, conf.Addr, conf.DBName, conf.TLSConfig = u.User.Username(), "tcp", u.Host, strings.Trim(u.Path, "/"), "preferred"
	conf.Passwd, _ = u.User.Password()
	if u.Port() == "" {
		conf.Addr += ":3306"
	}
	for name, values := range u.Query() {
		if name != "tls" || !slices.Contains([]string{"true", "false", "preferred", "skip-verify"}, values[0]) {
			return nil, fault.Usagef("the url has a setting %q that is not known; there is tls=true, false, preferred or skip-verify", name)
		}
		conf.TLSConfig = values[0]
	}
	conf.Params = map[string]string{"time_zone": "'+00:00'", "max_statement_time": fmt.Sprintf("%d.%03d", c.timeout().Milliseconds()/1000, c.timeout().Milliseconds()%1000)}
	conf.Collation = "utf8mb4_general_ci"
	conf.Logger = &mysql.NopLogger{} // what it would say comes back as an error
	return conf, nil
}

func openMariaDB(ctx context.Context, c *Config) (result, error) {
	conf, err := mariadbConfig(c)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, fault.Mark(fault.Usage, err)
	}
	m := &mariadb{db: sql.OpenDB(connector)}
	if m.tx, err = m.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}); err != nil {
		return m, fmt.Errorf("connect: %w", err)
	}
	m.rows, err = m.tx.QueryContext(ctx, c.Query)
	return m, err
}

func (m *mariadb) columns() ([]column, error) {
	types, err := m.rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	var out []column
	for _, t := range types {
		precision, scale, _ := t.DecimalSize()
		out = append(out, mariadbColumn(t.Name(), t.DatabaseTypeName(), precision, scale))
	}
	m.texts, m.into = make([][]byte, len(out)), make([]any, len(out))
	for i := range m.into {
		m.into[i] = (*sql.RawBytes)(&m.texts[i])
	}
	return out, nil
}

// mariadbColumn tells a column's kind by its type.
func mariadbColumn(name, from string, precision, scale int64) column {
	c := column{name: name, from: from}
	switch strings.TrimPrefix(from, "UNSIGNED ") {
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "YEAR":
		c.kind = whole
	case "BIGINT":
		c.kind = whole
		if strings.HasPrefix(from, "UNSIGNED") {
			c.kind, c.precision = decimal, 20
		}
	case "DECIMAL":
		c.kind, c.precision, c.scale = decimal, int32(precision), int32(scale)
	case "FLOAT", "DOUBLE":
		c.kind, c.float = digits, true
	case "DATE":
		c.kind = day
	case "DATETIME":
		c.kind = clock
	case "TIMESTAMP":
		c.kind = instant
	case "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "BINARY", "VARBINARY", "BIT", "GEOMETRY":
		c.kind = refused
	}
	return c
}

func (m *mariadb) next() ([][]byte, error) {
	if !m.rows.Next() {
		if err := m.rows.Err(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	return m.texts, m.rows.Scan(m.into...)
}

// close ends the connection, and with it the transaction. Errors do not matter any more: nothing was written.
func (m *mariadb) close() error {
	if m.rows != nil {
		_ = m.rows.Close() // its connection may be gone
	}
	if m.tx != nil {
		_ = m.tx.Rollback() // likewise
	}
	return m.db.Close()
}

func (m *mariadb) late(err error) bool {
	var server *mysql.MySQLError
	return errors.As(err, &server) && server.Number == 1969
}

func (m *mariadb) kind(err error) fault.Kind {
	var server *mysql.MySQLError
	if !errors.As(err, &server) {
		return fault.Retryable
	}
	switch server.Number {
	case 1044, 1045, 1049, 1054, 1064, 1141, 1142, 1143, 1146, 1222, 1305, 1370, 1698, 1792, 3118, 4151:
		return fault.Usage // access, names, syntax, a query that writes
	case 1040, 1203, 1205, 1213, 1317, 1927:
		return fault.Retryable // too many connections, locks, killed
	}
	return fault.Fault
}
