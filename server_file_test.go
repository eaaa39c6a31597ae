package aio_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// LOOP-175, LOOP-186: a server on a Unix socket.
func TestUnixServer(t *testing.T) {
	served(t, func(c *serverCase) {
		path := filepath.Join(c.TempDir(), "sock")
		c.on["data:hello"] = func(p *ioLogger) { p.t.Write([]byte("you too")); p.t.Close() }
		srv, err := aio.CreateUnixServer(c.ctx, c.factory, path, &aio.ServerOptions{DeferServing: true})
		if err != nil {
			c.Fatal(err)
		}
		if srv.IsServing() || srv.Addr().String() != path {
			c.Errorf("IsServing() = %v, Addr() = %v", srv.IsServing(), srv.Addr())
		}
		if err := srv.StartServing(c.ctx); err != nil || !srv.IsServing() {
			c.Errorf("StartServing: %v", err)
		}
		task := spawn(c.ctx, srv.ServeForever)
		p := newIOLogger()
		tr, _, err := aio.CreateUnixConnection(c.ctx, func() *ioLogger { return p }, path, nil)
		if err != nil {
			c.Fatal(err)
		}
		tr.Write([]byte("hello"))
		c.lost(p)
		if string(p.got) != "you too" {
			c.Errorf("got %q", p.got)
		}
		task.Cancel()
		if _, err := task.Await(c.ctx); !errors.Is(err, aio.ErrCancelled) {
			c.Errorf("ServeForever: %v", err)
		}
		c.log.want(c.T, "made data:hello lost")
		if srv.IsServing() || srv.Sockets() != nil {
			c.Error("the server is still open")
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) { // LOOP-183
			c.Errorf("the socket file exists: %v", err)
		}
	})
}

// LOOP-176, LOOP-177, LOOP-182..185: the file of a Unix socket.
func TestUnixServerFile(t *testing.T) {
	exists := func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}
	served(t, func(c *serverCase) {
		dir := c.TempDir()
		path := filepath.Join(dir, "sock")
		create := func(path string, opts *aio.ServerOptions) *aio.Server {
			c.Helper()
			srv, err := aio.CreateUnixServer(c.ctx, c.factory, path, opts)
			if err != nil {
				c.Fatal(err)
			}
			return srv
		}
		reachable := func(path string) {
			c.Helper()
			conn, err := net.Dial("unix", path)
			if err != nil {
				c.Error(err)
				return
			}
			conn.Close()
		}

		srv := create(path, &aio.ServerOptions{KeepSocket: true}) // LOOP-185
		srv.Close()
		if !exists(path) {
			c.Error("the file does not exist")
		}
		srv = create(path, nil) // LOOP-176
		reachable(path)
		srv.Close() // LOOP-183
		if exists(path) {
			c.Error("the file exists")
		}
		srv.Close()

		srv = create(path, nil) // LOOP-184
		if err := os.Remove(path); err != nil {
			c.Error(err)
		}
		srv.Close()

		srv = create(path, nil)
		if err := os.Remove(path); err != nil {
			c.Error(err)
		}
		other := create(path, nil)
		srv.Close()
		reachable(path)
		other.Close()
		if exists(path) {
			c.Error("the file exists")
		}

		for _, keep := range []bool{false, true} {
			// LOOP-183, LOOP-185: an existing listener
			ln, err := net.Listen("unix", path)
			if err != nil {
				c.Fatal(err)
			}
			srv := create("", &aio.ServerOptions{Listener: ln, KeepSocket: keep})
			reachable(path)
			srv.Close()
			if exists(path) != keep {
				c.Errorf("the file exists: %v, want %v", !keep, keep)
			}
		}
		os.Remove(path)

		// LOOP-184: an existing listener whose file is replaced
		ln, err := net.Listen("unix", path)
		if err != nil {
			c.Fatal(err)
		}
		srv = create("", &aio.ServerOptions{Listener: ln})
		os.Remove(path)
		other = create(path, nil)
		srv.Close()
		reachable(path)
		other.Close()

		file := filepath.Join(dir, "file") // LOOP-177
		if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
			c.Fatal(err)
		}
		_, err = aio.CreateUnixServer(c.ctx, c.factory, file, nil)
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), file) {
			c.Errorf("the error is %v", err)
		}
		if data, err := os.ReadFile(file); string(data) != "mine" {
			c.Errorf("the file has %q, %v", data, err)
		}

		missing := filepath.Join(dir, "no", "such", "directory") // LOOP-182
		_, err = aio.CreateUnixServer(c.ctx, c.factory, missing, nil)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
			c.Errorf("the error is %v", err)
		}
		_, err = aio.CreateUnixServer(c.ctx, c.factory, filepath.Join(dir, strings.Repeat("x", 200)), nil)
		if err == nil {
			c.Error("a path that is too long")
		}
		for range 5 {
			c.pass() // lets the connections be made
		}
	})
}
