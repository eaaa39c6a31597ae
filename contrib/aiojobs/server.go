package aiojobs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/goaio/aio"
)

// ServerOptions are the settings of [StartServer].
type ServerOptions struct {
	// Dir is the folder of the data; "" means aiojobs.data. Two servers cannot
	// share a folder.
	Dir string
	// Listen is the address for clients of other processes, such as
	// "127.0.0.1:4222"; "" means none: only this process can use the server.
	Listen string
	// Name is the name of the server in its cluster; "" means a server without a
	// cluster. Each server of a cluster needs another name, and the same name and
	// folder each time that it starts.
	Name string
	// Cluster is the address for the other servers of the cluster, and Routes are
	// the addresses of all of them. A server with a Name needs both.
	Cluster string
	Routes  []string
	// Sync makes each message durable on the disk before it is acknowledged. Without
	// it the data survives the death of the process, and the system writes it to the
	// disk within two minutes; replicas make up for the loss of one machine.
	Sync bool
	// Configure changes the settings of the server before it starts: TLS, accounts,
	// limits; nil means no change.
	Configure func(*server.Options)
}

// Server is a NATS server in this process.
type Server struct{ s *server.Server }

// startTime is how long a server may take to become ready for connections.
const startTime = 30 * time.Second

// StartServer starts a NATS server with JetStream in this process, and awaits until it
// accepts connections; a server of a cluster may still wait for the others. Pass it to
// [Open] as [Options.Server], or its address to other processes as [Options.URLs]. Stop
// it with [Server.Stop] before the program ends.
//
// It fails if the folder or an address cannot be used, and with [aio.ErrUsage] if the
// options contradict each other. If the task is cancelled, the server is stopped.
func StartServer(ctx context.Context, opts *ServerOptions) (*Server, error) {
	var o ServerOptions
	if opts != nil {
		o = *opts
	}
	config := server.Options{
		ServerName: o.Name, JetStream: true, StoreDir: o.Dir, NoSigs: true, NoLog: true,
		DontListen: o.Listen == "", SyncAlways: o.Sync,
	}
	if o.Dir == "" {
		config.StoreDir = "aiojobs.data"
	}
	if o.Name != "" != (o.Cluster != "") || o.Name != "" != (len(o.Routes) > 0) {
		return nil, usage("StartServer", "Name, Cluster and Routes belong together")
	}
	var err error
	if o.Listen != "" {
		if config.Host, config.Port, err = splitAddress(o.Listen); err != nil {
			return nil, err
		}
	}
	if o.Name != "" {
		config.Cluster.Name = "aiojobs"
		if config.Cluster.Host, config.Cluster.Port, err = splitAddress(o.Cluster); err != nil {
			return nil, err
		}
		for _, r := range o.Routes {
			config.Routes = append(config.Routes, &url.URL{Scheme: "nats", Host: r})
		}
	}
	if o.Configure != nil {
		o.Configure(&config)
	}
	s, err := aio.ToThread(ctx, func(ctx context.Context) (*Server, error) {
		ns, err := server.NewServer(&config)
		if err != nil {
			return nil, fmt.Errorf("aiojobs: starting the server: %w", err)
		}
		ns.Start()
		s := &Server{ns}
		if ctx.Err() != nil {
			s.stop()
			return nil, ctx.Err()
		}
		if !ns.ReadyForConnections(startTime) {
			s.stop()
			return nil, fmt.Errorf("aiojobs: the server does not accept connections on %s", o.Listen)
		}
		if !ns.JetStreamEnabled() {
			s.stop()
			return nil, errors.New("aiojobs: the server has no JetStream: is another one using its folder?")
		}
		// A cancelled task does not get the server.
		if ctx.Err() != nil {
			s.stop()
			return nil, ctx.Err()
		}
		return s, nil
	})
	return s, err
}

func splitAddress(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil {
		return "", 0, usage("StartServer", err.Error())
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// Addr returns the address for clients, or "" if there is none. Any goroutine may call
// it.
func (s *Server) Addr() string {
	if addr, ok := s.s.Addr().(*net.TCPAddr); ok {
		return addr.String()
	}
	return ""
}

// Stop stops the server, and awaits its end, even if the task is cancelled meanwhile.
// What was acknowledged is in its folder. Close the clients of the server first.
func (s *Server) Stop(ctx context.Context) error {
	return aio.Shielded(ctx, func(ctx context.Context) error {
		_, err := aio.ToThread(ctx, func(context.Context) (struct{}, error) {
			s.stop()
			return struct{}{}, nil
		})
		return err
	})
}

func (s *Server) stop() {
	s.s.Shutdown()
	s.s.WaitForShutdown()
}

// usage is an error of misuse.
func usage(call, text string) error {
	return fmt.Errorf("aiojobs: %s: %s: %w", call, text, aio.ErrUsage)
}
