package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// childEnv makes the test binary run as treehash, with files that never end.
const childEnv = "TREEHASH_TEST_CHILD"

// reading is printed by the child on standard error when it starts to read a file.
const reading = "reading"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(stage.Run(m))
	}
	announce := sync.OnceFunc(func() { fmt.Fprintln(os.Stderr, reading) })
	open = func(string) (io.ReadCloser, error) { return endless(announce), nil }
	main()
}

func TestSumsAreSortedByPath(t *testing.T) {
	t.Chdir(t.TempDir())
	files := oddFiles()
	writeFiles(t, "tree", files)

	status, stdout, stderr := treehash("tree")
	if status != 0 || stderr != "" {
		t.Errorf("treehash: status %d, standard error %q, want 0 and nothing", status, stderr)
	}
	if want := wantSums("tree/", files); stdout != want {
		t.Errorf("treehash printed\n%swant\n%s", stdout, want)
	}
}

func TestSha256sumAcceptsTheList(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("sha256sum is not installed")
	}
	if version, _ := exec.Command(tool, "--version").Output(); !bytes.Contains(version, []byte("GNU coreutils")) {
		t.Skip("sha256sum is not from GNU coreutils and may not support escaped names")
	}
	t.Chdir(t.TempDir())
	files := oddFiles()
	writeFiles(t, "tree", files)

	_, list, _ := treehash("./tree")
	check := exec.Command(tool, "--check", "--strict")
	check.Stdin = strings.NewReader(list)
	out, err := check.CombinedOutput()
	if err != nil {
		t.Fatalf("sha256sum --check: %v\n%s\nof the list\n%s", err, out, list)
	}
	// sha256sum escapes names in this report too, so there is one line for each
	// file.
	if ok := strings.Count(string(out), ": OK\n"); ok != len(files) {
		t.Errorf("sha256sum found %d files in order, want %d:\n%s", ok, len(files), out)
	}
}

func TestPathsBeginWithTheDirectoryAsGiven(t *testing.T) {
	t.Chdir(t.TempDir())
	files := map[string]string{"f": "1", "d/g": "2"}
	writeFiles(t, "tree", files)
	if err := os.Symlink("tree", "link"); err != nil {
		t.Logf("without a link: %v", err)
	}
	for _, test := range []struct{ dir, prefix string }{
		{"tree", "tree/"},
		{"tree/", "tree/"},
		{"tree//", "tree//"},
		{"./tree", "./tree/"},
		{"tree/../tree", "tree/../tree/"},
		{".", "./tree/"},
		{"link", "link/"},
	} {
		if _, err := os.Stat(test.dir); err != nil {
			continue
		}
		_, got, _ := treehash(test.dir)
		if want := wantSums(test.prefix, files); got != want {
			t.Errorf("treehash %s printed\n%swant\n%s", test.dir, got, want)
		}
	}
}

func TestOnlyRegularFilesAreHashed(t *testing.T) {
	t.Chdir(t.TempDir())
	files := map[string]string{"f": "1", "d/g": "2"}
	writeFiles(t, "tree", files)
	for link, target := range map[string]string{"to-file": "f", "to-dir": "d", "to-parent": "..", "to-nothing": "gone"} {
		if err := os.Symlink(target, filepath.Join("tree", link)); err != nil {
			t.Skipf("no symbolic links on this system: %v", err)
		}
	}
	if l, err := net.Listen("unix", "tree/socket"); err != nil {
		t.Logf("without a socket: %v", err)
	} else {
		defer l.Close()
	}
	status, stdout, stderr := treehash("tree")
	if want := wantSums("tree/", files); status != 0 || stdout != want || stderr != "" {
		t.Errorf("treehash: status %d, standard error %q, and the list\n%swant 0, nothing, and\n%s", status, stderr, stdout, want)
	}
}

// TestWalkWaitsForWorkers hashes more files than the queue holds, in one directory and
// in many.
func TestWalkWaitsForWorkers(t *testing.T) {
	t.Chdir(t.TempDir())
	files := map[string]string{}
	for i := range queueSize + 10 {
		files[fmt.Sprintf("flat/%04d", i)] = ""
	}
	for i := range 100 {
		files[fmt.Sprintf("%02d/%02d/f", i/10, i%10)] = ""
	}
	writeFiles(t, "tree", files)
	want := wantSums("tree/", files)
	for _, workers := range []string{"1", "3", "100000"} {
		status, got, stderr := treehash("-workers", workers, "tree")
		if status != 0 || got != want || stderr != "" {
			t.Errorf("treehash -workers %s: status %d, standard error %q, %d lines, want 0, nothing, and the %d right ones",
				workers, status, stderr, strings.Count(got, "\n"), len(files))
		}
	}
}

func TestUnreadableFilesAreReportedAndTheRestPrinted(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("root can read all files")
	}
	t.Chdir(t.TempDir())
	files := map[string]string{"a": "1", "c": "3"}
	writeFiles(t, "tree", files)
	writeFiles(t, "tree", map[string]string{"b": "2", "d/e": "4"})
	chmod(t, "tree/b", 0)
	chmod(t, "tree/d", 0)

	status, stdout, stderr := treehash("tree")
	if want := wantSums("tree/", files); status != 1 || stdout != want {
		t.Errorf("treehash: status %d and the list\n%swant 1 and\n%s", status, stdout, want)
	}
	got := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	slices.Sort(got)
	want := []string{"treehash: tree/b: permission denied", "treehash: tree/d: permission denied"}
	if !slices.Equal(got, want) {
		t.Errorf("standard error %q, want %q", got, want)
	}
}

func TestFailingFilesAreReportedAndTheRestPrinted(t *testing.T) {
	errBroken := errors.New("disk on fire")
	for _, test := range []struct {
		name string
		open func(path string) (io.ReadCloser, error)
		want string
	}{
		{"vanished", func(path string) (io.ReadCloser, error) {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			return os.Open(path)
		}, statError("gone").Error()},
		{"read error", func(string) (io.ReadCloser, error) {
			r := io.MultiReader(strings.NewReader("the beginning"), failingReader{errBroken})
			return io.NopCloser(r), nil
		}, errBroken.Error()},
		{"denied", func(path string) (io.ReadCloser, error) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		}, fs.ErrPermission.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			files := map[string]string{"a": "1", "c": "3"}
			writeFiles(t, "tree", files)
			writeFiles(t, "tree", map[string]string{"b": "2"})
			replaceOpen(t, func(path string) (io.ReadCloser, error) {
				if path == "tree/b" {
					return test.open(path)
				}
				return os.Open(path)
			})
			status, stdout, stderr := treehash("tree")
			if want := wantSums("tree/", files); status != 1 || stdout != want {
				t.Errorf("treehash: status %d and the list\n%swant 1 and\n%s", status, stdout, want)
			}
			if want := "treehash: tree/b: " + test.want + "\n"; stderr != want {
				t.Errorf("standard error %q, want %q", stderr, want)
			}
		})
	}
}

func TestMessageStaysOnOneLine(t *testing.T) {
	var stderr bytes.Buffer
	newHasher(&stderr).report("a\nb\\c", fs.ErrPermission)
	if got, want := stderr.String(), `treehash: a\nb\\c: permission denied`+"\n"; got != want {
		t.Errorf("report wrote %q, want %q", got, want)
	}
}

func TestTimeoutPrintsNoList(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, "tree", map[string]string{"a": "1", "b": "2", "c": "3"})
	replaceOpen(t, func(path string) (io.ReadCloser, error) {
		if path == "tree/b" {
			return endless(func() {}), nil
		}
		return os.Open(path)
	})
	// The file never ends, so the timeout always expires.
	status, stdout, stderr := treehash("-timeout", "20ms", "tree")
	if want := "treehash: timed out after 20ms\n"; status != 1 || stdout != "" || stderr != want {
		t.Errorf("treehash: status %d, output %q, standard error %q, want 1, nothing, %q", status, stdout, stderr, want)
	}
}

func TestSignalPrintsNoList(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows cannot send signals")
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) { testSignalPrintsNoList(t, sig) })
	}
}

func testSignalPrintsNoList(t *testing.T, sig syscall.Signal) {
	if signal.Ignored(sig) {
		t.Skip("the signal is ignored in this process, and so in its children")
	}
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"a": "", "b": "", "c/d": ""})
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The timeout only ends a child that the test left running.
	child := exec.CommandContext(t.Context(), exe, "-timeout", "10m", dir)
	child.Env = append(os.Environ(), childEnv+"=1")
	var stdout bytes.Buffer
	child.Stdout = &stdout
	pipe, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	stderr := bufio.NewReader(pipe)
	if line, err := stderr.ReadString('\n'); line != reading+"\n" {
		t.Fatalf("the child printed %q, %v, want %q", line, err, reading)
	}
	if err := child.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	message, err := io.ReadAll(stderr)
	if err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // the status is checked below
	if got := child.ProcessState.ExitCode(); got != 128+int(sig) {
		t.Errorf("the exit status is %d (%v), want %d", got, child.ProcessState, 128+int(sig))
	}
	if got, want := string(message), "treehash: stopped by "+sig.String()+"\n"; got != want {
		t.Errorf("standard error %q, want %q", got, want)
	}
	if stdout.Len() > 0 {
		t.Errorf("standard output %q, want none", &stdout)
	}
}

func TestWrongUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, "tree", map[string]string{"f": ""})
	gone := statError("gone").Error()
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "want one directory, got 0"},
		{[]string{"tree", "tree"}, "want one directory, got 2"},
		{[]string{"gone"}, "gone: " + gone},
		{[]string{"gone\n"}, `gone\n: ` + gone},
		{[]string{""}, ": " + gone},
		{[]string{"tree/f"}, "tree/f: not a directory"},
		{[]string{"-size", "tree"}, "flag provided but not defined: -size"},
		{[]string{"-workers", "0", "tree"}, "-workers must be at least 1, got 0"},
		{[]string{"-workers=-3", "tree"}, "-workers must be at least 1, got -3"},
		{[]string{"-workers", "many", "tree"}, `invalid value "many" for flag -workers: parse error`},
		{[]string{"-timeout", "-1s", "tree"}, "-timeout must not be negative, got -1s"},
		{[]string{"-timeout", "5", "tree"}, `invalid value "5" for flag -timeout: parse error`},
		{[]string{"-timeout"}, "flag needs an argument: -timeout"},
	} {
		status, stdout, stderr := treehash(test.args...)
		if want := "treehash: " + test.want + "\n" + usage + "\n"; status != 2 || stdout != "" || stderr != want {
			t.Errorf("treehash %q: status %d, output %q, standard error %q, want 2, nothing, %q",
				test.args, status, stdout, stderr, want)
		}
	}
}

func TestHelp(t *testing.T) {
	status, stdout, stderr := treehash("-h")
	if status != 0 || !strings.HasPrefix(stdout, usage+"\n  -timeout D\n") || stderr != "" {
		t.Errorf("treehash -h: status %d, output %q, standard error %q", status, stdout, stderr)
	}
}

func TestWriteErrorIsReported(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"f": ""})
	var stderr bytes.Buffer
	status := run([]string{dir}, failingWriter{errors.New("no space")}, &stderr)
	if want := "treehash: no space\n"; status != 1 || stderr.String() != want {
		t.Errorf("treehash: status %d, standard error %q, want 1, %q", status, &stderr, want)
	}
}

func TestListEndsWithAWholeLine(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var list bytes.Buffer
	out := writerFunc(func(p []byte) (int, error) {
		cancel() // during the first write
		return list.Write(p)
	})
	sums := make([]sum, 1000)
	if err := writeSums(ctx, out, sums); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(list.String(), "\n"); n == 0 || n == len(sums) || !strings.HasSuffix(list.String(), "\n") {
		t.Errorf("%d lines of %d, ending in %q, want a part that ends with a line", n, len(sums), list.String()[list.Len()-10:])
	}
}

func TestProgressIsRewrittenAndCleared(t *testing.T) {
	var stderr bytes.Buffer
	h := newHasher(&stderr)
	h.status.live = true
	h.found = 3

	// With a virtual clock: an event happens half an interval after each status
	// line.
	r := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	defer r.Close()
	err := r.Run(func(ctx context.Context) error {
		progress := aio.CreateTask(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, h.showProgress(ctx)
		})
		if err := aio.Sleep(ctx, progressInterval*3/2); err != nil {
			return err
		}
		h.add(sum{path: "a", bytes: 5 << 20})
		if err := aio.Sleep(ctx, progressInterval); err != nil {
			return err
		}
		h.add(sum{path: "b", err: fs.ErrPermission})
		if err := aio.Sleep(ctx, progressInterval); err != nil {
			return err
		}
		progress.Cancel()
		h.status.clear()
		h.status.clear()
		return aio.Sleep(ctx, 10*progressInterval)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := eraseLine + "0 of 3 files, 0 MiB" +
		eraseLine + "1 of 3 files, 5 MiB" +
		eraseLine + "treehash: b: permission denied\n" +
		eraseLine + "1 of 3 files, 5 MiB" +
		eraseLine
	if got := stderr.String(); got != want {
		t.Errorf("standard error %q, want %q", got, want)
	}
}

// treehash runs the program in the test process.
func treehash(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

// wantSums returns the list for files, a map from names to contents.
func wantSums(prefix string, files map[string]string) string {
	var paths []string
	for name := range files {
		paths = append(paths, prefix+name)
	}
	slices.Sort(paths)
	var b strings.Builder
	for _, path := range paths {
		content := files[strings.TrimPrefix(path, prefix)]
		if strings.ContainsAny(path, "\\\n\r") {
			b.WriteByte('\\')
			path = strings.ReplaceAll(path, `\`, `\\`)
			path = strings.ReplaceAll(path, "\n", `\n`)
			path = strings.ReplaceAll(path, "\r", `\r`)
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256([]byte(content)), path)
	}
	return b.String()
}

// oddFiles returns files with critical names and sizes: names that need escapes, names
// that sort differently from the order of the walk, sizes around the read size.
func oddFiles() map[string]string {
	files := map[string]string{
		"empty":          "",
		"a-b":            "before a.b, which is before a/b",
		"a.b":            "a.b",
		"a/b":            "a/b",
		"a/c/d/e/f":      "deep",
		"a0":             "after a/b",
		"B":              "upper case first",
		" with spaces ":  "spaces",
		"\u00e9\u4e16":   "not ASCII",
		"exactly a read": strings.Repeat("x", readSize),
		"two and a bit":  strings.Repeat("y", 2*readSize+1),
	}
	if runtime.GOOS != "windows" {
		files[`back\slash`] = "1"
		files[`back\nslash`] = "2"
		files["new\nline"] = "3"
		files["\\\n\\"] = "4"
		files["dir\n/\\"] = "5"
		files["\n"] = "6"
		files["*"] = "7"
	}
	if runtime.GOOS == "linux" {
		files["carriage\rreturn"] = "8"
		files["not\xffUTF-8"] = "9"
	}
	return files
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// chmod changes the mode until the end of the test, when the directory has to be
// removable.
func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(abs, 0o777) })
}

func replaceOpen(t *testing.T, f func(path string) (io.ReadCloser, error)) {
	before := open
	open = f
	t.Cleanup(func() { open = before })
}

// statError returns the system's reason why path cannot be used.
func statError(path string) error {
	_, err := os.Stat(path)
	return withoutPath(err)
}

// endless is a file that never ends. It calls onRead before each read.
type endless func()

func (onRead endless) Read(p []byte) (int, error) {
	onRead()
	return len(p), nil
}

func (endless) Close() error { return nil }

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
