package aio_test

import (
	"os"
	"testing"

	"github.com/goaio/aio/internal/stage"
)

// onlyLong skips a test that has no short form.
func onlyLong(t testing.TB) {
	t.Helper()
	if !stage.Long {
		t.Skip("it takes long: run it with AIO_LONG=1, as .ci/run -long does")
	}
}

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }
