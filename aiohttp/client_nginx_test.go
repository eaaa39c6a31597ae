package aiohttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// Tests keep-alive, compression, ranges, limits and redirects with nginx.
func TestClientNginx(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if _, err := os.Stat("/usr/sbin/nginx"); err != nil {
			t.Skip("nginx is not installed")
		}
		nginx = "/usr/sbin/nginx"
	}
	dir := t.TempDir()
	large := bytes.Repeat([]byte("some text that compresses well\n"), 100_000)
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "www"), 0o755),
		os.WriteFile(filepath.Join(dir, "www", "large.txt"), large, 0o644),
		os.WriteFile(filepath.Join(dir, "www", "index.html"), []byte("hello"), 0o644)); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	conf := `daemon off; master_process off; pid ` + dir + `/pid; error_log ` + dir + `/error info;
events {}
http {
	access_log ` + dir + `/access; client_body_temp_path ` + dir + `/body; proxy_temp_path ` + dir + `/proxy;
	fastcgi_temp_path ` + dir + `/fastcgi; uwsgi_temp_path ` + dir + `/uwsgi; scgi_temp_path ` + dir + `/scgi;
	types { text/plain txt; text/html html; }
	gzip on; gzip_types text/plain; client_max_body_size 1k; keepalive_requests 10;
	server {
		listen unix:` + socket + `;
		root ` + dir + `/www;
		location /moved { return 302 /index.html; }
		location /cookie { add_header Set-Cookie "a=b"; return 200 "got $http_cookie"; }
		location /busy { return 503; }
		location /drop { return 444; }
		location /post { proxy_pass http://unix:` + socket + `:/busy; }
		location /slow { limit_rate 20k; alias ` + dir + `/www/large.txt; gzip off; }
	}
}`
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-e", filepath.Join(dir, "error"), "-p", dir, "-c", filepath.Join(dir, "conf"))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error"))
			t.Logf("nginx said %s %s", &output, log)
		}
	})
	dials := 0
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		dials++
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &aiohttp.Client{HTTP: &http.Client{Transport: transport, Jar: jar}, BaseURL: "http://nginx",
		Retry: aiohttp.Retry{Attempts: 1000, Delay: time.Millisecond, MaxDelay: 10 * time.Millisecond, Statuses: []int{}}}
	t.Cleanup(c.CloseIdleConnections)
	run(t, func(ctx context.Context) error {
		get := func(path string) (string, *aiohttp.Response) {
			t.Helper()
			resp, err := c.Get(ctx, path)
			if err != nil {
				t.Fatal(err)
			}
			text, err := resp.Text(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return text, resp
		}
		if text, _ := get("/"); text != "hello" {
			// The retries wait until nginx accepts connections.
			t.Errorf("got %q", text)
		}
		c.Retry = aiohttp.Retry{}
		if text, resp := get("/moved"); text != "hello" || resp.Request.URL.Path != "/index.html" {
			t.Errorf("redirected to %s: %q", resp.Request.URL, text)
		}
		get("/cookie")
		if text, _ := get("/cookie"); text != "got a=b" {
			t.Errorf("with a cookie: %q", text)
		}
		if text, resp := get("/large.txt"); text != string(large) || !resp.Uncompressed {
			t.Errorf("got %d bytes, uncompressed=%v", len(text), resp.Uncompressed)
		}
		if _, resp := get("/none"); resp.StatusCode != 404 {
			t.Errorf("status %d", resp.StatusCode)
		}
		before := dials
		for range 30 { // nginx closes each connection after 10
			if text, _ := get("/"); text != "hello" {
				t.Errorf("got %q", text)
			}
		}
		if n := dials - before; n < 2 || n > 4 {
			t.Errorf("%d connections for 30 requests", n)
		}
		resp, err := c.Post(ctx, "/post", "text/plain", strings.NewReader(strings.Repeat("x", 10_000)))
		if err != nil {
			return err
		}
		if _, err := resp.Bytes(ctx); resp.StatusCode != http.StatusRequestEntityTooLarge || err != nil {
			t.Errorf("status %d, %v", resp.StatusCode, err)
		}
		if _, err := c.Get(ctx, "/drop"); !errors.Is(err, io.EOF) {
			t.Errorf("dropped: %v", err)
		}
		// A cancelled download closes its connection.
		err = aio.Timeout(ctx, 50*time.Millisecond, func(ctx context.Context) error {
			resp, err := c.Get(ctx, "/slow")
			if err != nil {
				return err
			}
			_, err = resp.Bytes(ctx)
			return err
		})
		if !errors.Is(err, aio.ErrTimeout) {
			t.Errorf("a slow download: %v", err)
		}
		if text, _ := get("/"); text != "hello" {
			t.Errorf("after that: %q", text)
		}
		req, err := http.NewRequest("GET", "/large.txt", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Range", "bytes=5-8")
		if resp, err = c.Do(ctx, req); err != nil {
			return err
		}
		if text, err := resp.Text(ctx); text != "text" || resp.StatusCode != 206 || err != nil {
			t.Errorf("a range: %d %q %v", resp.StatusCode, text, err)
		}
		return nil
	})
}
