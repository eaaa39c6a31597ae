package course

import (
	"context"
	"fmt"
	"slices"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// report downloads two chapters, and checks the order in which they are printed.
func report(ctx context.Context, s *play.Scene, collect func(ctx context.Context, download func(ctx context.Context, chapter string) error) ([]string, error)) error {
	var text []string
	s.Show("text", &text)
	download := func(ctx context.Context, chapter string) error {
		return s.Answer(ctx, "chapter "+chapter)
	}
	text, err := collect(ctx, download)
	if err == nil && !slices.Equal(text, []string{"1", "2"}) {
		err = fmt.Errorf("the chapters are in the order %v", text)
	}
	return err
}

func orderOfTasks(ctx context.Context, s *play.Scene) error {
	return report(ctx, s, func(ctx context.Context, download func(ctx context.Context, chapter string) error) ([]string, error) {
		var text []string
		err := aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
			for _, chapter := range []string{"1", "2"} {
				tg.Go(func(ctx context.Context) error {
					if err := download(ctx, chapter); err != nil {
						return err
					}
					text = append(text, chapter)
					return nil
				}, aio.WithName("reader "+chapter))
			}
			return nil
		})
		return text, err
	})
}

func orderOfTasksGather(ctx context.Context, s *play.Scene) error {
	return report(ctx, s, func(ctx context.Context, download func(ctx context.Context, chapter string) error) ([]string, error) {
		var chapters []aio.Awaitable[string]
		for _, chapter := range []string{"1", "2"} {
			chapters = append(chapters, aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
				return chapter, download(ctx, chapter)
			}, aio.WithName("reader "+chapter)))
		}
		// the results are in the order of the arguments
		return aio.Gather(ctx, chapters...).Await(ctx)
	})
}

func orderOfTasksIndex(ctx context.Context, s *play.Scene) error {
	return report(ctx, s, func(ctx context.Context, download func(ctx context.Context, chapter string) error) ([]string, error) {
		text := make([]string, 2)
		err := aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
			for i, chapter := range []string{"1", "2"} {
				tg.Go(func(ctx context.Context) error {
					if err := download(ctx, chapter); err != nil {
						return err
					}
					text[i] = chapter // each task has its own place
					return nil
				}, aio.WithName("reader "+chapter))
			}
			return nil
		})
		return text, err
	})
}

func orderOfTasksLock(ctx context.Context, s *play.Scene) error {
	return report(ctx, s, func(ctx context.Context, download func(ctx context.Context, chapter string) error) ([]string, error) {
		var text []string
		var lock aio.Lock
		s.Show("lock", &lock)
		err := aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
			for _, chapter := range []string{"1", "2"} {
				tg.Go(func(ctx context.Context) error {
					return lock.With(ctx, func(ctx context.Context) error {
						if err := download(ctx, chapter); err != nil {
							return err
						}
						text = append(text, chapter)
						return nil
					})
				}, aio.WithName("reader "+chapter))
			}
			return nil
		})
		return text, err
	})
}
