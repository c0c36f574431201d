package project

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
	"github.com/millrace/millrace/sdk/storage"
)

// Stores opens the storage of the project's locations.
func (f *File) Stores() storage.Resolver {
	r := storage.Resolver{"file": localio.Opener(localio.Options{})}
	if f.Lake.S3 != nil {
		r["s3"] = s3io.Opener(f.Lake.S3.options())
	}
	return r
}

// OutputStores are Stores for what a verb writes: a folder is made by the first file in it, and so not by a run that writes nothing.
func (f *File) OutputStores() storage.Resolver {
	r := f.Stores()
	r["file"] = localio.Opener(localio.Options{Lazy: true})
	return r
}

func (s *S3) options() s3io.Options {
	o := s3io.Options{Endpoint: s.Endpoint, Region: s.Region, CAFile: s.CAFile, PartSize: int(s.PartSize), Deadline: s.Deadline,
		Credentials: s3io.Credentials{AccessKey: s.AccessKey, SecretKey: s.SecretKey, SessionToken: s.SessionToken, Profile: s.Profile}}
	switch s.Credentials {
	case "env":
		o.Credentials.Source = s3io.FromEnv
	case "file":
		o.Credentials.Source = s3io.FromFile
	case "iam":
		o.Credentials.Source = s3io.FromIAM
	default:
		o.Credentials.Source = s3io.FromStatic
	}
	if s.VirtualHost {
		o.AddressStyle = s3io.AddressVirtualHost
	}
	return o
}

// OpenLake opens the project's lake. existing refuses to make a catalog where there is none.
func (f *File) OpenLake(ctx context.Context, existing bool, log *slog.Logger) (*catalog.Lake, error) {
	return f.openLake(ctx, catalog.Config{Existing: existing, Storage: f.Stores().Open, Logger: log})
}

// ReadLake opens the project's lake for reading, and leaves no trace where there is none: catalog.ErrNoLake.
func (f *File) ReadLake(ctx context.Context, log *slog.Logger) (*catalog.Lake, error) {
	stores := f.Stores()
	stores["file"] = localio.Opener(localio.Options{MustExist: true})
	return f.openLake(ctx, catalog.Config{ReadOnly: true, Storage: stores.Open, Logger: log})
}

// openLake puts in what the project file says of its lake.
func (f *File) openLake(ctx context.Context, c catalog.Config) (*catalog.Lake, error) {
	c.Catalog, c.Name, c.Warehouse = f.Path(f.Lake.Catalog), f.Lake.Name, f.Path(f.Lake.Warehouse)
	c.REST, c.Meter = catalog.RESTConfig{Token: f.Lake.Token}, f.meter
	return catalog.Open(ctx, c)
}

// OpenSource opens the project's change stream.
func (f *File) OpenSource(ctx context.Context, log *slog.Logger) (source.Source, error) {
	switch {
	case f.Source == nil || f.Source.Kafka == nil && f.Source.Files == nil:
		return nil, fault.Usagef("%s: source: there is no change stream to follow; name one under source.kafka or source.files", f.path)
	case f.Source.Files != nil:
		return f.Source.Files.open(ctx, f, log)
	}
	k := f.Source.Kafka
	o := kafkaio.Options{Brokers: k.Brokers, Stream: f.Name, TransactionTopic: k.Transaction, HeartbeatTopic: k.Heartbeat, Group: k.Group, StartAt: f.start, Logger: log}
	for _, name := range slices.Sorted(maps.Keys(f.Ingest.Tables)) {
		cfg, err := f.decoder(f.Ingest.Tables[name])
		if err != nil {
			return nil, fault.Usagef("%s: ingest.tables.%s: %w", f.path, name, err)
		}
		collection := name
		if k.Schema != "" {
			collection = k.Schema + "." + name
		}
		o.Topics = append(o.Topics, kafkaio.Topic{Name: k.Prefix + "." + collection, Table: name, Collection: collection, Config: cfg})
	}
	if k.SASL != nil {
		o.SASL = kafkaio.SASL{Mechanism: k.SASL.Mechanism, User: k.SASL.User, Password: k.SASL.Password}
	}
	if k.TLS != nil {
		c, err := k.TLS.config(f)
		if err != nil {
			return nil, err
		}
		o.TLS = c
	}
	return kafkaio.Open(ctx, o)
}

func (f *File) decoder(t IngestTable) (debezium.Config, error) {
	schema, err := t.Schema()
	if err != nil {
		return debezium.Config{}, err
	}
	cfg := debezium.Config{Schema: schema, Key: t.Key, AllowDouble: t.Doubles}
	if f.Ingest.Decimals == "base64" {
		cfg.Decimals = debezium.DecimalBase64
	}
	switch f.Ingest.OnSchema {
	case "fail":
		cfg.Evolve = debezium.EvolveFail
	case "ignore":
		cfg.Evolve = debezium.EvolveIgnore
	default:
		cfg.Evolve = debezium.EvolveAdd
	}
	return cfg, nil
}

func (t *TLS) config(f *File) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(f.Path(t.CAFile))
		if err != nil {
			return nil, fault.Usagef("source.kafka.tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.Usagef("source.kafka.tls.ca_file: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.Path(t.CertFile), f.Path(t.KeyFile))
		if err != nil {
			return nil, fault.Usagef("source.kafka.tls: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
