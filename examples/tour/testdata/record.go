package main

// This file is compiled into the programs of the tour when their pictures are drawn.
// There record, recordRun, recordPrintln and recordPrintf take the place of
// aio.NewEventLoop, aio.Run, fmt.Println and fmt.Printf. All loops have a virtual clock,
// so each run has the same steps and times.

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/goaio/aio"
)

// run is what happened in one loop. prints has what each step printed, by the number of
// its record.
type run struct {
	timeline *aio.Timeline
	Records  []aio.TimelineRecord
	Prints   map[int][]string
}

var runs []*run

// record returns a loop whose steps are recorded.
func record(*aio.LoopOptions) *aio.Loop {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	r := &run{timeline: aio.NewTimeline(0), Prints: map[int][]string{}}
	loop.AddObserver(r.timeline)
	runs = append(runs, r)
	return loop
}

func recordRunner() aio.Runner {
	return aio.Runner{LoopFactory: func() *aio.Loop { return record(nil) }}
}

func recordRun(f func(ctx context.Context) error) error {
	r := recordRunner()
	defer r.Close()
	return r.Run(f)
}

// printed adds text to the step that is running, whose record will be the next one.
func printed(text string) {
	if len(runs) == 0 {
		return
	}
	r := runs[len(runs)-1]
	n := len(r.timeline.Records())
	r.Prints[n] = append(r.Prints[n], strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
}

func recordPrintln(args ...any) {
	fmt.Println(args...)
	printed(fmt.Sprintln(args...))
}

func recordPrintf(format string, args ...any) {
	fmt.Printf(format, args...)
	printed(fmt.Sprintf(format, args...))
}

// recorded writes the runs at the end of the program.
func recorded() {
	for _, r := range runs {
		r.Records = r.timeline.Records()
	}
	text, err := json.Marshal(runs)
	if err == nil {
		err = os.WriteFile(os.Getenv("TOUR_RECORD"), text, 0o644)
	}
	if err != nil {
		panic(err)
	}
}
