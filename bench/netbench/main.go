//go:build linux

// Command netbench measures servers of package aio, and what else of it deals with the
// system, beside plain Go, asyncio, uvloop and Redis. The load comes from another
// process, and what counts first is the processor time that the server spends on a
// request: on a machine whose load generator shares its cores, requests per second say
// more about both. Run it in its own directory:
//
//	go run . [-run REGEXP] [-seconds S] [-rounds N]
//		[-python PATH] [-uvloop PATH] [-out FILE]
//
// A server runs on one core, the load on another, if the machine has two. It installs
// nothing: without redis-server, redis-benchmark, wrk or a Python it leaves out what
// needs them, and says so.
//
// tables.go says what is measured. This file is the program's frame, report.go writes the
// page, process.go starts processes, and each other file is one kind of load, with its
// servers if they serve nothing else.
package main

import (
	"flag"
	"fmt"
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

// parts are what the program does as a process that is measured, or that makes a load.
var parts = map[string]func(args []string) error{
	"serve": serveMain,
	"load":  loadMain,
	"spawn": spawnMain,
}

func run() (err error) {
	b := bench{lines: map[string][]string{}}
	match := flag.String("run", "", "measure the loads and rivals, as echo64x50/protocol, that match this")
	flag.Float64Var(&b.seconds, "seconds", 2, "how long each measurement takes")
	flag.IntVar(&b.rounds, "rounds", 3, "how often each is made; the medians count")
	flag.StringVar(&b.python, "python", "python3", "a Python for asyncio")
	flag.StringVar(&b.uvloop, "uvloop", "/usr/bin/python3", "a Python that has uvloop")
	out := flag.String("out", "", "write the tables to this file, between its marks; loads that -run leaves out stay as they are there")
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
	dir            string              // for files that are gone afterwards
	lines          map[string][]string // of the tables, by load
	notes          []string            // of what was left out
}

// run measures a load on its rivals.
func (b *bench) run(t table, l load) {
	found := map[string][][]float64{}
	failed := map[string]bool{}
	for range b.rounds {
		// in turns, so that a slow time of the machine does not fall on one rival
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
			b.line(l.name, t.row(l.name, rival, medians[rival]))
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

// line notes a line of a table, and prints it.
func (b *bench) line(key, line string) {
	fmt.Println(line)
	b.lines[key] = append(b.lines[key], line)
}

// note says what is left out, and why.
func (b *bench) note(format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	fmt.Fprintln(os.Stderr, note)
	b.notes = append(b.notes, note)
}

// median is the middle of each figure.
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
