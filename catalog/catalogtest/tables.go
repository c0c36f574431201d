package catalogtest

import (
	"errors"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/fault"
)

func testTables(t *testing.T, h Harness) {
	ctx := t.Context()
	l := open(t, h, 2)
	if err := l.EnsureTable(ctx, Spec(tableName(0))); err != nil {
		t.Errorf("ensuring a table twice: %v", err)
	}
	names, err := l.Tables(ctx)
	if err != nil || !slices.Equal(names, []string{"ledger.t0", "ledger.t1"}) {
		t.Fatalf("tables are %v, %v", names, err)
	}
	spec, err := l.tableAt(catalog.At{}, "ledger.t0").Spec()
	if err != nil {
		t.Fatal(err)
	}
	want := Spec("ledger.t0")
	if spec.Kind != want.Kind || !slices.Equal(spec.Key, want.Key) || spec.BucketBy != want.BucketBy ||
		spec.Buckets != want.Buckets || !slices.Equal(spec.SortBy, want.SortBy) {
		t.Errorf("layout is %+v", spec)
	}
	checkSchema(t, spec.Schema, Schema())
	if err := l.CreateNamespace(ctx, "marts.daily"); err != nil {
		t.Fatal(err)
	}
	spaces, err := l.Namespaces(ctx)
	if err != nil || !slices.Contains(spaces, "ledger") || !slices.Contains(spaces, "marts.daily") {
		t.Errorf("namespaces are %v, %v", spaces, err)
	}
	if err := l.DropNamespace(ctx, "ledger"); err == nil {
		t.Error("a namespace with tables was dropped")
	}
	if err := l.DropNamespace(ctx, "marts.daily"); err != nil {
		t.Error(err)
	}
	if err := l.Drop(ctx, "ledger.t0"); err != nil {
		t.Error(err)
	}
	if err := l.Drop(ctx, "ledger.t0"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("dropping a table twice: %v", err)
	}
	if _, err := l.Table(ctx, "ledger.t0"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a dropped table: %v", err)
	}
	if _, err := l.Commit(ctx, l.add(0, "ledger.t0")); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a commit to a dropped table: %v", err)
	}
}

// checkSchema compares names, types and nullability, and wants a field id on each column.
func checkSchema(t *testing.T, got, want *arrow.Schema) {
	t.Helper()
	if got.NumFields() != want.NumFields() {
		t.Fatalf("columns are %v, want %v", got, want)
	}
	for i, g := range got.Fields() {
		w := want.Field(i)
		if _, ok := g.Metadata.GetValue(catalog.FieldIDKey); !ok {
			t.Errorf("column %s has no field id", g.Name)
		}
		if g.Name != w.Name || !arrow.TypeEqual(g.Type, w.Type) || g.Nullable != w.Nullable {
			t.Errorf("column %d is %v, want %v", i, g, w)
		}
		for key, value := range w.Metadata.ToMap() {
			if got, _ := g.Metadata.GetValue(key); key != catalog.FieldIDKey && got != value {
				t.Errorf("column %s has %s=%q, want %q", g.Name, key, got, value)
			}
		}
	}
}

func replaced(name string, f arrow.Field) *arrow.Schema {
	fields := Schema().Fields()
	for i := range fields {
		if fields[i].Name == name {
			fields[i] = f
			return arrow.NewSchema(fields, nil)
		}
	}
	return arrow.NewSchema(append(fields, f), nil)
}

func testSchemaPolicies(t *testing.T, h Harness) {
	l := open(t, h, 0)
	newColumn := arrow.Field{Name: "channel", Type: arrow.BinaryTypes.String}
	wider := arrow.Field{Name: "amount", Type: &arrow.Decimal128Type{Precision: 20, Scale: 2}}
	for name, c := range map[string]struct {
		policy catalog.SchemaPolicy
		data   *arrow.Schema
		want   *arrow.Schema // nil: refused
	}{
		"evolve_new":      {catalog.Evolve, replaced("channel", newColumn), replaced("channel", arrow.Field{Name: "channel", Type: arrow.BinaryTypes.String, Nullable: true})},
		"evolve_wider":    {catalog.Evolve, replaced("amount", wider), replaced("amount", wider)},
		"evolve_scale":    {catalog.Evolve, replaced("amount", arrow.Field{Name: "amount", Type: &arrow.Decimal128Type{Precision: 20, Scale: 3}}), nil},
		"evolve_text":     {catalog.Evolve, replaced("entry_id", arrow.Field{Name: "entry_id", Type: arrow.BinaryTypes.String}), nil},
		"fail_same":       {catalog.Fail, Schema(), Schema()},
		"fail_new":        {catalog.Fail, replaced("channel", newColumn), nil},
		"fail_wider":      {catalog.Fail, replaced("amount", wider), nil},
		"ignore_new":      {catalog.Ignore, replaced("channel", newColumn), Schema()},
		"ignore_wider":    {catalog.Ignore, replaced("amount", wider), nil},
		"ignore_narrower": {catalog.Ignore, replaced("entry_id", arrow.Field{Name: "entry_id", Type: arrow.PrimitiveTypes.Int32}), Schema()},
	} {
		spec := Spec("ledger." + name)
		spec.Properties = map[string]string{catalog.PropSchemaPolicy: string(c.policy)}
		if err := l.EnsureTable(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		resolved, err := l.ResolveSchema(t.Context(), spec.Name, c.data)
		spec.Schema = c.data
		ensured := l.EnsureTable(t.Context(), spec)
		if c.want == nil {
			var se *catalog.SchemaError
			if !errors.Is(err, catalog.ErrSchema) || !errors.As(ensured, &se) || se.Column == "" || se.Table != spec.Name {
				t.Errorf("%s: resolved with %v, ensured with %v", name, err, ensured)
			}
			continue
		}
		if err != nil || ensured != nil {
			t.Errorf("%s: resolved with %v, ensured with %v", name, err, ensured)
			continue
		}
		checkSchema(t, resolved, c.want)
		got, err := l.tableAt(catalog.At{}, spec.Name).Schema()
		if err != nil {
			t.Fatal(err)
		}
		checkSchema(t, got, c.want)
	}
}

func testSchemaInCommit(t *testing.T, h Harness) {
	l := open(t, h, 1)
	l.commit(l.add(0, tableName(0)))
	data := replaced("channel", arrow.Field{Name: "channel", Type: arrow.BinaryTypes.String})
	resolved, err := l.ResolveSchema(t.Context(), tableName(0), data)
	if err != nil {
		t.Fatal(err)
	}
	next := l.add(1, tableName(0))
	next.Tables[0].Schema = resolved
	l.commit(next)
	now, err := l.tableAt(catalog.At{}, tableName(0)).Schema()
	if err != nil {
		t.Fatal(err)
	}
	checkSchema(t, now, resolved)
	before, err := l.tableAt(catalog.At{Cut: 1}, tableName(0)).Schema()
	if err != nil {
		t.Fatal(err)
	}
	checkSchema(t, before, Schema())

	// Files that were written for ids which another evolution has taken meanwhile.
	one, err := l.ResolveSchema(t.Context(), tableName(0), replaced("channel", arrow.Field{Name: "branch", Type: arrow.BinaryTypes.String}))
	if err != nil {
		t.Fatal(err)
	}
	other := l.add(2, tableName(0))
	if other.Tables[0].Schema, err = l.ResolveSchema(t.Context(), tableName(0), replaced("channel", arrow.Field{Name: "teller", Type: arrow.BinaryTypes.String})); err != nil {
		t.Fatal(err)
	}
	l.commit(other)
	late := l.add(3, tableName(0))
	late.Tables[0].Schema = one
	if _, err := l.Commit(t.Context(), late); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("files with field ids that mean another column: %v", err)
	}

	wrong := l.add(3, tableName(0))
	wrong.Tables[0].Schema = replaced("entry_id", arrow.Field{Name: "entry_id", Type: arrow.BinaryTypes.String})
	if _, err := l.Commit(t.Context(), wrong); !errors.Is(err, catalog.ErrSchema) {
		t.Errorf("an incompatible column: %v", err)
	}
	if got := l.at(catalog.At{}).Number(); got != 3 {
		t.Errorf("refused commits moved the cut to %d", got)
	}
}

func testRefusedCommits(t *testing.T, h Harness) {
	l := open(t, h, 1)
	for name, spoil := range map[string]func(*catalog.Commit){
		"no tables":        func(c *catalog.Commit) { c.Tables = nil },
		"table twice":      func(c *catalog.Commit) { c.Tables = append(c.Tables, c.Tables[0]) },
		"epoch unnamed":    func(c *catalog.Commit) { c.Epoch = "" },
		"backwards":        func(c *catalog.Commit) { c.From, c.To = c.To, c.From },
		"bucket too large": func(c *catalog.Commit) { c.Tables[0].Add[0].Bucket = Buckets },
		"no bucket":        func(c *catalog.Commit) { c.Tables[0].Add[0].Bucket = -1 },
		"empty file":       func(c *catalog.Commit) { c.Tables[0].Add[0].Rows = 0 },
		"file twice":       func(c *catalog.Commit) { c.Tables[0].Add = append(c.Tables[0].Add, c.Tables[0].Add[0]) },
		"remove unbased":   func(c *catalog.Commit) { c.Tables[0].Remove = []string{"x"} },
		"summary key":      func(c *catalog.Commit) { c.Tables[0].Summary = map[string]string{catalog.KeyCut: "9"} },
	} {
		c := l.add(0, tableName(0))
		spoil(&c)
		if _, err := l.Commit(t.Context(), c); fault.Of(err) != fault.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
	if n := l.at(catalog.At{}).Number(); n != 0 {
		t.Errorf("refused commits moved the cut to %d", n)
	}
}

func testSeveralTablesAreRefused(t *testing.T, h Harness) {
	l := open(t, h, 2)
	if _, err := l.Commit(t.Context(), l.add(0, tableName(0), tableName(1))); fault.Of(err) != fault.Usage {
		t.Errorf("a commit of two tables: %v", err)
	}
	l.commit(l.add(0, tableName(0)))
	l.commit(l.add(1, tableName(1)))
	if n := l.at(catalog.At{}).Number(); n != 2 {
		t.Errorf("the cut is %d", n)
	}
}
