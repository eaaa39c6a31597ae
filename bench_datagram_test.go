package aio_test

import (
	"context"
	"net"
	"testing"

	"github.com/goaio/aio"
)

// datagramEcho is a protocol that sends back what it gets.
type datagramEcho struct{ t aio.DatagramTransport }

func (p *datagramEcho) ConnectionMade(t aio.DatagramTransport)   { p.t = t }
func (p *datagramEcho) DatagramReceived(b []byte, from net.Addr) { p.t.SendTo(b, from) }

// BenchmarkDatagramEcho sends 64 bytes at a time to an echo server. The client is the
// same, a goroutine with a socket of package net, and takes its part of the time; window
// is how many datagrams it keeps on their way.
func BenchmarkDatagramEcho(b *testing.B) {
	for _, bm := range []struct {
		name   string
		window int
	}{{"window=1", 1}, {"window=16", 16}} {
		b.Run(bm.name, func(b *testing.B) {
			for _, path := range []string{"aio", "aio-goroutines"} {
				b.Run(path, func(b *testing.B) {
					b.ReportAllocs()
					r := aio.Runner{}
					defer r.Close()
					l, err := r.GetLoop()
					if err != nil {
						b.Fatal(err)
					}
					aio.ForceGoroutines(l, path != "aio")
					err = r.Run(func(ctx context.Context) error {
						t, _, err := aio.CreateDatagramEndpoint(ctx, func() *datagramEcho { return &datagramEcho{} },
							&aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
						if err != nil {
							return err
						}
						defer t.Abort()
						server := t.GetExtraInfo("sockname").(*net.UDPAddr)
						_, err = aio.ToThread(ctx, func(context.Context) (struct{}, error) {
							return struct{}{}, datagramClient(b, server, bm.window)
						})
						return err
					})
					if err != nil {
						b.Fatal(err)
					}
				})
			}
			inGo(b, func(b *testing.B) {
				c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					b.Fatal(err)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					buf := make([]byte, 64<<10)
					for {
						// the way that allocates nothing
						n, from, err := c.ReadFromUDPAddrPort(buf)
						if err != nil {
							return
						}
						c.WriteToUDPAddrPort(buf[:n], from)
					}
				}()
				if err := datagramClient(b, c.LocalAddr().(*net.UDPAddr), bm.window); err != nil {
					b.Fatal(err)
				}
				c.Close()
				<-done
			})
		})
	}
}

// datagramClient has b.N datagrams echoed by server.
func datagramClient(b *testing.B, server *net.UDPAddr, window int) error {
	c, err := net.DialUDP("udp4", nil, server)
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, 64)
	b.ResetTimer()
	for i := range b.N + window {
		if i >= window {
			if _, err := c.Read(buf); err != nil {
				return err
			}
		}
		if i < b.N {
			if _, err := c.Write(buf); err != nil {
				return err
			}
		}
	}
	b.StopTimer()
	return nil
}
