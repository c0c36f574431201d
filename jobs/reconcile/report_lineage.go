package reconcile

import (
	"context"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/connectors/lineageio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
)

// lineageStart tells that the run begins.
func (t *teller) lineageStart(ctx context.Context) {
	if t.lineage == nil {
		return
	}
	t.id = uuid.NewString()
	e := t.event(lineageio.Start, t.began)
	for i := range t.o.Rules.Sides {
		e.Inputs = append(e.Inputs, t.input(&t.o.Rules.Sides[i]))
	}
	t.emit(ctx, e)
}

// lineageEnd tells how the run has ended.
func (t *teller) lineageEnd(ctx context.Context, rep *RulesReport, failed error) {
	if t.lineage == nil {
		return
	}
	if failed != nil {
		e := t.event(lineageio.Fail, t.clock())
		e.Error = failed.Error()
		t.emit(ctx, e)
		return
	}
	e := t.event(lineageio.Complete, t.clock())
	e.Outcome = map[string]string{"run": rep.Run, "verdict": string(rep.Verdict), "rules_sha256": rep.SHA256}
	for i := range rep.Sides {
		s := &rep.Sides[i]
		side := t.o.Rules.Side(s.Name)
		if side == nil {
			continue
		}
		d := t.input(side)
		d.Rows = &s.Rows
		d.Assertions = []lineageio.Assertion{{Name: "every record can be read", Success: s.Quarantined == 0}}
		for _, l := range rep.Legs {
			if l.Left == s.Name || l.Right == s.Name {
				d.Assertions = append(d.Assertions, lineageio.Assertion{Name: "reconciles in leg " + l.Name, Success: l.Verdict != Fail})
			}
		}
		e.Inputs = append(e.Inputs, d)
	}
	if t.o.Out != "" {
		e.Outputs = append(e.Outputs, t.output(breaksName, &rep.Total), t.output(matchesName, nil), t.output(summaryName, nil), t.output(reportName, nil))
	}
	t.emit(ctx, e)
}

func (t *teller) event(m lineageio.Moment, at time.Time) lineageio.Event {
	e := lineageio.Event{Moment: m, Time: at, RunID: t.id, Job: "reconcile." + t.o.Rules.Name}
	if t.o.AsOf != 0 {
		e.Nominal = time.Unix(int64(t.o.AsOf)*86400, 0).UTC()
	}
	return e
}

// emit sends an event. Lineage proves nothing about the books: a store that does not take it is a warning, not a failed run.
func (t *teller) emit(ctx context.Context, e lineageio.Event) {
	if err := t.lineage.Emit(ctx, e); err != nil {
		t.o.Logger.WarnContext(ctx, "lineage is not told", "error", err)
	}
}

// input is a side as a dataset, with its columns as the rules name them.
func (t *teller) input(side *rulefile.Side) lineageio.Dataset {
	var d lineageio.Dataset
	if at := location(t.o, side); at != "" {
		d.Namespace, d.Name = datasetName(at)
	} else if side.Database != nil {
		d.Namespace, d.Name = datasetName(side.Database.Place())
		d.Name += "." + side.Name
	} else {
		d.Namespace, d.Name = "millrace", side.Table
	}
	if d.Name == "" {
		d.Name = side.Name
	}
	for _, name := range slices.Sorted(maps.Keys(side.Columns)) {
		col := side.Columns[name]
		for _, from := range col.Sources(name) {
			d.Fields = append(d.Fields, lineageio.Field{Name: from, Type: col.Kind(name)})
		}
	}
	return d
}

func (t *teller) output(name string, rows *int64) lineageio.Dataset {
	d := lineageio.Dataset{Rows: rows}
	d.Namespace, d.Name = datasetName(filepath.Join(t.o.Out, name))
	return d
}

// datasetName names a location as OpenLineage does: s3://bucket and the key, or file and the whole path.
func datasetName(location string) (namespace, name string) {
	if u, err := url.Parse(location); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host, strings.TrimPrefix(u.Path, "/")
	}
	location = strings.TrimPrefix(location, "file://")
	if whole, err := filepath.Abs(location); err == nil {
		location = whole
	}
	return "file", location
}
