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

	"github.com/goaio/aio/internal/netio"
)

// checkUnixPath returns an error if path cannot be the path of a Unix socket. The
// system would truncate the path at a zero byte, and would report a path that is too
// long as an invalid argument.
func checkUnixPath(path string) error {
	limit := 104 // including a zero byte at the end
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

// splitAddr splits an address that a user passed to call.
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

// isAbstract reports whether path is a name in Linux's abstract namespace rather than a
// file.
func isAbstract(path string) bool {
	return runtime.GOOS == "linux" && (strings.HasPrefix(path, "@") || strings.HasPrefix(path, "\x00"))
}

// hasFile reports whether the Unix socket at path is a file of the system.
func (l *Loop) hasFile(path string) bool {
	_, simulated := l.network().(netio.Simulated)
	return !simulated && !isAbstract(path)
}

// removeStale removes a socket that an earlier program has left. If that fails, the
// following bind fails as well, unless the file is already gone.
func (l *Loop) removeStale(path string) {
	if !l.hasFile(path) {
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
