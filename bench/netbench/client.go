//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// measureClient measures a client with the given number of concurrent requests. The
// client runs on the core otherwise used by servers, and the server on the core of
// loads.
func measureClient(requests int) func(*bench, string) ([]float64, error) {
	return func(b *bench, rival string) ([]float64, error) {
		s, addr, err := b.server(loadCore, "net/http", serveOptions{})
		if err != nil {
			return nil, err
		}
		defer s.stop()
		o := loadOptions{Kind: rival, Addr: addr, Conns: requests, Seconds: b.seconds}
		c, err := start(serverCore, b.self, "load", asJSON(o))
		if err != nil {
			return nil, err
		}
		defer c.stop()
		if _, err := c.line(); err != nil { // the warm-up has ended
			return nil, err
		}
		before := c.cpu()
		said, err := c.next()
		cpu := c.cpu() - before
		var r loadResult
		if err == nil {
			err = json.Unmarshal([]byte(said), &r)
		}
		return r.figures(cpu), err
	}
}

// clientLoad is shared by the tasks or goroutines of a client.
type clientLoad struct {
	warm    sync.WaitGroup
	begun   chan struct{}
	started time.Time // set before begun is closed
	seconds time.Duration
	failed  atomic.Pointer[error]

	mu    sync.Mutex
	trips []float64
}

func newClientLoad(o loadOptions) *clientLoad {
	l := &clientLoad{begun: make(chan struct{}), seconds: time.Duration(o.Seconds * float64(time.Second))}
	l.warm.Add(o.Conns)
	go func() {
		l.warm.Wait()
		begin()
		l.started = time.Now()
		close(l.begun)
	}()
	return l
}

// work makes requests, one after the other, until the time is up. The warm-up requests
// are not counted.
func (l *clientLoad) work(request func() error) {
	var trips []float64
	for n, counts := 0, false; ; n++ {
		if n == 20 {
			l.warm.Done()
		}
		if !counts {
			select {
			case <-l.begun:
				counts = true
			default:
			}
		}
		before := time.Now()
		if counts && before.Sub(l.started) > l.seconds || l.failed.Load() != nil {
			break
		}
		if err := request(); err != nil {
			l.failed.Store(&err)
			break
		}
		if counts {
			trips = append(trips, micros(time.Since(before)))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trips = append(l.trips, trips...)
}

func (l *clientLoad) result() (loadResult, error) {
	if err := l.failed.Load(); err != nil {
		return loadResult{}, *err
	}
	r := loadResult{Requests: len(l.trips), Seconds: time.Since(l.started).Seconds()}
	r.P50, r.P99 = percentiles(l.trips)
	return r, nil
}

func loadTasks(o loadOptions) (loadResult, error) {
	l := newClientLoad(o)
	url := "http://" + o.Addr
	err := aio.Run(func(ctx context.Context) error {
		c := &aiohttp.Client{}
		defer c.CloseIdleConnections()
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for range o.Conns {
				tg.Go(func(ctx context.Context) error {
					l.work(func() error {
						resp, err := c.Get(ctx, url)
						if err != nil {
							return err
						}
						_, err = resp.Bytes(ctx)
						return err
					})
					return nil
				})
			}
			return nil
		})
	})
	if err != nil {
		return loadResult{}, err
	}
	return l.result()
}

func loadGoroutines(o loadOptions) (loadResult, error) {
	l := newClientLoad(o)
	url := "http://" + o.Addr
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = o.Conns
	c := &http.Client{Transport: t}
	defer c.CloseIdleConnections()
	var all sync.WaitGroup
	for range o.Conns {
		all.Go(func() {
			l.work(func() error {
				resp, err := c.Get(url)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				_, err = io.ReadAll(resp.Body)
				return err
			})
		})
	}
	all.Wait()
	return l.result()
}
