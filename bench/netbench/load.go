//go:build linux

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// loadResult is what the load has counted.
type loadResult struct {
	Requests int
	Seconds  float64
	P50, P99 float64 // µs
}

// loadMain keeps conns connections busy: each sends a request, waits for the echo, and sends the next. It
// prints a line when all have made a round trip, begins to count when it reads one, and prints its
// result.
func loadMain(args []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	addr := flags.String("addr", "", "of the server")
	size := flags.Int("size", 64, "bytes of a request")
	conns := flags.Int("conns", 1, "connections")
	seconds := flags.Float64("seconds", 1, "how long")
	secure := flags.Bool("tls", false, "TLS")
	_ = flags.Parse(args)
	go1 := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		close(go1)
	}()
	var r loadResult
	var err error
	if *secure {
		r, err = loadTLS(*addr, *size, *conns, *seconds, go1)
	} else {
		r, err = loadPlain(*addr, *size, *conns, *seconds, go1)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// pending is a connection of the plain load.
type pending struct {
	fd   int
	got  int // of the echo
	sent int
	at   time.Time
}

// loadPlain is an epoll loop, so that the load needs less than the servers do.
func loadPlain(addr string, size, conns int, seconds float64, begin <-chan struct{}) (r loadResult, err error) {
	to, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return r, err
	}
	sa := &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return r, err
	}
	all := make([]*pending, conns)
	byFD := map[int]*pending{}
	for i := range all {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return r, err
		}
		if err := unix.Connect(fd, sa); err != nil {
			return r, err
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		unix.SetNonblock(fd, true)
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET, Fd: int32(fd)}); err != nil {
			return r, err
		}
		all[i] = &pending{fd: fd, sent: size}
		byFD[fd] = all[i]
	}
	msg, buf := make([]byte, size), make([]byte, 256<<10)
	push := func(p *pending) error {
		for p.sent < size {
			n, err := unix.Write(p.fd, msg[p.sent:])
			if err == unix.EAGAIN {
				return nil
			}
			if err != nil {
				return err
			}
			p.sent += n
		}
		return nil
	}
	next := func(p *pending, now time.Time) error {
		p.got, p.sent, p.at = 0, 0, now
		return push(p)
	}
	var trips []float64
	counting := false
	round := func(p *pending, now time.Time) { // a round trip is over
		if counting {
			r.Requests++
			if len(trips) < 1<<20 {
				trips = append(trips, float64(now.Sub(p.at).Nanoseconds())/1e3)
			}
		}
	}
	start := time.Now()
	for _, p := range all {
		if err := next(p, start); err != nil {
			return r, err
		}
	}
	warm, said := 0, false
	var end time.Time
	events := make([]unix.EpollEvent, 1024)
	for {
		n, err := unix.EpollWait(ep, events, 1000)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return r, err
		}
		now := time.Now()
		for _, e := range events[:n] {
			p := byFD[int(e.Fd)]
			if err := push(p); err != nil {
				return r, err
			}
			if e.Events&unix.EPOLLIN == 0 {
				continue
			}
			for {
				n, err := unix.Read(p.fd, buf)
				if err == unix.EAGAIN {
					break
				}
				if err != nil {
					return r, err
				}
				if n == 0 {
					return r, io.ErrUnexpectedEOF
				}
				if p.got += n; p.got == size {
					round(p, now)
					warm++
					if err := next(p, now); err != nil {
						return r, err
					}
				}
				if n < len(buf) {
					break
				}
			}
		}
		if warm >= 3*conns && !said {
			said = true
			fmt.Println("warm")
		}
		if said && !counting {
			select {
			case <-begin:
				counting, start = true, now
				end = now.Add(time.Duration(seconds * float64(time.Second)))
			default:
			}
		}
		if counting && now.After(end) {
			r.Seconds = now.Sub(start).Seconds()
			r.P50, r.P99 = percentiles(trips)
			return r, nil
		}
	}
}

func percentiles(trips []float64) (p50, p99 float64) {
	slices.Sort(trips)
	if len(trips) == 0 {
		return 0, 0
	}
	return trips[len(trips)/2], trips[len(trips)*99/100]
}

// loadTLS is a goroutine for each connection.
func loadTLS(addr string, size, conns int, seconds float64, begin <-chan struct{}) (r loadResult, err error) {
	var mu sync.Mutex
	var trips []float64
	var warm, all sync.WaitGroup
	warm.Add(conns)
	all.Add(conns)
	var end time.Time
	fail := make(chan error, conns)
	for range conns {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return r, err
		}
		go func() {
			defer all.Done()
			defer c.Close()
			buf := make([]byte, size)
			trip := func() bool {
				_, err := c.Write(buf)
				if err == nil {
					_, err = io.ReadFull(c, buf)
				}
				if err != nil {
					fail <- err
				}
				return err == nil
			}
			for range 3 {
				if !trip() {
					return
				}
			}
			warm.Done()
			<-begin
			var mine []float64
			n := 0
			for time.Now().Before(end) {
				at := time.Now()
				if !trip() {
					return
				}
				n++
				mine = append(mine, float64(time.Since(at).Nanoseconds())/1e3)
			}
			mu.Lock()
			defer mu.Unlock()
			r.Requests += n
			trips = append(trips, mine...)
		}()
	}
	warm.Wait()
	end = time.Now().Add(time.Hour)
	fmt.Println("warm")
	<-begin
	start := time.Now()
	end = start.Add(time.Duration(seconds * float64(time.Second)))
	all.Wait()
	r.Seconds = time.Since(start).Seconds()
	r.P50, r.P99 = percentiles(trips)
	select {
	case err := <-fail:
		return r, err
	default:
		return r, nil
	}
}

// serverConfig has a certificate for this run.
func serverConfig() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		exit(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		exit(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
