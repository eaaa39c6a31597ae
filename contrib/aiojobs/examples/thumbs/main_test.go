package main

import (
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/aiojobs"
)

// pictures makes two pictures and a file that is none.
func pictures(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, size := range map[string]image.Point{"a.png": {400, 200}, "b.png": {10, 20}} {
		m := image.NewRGBA(image.Rectangle{Max: size})
		for i := range size.X * size.Y {
			m.Set(i%size.X, i/size.X, color.RGBA{200, 100, 50, 255})
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(png.Encode(f, m), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "c.gif"), []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func check(t *testing.T, out string) {
	t.Helper()
	for name, want := range map[string]image.Point{"a.png.jpg": {100, 50}, "b.png.jpg": {10, 20}} {
		f, err := os.Open(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		m, err := jpeg.Decode(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if got := m.Bounds().Size(); got != want {
			t.Errorf("%s is %v, not %v", name, got, want)
		}
		if r, g, b, _ := m.At(5, 5).RGBA(); r>>12 != 0xc || g>>12 != 6 || b>>12 != 3 {
			t.Errorf("%s has the colour %x %x %x", name, r, g, b)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "c.gif.jpg")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("c.gif: %v", err)
	}
}

func inLoop(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	err := aio.Run(func(ctx context.Context) error { return aio.Timeout(ctx, time.Minute, main) })
	if err != nil {
		t.Fatal(err)
	}
}

// partly returns nil for the error of a run in which the file without a picture failed.
func partly(err error) error {
	switch {
	case err == nil:
		return errors.New("a file that is not a picture is no failure")
	case errors.Is(err, errFailed):
		return nil
	}
	return err
}

func TestAlone(t *testing.T) {
	s := settings{size: 100, limit: 2, args: []string{pictures(t), t.TempDir()}}
	inLoop(t, func(ctx context.Context) error { return partly(run(ctx, s)) })
	check(t, s.args[1])
}

// A server, a worker and a submitter, over the network.
func TestApart(t *testing.T) {
	s := settings{size: 100, limit: 2, args: []string{pictures(t), t.TempDir()}}
	inLoop(t, func(ctx context.Context) error {
		server, err := aiojobs.StartServer(ctx, &aiojobs.ServerOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		s.urls = server.Addr()
		worker := s
		worker.work = true
		work := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return run(ctx, worker) }))
		err = partly(run(ctx, s))
		return errors.Join(err, aio.CancelAndWait(ctx, work), server.Stop(ctx))
	})
	check(t, s.args[1])
}

// A cluster of three servers, a worker and a submitter, all started at the same time.
func TestCluster(t *testing.T) {
	addrs := freeAddrs(t, 6)
	s := settings{size: 100, limit: 2, args: []string{pictures(t), t.TempDir()}, urls: strings.Join(addrs[:3], ",")}
	inLoop(t, func(ctx context.Context) error {
		var servers []*aio.Task[struct{}]
		for i, name := range []string{"a", "b", "c"} {
			member := settings{
				serve: addrs[i], data: t.TempDir(), name: name, cluster: addrs[3+i], routes: strings.Join(addrs[3:], ","),
			}
			servers = append(servers, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return run(ctx, member) })))
		}
		worker := s
		worker.work = true
		work := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return run(ctx, worker) }))
		err := errors.Join(partly(run(ctx, s)), aio.CancelAndWait(ctx, work))
		for _, server := range servers {
			err = errors.Join(err, aio.CancelAndWait(ctx, server))
		}
		return err
	})
	check(t, s.args[1])
}

// freeAddrs returns addresses at which no process listens.
func freeAddrs(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}
