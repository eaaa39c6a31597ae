module github.com/goaio/aio/bench

go 1.25.0

require (
	github.com/goaio/aio v0.0.0
	golang.org/x/sync v0.22.0
	golang.org/x/sys v0.43.0
)

replace github.com/goaio/aio => ../
