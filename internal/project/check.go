package project

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/strictyaml"
)

// check finds the mistakes that single values do not show.
func (f *File) check() []strictyaml.Problem {
	var out []strictyaml.Problem
	say := func(path, format string, args ...any) { out = append(out, f.problem(path, format, args...)) }
	f.checkLake(say)
	f.checkSource(say)
	f.checkMaintain(say)
	f.checkReconcile(say)
	f.checkZone(say)
	f.checkMetrics(say)
	f.checkProcess(say)
	f.checkFeatures(say)
	f.checkExport(say)
	f.checkNightly(say)
	for _, name := range slices.Sorted(maps.Keys(f.Ingest.Tables)) {
		f.checkTable("ingest.tables."+name, f.Ingest.Tables[name], say)
	}
	if f.Ingest.DeadLetters < 0 {
		say("ingest.dead_letter_limit", "must not be negative; 0 stops at the first message that can't be decoded")
	}
	if f.Ingest.Epoch.MaxEvents < 1 && f.where["ingest.epoch.max_events"] != [2]int{} {
		say("ingest.epoch.max_events", "must be at least 1")
	}
	return out
}

type sayer func(path, format string, args ...any)

func (f *File) checkLake(say sayer) {
	if c := f.Lake.Catalog; c != "" {
		scheme, _, _ := strings.Cut(c, "://")
		if !slices.Contains([]string{"sqlite", "postgres", "postgresql", "http", "https"}, scheme) {
			say("lake.catalog", "%q is not a catalog; write sqlite://file, postgres://host/db or https://host", strictyaml.MaskURL(c))
		}
		if f.Lake.Token != "" && !strings.HasPrefix(scheme, "http") {
			say("lake.token", "has no effect: only a REST catalog takes a token")
		}
	}
	if f.Lake.Warehouse != "" {
		f.checkLocation("lake.warehouse", f.Lake.Warehouse, say)
	}
	s3 := f.Lake.S3
	if s3 == nil {
		return
	}
	if !f.usesS3() {
		say("lake.s3", "has no effect: no location in this file starts with s3://")
	}
	checkS3("lake.s3", s3, say)
}

// checkS3 finds the mistakes of settings for object storage at a path.
func checkS3(path string, s3 *S3, say sayer) {
	if u, err := url.Parse(s3.Endpoint); s3.Endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		say(path+".endpoint", "%q is not an endpoint; write http://host:port or https://host", s3.Endpoint)
	}
	switch {
	case s3.Credentials == "static" && (s3.AccessKey == "" || s3.SecretKey == ""):
		say(path, "static credentials need access_key and secret_key (or set credentials to env, file or iam)")
	case s3.Credentials != "static" && s3.Credentials != "" && s3.AccessKey != "":
		say(path+".access_key", "has no effect with credentials: %s", s3.Credentials)
	}
	if s3.Profile != "" && s3.Credentials != "file" {
		say(path+".profile", "has no effect unless credentials is file")
	}
}

func (f *File) checkLocation(path, location string, say sayer) {
	switch {
	case strings.HasPrefix(location, "file://"):
	case strings.HasPrefix(location, "s3://"):
		if f.Lake.S3 == nil {
			say(path, "%s needs the settings lake.s3 (endpoint and credentials)", location)
		}
	default:
		say(path, "%q is not a location; write file://folder or s3://bucket/prefix", location)
	}
}

func (f *File) usesS3() bool {
	files := f.Source != nil && f.Source.Files != nil && f.Source.Files.S3 == nil && strings.HasPrefix(f.Source.Files.Location, "s3://")
	return files || strings.HasPrefix(f.Lake.Warehouse, "s3://") || strings.HasPrefix(f.Export.To, "s3://")
}

func (f *File) checkSource(say sayer) {
	s := f.Source
	if s == nil {
		if len(f.Ingest.Tables) > 0 {
			say("ingest.tables", "have no effect without a source")
		}
		return
	}
	switch {
	case s.Kafka == nil && s.Files == nil:
		say("source", "says nothing of where the change stream is: write source.kafka or source.files")
	case s.Kafka != nil && s.Files != nil:
		say("source.files", "and source.kafka exclude each other: a project follows one change stream")
	case s.Files != nil:
		f.checkFiles(s.Files, say)
	}
	if k := s.Kafka; k != nil && k.TLS != nil && (k.TLS.CertFile == "") != (k.TLS.KeyFile == "") {
		say("source.kafka.tls", "cert_file and key_file go together")
	}
	if len(f.Ingest.Tables) == 0 {
		say("source", "has no effect: list the tables under ingest.tables")
	}
}

func (f *File) checkTable(path string, t IngestTable, say sayer) {
	if !t.Mirror && !t.History {
		say(path, "keeps neither a mirror nor history: nothing would be written")
	}
	if t.AppendOnly && !t.Mirror {
		say(path+".append_only", "has no effect without a mirror")
	}
	if t.Buckets == 0 && t.BucketBy != "" {
		say(path+".bucket_by", "has no effect without buckets")
	}
	if t.Buckets < 0 {
		say(path+".buckets", "must not be negative")
	}
	if _, err := t.Schema(); err != nil {
		say(path+".columns", "%v", err)
	}
	for i, c := range t.Control {
		if _, err := ParseControl(c); err != nil {
			say(path+".control", "item %d: %v", i+1, err)
		}
	}
}
