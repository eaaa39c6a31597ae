//go:build linux

package main

// What is measured.

import "fmt"

var (
	echoers  = []string{"protocol", "stream", "net", "asyncio", "asyncio-stream", "uvloop", "uvloop-stream"}
	idlers   = []string{"protocol", "stream", "stream with a buffer", "net", "asyncio", "asyncio-stream", "uvloop", "uvloop-stream"}
	senders  = []string{"Sendfile", "io.Copy", "asyncio-sendfile"}
	spawners = []string{"aio", "os/exec", "asyncio", "uvloop"}
	webs     = []string{"Handler", "Serve", "net/http"}
	kvs      = []string{"kv", "redis-server"}
	spread   = []string{"1 loop", "2 loops", "net on 1 core", "net on 2 cores"}
)

// Columns that goals are about.
const (
	cpuPerRequest = "µs CPU/request"
	perSecond     = "requests/s"
	p50, p99      = "p50 µs", "p99 µs"
	cpuPerConn    = "µs CPU/connection"
	connsPerSec   = "connections/s"
	heapAndStack  = "heap and stack"
	msPerRun      = "ms/run"
	msPerGiB      = "ms/GiB"
)

var requests = []column{{cpuPerRequest, "%.2f"}, {perSecond, "%.0f"}, {p50, "%.0f"}, {p99, "%.0f"}}

var tables = []table{
	{
		title:   "Echo",
		about:   "So many connections that each send so many bytes, wait for their echo and send the next.",
		columns: requests,
		loads: []load{
			echoLoad(64, 1, false), echoLoad(64, 50, false), echoLoad(64, 1000, false), echoLoad(64, 5000, false),
			echoLoad(64<<10, 50, false),
			echoLoad(64, 1, true), echoLoad(64, 50, true), echoLoad(64<<10, 50, true),
		},
	},
	{
		title: "Idle connections",
		about: "Bytes for each of so many connections that have had 64 bytes echoed and do nothing since: heap and stack " +
			"after a garbage collection, and memory of the process (RSS) after it was told to give back what it does not use. " +
			"`net` is a goroutine with a buffer of 4 KiB; so has `stream with a buffer`, while `stream` calls " +
			"StreamReader.Read. Python's are its RSS.",
		columns: []column{{heapAndStack, "%.0f"}, {"RSS", "%.0f"}},
		loads:   []load{idleLoad(5000, false), idleLoad(1000, true)},
	},
	{
		title:   "Connections that come and go",
		about:   "A connection is opened, has 64 bytes echoed and is closed by the client, 50 at a time.",
		columns: []column{{cpuPerConn, "%.2f"}, {connsPerSec, "%.0f"}},
		loads: []load{{"connect", echoers, measureAccept, []goal{
			{"protocol", "net", cpuPerConn, 1, 0}, {"stream", "net", cpuPerConn, 1, 0},
			{"protocol", "net", connsPerSec, 0, 1}, {"stream", "net", connsPerSec, 0, 1},
		}}},
	},
	{
		title: "Redis",
		about: "`examples/kv` and `redis-server` under `redis-benchmark`, with 50 connections and its other defaults: " +
			"-P says how many commands a connection sends at once.",
		columns: requests,
		loads:   []load{redisLoad("get", 1, 0.8), redisLoad("set", 1, 0.8), redisLoad("get", 16, 1), redisLoad("set", 16, 1)},
	},
	{
		title: "HTTP",
		about: "A handler that answers 13 bytes, under `wrk` with one thread and so many connections: by `aiohttp.Handler` " +
			"behind net/http, by `aiohttp.Serve`, and by net/http alone.",
		columns: requests,
		loads:   []load{webLoad(1), webLoad(50), webLoad(1000)},
	},
	{
		title: "Subprocesses",
		about: "To start `/bin/true` and wait for it; to read 1 GiB from a child; and to write 1 GiB to `cat` and read it back. " +
			"Processor time is that of the parent. Parent and child share a core, but for the loads that say otherwise: " +
			"there the time depends on how long a core that has gone to sleep takes to wake up, and varies widely.",
		columns: []column{{msPerRun, "%.2f"}, {"ms CPU/run", "%.2f"}},
		loads: []load{
			spawnLoad("true", serverCore, 1.1), spawnLoad("read", serverCore, 1/0.9), spawnLoad("cat", serverCore, 1/0.9),
			spawnLoad("read", allCores, 1/0.9), spawnLoad("cat", allCores, 1/0.9),
		},
	},
	{
		title: "Files",
		about: "A file of 1 GiB, which is in the page cache, sent over a connection to a process that drops what it gets " +
			"without copying it: by `aio.Sendfile`, and by io.Copy to a *net.TCPConn.",
		columns: []column{{msPerGiB, "%.1f"}, {"ms CPU/GiB", "%.1f"}},
		loads:   []load{{"sendfile", senders, measureSendfile, []goal{{"Sendfile", "io.Copy", msPerGiB, 1 / 0.95, 0}}}},
	},
	{
		title: "All cores",
		about: "100 connections that send 64 bytes and wait for their echo, before which the server hashes so many KiB with " +
			"SHA-256: one loop on one core, `aio.Loops` with two on two, and `net` with GOMAXPROCS of 1 and 2. With one " +
			"core for the server the load has the other. With two it runs on the same ones, and what it takes is lost to " +
			"the server: without the hash that is half of all, so that only the processor time says something.",
		columns: requests,
		loads:   []load{coresLoad(0), coresLoad(64), coresLoad(256)},
	},
}

func echoLoad(size, conns int, secure bool) load {
	o := loadOptions{Kind: "echo", Size: size, Conns: conns, TLS: secure}
	ofNet := 1.0
	if secure {
		ofNet = 1.1
	}
	goals := []goal{
		{"protocol", "net", cpuPerRequest, ofNet, 0},
		{"protocol", "uvloop", cpuPerRequest, 1, 0},
		{"stream", "protocol", cpuPerRequest, 1.15, 0},
		{"stream", "uvloop-stream", cpuPerRequest, 1, 0},
	}
	if conns == 1 {
		goals = append(goals, goal{"protocol", "net", p50, ofNet, 0}, goal{"protocol", "net", p99, ofNet, 0})
	}
	return load{o.name(), echoers, measureEcho(o), goals}
}

func idleLoad(conns int, secure bool) load {
	o := loadOptions{Kind: "idle", Size: 64, Conns: conns, TLS: secure}
	return load{o.name(), idlers, measureIdle(o), []goal{
		{"protocol", "net", heapAndStack, 1, 0}, {"stream", "net", heapAndStack, 1, 0},
		{"stream with a buffer", "net", heapAndStack, 0, 0},
	}}
}

func redisLoad(command string, pipeline int, atLeast float64) load {
	return load{fmt.Sprintf("%s-P%d", command, pipeline), kvs, measureRedis(command, pipeline),
		[]goal{{"kv", "redis-server", perSecond, 0, atLeast}, {"kv", "redis-server", cpuPerRequest, 0, 0}}}
}

func webLoad(conns int) load {
	return load{fmt.Sprintf("http%d", conns), webs, measureWeb(conns), []goal{
		{"Handler", "net/http", perSecond, 0, 0.8}, {"Serve", "net/http", perSecond, 0, 0.8},
		{"Handler", "net/http", cpuPerRequest, 0, 0}, {"Serve", "net/http", cpuPerRequest, 0, 0},
	}}
}

func spawnLoad(what string, core int, atMost float64) load {
	name := what
	if core == allCores {
		name += "-cores"
	}
	return load{name, spawners, measureSpawn(what, core), []goal{{"aio", "os/exec", msPerRun, atMost, 0}}}
}

func coresLoad(work int) load {
	name, speedup := "cores", 0.0
	if work > 0 {
		name, speedup = fmt.Sprintf("cores-hash%d", work), 1.7
	}
	return load{name, spread, measureCores(work, 100), []goal{
		{"2 loops", "1 loop", cpuPerRequest, 1.1, 0}, {"2 loops", "1 loop", perSecond, 0, speedup},
		{"net on 2 cores", "net on 1 core", cpuPerRequest, 0, 0}, {"net on 2 cores", "net on 1 core", perSecond, 0, 0},
	}}
}
