package plug

// Capture begins to capture tasks, as aio.CaptureTasks does, but one at a time, so that
// the loop may run in between. add takes an aio.AnyTask and must be called with the
// token of its loop held; it leaves out a task that is done. infos returns the
// []aio.TaskInfo of all that were added, and needs no token. Package aiomon uses it.
var Capture func() (add func(task any), infos func() any)
