package aio_test

import (
	"context"
	"net"
	"testing"

	"github.com/goaio/aio"
)

// datagramEcho is a protocol that sends back each datagram.
type datagramEcho struct{ t aio.DatagramTransport }

func (p *datagramEcho) ConnectionMade(t aio.DatagramTransport)   { p.t = t }
func (p *datagramEcho) DatagramReceived(b []byte, from net.Addr) { p.t.SendTo(b, from) }

// BenchmarkDatagramEcho sends datagrams of 64 bytes to an echo server. The client, a
// goroutine with a socket of package net, is the same for both servers, and its time is
// included. window is the number of datagrams in flight.
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
						// the variant of ReadFrom that does not
						// allocate
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

// datagramClient sends b.N datagrams to an echo server and reads the echoes.
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
