module github.com/goaio/aio/examples/exercises

go 1.25.0

require github.com/goaio/aio v0.0.0

require golang.org/x/sys v0.43.0 // indirect

replace github.com/goaio/aio => ../../
