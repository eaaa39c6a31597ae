package aiojobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/aiojobs"
)

// The number of submitters in BenchmarkJobs, and of places of the worker.
const benchClients, benchPlaces = 100, 100

var speedRounds = flag.Int("speed.rounds", 0, "rounds of TestSpeed; 0 means that it is skipped")

// TestSpeed runs both benchmarks in turn, and prints the ratios of this package to the
// NATS client alone:
//
//	go test -run '^TestSpeed$' -v -speed.rounds 5 -benchtime 3s
func TestSpeed(t *testing.T) {
	if *speedRounds == 0 {
		t.Skip("without -speed.rounds")
	}
	measures := []string{"jobs/s", "p50-us", "p99-us"}
	ratios := map[string][]float64{}
	for round := range *speedRounds {
		ours, plain := testing.Benchmark(BenchmarkJobs), testing.Benchmark(BenchmarkPlainNATS)
		line := fmt.Sprintf("round %d:", round+1)
		for _, m := range measures {
			a, b := ours.Extra[m], plain.Extra[m]
			if a == 0 || b == 0 {
				t.Fatalf("a benchmark has failed: %v, %v", ours, plain)
			}
			ratios[m] = append(ratios[m], a/b)
			line += fmt.Sprintf("  %s %.0f beside %.0f, %.2f", m, a, b, a/b)
		}
		t.Log(line)
	}
	for _, m := range measures {
		slices.Sort(ratios[m])
		t.Logf("%s: median ratio %.2f", m, ratios[m][*speedRounds/2])
	}
}

// report reports the jobs per second, and percentiles of their latencies.
func report(b *testing.B, latencies []time.Duration) {
	slices.Sort(latencies)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	for _, p := range []int{50, 99} {
		us := latencies[len(latencies)*p/100].Seconds() * 1e6
		b.ReportMetric(us, fmt.Sprintf("p%d-us", p))
	}
}

// Jobs over an embedded server, from submission to result.
func BenchmarkJobs(b *testing.B) {
	err := aio.Run(func(ctx context.Context) error {
		c, err := aiojobs.Open(ctx, &aiojobs.Options{Dir: b.TempDir()})
		if err != nil {
			return err
		}
		if err := aiojobs.Register(c, add, addNow); err != nil {
			return err
		}
		err = working(ctx, c, &aiojobs.WorkOptions{Limit: benchPlaces, Prefetch: benchPlaces}, func(ctx context.Context) error {
			latencies := make([]time.Duration, 0, b.N)
			defer func() { report(b, latencies) }()
			b.ResetTimer()
			left := b.N
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for range benchClients {
					tg.Go(func(ctx context.Context) error {
						for left > 0 {
							left--
							begin := time.Now()
							h, err := add.Submit(ctx, c, sum{1, 2}, nil)
							if err != nil {
								return err
							}
							if _, err := h.Await(ctx); err != nil {
								return err
							}
							latencies = append(latencies, time.Since(begin))
						}
						return nil
					})
				}
				return nil
			})
		})
		b.StopTimer()
		return errors.Join(err, c.Close(ctx))
	})
	if err != nil {
		b.Fatal(err)
	}
}

// The same streams and steps with the NATS client alone, and goroutines.
func BenchmarkPlainNATS(b *testing.B) {
	var server *aiojobs.Server
	dir := b.TempDir()
	l, stop := aio.StartLoop(nil)
	server, err := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (*aiojobs.Server, error) {
		return aiojobs.StartServer(ctx, &aiojobs.ServerOptions{Dir: dir})
	}).Result(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		_, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(server.Stop)).Result(context.Background())
		if err := errors.Join(err, stop()); err != nil {
			b.Error(err)
		}
	}()
	nc, err := nats.Connect("", nats.InProcessServer(aiojobs.Embedded(server)))
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	for _, config := range aiojobs.StreamConfigs() {
		if _, err := js.CreateOrUpdateStream(ctx, config); err != nil {
			b.Fatal(err)
		}
	}
	consumer, err := js.CreateOrUpdateConsumer(ctx, "jobs_work", jetstream.ConsumerConfig{
		Durable: "plain", FilterSubject: "jobs.run.default.normal", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1,
	})
	if err != nil {
		b.Fatal(err)
	}
	results, err := js.Stream(ctx, "jobs_results")
	if err != nil {
		b.Fatal(err)
	}
	places := make(chan struct{}, benchPlaces)
	work := func(m jetstream.Msg) {
		defer func() { <-places }()
		id := m.Headers().Get("Aio-Id")
		if _, err := results.GetLastMsgForSubject(ctx, "jobs.result."+id); !errors.Is(err, jetstream.ErrMsgNotFound) {
			b.Errorf("reading the result: %v", err)
		}
		var s sum
		if err := json.Unmarshal(m.Data(), &s); err != nil {
			b.Error(err)
		}
		data, err := json.Marshal(s.A + s.B)
		if err != nil {
			b.Error(err)
		}
		_, err = js.PublishMsg(ctx, &nats.Msg{Subject: "jobs.result." + id, Data: data, Header: nats.Header{
			"Aio-Status": {"ok"}, "Aio-Attempts": {"1"}, jetstream.ExpectedLastSubjSeqHeader: {"0"},
		}})
		if err := errors.Join(err, m.Ack()); err != nil {
			b.Error(err)
		}
	}
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		places <- struct{}{}
		go work(m)
	}, jetstream.PullMaxMessages(2*benchPlaces))
	if err != nil {
		b.Fatal(err)
	}
	defer consuming.Stop()
	var waiting sync.Map // *nats.Msg channels by id
	_, err = nc.Subscribe("jobs.done.>", func(m *nats.Msg) {
		if ch, ok := waiting.LoadAndDelete(strings.TrimPrefix(m.Subject, "jobs.done.")); ok {
			ch.(chan *nats.Msg) <- m
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	latencies := make([][]time.Duration, benchClients)
	b.ResetTimer()
	var wg sync.WaitGroup
	for client := range benchClients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				begin := time.Now()
				id := nats.NewInbox()[7:]
				ch := make(chan *nats.Msg, 1)
				waiting.Store(id, ch)
				data, err := json.Marshal(sum{1, 2})
				if err != nil {
					b.Error(err)
				}
				_, err = js.PublishMsg(ctx, &nats.Msg{Subject: "jobs.run.default.normal", Data: data, Header: nats.Header{
					"Aio-Id": {id}, "Aio-Job": {"add"}, jetstream.MsgIDHeader: {id},
				}})
				if err != nil {
					b.Error(err)
					return
				}
				select {
				case m := <-ch:
					var n int
					if err := json.Unmarshal(m.Data, &n); err != nil || n != 3 {
						b.Errorf("result %d, %v", n, err)
					}
				case <-time.After(patience):
					b.Error("no result")
					return
				}
				latencies[client] = append(latencies[client], time.Since(begin))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	report(b, slices.Concat(latencies...))
}
