package plug

import "context"

// ContainGoexit makes runtime.Goexit in the running task of ctx's loop end that task
// alone. Everywhere else it goes on to the goroutine that runs the loop, so that
// t.FailNow in a task ends the test; but a handler that calls it must not end the server
// of which it serves one request.
var ContainGoexit func(ctx context.Context)
