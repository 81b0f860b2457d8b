package main

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// link is the network between a janitor and its server.
type link struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	delay  time.Duration // of each segment
	silent bool          // what is sent is dropped without a word, the end of a connection too
	open   map[net.Conn]bool
}

// through puts a link before a database and returns the URL that leads over it. It goes with the test.
func through(t *testing.T, database string) (*link, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, server: u.Host, open: map[net.Conn]bool{}}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { l.connect(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.heal()
		connections.Wait()
	})
	u.Host = listener.Addr().String()
	return l, u.String()
}

// connect carries one connection until both of its ends have gone.
func (l *link) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	l.open[client], l.open[server] = true, true
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.pump(server, client) })
	both.Go(func() { l.pump(client, server) })
	both.Wait()
	l.mu.Lock()
	delete(l.open, client)
	delete(l.open, server)
	l.mu.Unlock()
}

// segment is what an Ethernet carries at once: a link that falls silent may cut a batch in two.
const segment = 1460

// pump carries what one end says to the other.
func (l *link) pump(to, from net.Conn) {
	buf := make([]byte, segment)
	for {
		n, ended := from.Read(buf)
		l.mu.Lock()
		delay, silent := l.delay, l.silent
		l.mu.Unlock()
		switch {
		case silent && ended != nil:
			return // the other end hears of it when the link is healed
		case silent:
			continue
		}
		time.Sleep(delay)
		if _, err := to.Write(buf[:n]); err != nil || ended != nil {
			_ = to.Close()
			return
		}
	}
}

// slow makes each segment take so long.
func (l *link) slow(delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = delay
}

// hush makes the link drop what is sent.
func (l *link) hush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = true
}

// heal makes a silent link carry again. Connections that it was silent on have lost something, so all are cut.
func (l *link) heal() {
	l.mu.Lock()
	l.silent = false
	l.mu.Unlock()
	l.cut()
}

// cut ends all connections.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.Close()
	}
}
