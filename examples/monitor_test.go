package examples

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// With -monitor, kv and chat serve the page of a monitor, only on loopback addresses.
func TestMonitorFlag(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	bin := built(t)
	for _, name := range []string{"kv", "chat"} {
		path := filepath.Join(bin, name)
		out, err := exec.Command(path, "-addr", "127.0.0.1:0", "-monitor", "0.0.0.0:0").CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("not a loopback address")) {
			t.Errorf("%s -monitor 0.0.0.0:0: %v\n%s", name, err, out)
		}

		cmd := exec.CommandContext(t.Context(), path, "-addr", "127.0.0.1:0", "-monitor", "127.0.0.1:0")
		log, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var url string
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := regexp.MustCompile(`url=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
				url = m[1]
			}
			if strings.Contains(lines.Text(), "listening on") {
				break
			}
		}
		resp, err := http.Get(url + "api/tasks")
		if err != nil {
			t.Fatal(err)
		}
		var tasks []struct{ Name string }
		err = json.NewDecoder(resp.Body).Decode(&tasks)
		resp.Body.Close()
		if err != nil || len(tasks) == 0 {
			t.Errorf("%s: tasks: %v %v", name, tasks, err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
