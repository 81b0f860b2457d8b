package janitor

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between a run and its server and breaks the connection as it is told.
type proxy struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	fault  fault // hears what the client sent
	answer fault // and what the server answered
	delay  time.Duration
	open   []net.Conn
}

// through starts a proxy before the table's server and connects through it.
func (tab *table) through() (*proxy, *table) {
	tab.t.Helper()
	u, err := url.Parse(tab.url)
	if err != nil {
		tab.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tab.t.Fatal(err)
	}
	p := &proxy{listener: l, server: u.Host}
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", p.server)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.open = append(p.open, client, server)
			p.mu.Unlock()
			pumps.Go(func() { p.pump(server, client, false) })
			pumps.Go(func() { p.pump(client, server, true) })
		}
	})
	tab.t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		pumps.Wait()
	})
	u.Host = l.Addr().String()
	return p, &table{Conn: connect(tab.t, u.String()), t: tab.t, url: u.String()}
}

// pump carries what one side says to the other, up to the server or down from it.
func (p *proxy) pump(to, from net.Conn, down bool) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.mu.Lock()
			met, delay := p.fault, p.delay
			if down {
				met = p.answer
			}
			p.mu.Unlock()
			time.Sleep(delay)
			if met != nil && met(p, from, to, buf[:n]) {
				_, _ = io.Copy(io.Discard, from)
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}

// set sets the faults to come.
func (p *proxy) set(fault, answer fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.answer = fault, answer
}

// reset ends a connection with RST, as a firewall or a dead host's successor does.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// fault is what a proxy does about a piece of the talk; true: it goes no further.
type fault = func(p *proxy, from, to net.Conn, piece []byte) bool

// onDelete does something when the third DELETE is on its way: two batches went well.
func onDelete(do func(p *proxy, server, client net.Conn)) fault {
	var n atomic.Int64 // pgx also connects to cancel what takes too long
	return func(p *proxy, from, to net.Conn, sent []byte) bool {
		if bytes.Contains(sent, []byte("\x00DELETE FROM")) {
			n.Add(1)
		}
		if n.Load() < 3 {
			return false
		}
		do(p, to, from)
		return true
	}
}

// onAnswer does something when the answer to the third DELETE is there: it was committed.
func onAnswer(do func(p *proxy, server, client net.Conn)) fault {
	var n atomic.Int64
	return func(p *proxy, from, to net.Conn, got []byte) bool {
		if n.Add(int64(bytes.Count(got, []byte("DELETE ")))) < 3 ||
			!bytes.HasSuffix(got, []byte{'Z', 0, 0, 0, 5, 'I'}) { // ready for the next
			return false
		}
		do(p, from, to)
		return true
	}
}

// The connection breaks while a batch is under way. The run fails at once, or when the
// time for an answer is over; it tells as deleted what it knows to be, and how many more
// rows may be; and the next run finishes.
func TestConnectionBreaks(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct {
		name      string
		set       func(*proxy)
		committed bool // whether the third batch was
		slow      bool // noticed only when the time for an answer is over
	}{
		{name: "closed before the batch arrives", set: func(p *proxy) {
			p.set(onDelete(func(_ *proxy, server, client net.Conn) { server.Close(); client.Close() }), nil)
		}},
		{name: "reset before the batch arrives", set: func(p *proxy) {
			p.set(onDelete(func(_ *proxy, server, client net.Conn) { reset(client); reset(server) }), nil)
		}},
		{name: "swallowed before the batch arrives", set: func(p *proxy) {
			p.set(onDelete(func(*proxy, net.Conn, net.Conn) {}), nil)
		}, slow: true},
		{name: "closed after the commit, before its answer", set: func(p *proxy) {
			p.set(nil, onAnswer(func(_ *proxy, _, client net.Conn) { client.Close() }))
		}, committed: true},
		{name: "reset after the commit, before its answer", set: func(p *proxy) {
			p.set(nil, onAnswer(func(_ *proxy, _, client net.Conn) { reset(client) }))
		}, committed: true},
		{name: "the answer is swallowed", set: func(p *proxy) {
			p.set(nil, onAnswer(func(*proxy, net.Conn, net.Conn) {}))
		}, committed: true, slow: true},
		{name: "the answer is torn", set: func(p *proxy) {
			p.set(nil, onAnswer(func(p *proxy, _, client net.Conn) {
				_, _ = client.Write([]byte{'Z', 0, 0})
				client.Close()
			}))
		}, committed: true},
		{name: "the answer is garbled", set: func(p *proxy) {
			p.set(nil, onAnswer(func(p *proxy, _, client net.Conn) { _, _ = client.Write([]byte("HTTP/1.1 502 Bad Gateway\r\n\r\n")) }))
		}, committed: true, slow: true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			const due, window = 1000, 100
			tab.fill(due, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(token{name: "live", expires: at(week)})
			s.fixWindows(window)
			s.StatementTimeout = 200 * time.Millisecond
			p, far := tab.through()
			fault.set(p)
			began := time.Now()
			res, err := far.runAt(t.Context(), noon, s)
			t.Logf("%v", err)
			failed(t, "run", res, err, StopConnection, "")
			if res.Deleted.Expired != 2*window {
				t.Errorf("deleted %d, want %d", res.Deleted.Expired, 2*window)
			}
			if res.Uncertain != window {
				t.Errorf("perhaps %d more, want %d", res.Uncertain, window)
			}
			most := answerGrace
			if fault.slow {
				most += s.StatementTimeout + 2*time.Second
			}
			if took := time.Since(began); took > most {
				t.Errorf("it took %s to notice, %s at most allowed", took, most)
			}
			if res.Overdue[Expired].Known {
				t.Error("it says that it knows what is overdue")
			}
			gone := due + 1 - tab.count("true")
			if low := res.Deleted.Expired; gone < low || gone > low+res.Uncertain {
				t.Errorf("%d rows are gone, it said %d to %d", gone, low, low+res.Uncertain)
			}
			if committed := gone == 3*window; committed != fault.committed {
				t.Errorf("%d rows are gone: committed %t, want %t", gone, committed, fault.committed)
			}
			next := expect{stop: StopDrained, deleted: Counts{Expired: due - gone}}.of(t, "next run", tab.run(s))
			if next.Uncertain != 0 {
				t.Errorf("next run: %d rows in doubt", next.Uncertain)
			}
			tab.survive("live")
		})
	}
}

// A slow network makes a run slow, and no more than that.
func TestSlowNetwork(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.insert(token{name: "live", expires: at(week)})
	p, far := tab.through()
	p.mu.Lock()
	p.delay = 60 * time.Millisecond // there and back are more than the batch goal
	p.mu.Unlock()
	res, err := far.runAt(t.Context(), noon, s)
	if err != nil {
		t.Errorf("run: %v", err)
	}
	expect{stop: StopDrained, deleted: Counts{Expired: 1000}}.of(t, "run", res)
	if res.LongestBatch < 120*time.Millisecond {
		t.Errorf("the longest batch took %s: this proves nothing", res.LongestBatch)
	}
	tab.survive("live")
}

// A dry run deletes nothing, so nothing of it is in doubt.
func TestDryRunIsNeverInDoubt(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(1000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	p, far := tab.through()
	s.DryRun, s.BatchMaxRows = true, 100
	s.OnBatch = func(b Batch) {
		if b.Done.Total() >= 200 {
			p.cut()
		}
	}
	res, err := far.runAt(t.Context(), noon, s)
	failed(t, "run", res, err, StopConnection, "")
	if res.Uncertain != 0 {
		t.Errorf("%d rows in doubt", res.Uncertain)
	}
	if res.Would.Expired != 200 {
		t.Errorf("found %d rows, want 200", res.Would.Expired)
	}
	if n := tab.count("true"); n != 1000 {
		t.Errorf("%d rows left", n)
	}
}
