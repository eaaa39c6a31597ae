package stage_test

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/goaio/aio/internal/stage"
)

// hangVariable makes the tests run with a short time limit, and TestHang hang.
const hangVariable = "STAGE_HANG"

func TestMain(m *testing.M) {
	if os.Getenv(hangVariable) != "" {
		defer stage.LimitTests(50 * time.Millisecond)()
		m.Run()
		return
	}
	os.Exit(stage.Run(m))
}

// In the child process of TestLimit this test never ends.
func TestHang(*testing.T) {
	if os.Getenv(hangVariable) != "" {
		select {}
	}
}

func TestLimit(t *testing.T) {
	if runtime.GOOS == "js" {
		t.Skip("there are no processes")
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHang$")
	child.Env = append(os.Environ(), hangVariable+"=1")
	out, err := child.CombinedOutput()
	if child.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "stage_test.TestHang(") ||
		!strings.HasSuffix(string(out), "\n\nTestHang runs for more than 50ms\n") {
		t.Errorf("a test that hangs ends with %v:\n%s", err, out)
	}
}

func TestLeaks(t *testing.T) {
	others := goleak.IgnoreCurrent()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		<-end
	}()
	if err := stage.Leaks(0, others); err == nil || !strings.Contains(err.Error(), "stage_test.TestLeaks.func1") {
		t.Errorf("the error for a goroutine that runs is %v", err)
	}
	close(end)
	<-ended
	if err := stage.Leaks(time.Minute, others); err != nil {
		t.Error(err)
	}
}
