package s3gateway

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
)

// tunnel ends TLS and passes the plain bytes on: the server below takes
// certificates from files only. Requests are signed for the Host header, which passes unchanged.
type tunnel struct {
	listener net.Listener
	backend  string

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
	group  sync.WaitGroup
}

func openTunnel(addr string, config *tls.Config, backend string) (*tunnel, error) {
	l, err := tls.Listen("tcp", addr, config)
	if err != nil {
		return nil, err
	}
	t := &tunnel{listener: l, backend: backend, conns: map[net.Conn]struct{}{}}
	t.group.Go(t.accept)
	return t, nil
}

func (t *tunnel) addr() string { return t.listener.Addr().String() }

func (t *tunnel) accept() {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			return // closed
		}
		if !t.track(conn) {
			conn.Close()
			return
		}
		t.group.Go(func() { t.relay(conn) })
	}
}

// track makes close reach conn; false if the tunnel is closed already.
func (t *tunnel) track(conn net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.conns[conn] = struct{}{}
	}
	return !t.closed
}

func (t *tunnel) drop(conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, conn)
	conn.Close()
}

func (t *tunnel) relay(client net.Conn) {
	defer t.drop(client)
	server, err := net.Dial("tcp", t.backend)
	if err != nil || !t.track(server) {
		return
	}
	defer t.drop(server)
	var group sync.WaitGroup
	group.Go(func() {
		io.Copy(server, client)
		server.(*net.TCPConn).CloseWrite()
	})
	io.Copy(client, server)
	client.Close() // ends the other direction too
	group.Wait()
}

func (t *tunnel) close() {
	t.listener.Close()
	t.mu.Lock()
	t.closed = true
	for conn := range t.conns {
		conn.Close()
	}
	t.mu.Unlock()
	t.group.Wait()
}
