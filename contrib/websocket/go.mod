module github.com/goaio/aio/contrib/websocket

go 1.25.0

require (
	github.com/coder/websocket v1.8.15
	github.com/goaio/aio v0.0.0
	github.com/gorilla/websocket v1.5.3
)

require (
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/sys v0.43.0 // indirect
)

replace github.com/goaio/aio => ../..
