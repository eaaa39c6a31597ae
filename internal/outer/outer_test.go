package outer

import (
	"reflect"
	"testing"

	_ "github.com/goaio/aio/internal/stage" // no sleep at the exit
)

func TestOf(t *testing.T) {
	type s struct {
		_    [3]int64
		part string
		_    *int
	}
	f, _ := reflect.TypeFor[s]().FieldByName("part")
	v := &s{part: "x"}
	if got := Of[s](&v.part, f.Offset); got != v {
		t.Errorf("the struct at %p, want %p", got, v)
	}
}
