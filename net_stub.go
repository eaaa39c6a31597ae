//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package aio

// newPollBackend returns nil: this system has no poller.
func newPollBackend(*Loop, backend) backend { return nil }
