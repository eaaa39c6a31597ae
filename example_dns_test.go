package aio_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/goaio/aio"
)

// Where a web server listens, and an address that needs no resolver.
func ExampleGetaddrinfo() {
	err := aio.Run(func(ctx context.Context) error {
		infos, err := aio.Getaddrinfo(ctx, "", "http", &aio.AddrInfoOptions{Passive: true})
		if err != nil {
			return err
		}
		for _, info := range infos {
			fmt.Println(info.Network, info.Addr)
		}
		infos, err = aio.Getaddrinfo(ctx, "192.0.2.1", "53", &aio.AddrInfoOptions{Network: "udp", CanonName: true})
		if err != nil {
			return err
		}
		fmt.Println(infos)

		_, err = aio.Getaddrinfo(ctx, "192.0.2.1", "53", &aio.AddrInfoOptions{Network: "udp6"})
		return err
	})
	fmt.Println(err)
	// Output:
	// tcp4 0.0.0.0:80
	// tcp6 [::]:80
	// [{udp4 192.0.2.1:53 192.0.2.1}]
	// lookup 192.0.2.1: no address for udp6
}

func ExampleGetnameinfo() {
	err := aio.Run(func(ctx context.Context) error {
		peer := netip.MustParseAddrPort("[2001:db8::1]:54321")
		host, service, err := aio.Getnameinfo(ctx, peer, &aio.NameInfoOptions{NumericHost: true})
		fmt.Println(host, service)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 2001:db8::1 54321
}
