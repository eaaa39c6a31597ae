//go:build linux

// Command netbench compares the servers and other I/O of package aio with plain Go,
// gnet, asyncio, uvloop and Redis. The load comes from another process. The main figure
// is the processor time that the server spends on a request: on a machine where the load
// generator shares cores with the server, requests per second measure both. Run it in
// its own directory:
//
//	go run . [-run REGEXP] [-seconds S] [-rounds N]
//		[-python PATH] [-uvloop PATH] [-out FILE]
//
// A server runs on one core, the load on another, if the machine has two. It installs
// nothing: without redis-server, redis-benchmark, wrk or Python it leaves out what
// needs them, and reports that.
//
// tables.go lists the measurements. This file contains the main program, report.go
// writes the page, process.go starts processes, and each other file contains one kind
// of load, with its servers if no other load uses them.
package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
)

func main() {
	if len(os.Args) > 1 {
		if part := parts[os.Args[1]]; part != nil {
			exit(part(os.Args[2:]))
		}
	}
	exit(run())
}

// parts are the modes of the program as a child process: the measured process, or the
// load.
var parts = map[string]func(args []string) error{
	"serve": serveMain,
	"load":  loadMain,
	"spawn": spawnMain,
}

func run() (err error) {
	b := bench{lines: map[string][]string{}}
	match := flag.String("run", "", "measure only the loads and rivals that match this, for example echo64x50/protocol")
	flag.Float64Var(&b.seconds, "seconds", 2, "duration of each measurement in seconds")
	flag.IntVar(&b.rounds, "rounds", 3, "number of rounds; the results are medians")
	flag.StringVar(&b.python, "python", "python3", "Python interpreter for asyncio")
	flag.StringVar(&b.uvloop, "uvloop", "/usr/bin/python3", "Python interpreter with uvloop")
	out := flag.String("out", "", "write the tables to this file, between its marks; the rows of loads that -run excludes are kept")
	flag.Parse()
	if b.match, err = regexp.Compile(*match); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "netbench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	for _, t := range tables {
		for _, l := range t.loads {
			b.run(t, l)
		}
	}
	if *out != "" {
		return b.write(*out)
	}
	return nil
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "netbench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench is one run of the program.
type bench struct {
	match          *regexp.Regexp
	seconds        float64
	rounds         int
	python, uvloop string
	self           string              // the program
	dir            string              // for temporary files
	gnet           string              // the program gnetecho, "" until it is built
	lines          map[string][]string // rows of the tables, by load
	notes          []string            // about measurements that were left out
}

// run measures a load with each of its rivals.
func (b *bench) run(t table, l load) {
	found := map[string][][]float64{}
	failed := map[string]bool{}
	for range b.rounds {
		// The rivals take turns, so that a period in which the machine is slow
		// does not affect only one of them.
		for _, rival := range l.rivals {
			if failed[rival] || !b.match.MatchString(l.name+"/"+rival) {
				continue
			}
			figures, err := l.measure(b, rival)
			if err != nil {
				failed[rival] = true
				b.note("%s/%s: %v", l.name, rival, err)
				continue
			}
			found[rival] = append(found[rival], figures)
		}
	}
	medians := map[string][]float64{}
	for _, rival := range l.rivals {
		if rounds := found[rival]; !failed[rival] && len(rounds) > 0 {
			medians[rival] = median(rounds)
			b.line(l.name, t.row(l.name, rival, medians[rival], spread(rounds)))
		}
	}
	for _, g := range l.goals {
		of, than := medians[g.of], medians[g.than]
		if of != nil && than != nil {
			i := t.index(g.column)
			b.line(goalsOf(l.name), g.row(l.name, of[i]/than[i]))
		}
	}
}

// line prints a row of a table and records it.
func (b *bench) line(key, line string) {
	fmt.Println(line)
	b.lines[key] = append(b.lines[key], line)
}

// note reports what is left out, and why.
func (b *bench) note(format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	fmt.Fprintln(os.Stderr, note)
	b.notes = append(b.notes, note)
}

// spread returns the range of the first figure that there is, in terms of its median.
func spread(rounds [][]float64) float64 {
	middle := median(rounds)
	i := slices.IndexFunc(middle, func(f float64) bool { return !math.IsNaN(f) })
	least, greatest := middle[i], middle[i]
	for _, r := range rounds {
		least, greatest = min(least, r[i]), max(greatest, r[i])
	}
	return (greatest - least) / middle[i]
}

// median returns the median of each figure.
func median(rounds [][]float64) []float64 {
	middle := make([]float64, len(rounds[0]))
	for i := range middle {
		var all []float64
		for _, r := range rounds {
			all = append(all, r[i])
		}
		slices.Sort(all)
		n := len(all)
		middle[i] = (all[(n-1)/2] + all[n/2]) / 2
	}
	return middle
}
