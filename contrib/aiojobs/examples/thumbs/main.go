// Thumbs makes thumbnails of the pictures below a directory, on one machine or several
// that share the directories. Alone, with the embedded server and its data in OUT:
//
//	thumbs DIR OUT
//
// With a server that others can reach, workers anywhere, and a submitter:
//
//	thumbs -serve 127.0.0.1:4222 -data DATA
//	thumbs -urls 127.0.0.1:4222 -work
//	thumbs -urls 127.0.0.1:4222 DIR OUT
//
// For a cluster start three servers, each with a name, an address and the addresses of
// all of them, and give all their addresses to -urls:
//
//	thumbs -serve :4222 -data DATA -name a \
//		-cluster A:6222 -routes A:6222,B:6222,C:6222
//
// SIGTERM or an interrupt drains a worker: it finishes its pictures and ends. A picture
// has its path, size and time as key, so a second run makes only what has changed while
// the results are kept. The exit status is 0 if all thumbnails were made, 1 if not, and 2
// for wrong arguments.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	_ "image/gif"
	"image/jpeg"
	_ "image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/aiojobs"
)

// picture is the argument of the job.
type picture struct {
	From, To string
	Size     int // length of the longer side
}

// thumb returns the size of the thumbnail.
var thumb = aiojobs.NewJob[picture, image.Point]("thumb", &aiojobs.JobOptions{
	Attempts: 3,
	// A file that is not a picture fails in each attempt.
	Retry: func(err error) bool { return !errors.Is(err, image.ErrFormat) },
})

func makeThumb(ctx context.Context, p picture) (image.Point, error) {
	return aio.ToThread(ctx, func(context.Context) (image.Point, error) {
		f, err := os.Open(p.From)
		if err != nil {
			return image.Point{}, err
		}
		defer f.Close()
		from, _, err := image.Decode(f)
		if err != nil {
			return image.Point{}, err
		}
		to := shrink(from, p.Size)
		if err := os.MkdirAll(filepath.Dir(p.To), 0o777); err != nil {
			return image.Point{}, err
		}
		// The thumbnail is renamed when it is complete. So a run that dies
		// leaves no incomplete picture, and two runs of a job do no harm.
		out, err := os.CreateTemp(filepath.Dir(p.To), ".thumb")
		if err != nil {
			return image.Point{}, err
		}
		defer os.Remove(out.Name())
		err = errors.Join(jpeg.Encode(out, to, nil), out.Close())
		if err == nil {
			err = os.Rename(out.Name(), p.To)
		}
		return to.Bounds().Size(), err
	})
}

// shrink returns a picture whose longer side has at most size pixels. Each pixel is the
// mean of the pixels that it replaces.
func shrink(from image.Image, size int) image.Image {
	b := from.Bounds()
	long := max(b.Dx(), b.Dy(), 1)
	if long <= size {
		return from
	}
	w, h := max(b.Dx()*size/long, 1), max(b.Dy()*size/long, 1)
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			var sum [4]uint32
			var n uint32
			for j := b.Min.Y + y*b.Dy()/h; j < b.Min.Y+(y+1)*b.Dy()/h; j++ {
				for i := b.Min.X + x*b.Dx()/w; i < b.Min.X+(x+1)*b.Dx()/w; i++ {
					r, g, bl, a := from.At(i, j).RGBA()
					for k, v := range []uint32{r, g, bl, a} {
						sum[k] += v >> 8
					}
					n++
				}
			}
			for k, v := range sum {
				to.Pix[to.PixOffset(x, y)+k] = uint8(v / n)
			}
		}
	}
	return to
}

type settings struct {
	urls, serve, data, name, cluster, routes string
	work                                     bool
	size, limit                              int
	args                                     []string
}

func main() {
	var s settings
	flag.StringVar(&s.urls, "urls", "", "addresses of servers, with commas between")
	flag.StringVar(&s.serve, "serve", "", "only serve, on this address")
	flag.StringVar(&s.data, "data", "", "folder of the server's data")
	flag.StringVar(&s.name, "name", "", "name of the server in its cluster")
	flag.StringVar(&s.cluster, "cluster", "", "address of the server for its cluster")
	flag.StringVar(&s.routes, "routes", "", "addresses of all servers for the cluster, with commas between")
	flag.BoolVar(&s.work, "work", false, "only work")
	flag.IntVar(&s.size, "size", 128, "length of the longer side of a thumbnail")
	flag.IntVar(&s.limit, "limit", runtime.GOMAXPROCS(0), "pictures at a time")
	flag.Parse()
	s.args = flag.Args()
	if wrong := s.serve == "" && !s.work && len(s.args) != 2 || s.work && s.urls == ""; wrong {
		fmt.Fprintln(os.Stderr, "usage: thumbs [flags] DIR OUT, thumbs -urls ADDRS -work, or thumbs -serve ADDR")
		os.Exit(2)
	}
	if err := aio.Run(func(ctx context.Context) error { return run(ctx, s) }); err != nil {
		fmt.Fprintln(os.Stderr, "thumbs:", err)
		os.Exit(1)
	}
}

// drainOn calls drain when the program is asked to stop.
func drainOn(ctx context.Context, drain func()) error {
	l, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	return errors.Join(l.AddSignalHandler(syscall.SIGTERM, drain), l.AddSignalHandler(os.Interrupt, drain))
}

func run(ctx context.Context, s settings) (err error) {
	if s.serve != "" {
		opts := aiojobs.ServerOptions{Dir: s.data, Listen: s.serve, Name: s.name, Cluster: s.cluster}
		if s.routes != "" {
			opts.Routes = strings.Split(s.routes, ",")
		}
		var stop aio.Event
		if err := drainOn(ctx, stop.Set); err != nil {
			return err
		}
		server, err := aiojobs.StartServer(ctx, &opts)
		if err != nil {
			return err
		}
		fmt.Println("serving on", server.Addr())
		return errors.Join(stop.Wait(ctx), server.Stop(ctx))
	}
	var opts aiojobs.Options
	if s.urls != "" {
		opts.URLs = strings.Split(s.urls, ",")
	} else if opts.Dir = s.data; opts.Dir == "" {
		opts.Dir = filepath.Join(s.args[1], ".jobs")
	}
	c, err := aiojobs.Open(ctx, &opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	if err := aiojobs.Register(c, thumb, makeThumb); err != nil {
		return err
	}
	work := func(ctx context.Context) error { return c.Work(ctx, &aiojobs.WorkOptions{Limit: s.limit}) }
	if s.work {
		if err := drainOn(ctx, c.Drain); err != nil {
			return err
		}
		return work(ctx)
	}
	failed := 0
	if s.urls != "" {
		failed, err = submit(ctx, c, s)
	} else {
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) (err error) {
			tg.Go(work)
			failed, err = submit(ctx, c, s)
			c.Drain()
			return err
		})
	}
	if err == nil && failed > 0 {
		return errFailed
	}
	return err
}

// errFailed is the error of a run in which jobs have failed; submit has printed why.
var errFailed = errors.New("not all thumbnails were made")

// submit makes a job of each picture, prints the results, and returns the number of jobs
// that have failed.
func submit(ctx context.Context, c *aiojobs.Client, s settings) (failed int, err error) {
	dir, err1 := filepath.Abs(s.args[0])
	out, err2 := filepath.Abs(s.args[1])
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	type file struct{ path, key string }
	files, err := aio.ToThread(ctx, func(context.Context) (files []file, err error) {
		err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path == out:
				return fs.SkipDir
			}
			switch strings.ToLower(filepath.Ext(path)) {
			case ".jpg", ".jpeg", ".png", ".gif":
				info, err := d.Info()
				if err != nil {
					return err
				}
				key := fmt.Sprint(path, " ", info.Size(), " ", info.ModTime().UnixNano(), " ", out, " ", s.size)
				files = append(files, file{path, key})
			}
			return nil
		})
		return files, err
	})
	if err != nil {
		return 0, err
	}
	made := 0
	err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Limit = 100 // maximum number of submissions whose result is awaited
		for _, f := range files {
			tg.Go(func(ctx context.Context) error {
				rel, err := filepath.Rel(dir, f.path)
				if err != nil {
					return err
				}
				p := picture{f.path, filepath.Join(out, rel+".jpg"), s.size}
				h, err := thumb.Submit(ctx, c, p, &aiojobs.SubmitOptions{Key: f.key})
				if err != nil {
					return err
				}
				var job *aiojobs.JobError
				size, err := h.Await(ctx)
				if errors.As(err, &job) {
					failed++
					fmt.Fprintf(os.Stderr, "thumbs: %s: %s\n", rel, job.Text)
					return nil
				}
				if err == nil {
					made++
					fmt.Printf("%s %dx%d\n", rel, size.X, size.Y)
				}
				return err
			})
		}
		return nil
	})
	fmt.Printf("%d of %d pictures\n", made, len(files))
	return failed, err
}
