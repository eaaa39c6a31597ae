// Command gnetecho is the rival of netbench that runs on gnet: an echo server with one
// event loop. It is a module of its own, because gnet has many dependencies. Its
// argument is the address, for example tcp://127.0.0.1:8000, which it prints without
// the network once it listens.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/panjf2000/gnet/v2"
)

type server struct {
	gnet.BuiltinEventEngine
	address string
}

func (s *server) OnBoot(gnet.Engine) gnet.Action {
	_, host, _ := strings.Cut(s.address, "://")
	fmt.Println(host)
	return gnet.None
}

// OnTraffic echoes what has arrived, without a copy.
func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	p, err := c.Next(-1)
	if err == nil {
		_, err = c.Write(p)
	}
	if err != nil {
		return gnet.Close
	}
	return gnet.None
}

func main() {
	address := os.Args[1]
	if err := gnet.Run(&server{address: address}, address, gnet.WithNumEventLoop(1)); err != nil {
		fmt.Fprintln(os.Stderr, "gnetecho:", err)
		os.Exit(1)
	}
}
