package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/ledgergen"
)

// partitions is how many each table's topic has.
const partitions = 3

// broker is a Kafka (kfake) in a process of its own that holds a generated bank's
// life, so that what the ingest spends can be told apart.
type broker struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
	hello
}

// hello is what a broker says once it is ready.
type hello struct {
	Addr   string           `json:"addr"`
	Events map[string]int64 `json:"events"` // by table
	Bytes  int64            `json:"bytes"`  // of keys and values
	Count  int64            `json:"count"`  // change events
	Marks  int64            `json:"marks"`  // BEGINs and ENDs
	Truth  truth            `json:"truth"`  // of the table of changes
}

// startBroker starts one and waits until it says hello.
func startBroker(ctx context.Context, w work) (*broker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	b := &broker{cmd: exec.CommandContext(ctx, self, childFlag)}
	b.cmd.Stderr = os.Stderr
	if b.stdin, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	b.lines = bufio.NewScanner(out)
	if _, err = b.stdin.Write(append(in, '\n')); err == nil {
		err = b.read(&b.hello)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the broker did not start: %w", err), b.stop())
	}
	return b, nil
}

// read waits for the next line.
func (b *broker) read(v any) error {
	if !b.lines.Scan() {
		return errors.Join(b.lines.Err(), io.ErrUnexpectedEOF)
	}
	return json.Unmarshal(b.lines.Bytes(), v)
}

// stop ends it: it lives until its standard input is closed.
func (b *broker) stop() error { return errors.Join(b.stdin.Close(), b.cmd.Wait()) }

// cpu is its user and system time so far.
func (b *broker) cpu() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err := strconv.ParseFloat(f[11], 64)
	sys, err2 := strconv.ParseFloat(f[12], 64)
	return (user + sys) / 100, errors.Join(err, err2)
}

// bankOf is the bank whose life a broker holds: nobody is careless in it, and its size follows the events that are asked for.
func bankOf(w work) ledgergen.Config {
	return ledgergen.Config{Seed: 1, Accounts: w.Accounts, Days: 1000, Clean: true}
}

// lifeOf yields transactions of the bank until there are enough events.
func lifeOf(w work, each func(ledgergen.Tx) error) error {
	bank, err := ledgergen.New(bankOf(w))
	if err != nil {
		return err
	}
	n := int64(0)
	for tx := range bank.Transactions() {
		if err := each(tx); err != nil {
			return err
		}
		if n += int64(len(tx.Events)); n >= w.Events {
			return nil
		}
	}
	return fmt.Errorf("the bank's life ended after %d events", n)
}

// cluster starts Kafka with the bank's topics, and a producer.
func cluster(cfg ledgergen.Config, opts ...kgo.Opt) (*kfake.Cluster, *kgo.Client, error) {
	var data []string
	for _, t := range ledgergen.TableNames() {
		data = append(data, cfg.Topic(t))
	}
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, data...), kfake.SeedTopics(1, cfg.TransactionTopic()))
	if err != nil {
		return nil, nil, err
	}
	p, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.ListenAddrs()...), kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	if err != nil {
		k.Close()
	}
	return k, p, err
}

// holdBacklog is the work of a broker that holds all events before it says hello.
func holdBacklog(ctx context.Context, w work) error {
	cfg := bankOf(w)
	k, p, err := cluster(cfg, kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer k.Close()
	defer p.Close()
	enc, err := ledgergen.NewEncoder(cfg)
	if err != nil {
		return err
	}
	h := hello{Addr: k.ListenAddrs()[0], Events: map[string]int64{}}
	err = lifeOf(w, func(tx ledgergen.Tx) error {
		for _, e := range tx.Events {
			h.Events[e.Table]++
			h.Count++
		}
		for m := range enc.Messages(tx) {
			h.Bytes += int64(len(m.Key) + len(m.Value))
			if m.Kind == ledgergen.Begin || m.Kind == ledgergen.End {
				h.Marks++
			}
			p.Produce(ctx, &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Timestamp: time.UnixMicro(m.At)}, nil)
		}
		return ctx.Err()
	})
	if err == nil {
		err = p.Flush(ctx)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(h)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, os.Stdin) // until the parent closes it
	}
	return err
}

// pulse is the work of a broker whose producer sends events at a steady rate, and that tells how
// long each transaction took to be visible to a reader of the lake.
func pulse(ctx context.Context, w work) error {
	cfg := bankOf(w)
	k, p, err := cluster(cfg, kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer k.Close()
	defer p.Close()
	if err := json.NewEncoder(os.Stdout).Encode(hello{Addr: k.ListenAddrs()[0]}); err != nil {
		return err
	}
	ends := &visibility{topic: cfg.TransactionTopic() + "/0"}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- ends.watch(ctx, w.Out, stop) }()
	err = steadily(ctx, w, cfg, p, ends)
	if err == nil {
		err = ends.wait(ctx, 30*time.Second)
	}
	close(stop)
	if err = errors.Join(err, <-done); err == nil {
		err = json.NewEncoder(os.Stdout).Encode(ends.summary())
	}
	return err
}

// steadily sends the bank's transactions at w.Rate events a second.
func steadily(ctx context.Context, w work, cfg ledgergen.Config, p *kgo.Client, ends *visibility) error {
	enc, err := ledgergen.NewEncoder(cfg)
	if err != nil {
		return err
	}
	start, sent := time.Now(), 0
	err = lifeOf(w, func(tx ledgergen.Tx) error {
		if ahead := time.Duration(float64(sent)/float64(w.Rate)*1e9) - time.Since(start); ahead > time.Millisecond {
			timer := time.NewTimer(ahead)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		sent += len(tx.Events)
		for m := range enc.Messages(tx) {
			r := &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value}
			if m.Kind == ledgergen.End {
				at := time.Now()
				p.Produce(ctx, r, func(r *kgo.Record, err error) {
					if err == nil {
						ends.produced(r.Offset, at)
					}
				})
				continue
			}
			p.Produce(ctx, r, nil)
		}
		return ctx.Err()
	})
	return errors.Join(err, p.Flush(ctx))
}
