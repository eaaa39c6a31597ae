package aio

// Addresses as users write them, and the paths of Unix sockets.

import (
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// checkUnixPath returns an error if no Unix socket can be at path. The system would cut
// the path at a zero byte, and call one that is too long an invalid argument.
func checkUnixPath(path string) error {
	limit := 104 // with a zero byte at the end
	switch runtime.GOOS {
	case "linux", "android", "windows":
		limit = 108
	}
	switch abstract := isAbstract(path); {
	case !abstract && strings.Contains(path, "\x00"):
		return syscall.EINVAL
	case len(path) > limit, len(path) == limit && !abstract:
		return syscall.ENAMETOOLONG
	}
	return nil
}

// isUnix reports whether addr is that of a Unix stream socket.
func isUnix(addr net.Addr) bool { return addr != nil && addr.Network() == "unix" }

// splitAddr splits what a user gave to call as an address.
func splitAddr(call, addr string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(addr)
	why := "missing port"
	var bad *net.AddrError
	if errors.As(err, &bad) {
		why = bad.Err
	}
	if err != nil || port == "" {
		return "", "", usagef(call, "address %q: %s: it must be like host:port, :port or [IPv6]:port", addr, why)
	}
	return host, port, nil
}

// isAbstract reports whether path is no file but a name of Linux's abstract namespace.
func isAbstract(path string) bool {
	return runtime.GOOS == "linux" && (strings.HasPrefix(path, "@") || strings.HasPrefix(path, "\x00"))
}

// removeStale removes a socket that a program has left behind. If that fails, so will
// what comes next; in a directory where nothing may be removed it may even be fine.
func removeStale(path string) {
	if isAbstract(path) {
		return
	}
	info, err := os.Stat(path)
	if err == nil && info.Mode()&fs.ModeSocket != 0 {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Error("aio: an old socket could not be removed", "path", path, "error", err)
	}
}
