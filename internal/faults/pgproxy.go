package faults

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// CommitFault is a way to spoil a COMMIT on its way to PostgreSQL.
type CommitFault string

// The faults of a COMMIT. The client sees its connection break in each of them.
const (
	CommitLost      CommitFault = "lost commit"       // it never arrives: the server rolls back
	CommitReplyLost CommitFault = "lost commit reply" // it is carried out before the connection breaks
	CommitLate      CommitFault = "late commit"       // it is carried out Delay after the connection broke
)

// CommitRule spoils COMMITs.
type CommitRule struct {
	Fault CommitFault
	When  When
	Delay time.Duration // for CommitLate
}

// PostgresProxy passes connections on to a PostgreSQL server and spoils some of
// the COMMITs that are sent as simple queries, as pgx sends them. It must be spoken to without TLS. Close it.
type PostgresProxy struct {
	target   string
	listener net.Listener
	work     sync.WaitGroup
	stopped  chan struct{}

	mu       sync.Mutex
	closed   bool
	conns    map[net.Conn]bool
	seed     uint64
	rules    []CommitRule
	schedule *schedule
}

// StartPostgresProxy listens on a free loopback port and passes connections on to target, such as 127.0.0.1:5432.
func StartPostgresProxy(target string, seed uint64, rules ...CommitRule) (*PostgresProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("postgres proxy: listen: %w", err)
	}
	p := &PostgresProxy{target: target, listener: l, seed: seed, conns: map[net.Conn]bool{}, stopped: make(chan struct{})}
	p.SetRules(rules...)
	p.work.Go(p.accept)
	return p, nil
}

// Addr is the proxy's host and port.
func (p *PostgresProxy) Addr() string { return p.listener.Addr().String() }

// SetRules replaces the rules and starts counting anew; none passes everything.
func (p *PostgresProxy) SetRules(rules ...CommitRule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = rules
	p.schedule = newSchedule(p.seed, len(rules))
}

// Counts is how often each fault was done since the rules were set.
func (p *PostgresProxy) Counts() map[string]int {
	p.mu.Lock()
	s := p.schedule
	p.mu.Unlock()
	return s.counts()
}

// Close ends all connections and waits for them. Commits that are still late are lost.
func (p *PostgresProxy) Close() error {
	err := p.listener.Close()
	close(p.stopped)
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close() // all that matters is that it ends
	}
	p.mu.Unlock()
	p.work.Wait()
	if err != nil {
		return fmt.Errorf("postgres proxy: close: %w", err)
	}
	return nil
}

func (p *PostgresProxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.keep(c) {
			p.work.Go(func() { p.serve(c) })
		}
	}
}

// keep remembers a connection so that Close ends it; after Close it ends the connection at once.
func (p *PostgresProxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close() // nobody waits for it
		return false
	}
	p.conns[c] = true
	return true
}

func (p *PostgresProxy) drop(c net.Conn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	_ = c.Close() // it may be closed already
}

// serve passes one connection on, message by message towards the server.
func (p *PostgresProxy) serve(client net.Conn) {
	defer p.drop(client)
	server, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	var back sync.WaitGroup
	defer back.Wait()
	replies := &gate{to: client, reply: make(chan struct{})}
	back.Go(func() {
		_, _ = io.Copy(replies, server) // it ends with either connection
		replies.answered()
		p.drop(client)
	})
	if err := passStartup(server, client); err != nil {
		p.drop(server)
		return
	}
	for {
		msg, err := readMessage(client)
		if err == nil {
			if rule, s := p.choose(msg); rule != nil {
				p.spoil(rule, s, client, server, replies, msg)
				return
			}
			_, err = server.Write(msg)
		}
		if err != nil {
			p.drop(server)
			return
		}
	}
}

// spoil breaks the client's connection, and carries the COMMIT out before, after or not at all.
func (p *PostgresProxy) spoil(r *CommitRule, s *schedule, client, server net.Conn, replies *gate, msg []byte) {
	s.count(string(r.Fault))
	switch r.Fault {
	case CommitReplyLost:
		replies.shut()
		if _, err := server.Write(msg); err == nil {
			<-replies.reply // the server has committed, or it is gone
		}
		p.drop(client)
	case CommitLate:
		replies.shut()
		p.drop(client)
		late := time.NewTimer(r.Delay)
		defer late.Stop()
		select {
		case <-late.C:
		case <-p.stopped:
		}
		if _, err := server.Write(msg); err == nil {
			<-replies.reply
		}
	default:
		p.drop(client)
	}
	p.drop(server)
}

// choose finds the first rule that hits a message.
func (p *PostgresProxy) choose(msg []byte) (*CommitRule, *schedule) {
	if !isCommit(msg) {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.rules {
		if hit, _ := p.schedule.decide(i, p.rules[i].When); hit {
			return &p.rules[i], p.schedule
		}
	}
	return nil, nil
}

func isCommit(msg []byte) bool {
	return msg[0] == 'Q' && strings.EqualFold(strings.TrimRight(string(msg[5:]), "; \x00"), "commit")
}

// gate passes replies to the client until it is shut.
type gate struct {
	to    net.Conn
	reply chan struct{} // closed at the first reply after shut, and at the end
	once  sync.Once

	mu     sync.Mutex
	closed bool
}

// shut keeps further replies back.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

func (g *gate) answered() { g.once.Do(func() { close(g.reply) }) }

func (g *gate) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		g.answered()
		return len(b), nil
	}
	return g.to.Write(b)
}

// maxMessage bounds a message: what is longer is no client of a catalog.
const maxMessage = 64 << 20

var errMessage = errors.New("not a PostgreSQL message")

// passStartup passes the first message on, which has no type.
func passStartup(to io.Writer, from io.Reader) error {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return err
	}
	return passBody(to, from, size[:], size[:])
}

func passBody(to io.Writer, from io.Reader, head, size []byte) error {
	msg, err := readBody(from, head, size)
	if err != nil {
		return err
	}
	_, err = to.Write(msg)
	return err
}

// readMessage reads one message with its type and length.
func readMessage(from io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	return readBody(from, head[:], head[1:])
}

func readBody(from io.Reader, head, size []byte) ([]byte, error) {
	n := int64(binary.BigEndian.Uint32(size)) - 4
	if n < 0 || n > maxMessage {
		return nil, errMessage
	}
	msg := append(make([]byte, 0, int64(len(head))+n), head...)
	msg = msg[:int64(len(head))+n]
	_, err := io.ReadFull(from, msg[len(head):])
	return msg, err
}
