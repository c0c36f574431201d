package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	icecat "github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/table"
)

func (b *restBackend) commit(ctx context.Context, next *cutStep, updates []tableUpdate) error {
	for i := range updates {
		b.hook(fmt.Sprintf("staged:%d", i))
	}
	changes := slices.Clone(updates)
	var control *cutMove
	if next != nil {
		base, _ := next.from.token.(head)
		move, err := b.moveCut(ctx, base, next.to)
		if err != nil {
			return err
		}
		control = &move
	}
	switch {
	case b.single == nil && control != nil:
		changes = append(changes, control.tableUpdate)
	case len(changes) > 1:
		return b.single
	case control != nil:
		if err := b.reserve(ctx, *control); err != nil {
			return err
		}
	}
	b.hook("precommit")
	err := b.send(ctx, changes)
	if err != nil {
		if control != nil && b.single == nil && !isUnknown(err) {
			b.dropCut(ctx, *control)
		}
		return err
	}
	b.hook("committed")
	if control != nil && b.single == nil {
		b.dropOldCut(ctx, control.base)
	}
	return nil
}

// reserve takes the cut number ahead of the one table's commit.
func (b *restBackend) reserve(ctx context.Context, control cutMove) error {
	err := b.commitOne(ctx, control.tableUpdate)
	switch {
	case err == nil:
		b.dropOldCut(ctx, control.base)
	case isUnknown(err): // whether or not the number was taken, no table was touched
		return fmt.Errorf("%w: %w", errMoved, err)
	default:
		b.dropCut(ctx, control)
	}
	return err
}

func (b *restBackend) send(ctx context.Context, changes []tableUpdate) error {
	if len(changes) == 1 {
		return b.commitOne(ctx, changes[0])
	}
	commits := make([]table.TableCommit, len(changes))
	for i, c := range changes {
		commits[i] = table.TableCommit{Identifier: identifier(c.base.name), Requirements: c.reqs, Updates: c.updates}
	}
	return b.outcome(b.cat.CommitTransaction(ctx, commits))
}

func (b *restBackend) commitOne(ctx context.Context, c tableUpdate) error {
	_, _, err := b.cat.CommitTable(ctx, identifier(c.base.name), c.reqs, c.updates)
	return b.outcome(err)
}

// outcome sorts the server's answer to a commit: whatever does not clearly say no is unknown.
func (b *restBackend) outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, table.ErrCommitFailed), errors.Is(err, icecat.ErrNoSuchTable):
		return fmt.Errorf("%w: %w", errMoved, err)
	case errors.Is(err, rest.ErrBadRequest), errors.Is(err, rest.ErrUnauthorized), errors.Is(err, rest.ErrForbidden),
		errors.Is(err, rest.ErrAuthorizationExpired), errors.Is(err, rest.ErrEndpointNotSupported), errors.Is(err, iceberg.ErrNotImplemented):
		return b.fail("commit", err)
	}
	return fmt.Errorf("%w: %w", errUnknown, b.fail("commit", err))
}

// cutMove is a change of the control table, with the file that was written for it.
type cutMove struct {
	tableUpdate
	list string
}

// moveCut replaces the control table's snapshot by one that holds the number.
func (b *restBackend) moveCut(ctx context.Context, base head, cut int64) (cutMove, error) {
	up := cutMove{tableUpdate: tableUpdate{base: base, reqs: headUnmoved(base)}}
	seq, id := base.meta.LastSequenceNumber()+1, rand.Int64N(1<<62)+1
	places, err := table.LoadLocationProvider(base.meta.Location(), base.meta.Properties())
	if err != nil {
		return up, err
	}
	location := places.NewMetadataLocation(fmt.Sprintf("snap-%d-cut-%d.avro", id, cut))
	up.list = location
	var empty bytes.Buffer
	if err := iceberg.WriteManifestList(2, &empty, id, nil, &seq, 0, nil); err != nil {
		return up, fmt.Errorf("write manifest list: %w", err)
	}
	if err := b.files.put(ctx, location, empty.Bytes()); err != nil {
		return up, err
	}
	at, schema := b.clock().UnixMilli(), base.meta.CurrentSchema().ID
	last := base.meta.CurrentSnapshot()
	if last != nil {
		at = max(at, last.TimestampMs)
	}
	up.updates = []table.Update{
		table.NewAddSnapshotUpdate(&table.Snapshot{
			SnapshotID: id, SequenceNumber: seq, TimestampMs: at, ManifestList: location, SchemaID: &schema,
			Summary: &table.Summary{Operation: table.OpAppend, Properties: iceberg.Properties{KeyCut: strconv.FormatInt(cut, 10)}},
		}),
		table.NewSetSnapshotRefUpdate(table.MainBranch, id, table.BranchRef, 0, 0, 0),
	}
	if last != nil {
		up.updates = append(up.updates, table.NewRemoveSnapshotsUpdate([]int64{last.SnapshotID}, false))
	}
	return up, nil
}

// dropCut deletes the manifest list of a control snapshot that was not committed.
func (b *restBackend) dropCut(ctx context.Context, control cutMove) {
	_ = b.files.remove(context.WithoutCancel(ctx), control.list) // an orphan of a few hundred bytes if it fails
}

// dropOldCut deletes the manifest list of the control table's former snapshot.
func (b *restBackend) dropOldCut(ctx context.Context, base head) {
	if s := base.meta.CurrentSnapshot(); s != nil && s.ManifestList != "" {
		_ = b.files.remove(context.WithoutCancel(ctx), s.ManifestList) // an orphan of a few hundred bytes if it fails
	}
}
