package kafkaio_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// TestGaps: positions that the log no longer holds, or does not hold yet, and a topic that was
// created again are gaps, with the command that mends them.
func TestGaps(t *testing.T) {
	t.Parallel()
	read := func(t *testing.T) (*stage, change.Position) {
		s := newStage(t)
		for i := range 4 {
			tx := fmt.Sprint("t", i)
			s.produce(begin(tx), order(orders, 0, tx, 1, i), end(tx, "shop.orders", 1))
		}
		pos, _ := s.follow(s.open(), change.Position{}, 4)
		return s, pos
	}
	check := func(t *testing.T, err error, says string) {
		t.Helper()
		if !errors.Is(err, source.ErrGap) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "snapshot orders again") || !strings.Contains(err.Error(), orders) {
			t.Errorf("error %v, want a gap that says %q, the topic and the command", err, says)
		}
	}
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		s, pos := read(t)
		pos.Next[orders+"/0"] = 1
		var cut kadm.Offsets
		cut.AddOffset(orders, 0, 3, -1)
		if _, err := kadm.NewClient(s.cl).DeleteRecords(s.ctx, cut); err != nil {
			t.Fatal(err)
		}
		_, err := s.open().Plan(s.ctx, pos, source.Limits{})
		check(t, err, "begins at offset 3")
	})
	t.Run("beyond the end", func(t *testing.T) {
		t.Parallel()
		s, pos := read(t)
		pos.Next[orders+"/0"] = 1000
		_, err := s.open().Plan(s.ctx, pos, source.Limits{})
		check(t, err, "ends at offset 4")
	})
	t.Run("created again", func(t *testing.T) {
		t.Parallel()
		s, pos := read(t)
		adm := kadm.NewClient(s.cl)
		if _, err := adm.DeleteTopic(s.ctx, orders); err != nil {
			t.Fatal(err)
		}
		if _, err := adm.CreateTopic(s.ctx, 1, 1, nil, orders); err != nil {
			t.Fatal(err)
		}
		fresh := s.client()
		for i := range 10 { // so that the position lies within the new log
			if err := fresh.ProduceSync(s.ctx, order(orders, 0, "x", 1, i)).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.open().Plan(s.ctx, pos, source.Limits{})
		check(t, err, "created again")
	})
	t.Run("expired while it runs", func(t *testing.T) {
		t.Parallel()
		s, pos := read(t)
		src := s.open()
		pos, _ = s.follow(src, pos, 0)
		s.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			s.cluster.KeepControl()
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			for _, t := range req.(*kmsg.FetchRequest).Topics {
				rt := kmsg.NewFetchResponseTopic()
				rt.Topic, rt.TopicID = t.Topic, t.TopicID
				for _, p := range t.Partitions {
					rp := kmsg.NewFetchResponseTopicPartition()
					rp.Partition, rp.ErrorCode = p.Partition, kerr.OffsetOutOfRange.Code
					rt.Partitions = append(rt.Partitions, rp)
				}
				resp.Topics = append(resp.Topics, rt)
			}
			return resp, nil, true
		})
		if err := s.planError(src, pos); !errors.Is(err, source.ErrGap) {
			t.Errorf("error %v, want a gap", err)
		}
	})
}

// TestLostEvent: a transaction of which the topic no longer holds all events stops the
// stream with what it lacks; a smaller transaction is never made of it.
func TestLostEvent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opts.StaleLimit = 200 * time.Millisecond
	s.produce(begin("a"), order(orders, 0, "a", 1, 1), end("a", "shop.orders", 2),
		begin("b"), order(orders, 0, "b", 1, 2), end("b", "shop.orders", 1))
	err := s.planError(s.open(), change.Position{})
	for _, says := range []string{"transaction a", "orders:1", "compacted"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("error %q does not say %q", err, says)
		}
	}
}

// TestOpenTransaction: a transaction whose END does not come is reported after a while.
func TestOpenTransaction(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opts.StaleLimit = 200 * time.Millisecond
	s.produce(begin("a"), order(orders, 0, "a", 1, 1))
	if err := s.planError(s.open(), change.Position{}); !strings.Contains(err.Error(), "transaction a") || !strings.Contains(err.Error(), "END has not arrived") {
		t.Errorf("error %v", err)
	}
}
