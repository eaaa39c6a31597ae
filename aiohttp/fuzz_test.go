package aiohttp_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio/aiohttp"
)

// FuzzSameAsNetHTTP sends the same bytes to a server of net/http and to one whose
// handlers are tasks: the responses must be equal, and so must be what the handlers
// got. To fuzz, run
//
//	go test -run '^$' -fuzz FuzzSameAsNetHTTP ./aiohttp
func FuzzSameAsNetHTTP(f *testing.F) {
	for _, c := range compareCases(&journal{}) {
		if len(c.raw) < 1000 && !strings.Contains(c.raw, "/hijack") {
			f.Add([]byte(c.raw))
		}
	}
	l, _ := startLoop(f)
	dir := f.TempDir()
	plain := startCompared(f, dir, func(h http.Handler) http.Handler { return h })
	tasks := startCompared(f, dir, func(h http.Handler) http.Handler { return aiohttp.Handler(l, h) })
	f.Fuzz(func(t *testing.T, raw []byte) {
		if strings.Contains(string(raw), "hijack") {
			return // the handler would wait for more
		}
		// A slow server looks like a server that waits for more input; the EOF
		// that it gets then cancels its handlers. So only a difference that
		// remains after a long wait counts.
		want, got := plain.throw(t, raw, 50*time.Millisecond), tasks.throw(t, raw, 50*time.Millisecond)
		if got.text != want.text || !slices.Equal(got.seen, want.seen) {
			want, got = plain.throw(t, raw, 5*time.Second), tasks.throw(t, raw, 5*time.Second)
		}
		if got.text != want.text {
			t.Errorf("\n got %s\nwant %s", got.text, want.text)
		}
		if !slices.Equal(got.seen, want.seen) {
			t.Errorf("the handlers\n saw %s\nwant %s", strings.Join(got.seen, "\n     "), strings.Join(want.seen, "\n     "))
		}
	})
}

// throw sends raw and a probe, and reads until the server closes the connection. It sends
// EOF if the server sends nothing for quiet.
func (s *compared) throw(t *testing.T, raw []byte, quiet time.Duration) answers {
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	go func() { _, _ = nc.Write(append(slices.Clip(raw), probe...)) }()
	var got []byte
	for _, patience := range []time.Duration{quiet, 20 * time.Second} {
		if err := nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		more, err := io.ReadAll(nc)
		got = append(got, more...)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if patience > quiet {
			t.Errorf("the server neither answers nor closes: got %q", got)
		}
		_ = nc.(*net.TCPConn).CloseWrite()
	}
	return answers{responses(got, nil), s.journal.take()}
}
