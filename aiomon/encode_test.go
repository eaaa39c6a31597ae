package aiomon

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The encoding of tasks by hand is equal to that of encoding/json.
func TestTasksAreEncodedAsByEncodingJSON(t *testing.T) {
	texts := []string{"", "Task-7", "waiting", "main.(*Server).handle server.go:31", `a "quoted" \ name`, "tab\tand\nline",
		"<script>&", "naïve ↻", "bad \xff byte", "\u2028", "\x00\x1f\x7f"}
	numbers := []uint64{0, 1, 7, 1 << 20, math.MaxInt64}
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string { return texts[r.IntN(len(texts))] }
	number := func() uint64 { return numbers[r.IntN(len(numbers))] }
	for range 2000 {
		v := taskView{Loop: r.IntN(3), ID: number(), Name: text(), State: text(), Place: text(), By: number(),
			Steps: number(), What: text(), Cancels: r.IntN(2) == 0, Resource: number(), HeldBy: number(), Holder: text()}
		v.Age, v.For, v.Busy, v.Waited = time.Duration(number()), -time.Duration(number()), time.Duration(number()), time.Duration(number())
		for range r.IntN(4) {
			v.Awaits = append(v.Awaits, number())
		}
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(v.appendJSON(nil)); got != string(want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}
