//go:build unix

package aio_test

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"testing"

	"github.com/goaio/aio"
)

// benchProcess runs f b.N times in a loop.
func benchProcess(b *testing.B, f func(ctx context.Context) error) {
	b.Helper()
	b.ReportAllocs()
	err := aio.Run(func(ctx context.Context) error {
		for range b.N {
			if err := f(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// Starts a process and waits for it.
func BenchmarkSubprocessRun(b *testing.B) {
	b.Run("aio", func(b *testing.B) {
		benchProcess(b, func(ctx context.Context) error {
			p, err := aio.CreateSubprocessExec(ctx, "/bin/true", nil, nil)
			if err == nil {
				_, err = p.Wait(ctx)
			}
			return err
		})
	})
	b.Run("exec", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Reads 1 GiB from a process.
func BenchmarkSubprocessRead(b *testing.B) {
	const size = 1 << 30
	args := []string{"if=/dev/zero", "bs=64k", "count=16384", "status=none"}
	buf := make([]byte, 64<<10)
	drain := func(r io.Reader) {
		n := 0
		for {
			m, err := r.Read(buf)
			if n += m; err != nil {
				break
			}
		}
		if n != size {
			b.Errorf("read %d bytes", n)
		}
	}
	b.Run("aio", func(b *testing.B) {
		b.SetBytes(size)
		benchProcess(b, func(ctx context.Context) error {
			p, err := aio.CreateSubprocessExec(ctx, "dd", args, &aio.SubprocessOptions{Stdout: aio.PIPE})
			if err != nil {
				return err
			}
			drain(p.Stdout.Reader(ctx))
			_, err = p.Wait(ctx)
			return err
		})
	})
	b.Run("exec", func(b *testing.B) {
		b.SetBytes(size)
		for range b.N {
			cmd := exec.Command("dd", args...)
			r, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				b.Fatal(err)
			}
			drain(r)
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Writes 1 GiB to a process.
func BenchmarkSubprocessWrite(b *testing.B) {
	const size = 1 << 30
	args := []string{"of=/dev/null", "bs=64k", "status=none"}
	piece := make([]byte, 64<<10)
	b.Run("aio", func(b *testing.B) {
		b.SetBytes(size)
		benchProcess(b, func(ctx context.Context) error {
			p, err := aio.CreateSubprocessExec(ctx, "dd", args, &aio.SubprocessOptions{Stdin: aio.PIPE})
			if err != nil {
				return err
			}
			for range size / len(piece) {
				p.Stdin.Write(piece)
				if err := p.Stdin.Drain(ctx); err != nil {
					return err
				}
			}
			p.Stdin.Close()
			_, err = p.Wait(ctx)
			return err
		})
	})
	b.Run("exec", func(b *testing.B) {
		b.SetBytes(size)
		for range b.N {
			cmd := exec.Command("dd", args...)
			w, err := cmd.StdinPipe()
			if err == nil {
				err = cmd.Start()
			}
			for i := 0; err == nil && i < size/len(piece); i++ {
				_, err = w.Write(piece)
			}
			if err == nil {
				err = w.Close()
			}
			if err == nil {
				err = cmd.Wait()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Sends 64 MiB to a process and reads them back.
func BenchmarkSubprocessCommunicate(b *testing.B) {
	input := make([]byte, 64<<20)
	b.Run("aio", func(b *testing.B) {
		b.SetBytes(int64(len(input)))
		benchProcess(b, func(ctx context.Context) error {
			p, err := aio.CreateSubprocessExec(ctx, "cat", nil, allPipes)
			if err != nil {
				return err
			}
			out, _, err := p.Communicate(ctx, input)
			if len(out) != len(input) {
				b.Errorf("got %d bytes", len(out))
			}
			return err
		})
	})
	b.Run("exec", func(b *testing.B) {
		b.SetBytes(int64(len(input)))
		for range b.N {
			cmd := exec.Command("cat")
			cmd.Stdin = bytes.NewReader(input)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			if out.Len() != len(input) {
				b.Errorf("got %d bytes", out.Len())
			}
		}
	})
}
