module github.com/goaio/aio

go 1.25.0

require (
	golang.org/x/sync v0.22.0
	golang.org/x/sys v0.43.0
)

// Only the tests need these.
require (
	github.com/google/go-cmp v0.7.0
	go.uber.org/goleak v1.3.0
	golang.org/x/net v0.53.0
)
