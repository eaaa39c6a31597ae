// Command aioport prepares a port from asyncio. It prints, place by place, the name
// that each use of asyncio in Python files has in package aio, and the code that needs
// more than new names.
//
//	aioport [-json] [-flags] [-python PATH] FILE.py...
//
// A line is a name (file:line:column: asyncio's name, an arrow, the name here, a note)
// or a construct that needs attention, with the name of its rule in brackets. aioport
// -rules lists the rules. It needs a Python 3.8 or later, whose parser it uses; the
// files are not run.
//
// A comment "# aioport: ok" at the end of a line, or with the names of rules after it,
// marks its constructs as checked. The exit code is 0 if no construct needs attention,
// 1 if one does, and 2 for a wrong command line or a file that cannot be read; the
// other files are reported nevertheless.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
)

const usage = `usage: aioport [-json] [-flags] [-python PATH] FILE.py...
       aioport -rules

  -json         print JSON: a list of names and constructs
  -flags        print only the constructs that need thought
  -python PATH  the Python that parses the files (default python3)
  -rules        print the rules

The exit code is 0 if no construct needs attention, 1 if one does, 2 for a wrong
command line or a file that cannot be read.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without os.Exit.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("aioport", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	asJSON := flags.Bool("json", false, "")
	onlyFlags := flags.Bool("flags", false, "")
	python := flags.String("python", "python3", "")
	list := flags.Bool("rules", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		return 0
	case err == nil && *list:
		for _, r := range rules {
			fmt.Fprintf(out, "%-13s %s\n", r.name, r.about)
		}
		return 0
	case err == nil && flags.NArg() == 0:
		err = errors.New("no files")
	}
	if err != nil {
		fmt.Fprintf(errOut, "aioport: %v\n%s", err, usage)
		return 2
	}
	files, err := parse(ctx, *python, flags.Args())
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			err = fmt.Errorf("%w: install Python, or name one with -python", err)
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(errOut, "aioport:", line)
		}
		if len(files) == 0 {
			return 2
		}
	}
	findings := []finding{}
	thought := false
	for _, f := range files {
		for _, found := range check(f) {
			if found.Rule == "" && *onlyFlags {
				continue
			}
			thought = thought || found.Rule != ""
			findings = append(findings, found)
		}
	}
	if rerr := report(out, findings, *asJSON); rerr != nil {
		fmt.Fprintln(errOut, "aioport:", rerr)
		return 2
	}
	if err != nil {
		return 2
	}
	if thought {
		return 1
	}
	return 0
}

func report(out io.Writer, findings []finding, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(findings)
	}
	for _, f := range findings {
		place := fmt.Sprintf("%s:%d:%d:", f.File, f.Line, f.Col)
		var err error
		switch {
		case f.Rule != "":
			_, err = fmt.Fprintf(out, "%s [%s] %s\n", place, f.Rule, f.Message)
		case f.Message == "":
			_, err = fmt.Fprintf(out, "%s %s → aio.%s\n", place, f.Name, f.Go)
		case f.Go == "":
			_, err = fmt.Fprintf(out, "%s %s: no counterpart: %s\n", place, f.Name, f.Message)
		default:
			_, err = fmt.Fprintf(out, "%s %s → aio.%s (%s)\n", place, f.Name, f.Go, f.Message)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
