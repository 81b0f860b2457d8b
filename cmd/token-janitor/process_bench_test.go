package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// Small by default, for .ci/run runs every benchmark; BENCHMARKS.md has the sizes that say something.
var (
	benchRows   = flag.Int("rows", 20_000, "rows of the benchmark's table, of which 767 in 1,000 are due")
	benchRounds = flag.Int("rounds", 1, "interleaved rounds; what is told is the median over them")
	benchTicks  = flag.Int("ticks", 30, "runs of the daemon whose memory is watched")
	benchIdle   = flag.Duration("idle", time.Second, "how long the daemon is watched between two runs")
	benchDir    = flag.String("data", "", "where the benchmark's server has its files: a RAM disk, or a real one")
)

// BenchmarkProcess is the whole program as it is shipped, beside one DELETE: how fast it drains,
// from its start to its end; how long it takes where there is next to nothing to do; and
// what the daemon keeps of memory and takes of a processor.
func BenchmarkProcess(b *testing.B) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.Skipf("memory and processor time are read from /proc: %v", err)
	}
	path := built(b)
	options := []pgtemp.Option{pgtemp.Durable(), pgtemp.Setting("shared_buffers", "1GB")}
	if *benchDir != "" {
		options = append(options, pgtemp.In(*benchDir))
	}
	server, err := pgtemp.Start(b.Context(), options...)
	if err != nil {
		b.Fatal(err)
	}
	defer server.Stop()
	if err := server.Create(b.Context(), "api"); err != nil {
		b.Fatal(err)
	}
	s := &site{b: b, path: path, server: server, url: server.URL("api")}
	s.connect()
	s.exec(`CREATE TABLE users (id uuid PRIMARY KEY, email varchar)`)
	s.exec(`INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000001', 'ada@example.org')`)
	s.exec(`CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)`)
	s.exec(`INSERT INTO alembic_version VALUES ('003_add_users')`)
	s.once("--dry-run=false") // makes the schema

	s.fill(*benchRows)
	s.copy("api", "kept")
	var ratios, longest, starts []float64
	for range *benchRounds {
		s.refill()
		one := s.delete()
		s.refill()
		took, sum := s.once()
		ratios, longest = append(ratios, one.Seconds()/took.Seconds()), append(longest, sum.LongestBatch*1000)
	}
	for range max(5, *benchRounds) { // each is over at once, and one may be disturbed
		s.fill(1000)
		s.exec(`DELETE FROM refresh_tokens WHERE expires_at < now() - interval '1 hour' - interval '6 s'`)
		took, _ := s.once()
		starts = append(starts, took.Seconds()*1000)
	}
	tellOf(b, "drain", map[string]float64{"/DELETE": middle(ratios), "longest-ms": middle(longest)})
	tellOf(b, "start", map[string]float64{"ms": middle(starts)})

	s.refill()
	d := s.daemon()
	d.ran(b)
	tellOf(b, "drain-memory", map[string]float64{"RSS-MB": d.memory(b, "VmHWM")})
	var early float64
	for n := range *benchTicks {
		if n == *benchTicks/10 {
			early = d.memory(b, "VmRSS")
		}
		d.tick(b)
	}
	late := d.memory(b, "VmRSS")
	tellOf(b, "ticks", map[string]float64{"RSS-MB": late, "growth": late / early})
	before := d.processor(b)
	<-time.After(*benchIdle)
	tellOf(b, "idle", map[string]float64{"CPU-ms/s": (d.processor(b) - before).Seconds() * 1000 / benchIdle.Seconds()})
	d.stop(b)
}

// tellOf reports figures in a line of their own.
func tellOf(b *testing.B, of string, figures map[string]float64) {
	b.Run("of="+of, func(b *testing.B) {
		for unit, figure := range figures {
			b.ReportMetric(figure, unit)
		}
		b.ReportMetric(0, "ns/op") // it means nothing here, and 0 leaves it out
	})
}

func middle(figures []float64) float64 {
	return slices.Sorted(slices.Values(figures))[len(figures)/2]
}

// built is the program, built as it is shipped: the test binary holds the libraries of the tests as well.
func built(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "token-janitor")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// site is a database and the program that is at work there.
type site struct {
	b         *testing.B
	path, url string
	server    *pgtemp.Server
	*pgx.Conn
}

func (s *site) connect() {
	s.b.Helper()
	var err error
	if s.Conn, err = pgx.Connect(s.b.Context(), s.url); err != nil {
		s.b.Fatal(err)
	}
}

// copy makes a database again, of another one's files.
func (s *site) copy(from, to string) {
	s.b.Helper()
	_ = s.Close(s.b.Context())
	if err := s.server.Replace(s.b.Context(), to, from); err != nil {
		s.b.Fatal(err)
	}
	s.connect()
}

// refill makes the table as it was kept, in memory and with its writes done.
func (s *site) refill() {
	s.b.Helper()
	s.copy("kept", "api")
	s.exec(`CREATE EXTENSION IF NOT EXISTS pg_prewarm`)
	s.exec(`SELECT pg_prewarm(indexrelid) FROM pg_index WHERE indrelid = 'refresh_tokens'::regclass`)
	s.exec(`SELECT pg_prewarm('refresh_tokens')`)
	s.exec(`CHECKPOINT`)
}

func (s *site) exec(sql string) {
	s.b.Helper()
	if _, err := s.Exec(s.b.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		s.b.Fatalf("%s: %v", sql, err)
	}
}

func (s *site) fill(rows int) {
	s.b.Helper()
	s.exec(`TRUNCATE refresh_tokens`)
	s.exec(fmt.Sprintf(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked)
		SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', encode(sha256(i::text::bytea), 'hex'),
		       now() - interval '1 hour' + (i - %d) * interval '6 s', false
		FROM generate_series(1, %d) AS i`, rows*767/1000+1, rows))
	s.exec(`VACUUM ANALYZE refresh_tokens`)
	s.exec(`CHECKPOINT`)
}

// delete is how long one DELETE takes over a connection of its own, less the connecting: the
// one that filled the table has all its pages mapped, which nobody else has who comes to delete.
func (s *site) delete() time.Duration {
	s.b.Helper()
	conn, err := pgx.Connect(s.b.Context(), s.url)
	if err != nil {
		s.b.Fatal(err)
	}
	defer conn.Close(context.Background())
	began := time.Now()
	if _, err := conn.Exec(s.b.Context(), `DELETE FROM refresh_tokens WHERE expires_at < now() - interval '1 hour'`); err != nil {
		s.b.Fatal(err)
	}
	return time.Since(began)
}

// command is the program at full speed.
func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.b.Context(), s.path, append([]string{"--load=1", "--max-rate=0", "--token-lifetime=168h"}, args...)...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+s.url)
	return cmd
}

// report is what the benchmark reads of the summary.
type report struct {
	Outcome      string  `json:"outcome"`
	LongestBatch float64 `json:"longest_batch_seconds"`
}

func (s *site) once(args ...string) (took time.Duration, sum report) {
	s.b.Helper()
	began := time.Now()
	out, err := s.command(append([]string{"--once", "--output=json"}, args...)...).Output()
	took = time.Since(began)
	if err != nil {
		s.b.Fatalf("token-janitor --once: %v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &sum); err != nil || sum.Outcome != "drained" {
		s.b.Fatalf("%s: %v", out, err)
	}
	return took, sum
}

// resident is a daemon whose runs are counted.
type resident struct {
	cmd  *exec.Cmd
	runs chan string // the log line of each
}

func (s *site) daemon() *resident {
	s.b.Helper()
	d := &resident{s.command("--listen=127.0.0.1:0", "--schedule=@every 24h"), make(chan string)}
	log, err := d.cmd.StderrPipe()
	if err != nil {
		s.b.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		s.b.Fatal(err)
	}
	go func() {
		defer close(d.runs)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if strings.Contains(lines.Text(), "outcome=") || strings.Contains(lines.Text(), leftOut) {
				d.runs <- lines.Text()
			}
		}
	}()
	return d
}

// leftOut is what the daemon says when asked for a run a moment before the last is quite over.
const leftOut = "this one is skipped"

// tick asks for a run and waits for its end.
func (d *resident) tick(b *testing.B) {
	b.Helper()
	for {
		if err := d.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			b.Fatal(err)
		}
		switch line := <-d.runs; {
		case strings.Contains(line, "outcome=drained"):
			return
		case !strings.Contains(line, leftOut):
			b.Fatalf("a run: %q", line)
		}
	}
}

// ran waits for the end of a run.
func (d *resident) ran(b *testing.B) {
	b.Helper()
	if line := <-d.runs; !strings.Contains(line, "outcome=drained") {
		b.Fatalf("a run: %q", line)
	}
}

func (d *resident) stop(b *testing.B) {
	b.Helper()
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		b.Error(err)
	}
	for range d.runs { // to the end of its log
	}
	if err := d.cmd.Wait(); err != nil {
		b.Error(err)
	}
}

// memory is a figure of the kernel's in MB: VmRSS is what it has now, VmHWM the most it had.
func (d *resident) memory(b *testing.B, figure string) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), figure+":")
	var kB float64
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		b.Fatalf("read %s: %v", figure, err)
	}
	return kB * 1024 / 1e6
}

// processor is the time that the daemon took of processors.
func (d *resident) processor(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	// Fields 14 and 15, counted from behind the name, which is the second and may hold blanks.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ is 100 on all of Linux
}
