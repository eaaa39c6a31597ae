//go:build unix

package supervisor

// The configuration file: sections of "name = value" lines, as supervisord's.

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Restart says when a process that has exited is started again.
type Restart string

// The values of autorestart. Unexpected means after an exit code that is not in
// exitcodes, or a signal.
const (
	Always     Restart = "always"
	Unexpected Restart = "unexpected"
	Never      Restart = "never"
)

// Config is the content of a configuration file.
type Config struct {
	Socket   string // path of the control socket; empty means none
	Programs []*Program
}

// Program is a section [program:NAME]: one process, or several that are alike.
type Program struct {
	Name        string
	Command     []string // the program and its arguments
	Directory   string
	Environment []string // NAME=VALUE, in addition to those of the supervisor
	NumProcs    int
	AutoStart   bool
	AutoRestart Restart
	ExitCodes   []int // exit codes that are expected
	// how long the process must run until its start counts as successful
	StartTime    time.Duration
	StartRetries int // attempts after a first failed one
	StopSignal   syscall.Signal
	StopWait     time.Duration // time from the stop signal to SIGKILL
	StopAsGroup  bool          // the stop signal goes to the whole process group
	// programs with a lower number start first, and stop last
	Priority int
	Stdout   LogConfig
	Stderr   LogConfig
	Redirect bool // stderr goes to the log of stdout
}

// LogConfig describes where an output is written.
type LogConfig struct {
	Path    string // empty means nowhere
	Max     int64  // the size at which the file is rotated; 0 means never
	Backups int    // how many old files are kept, as PATH.1, PATH.2 and so on
}

// equal reports whether two programs have the same settings.
func (p *Program) equal(q *Program) bool { return reflect.DeepEqual(p, q) }

// expand returns the settings of the process with this number: %(process_num)d,
// %(program_name)s and %% are replaced in the command, the environment and the log files.
func (p *Program) expand(number int) (*Program, error) {
	q := *p
	var err error
	replace := func(s string) string {
		var b strings.Builder
		for {
			before, after, found := strings.Cut(s, "%")
			b.WriteString(before)
			if !found {
				return b.String()
			}
			switch {
			case strings.HasPrefix(after, "%"):
				b.WriteByte('%')
				s = after[1:]
			case strings.HasPrefix(after, "(process_num)d"):
				fmt.Fprint(&b, number)
				s = after[len("(process_num)d"):]
			case strings.HasPrefix(after, "(program_name)s"):
				b.WriteString(p.Name)
				s = after[len("(program_name)s"):]
			default:
				err = fmt.Errorf("program %s: unknown expansion at %%%s", p.Name, after)
				return ""
			}
		}
	}
	q.Command, q.Environment = slices.Clone(p.Command), slices.Clone(p.Environment)
	for _, list := range [][]string{q.Command, q.Environment} {
		for i := range list {
			list[i] = replace(list[i])
		}
	}
	q.Stdout.Path, q.Stderr.Path, q.Directory = replace(p.Stdout.Path), replace(p.Stderr.Path), replace(p.Directory)
	return &q, err
}

// LoadConfig reads a configuration file. Relative paths of the socket and of log files
// are relative to its directory.
func LoadConfig(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := ParseConfig(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	c.Socket = under(dir, c.Socket)
	for _, p := range c.Programs {
		p.Stdout.Path, p.Stderr.Path = under(dir, p.Stdout.Path), under(dir, p.Stderr.Path)
	}
	return c, nil
}

func under(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// ParseConfig parses the text of a configuration file. The error has the number of the
// line.
func ParseConfig(r io.Reader) (*Config, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	var section string
	var program *Program
	seen := map[string]bool{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		fail := func(format string, args ...any) error {
			return fmt.Errorf("line %d: %s", number, fmt.Sprintf(format, args...))
		}
		line = strings.TrimSpace(line)
		if i := strings.Index(line, " ;"); i >= 0 {
			line = strings.TrimSpace(line[:i])
		}
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			if line[len(line)-1] != ']' {
				return nil, fail("a section without ]")
			}
			section = line[1 : len(line)-1]
			if seen[section] {
				return nil, fail("a second section %q", section)
			}
			seen[section] = true
			name, isProgram := strings.CutPrefix(section, "program:")
			switch {
			case section == "supervisor":
				program = nil
			case !isProgram:
				return nil, fail("an unknown section %q", section)
			case name == "" || strings.ContainsAny(name, " \t:/%"):
				return nil, fail("the program name %q is empty or has one of space, colon, slash, percent", name)
			default:
				program = newProgram(name)
				c.Programs = append(c.Programs, program)
			}
			continue
		}
		name, value, found := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !found:
			return nil, fail("want NAME = VALUE, got %q", line)
		case section == "":
			return nil, fail("%q before the first section", name)
		case seen[section+"="+name]:
			return nil, fail("%q is there twice", name)
		}
		seen[section+"="+name] = true
		if program == nil {
			if name != "socket" {
				return nil, fail("unknown option %q", name)
			}
			c.Socket = value
			continue
		}
		if err := program.set(name, value); err != nil {
			return nil, fail("%s: %v", name, err)
		}
	}
	for _, p := range c.Programs {
		if len(p.Command) == 0 {
			return nil, fmt.Errorf("program %s has no command", p.Name)
		}
		paths := map[string]bool{}
		for i := range p.NumProcs {
			q, err := p.expand(i)
			if err != nil {
				return nil, err
			}
			for _, path := range []string{q.Stdout.Path, q.Stderr.Path} {
				if path != "" && paths[path] {
					return nil, fmt.Errorf("program %s writes twice to the log %s", p.Name, path)
				}
				paths[path] = true
			}
		}
	}
	return c, nil
}

// newProgram returns a program with the defaults.
func newProgram(name string) *Program {
	log := LogConfig{Max: 50 << 20, Backups: 10}
	return &Program{
		Name: name, NumProcs: 1, AutoStart: true, AutoRestart: Unexpected, ExitCodes: []int{0}, StartTime: time.Second,
		StartRetries: 3, StopSignal: syscall.SIGTERM, StopWait: 10 * time.Second, Priority: 999, Stdout: log, Stderr: log,
	}
}

// signals are the values that stopsignal may have.
var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
	"KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
}

// set sets an option of the program.
func (p *Program) set(name, value string) (err error) {
	switch name {
	case "command":
		p.Command, err = split(value)
	case "directory":
		p.Directory = value
	case "environment":
		p.Environment, err = parseEnvironment(value)
	case "numprocs":
		p.NumProcs, err = parseInt(value, 1, 1000)
	case "autostart":
		p.AutoStart, err = parseBool(value)
	case "autorestart":
		p.AutoRestart = Restart(value)
		if !slices.Contains([]Restart{Always, Unexpected, Never}, p.AutoRestart) {
			err = fmt.Errorf("want always, unexpected or never, got %q", value)
		}
	case "exitcodes":
		p.ExitCodes = nil
		for word := range strings.SplitSeq(value, ",") {
			var code int
			if code, err = parseInt(strings.TrimSpace(word), 0, 255); err != nil {
				break
			}
			p.ExitCodes = append(p.ExitCodes, code)
		}
	case "startsecs":
		p.StartTime, err = parseSeconds(value)
	case "startretries":
		p.StartRetries, err = parseInt(value, 0, math.MaxInt32)
	case "stopsignal":
		var known bool
		if p.StopSignal, known = signals[strings.TrimPrefix(strings.ToUpper(value), "SIG")]; !known {
			err = fmt.Errorf("want one of %s, got %q", strings.Join(slices.Sorted(maps.Keys(signals)), ", "), value)
		}
	case "stopwaitsecs":
		p.StopWait, err = parseSeconds(value)
	case "stopasgroup":
		p.StopAsGroup, err = parseBool(value)
	case "priority":
		p.Priority, err = parseInt(value, math.MinInt32, math.MaxInt32)
	case "redirect_stderr":
		p.Redirect, err = parseBool(value)
	default:
		log := &p.Stdout
		rest, ok := strings.CutPrefix(name, "stdout_logfile")
		if !ok {
			log = &p.Stderr
			rest, ok = strings.CutPrefix(name, "stderr_logfile")
		}
		switch {
		case ok && rest == "":
			log.Path = value
		case ok && rest == "_maxbytes":
			log.Max, err = parseSize(value)
		case ok && rest == "_backups":
			log.Backups, err = parseInt(value, 0, 1000)
		default:
			err = errors.New("unknown option")
		}
	}
	return err
}

func parseInt(s string, least, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("want a number from %d to %d, got %q", least, most, s)
	}
	return n, nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("want true or false, got %q", s)
}

func parseSeconds(s string) (time.Duration, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f < 1e8) {
		return 0, fmt.Errorf("want a number of seconds, got %q", s)
	}
	return time.Duration(f * float64(time.Second)), nil
}

// parseSize parses a number of bytes with an optional KB, MB or GB.
func parseSize(s string) (int64, error) {
	unit := int64(1)
	for suffix, factor := range map[string]int64{"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30} {
		if rest, ok := strings.CutSuffix(strings.ToUpper(s), suffix); ok {
			s, unit = strings.TrimSpace(rest), factor
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("want a number of bytes, with KB, MB or GB, got %q", s)
	}
	return n * unit, nil
}

// split divides a command into words, at spaces that are not quoted. Quotes are ' and ",
// and a backslash outside of ' takes the next character literally. There is no shell.
func split(s string) (words []string, err error) {
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range s {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == ' ' || r == '\t':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quotation without an end in %q", s)
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("it is empty")
	}
	return words, nil
}

// parseEnvironment parses NAME=VALUE,NAME="VALUE".
func parseEnvironment(s string) (env []string, err error) {
	rest := s
	for rest = strings.TrimSpace(rest); rest != ""; {
		name, after, found := strings.Cut(rest, "=")
		if name = strings.TrimSpace(name); !found || name == "" {
			return nil, fmt.Errorf("want NAME=VALUE,..., got %q", s)
		}
		var value string
		after = strings.TrimSpace(after)
		if after != "" && (after[0] == '"' || after[0] == '\'') {
			end := strings.IndexByte(after[1:], after[0])
			if end < 0 {
				return nil, fmt.Errorf("a quotation without an end in %q", s)
			}
			value, rest = after[1:1+end], strings.TrimSpace(after[end+2:])
			if rest != "" && rest[0] != ',' {
				return nil, fmt.Errorf("want a comma after %s in %q", name, s)
			}
			rest = strings.TrimPrefix(rest, ",")
		} else {
			value, rest, _ = strings.Cut(after, ",")
		}
		env = append(env, name+"="+strings.TrimSpace(value))
		rest = strings.TrimSpace(rest)
	}
	return env, nil
}
