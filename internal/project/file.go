package project

import (
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/millrace/millrace/internal/strictyaml"
)

// File is a project file.
type File struct {
	Name   string  `yaml:"name" required:"true" doc:"the project's name; it names the stream in the lake, so keep it"`
	Lake   Lake    `yaml:"lake" required:"true" doc:"the catalog and the storage of the lake"`
	Source *Source `yaml:"source" doc:"the change stream that feeds the lake"`
	Ingest Ingest  `yaml:"ingest" doc:"how the change stream becomes tables"`
	Log    Log     `yaml:"log" doc:"what is logged, and how"`

	Features  Features  `yaml:"features" doc:"the credit features of the accounts"`
	Export    Export    `yaml:"export" doc:"tables as files, with a manifest"`
	Reconcile Reconcile `yaml:"reconcile" doc:"the proof of the lake: against a statement, its own balances, and the change stream"`
	Metrics   *Metrics  `yaml:"metrics" doc:"show what a running process does"`
	Maintain  Maintain  `yaml:"maintain" doc:"compaction, expiry of snapshots and collection of garbage"`
	Nightly   *Nightly  `yaml:"nightly" doc:"what runs every night, when, and who is told"`

	path  string
	where strictyaml.Where
	meter metric.Meter // nil: none
	start time.Time    // where a stream that has no position begins; zero: at its beginning
}

// Lake says where the tables are.
type Lake struct {
	Catalog   string `yaml:"catalog" required:"true" doc:"sqlite://lake/catalog.db, postgres://user:password@host/db, or http(s)://host (Iceberg REST)"`
	Name      string `yaml:"name" default:"millrace" doc:"the catalog's name inside its database"`
	Warehouse string `yaml:"warehouse" required:"true" doc:"file://folder or s3://bucket/prefix"`
	Token     string `yaml:"token" secret:"true" doc:"bearer token of a REST catalog"`
	S3        *S3    `yaml:"s3" doc:"how to reach s3:// locations"`
}

// S3 says how to reach object storage.
type S3 struct {
	Endpoint     string          `yaml:"endpoint" required:"true" doc:"http(s)://host:port of the S3 service"`
	Region       string          `yaml:"region" default:"us-east-1" doc:"the region to sign for"`
	Credentials  string          `yaml:"credentials" default:"static" enum:"static|env|file|iam" doc:"where the keys come from"`
	AccessKey    string          `yaml:"access_key" doc:"access key id, for static credentials"`
	SecretKey    string          `yaml:"secret_key" secret:"true" doc:"secret access key, for static credentials"`
	SessionToken string          `yaml:"session_token" secret:"true" doc:"session token, for static credentials"`
	Profile      string          `yaml:"profile" doc:"profile of the shared credentials file, for file credentials"`
	VirtualHost  bool            `yaml:"virtual_host" doc:"address buckets as host names instead of paths"`
	CAFile       string          `yaml:"ca_file" doc:"PEM file of an own certificate authority"`
	PartSize     strictyaml.Size `yaml:"part_size" default:"16MiB" doc:"part size of multipart uploads"`
	Deadline     time.Duration   `yaml:"deadline" default:"60s" doc:"how long one operation is retried"`
}

// Source is a change stream: exactly one of its fields is set.
type Source struct {
	Kafka *Kafka `yaml:"kafka" doc:"Debezium topics in Kafka"`
	Files *Files `yaml:"files" doc:"Debezium's envelopes as files that arrive in a folder or in object storage"`
}

// Kafka says how to read Debezium's topics.
type Kafka struct {
	Brokers     []string `yaml:"brokers" required:"true" doc:"host:port of one or more brokers"`
	Prefix      string   `yaml:"prefix" required:"true" doc:"Debezium's topic.prefix"`
	Schema      string   `yaml:"schema" doc:"database schema in topic names: prefix.schema.table; empty for prefix.table"`
	Transaction string   `yaml:"transaction_topic" doc:"Debezium's transaction topic (prefix.transaction); empty: boundaries are told from what follows, a weaker guarantee"`
	Heartbeat   string   `yaml:"heartbeat_topic" doc:"Debezium's heartbeat topic"`
	Group       string   `yaml:"group" doc:"consumer group to publish progress to, for lag monitors; the position itself lives in the lake"`
	TLS         *TLS     `yaml:"tls" doc:"encrypt the connection"`
	SASL        *SASL    `yaml:"sasl" doc:"authenticate"`
}

// TLS says how to encrypt a connection.
type TLS struct {
	CAFile   string `yaml:"ca_file" doc:"PEM file of an own certificate authority"`
	CertFile string `yaml:"cert_file" doc:"PEM file of the client's certificate"`
	KeyFile  string `yaml:"key_file" doc:"PEM file of the client's key"`
}

// SASL says how to authenticate to Kafka.
type SASL struct {
	Mechanism string `yaml:"mechanism" default:"SCRAM-SHA-512" enum:"PLAIN|SCRAM-SHA-256|SCRAM-SHA-512" doc:"the SASL mechanism"`
	User      string `yaml:"user" required:"true" doc:"user name"`
	Password  string `yaml:"password" required:"true" secret:"true" doc:"password"`
}

// Ingest says how the change stream becomes tables.
type Ingest struct {
	Namespace   string                 `yaml:"namespace" default:"ledger" doc:"namespace of the tables in the lake"`
	TimeZone    string                 `yaml:"time_zone" default:"UTC" doc:"where business dates begin and end, such as Europe/Zurich: no step holds transactions of two dates; none: dates do not matter, and have no tags"`
	Epoch       Epoch                  `yaml:"epoch" doc:"the size of one atomic step"`
	Process     Process                `yaml:"process" doc:"when the working process is replaced by a new one"`
	OnSchema    string                 `yaml:"on_schema_change" default:"evolve" enum:"fail|evolve|ignore" doc:"what a changed source schema does"`
	Decimals    string                 `yaml:"decimals" default:"base64" enum:"base64|text" doc:"how the source writes decimals in messages without inline schema"`
	DeadLetters int64                  `yaml:"dead_letter_limit" default:"10000" doc:"stop once a run has quarantined more messages than this"`
	Tables      map[string]IngestTable `yaml:"tables" doc:"the source's tables"`
}

// Epoch bounds one atomic step.
type Epoch struct {
	MaxWait   time.Duration   `yaml:"max_wait" default:"1s" doc:"commit at least this often while events arrive"`
	MaxEvents int64           `yaml:"max_events" default:"500000" doc:"most events in one step (one transaction is never split)"`
	MaxBytes  strictyaml.Size `yaml:"max_bytes" default:"128MiB" doc:"most input bytes in one step"`
}

// IngestTable says how one source table is kept.
type IngestTable struct {
	Key        []string `yaml:"key" required:"true" doc:"primary key columns"`
	Columns    []string `yaml:"columns" required:"true" doc:"every column that the stream begins with, as 'name type' or 'name type null'; types are decimal(18,2), timestamp, date, bigint, int, text, boolean, double, binary"`
	Mirror     bool     `yaml:"mirror" default:"true" doc:"keep the current state"`
	History    bool     `yaml:"history" default:"true" doc:"keep every change in TABLE_changes"`
	AppendOnly bool     `yaml:"append_only" doc:"rows are only ever inserted, once: no index is kept"`
	Buckets    int      `yaml:"buckets" default:"0" doc:"hash buckets by bucket_by; 0: one partition"`
	BucketBy   string   `yaml:"bucket_by" doc:"column to bucket by; default the first key column"`
	SortBy     []string `yaml:"sort_by" doc:"order of rows in a file; default the bucket column, then the key"`
	Control    []string `yaml:"control" doc:"control totals, such as 'amount by currency'"`
	Doubles    []string `yaml:"allow_double" doc:"decimal columns that the source sends as JSON numbers (decimal.handling.mode=double): exactness ends at the source"`
}

// Log says what is logged.
type Log struct {
	Level  string `yaml:"level" default:"info" enum:"debug|info|warn|error" doc:"least severity"`
	Format string `yaml:"format" default:"auto" enum:"auto|text|json" doc:"auto: text on a terminal, JSON lines elsewhere"`
}
