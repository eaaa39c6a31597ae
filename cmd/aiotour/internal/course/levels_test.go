package course

import (
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/goaio/aio/cmd/aiotour/internal/play"
	"github.com/goaio/aio/internal/stage"
)

// Each program of a level works in asyncio's order, and fails in the schedule that the
// search finds, with the same error when it is played. The versions are what the level
// says they are, and the search for each correct one is complete, or ends after a
// thousand runs of a sample.
func TestLevels(t *testing.T) {
	for _, l := range Levels {
		t.Run(l.ID, func(t *testing.T) {
			correct := 0
			for _, v := range append([]Version{l.Broken}, l.Versions...) {
				name := runtime.FuncForPC(reflect.ValueOf(v.Program).Pointer()).Name()
				if !strings.HasSuffix(name, "."+v.Func) {
					t.Errorf("the function of %s is %s", v.Func, name)
				}
				if r := play.Do(v.Program, nil); r.Failed {
					t.Errorf("%s fails in asyncio's order: %s", v.Func, r.Text)
				}
				limit := 20_000
				if v.Correct { // some need thousands of runs
					limit = stage.Amount(1000, limit, limit)
				}
				f := play.Search(v.Program, limit)
				if f.Failed == v.Correct {
					t.Errorf("%s: correct is %v, and the search says %q after %d runs", v.Func, v.Correct, f.Text, f.Runs)
				}
				if v.Correct {
					correct++
					if !f.Complete && (stage.Full || f.Runs < limit) {
						t.Errorf("%s: %d runs are not all schedules", v.Func, f.Runs)
					}
				} else if r := play.Do(v.Program, f.Choices); !r.Failed || r.Kind != "deadlock" && !strings.HasSuffix(f.Text, r.Text) {
					t.Errorf("%s: playing %v gives %q, the search found %q", v.Func, f.Choices, r.Text, f.Text)
				}
				t.Logf("%s: %d steps, %d runs, complete %v, %d of %d choices changed: %s", v.Func, len(play.Do(v.Program, f.Choices).Frames), f.Runs, f.Complete, f.Changed, len(f.Choices), f.Text)
			}
			if correct == 0 {
				t.Error("no version is correct")
			}
		})
	}
}

// The demos run as they are described, and exactly one answer to each question is
// their output.
func TestDemos(t *testing.T) {
	for _, d := range Demos {
		name := runtime.FuncForPC(reflect.ValueOf(d.Program).Pointer()).Name()
		if !strings.HasSuffix(name, "."+d.Func) {
			t.Errorf("the function of %s is %s", d.Func, name)
		}
		r := play.Do(d.Program, nil)
		if fails := d.Func == "henAndEgg"; r.Failed != fails {
			t.Errorf("%s: failed is %v: %s", d.Func, r.Failed, r.Text)
		}
		output := strings.Join(r.Frames[len(r.Frames)-1].Output, " ")
		if n := strings.Count("|"+strings.Join(d.Guess, "|")+"|", "|"+output+"|"); len(d.Guess) > 0 && n != 1 {
			t.Errorf("%s: %d answers are its output %q", d.Func, n, output)
		}
	}
}

// The page on testing says what the search finds in its programs.
func TestSearched(t *testing.T) {
	if f := play.Search(testedOnce, 20_000); !f.Failed || f.Text != "an addition is lost" {
		t.Errorf("testedOnce: %+v", f)
	}
	if f := play.Search(testedLock, 20_000); f.Failed || !f.Complete {
		t.Errorf("testedLock: %+v", f)
	}
	for name, p := range map[string]play.Program{"testedOnce": testedOnce, "testedLock": testedLock} {
		if r := play.Do(p, nil); r.Failed {
			t.Errorf("%s fails in asyncio's order: %s", name, r.Text)
		}
	}
}
