package services_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/goaio/aio"
)

// rpcServer is a gRPC server. A call with FillUsername set never returns.
type rpcServer struct {
	grpc_testing.UnimplementedTestServiceServer
	hangs atomic.Int64
}

func (s *rpcServer) hang(ctx context.Context) error {
	s.hangs.Add(1)
	defer s.hangs.Add(-1)
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

func (s *rpcServer) UnaryCall(ctx context.Context, r *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	if r.FillUsername {
		return nil, s.hang(ctx)
	}
	return &grpc_testing.SimpleResponse{Username: fmt.Sprint(r.ResponseSize + 1)}, nil
}

// FullDuplexCall answers each message; after a message without parameters it blocks.
func (s *rpcServer) FullDuplexCall(stream grpc.BidiStreamingServer[grpc_testing.StreamingOutputCallRequest, grpc_testing.StreamingOutputCallResponse]) error {
	for {
		r, err := stream.Recv()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case len(r.ResponseParameters) == 0:
			return s.hang(stream.Context())
		}
		for _, p := range r.ResponseParameters {
			body := make([]byte, p.Size)
			if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{Payload: &grpc_testing.Payload{Body: body}}); err != nil {
				return err
			}
		}
	}
}

// serve accepts connections on ln until stop is called.
func (s *rpcServer) serve(ln net.Listener) (stop func()) {
	g := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(g, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.Serve(ln) // returns an error once it is stopped
	}()
	return func() { g.Stop(); <-done }
}

// rpcClient makes a client; if l is not nil, it uses connections of the loop.
func rpcClient(addr string, l *aio.Loop) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if l != nil {
		d := &aio.Dialer{Loop: l}
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", addr)
		}))
	}
	return grpc.NewClient("passthrough:///"+addr, options...)
}

// rpcQuick makes a short call. It blocks the calling goroutine.
func rpcQuick(ctx context.Context, c grpc_testing.TestServiceClient, i int) error {
	r, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{ResponseSize: int32(i)})
	if err == nil && r.Username != fmt.Sprint(i+1) {
		err = fmt.Errorf("the server answered %q to %d", r.Username, i)
	}
	return err
}

// rpcWays runs a test for each kind of connection: the client dials by its own means or
// with a Dialer of the loop, the server listens by its own means or with Listen of the
// loop.
func rpcWays(t *testing.T, test func(ctx context.Context, c grpc_testing.TestServiceClient, s *rpcServer, stop func()) error) {
	for _, over := range []string{"its own connections", "the loop's connections", "a listener of the loop"} {
		t.Run(over, func(t *testing.T) {
			inLoop(t, func(ctx context.Context, l *aio.Loop) error {
				var ln net.Listener
				var err error
				if over == "a listener of the loop" {
					ln, err = aio.Listen(ctx, "tcp", "127.0.0.1:0", nil)
				} else {
					ln, err = net.Listen("tcp", "127.0.0.1:0")
				}
				if err != nil {
					return err
				}
				s := &rpcServer{}
				stop := s.serve(ln)
				if over != "the loop's connections" {
					l = nil
				}
				conn, err := rpcClient(ln.Addr().String(), l)
				if err != nil {
					return err
				}
				err = test(ctx, grpc_testing.NewTestServiceClient(conn), s, stop)
				return errors.Join(err, inThread(ctx, func(context.Context) error { stop(); return conn.Close() }))
			})
		})
	}
}

// Unary calls with ToThread.
func TestGRPC(t *testing.T) {
	rpcWays(t, func(ctx context.Context, c grpc_testing.TestServiceClient, s *rpcServer, stop func()) error {
		return exercise(ctx, calls{
			quick: func(ctx context.Context, i int) error {
				return inThread(ctx, func(ctx context.Context) error { return rpcQuick(ctx, c, i) })
			},
			hang: func(ctx context.Context) error {
				return inThread(ctx, func(ctx context.Context) error {
					_, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{FillUsername: true})
					return err
				})
			},
			running: func(context.Context) (int, error) { return int(s.hangs.Load()), nil },
			kill:    stop,
		})
	})
}

// Bidirectional streams with ToThread.
func TestGRPCStream(t *testing.T) {
	stream := func(ctx context.Context, c grpc_testing.TestServiceClient, hang bool) error {
		stream, err := c.FullDuplexCall(ctx)
		if err != nil {
			return err
		}
		for i := range 5 {
			r := &grpc_testing.StreamingOutputCallRequest{}
			if !hang || i < 4 {
				r.ResponseParameters = []*grpc_testing.ResponseParameters{{Size: int32(i)}}
			}
			if err := stream.Send(r); err != nil {
				return err
			}
			got, err := stream.Recv()
			if err != nil {
				return err
			}
			if len(got.Payload.Body) != i {
				return fmt.Errorf("received %d bytes, want %d", len(got.Payload.Body), i)
			}
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != io.EOF {
			return fmt.Errorf("Recv after the last message: %w", err)
		}
		return nil
	}
	rpcWays(t, func(ctx context.Context, c grpc_testing.TestServiceClient, s *rpcServer, stop func()) error {
		return exercise(ctx, calls{
			quick: func(ctx context.Context, i int) error {
				return inThread(ctx, func(ctx context.Context) error { return stream(ctx, c, false) })
			},
			hang: func(ctx context.Context) error {
				return inThread(ctx, func(ctx context.Context) error { return stream(ctx, c, true) })
			},
			running: func(context.Context) (int, error) { return int(s.hangs.Load()), nil },
			kill:    stop,
			atOnce:  200,
		})
	})
}

// The deadline of a Timeout reaches the server.
func TestGRPCDeadline(t *testing.T) {
	rpcWays(t, func(ctx context.Context, c grpc_testing.TestServiceClient, s *rpcServer, _ func()) error {
		// The deadlines of client and server expire at the same moment; either
		// error may come first.
		err := aio.Timeout(ctx, 50*time.Millisecond, func(ctx context.Context) error {
			return inThread(ctx, func(ctx context.Context) error {
				_, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{FillUsername: true})
				return err
			})
		})
		if !errors.Is(err, aio.ErrTimeout) && status.Code(err) != codes.DeadlineExceeded {
			return fmt.Errorf("the call ended with %w", err)
		}
		return eventually(ctx, "calls that are still running", 0, func(context.Context) (int, error) { return int(s.hangs.Load()), nil })
	})
}

// A call from a task over connections of the loop is refused.
func TestGRPCInTask(t *testing.T) {
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		stop := new(rpcServer).serve(ln)
		conn, err := rpcClient(ln.Addr().String(), l)
		if err != nil {
			return err
		}
		err = refused(rpcQuick(ctx, grpc_testing.NewTestServiceClient(conn), 1))
		return errors.Join(err, inThread(ctx, func(context.Context) error { stop(); return conn.Close() }))
	})
}
