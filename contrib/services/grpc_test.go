package services_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/goaio/aio"
)

// rpcServer is a gRPC server. The bytes of a request are a word that says what to do.
type rpcServer struct {
	grpc_testing.UnimplementedTestServiceServer
	hangs atomic.Int64
}

// answer answers a number with its successor, "hang" only when the call has ended,
// "running" with the number of calls that hang, and "deadline" with the remaining time.
func (s *rpcServer) answer(ctx context.Context, word string) (string, error) {
	switch word {
	case "hang":
		s.hangs.Add(1)
		defer s.hangs.Add(-1)
		<-ctx.Done()
		return "", status.FromContextError(ctx.Err()).Err()
	case "running":
		return strconv.FormatInt(s.hangs.Load(), 10), nil
	case "deadline":
		end, ok := ctx.Deadline()
		if !ok {
			return "none", nil
		}
		return time.Until(end).String(), nil
	}
	i, err := strconv.Atoi(word)
	if err != nil {
		return "", status.Error(codes.InvalidArgument, err.Error())
	}
	return strconv.Itoa(i + 1), nil
}

func rpcPayload(word string) *grpc_testing.Payload { return &grpc_testing.Payload{Body: []byte(word)} }

func (s *rpcServer) UnaryCall(ctx context.Context, r *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	word, err := s.answer(ctx, string(r.Payload.GetBody()))
	return &grpc_testing.SimpleResponse{Payload: rpcPayload(word)}, err
}

// FullDuplexCall answers each message.
func (s *rpcServer) FullDuplexCall(stream grpc.BidiStreamingServer[grpc_testing.StreamingOutputCallRequest, grpc_testing.StreamingOutputCallResponse]) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		word, err := s.answer(stream.Context(), string(r.Payload.GetBody()))
		if err == nil {
			err = stream.Send(&grpc_testing.StreamingOutputCallResponse{Payload: rpcPayload(word)})
		}
		if err != nil {
			return err
		}
	}
}

// serveRPC is the role of a gRPC server. The arguments are the address, and whether the
// server uses a listener of package net or a listener of the loop.
func serveRPC(args []string) error {
	serve := func(ln net.Listener) error {
		g := grpc.NewServer()
		grpc_testing.RegisterTestServiceServer(g, &rpcServer{})
		return g.Serve(ln)
	}
	if args[1] == itsOwn {
		ln, err := net.Listen("tcp", args[0])
		if err != nil {
			return err
		}
		return serve(ln)
	}
	return aio.Run(func(ctx context.Context) error {
		ln, err := aio.Listen(ctx, "tcp", args[0], nil)
		if err != nil {
			return err
		}
		return inThread(ctx, func(context.Context) error { return serve(ln) })
	})
}

// rpc is a gRPC server process, with a client that inspects it.
type rpc struct {
	*process
	addr    string
	watcher *grpc.ClientConn
}

// startRPC starts a server; listener is the second argument of serveRPC.
func startRPC(t *testing.T, listener string) rpc {
	t.Helper()
	addr, _ := freeAddr(t)
	watcher, err := rpcClient(addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := rpc{addr: addr, watcher: watcher}
	t.Cleanup(func() { watcher.Close() })
	s.process = startRole(t, func() error { _, err := s.running(t.Context()); return err }, "grpc", addr, listener)
	return s
}

// running asks the server how many calls of "hang" it has.
func (s rpc) running(ctx context.Context) (int, error) {
	word, err := rpcUnary(ctx, grpc_testing.NewTestServiceClient(s.watcher), "running")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(word)
}

// rpcClient makes a client. If dialer is nil, the client dials by its own means.
func rpcClient(addr string, dialer *aio.Dialer) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1, MaxDelay: 10 * time.Millisecond},
			MinConnectTimeout: patience,
		}),
	}
	if dialer != nil {
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", addr)
		}))
	}
	return grpc.NewClient("passthrough:///"+addr, options...)
}

// rpcUnary makes a unary call. It blocks the calling goroutine.
func rpcUnary(ctx context.Context, c grpc_testing.TestServiceClient, word string) (string, error) {
	r, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{Payload: rpcPayload(word)})
	return string(r.GetPayload().GetBody()), err
}

// rpcStream sends numbers in a stream, then word, and returns the answer to word.
func rpcStream(ctx context.Context, c grpc_testing.TestServiceClient, word string) (answer string, err error) {
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return "", err
	}
	for i, sent := range []string{"0", "1", "2", "3", word} {
		err := stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: rpcPayload(sent)})
		if err != nil && err != io.EOF { // after io.EOF Recv returns the error
			return "", err
		}
		got, err := stream.Recv()
		if err != nil {
			return "", err
		}
		answer = string(got.Payload.Body)
		if i < 4 && answer != strconv.Itoa(i+1) {
			return "", fmt.Errorf("the server answered %q to %q", answer, sent)
		}
	}
	if err := stream.CloseSend(); err != nil {
		return "", err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return "", fmt.Errorf("Recv after the last message: %w", err)
	}
	return answer, nil
}

// rpcAsk sends a word and returns the answer. It blocks the calling goroutine.
type rpcAsk func(ctx context.Context, c grpc_testing.TestServiceClient, word string) (string, error)

// rpcWays exercises gRPC over each kind of connection: the client dials by its own means
// or with a Dialer of the loop, the server listens by its own means or with Listen of a
// loop. limit wraps each call.
func rpcWays(t *testing.T, ask rpcAsk, word func(i int) string, check func(i int, answer string) bool,
	limit func(ctx context.Context, call func(ctx context.Context) error) error) {
	for _, over := range []string{itsOwn, theLoops, "a listener of a loop"} {
		t.Run(over, func(t *testing.T) {
			listener := over
			if over == theLoops {
				listener = itsOwn
			}
			s := startRPC(t, listener)
			inLoop(t, func(ctx context.Context, l *aio.Loop) error {
				conn, err := rpcClient(s.addr, dialerOf(l, over))
				if err != nil {
					return err
				}
				c := grpc_testing.NewTestServiceClient(conn)
				call := func(ctx context.Context, word string) (answer string, err error) {
					err = limit(ctx, func(ctx context.Context) error {
						answer, err = aio.ToThread(ctx, func(ctx context.Context) (string, error) { return ask(ctx, c, word) })
						return err
					})
					return answer, err
				}
				err = exercise(ctx, t, calls{
					quick: func(ctx context.Context, i int) error {
						answer, err := call(ctx, word(i))
						if err == nil && !check(i, answer) {
							err = fmt.Errorf("the server answered %q to %q", answer, word(i))
						}
						return err
					},
					hang: func(ctx context.Context) error {
						_, err := call(ctx, "hang")
						return err
					},
					running: s.running,
					server:  s.process,
					lost:    func(err error) bool { return status.Code(err) == codes.Unavailable },
				})
				return closing(ctx, err, conn)
			})
		})
	}
}

// rpcPlus exercises calls that send a number and get its successor.
func rpcPlus(t *testing.T, ask rpcAsk) {
	rpcWays(t, ask, strconv.Itoa, func(i int, answer string) bool { return answer == strconv.Itoa(i+1) },
		func(ctx context.Context, call func(ctx context.Context) error) error { return call(ctx) })
}

// Unary calls with ToThread.
func TestGRPC(t *testing.T) { rpcPlus(t, rpcUnary) }

// Bidirectional streams with ToThread.
func TestGRPCStream(t *testing.T) { rpcPlus(t, rpcStream) }

// The deadline of a Timeout reaches the server.
func TestGRPCDeadline(t *testing.T) {
	const allowed = time.Hour
	rpcWays(t, rpcUnary, func(int) string { return "deadline" },
		func(_ int, answer string) bool {
			left, err := time.ParseDuration(answer)
			return err == nil && left > 0 && left <= allowed
		},
		func(ctx context.Context, call func(ctx context.Context) error) error {
			return aio.Timeout(ctx, allowed, call)
		})
	// The deadlines of client and server expire at the same moment; either error may
	// come first.
	t.Run("passes", func(t *testing.T) {
		s := startRPC(t, itsOwn)
		inLoop(t, func(ctx context.Context, _ *aio.Loop) error {
			conn, err := rpcClient(s.addr, nil)
			if err != nil {
				return err
			}
			err = aio.Timeout(ctx, 50*time.Millisecond, func(ctx context.Context) error {
				return inThread(ctx, func(ctx context.Context) error {
					_, err := rpcUnary(ctx, grpc_testing.NewTestServiceClient(conn), "hang")
					return err
				})
			})
			if !errors.Is(err, aio.ErrTimeout) && status.Code(err) != codes.DeadlineExceeded {
				return closing(ctx, fmt.Errorf("the call ended with %w", err), conn)
			}
			return closing(ctx, eventually(ctx, "calls that are still running", 0, s.running), conn)
		})
	})
}

// A call from a task over connections of the loop is refused.
func TestGRPCInTask(t *testing.T) {
	s := startRPC(t, itsOwn)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		conn, err := rpcClient(s.addr, &aio.Dialer{Loop: l})
		if err != nil {
			return err
		}
		_, err = rpcUnary(ctx, grpc_testing.NewTestServiceClient(conn), "1")
		return closing(ctx, refused(err), conn)
	})
}
