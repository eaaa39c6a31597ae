//go:build linux

package main

// The processes that generate load.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// loadOptions are the options of a load, passed as JSON.
type loadOptions struct {
	Kind    string
	Addr    string
	Size    int // size of a request, in bytes
	Conns   int
	TLS     bool
	Seconds float64
}

// loadResult is the result of a load.
type loadResult struct {
	Requests int
	Seconds  float64
	P50, P99 float64 // µs
}

func (r loadResult) figures(cpu float64) []float64 {
	n := float64(r.Requests)
	return []float64{cpu / n, n / r.Seconds, r.P50, r.P99}
}

var loadKinds = map[string]func(o loadOptions) (loadResult, error){
	"echo":     loadEcho,
	"datagram": loadDatagram,
	"idle":     loadIdle,
	"accept":   loadAccept,
	"drop":     loadDrop,

	"aiohttp.Client": loadTasks,
	"http.Client":    loadGoroutines,
}

func loadMain(args []string) error {
	var o loadOptions
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	r, err := loadKinds[o.Kind](o)
	if err != nil {
		return err
	}
	fmt.Println(asJSON(r))
	return nil
}

// begin reports that the warm-up is done, and waits for the start of the measurement.
func begin() {
	fmt.Println("warm")
	bufio.NewReader(os.Stdin).ReadString('\n')
}

// dial opens a blocking connection from the loopback address 127.0.0.from: each source
// address has its own ports.
func dial(addr string, from byte) (fd int, err error) {
	to, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return -1, err
	}
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, from}})
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())})
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// percentiles returns percentiles of the round-trip times, in their unit.
func percentiles(trips []float64) (p50, p99 float64) {
	slices.Sort(trips)
	if len(trips) == 0 {
		return 0, 0
	}
	return trips[len(trips)/2], trips[len(trips)*99/100]
}
