module github.com/goaio/aio

go 1.25.0

require (
	go.uber.org/goleak v1.3.0
	golang.org/x/sync v0.22.0
	golang.org/x/sys v0.43.0
)

require golang.org/x/net v0.53.0
