package aio

// The pipes of a child process: transports whose protocol forwards to that of the
// process.

import "os"

// childPipe is a pipe to a process, and the protocol of its transport.
type childPipe struct {
	process   *subprocess
	fd        int // the child's
	file      *os.File
	transport BaseTransport
	lost      bool   // the transport was closed
	buf       []byte // the memory for the next read, nil if none was requested
	// the memory for the next read, if a waiting task has provided it
	lent []byte
	data pipeData
}

// connect makes the transport.
func (c *childPipe) connect(e caller) error {
	f := c.file
	c.file = nil // the transport's
	var t BaseTransport
	var err error
	if c.fd == 0 {
		t, err = e.newWritePipe("ConnectWritePipe", c, f)
	} else {
		t, err = e.newReadPipe("ConnectReadPipe", c, f)
	}
	if err != nil {
		f.Close() // no effect if the transport has closed the file
		return err
	}
	c.transport = t
	return nil
}

// missesHangup reports whether c is a pipe for writing whose transport notices only by
// writing that the other side is closed. Then it is closed when the process exits.
func (c *childPipe) missesHangup() bool {
	t, ok := c.transport.(*writePipe)
	return ok && t.missesHangup()
}

// stream returns the stream that gets the data of c, nil if there is none.
func (c *childPipe) stream() *StreamReader {
	if s, ok := c.process.protocol.(*processStreams); ok {
		return s.readers[c.fd]
	}
	return nil
}

// directSink implements processPipe.
func (c *childPipe) directSink() directSink {
	if r := c.stream(); r != nil {
		return r
	}
	return nil
}

// GetBuffer implements BufferedProtocol. The size does not depend on whose memory it is:
// how much one read returns is visible.
func (c *childPipe) GetBuffer(int) []byte {
	c.lent = nil
	if r := c.stream(); r != nil && len(r.directBuf) >= largeBuffer {
		c.lent = r.directBuf[:largeBuffer]
		return c.lent
	}
	if c.buf == nil {
		c.buf = c.process.loop.streams.get(largeBuffer)[:largeBuffer]
	}
	return c.buf
}

// BufferUpdated implements BufferedProtocol. The callback of the process's protocol
// runs one pass later, as in asyncio.
func (c *childPipe) BufferUpdated(n int) {
	d := &c.data
	if d.buf != nil { // earlier data waits for the ConnectionMade of the process
		d = &pipeData{}
	}
	d.pipe = c
	if c.lent != nil {
		d.buf, d.to = c.lent[:n], c.stream()
		d.to.lend(d)
		c.lent = nil
	} else {
		d.buf = c.buf[:n]
		c.buf = nil
	}
	c.process.call(d)
}

// pipeData is output of a process on its way to the protocol.
type pipeData struct {
	pipe *childPipe
	buf  []byte        // the output; nil if none is on its way
	to   *StreamReader // buf is the memory of the task that waits for it
}

func (d *pipeData) run(*future) {
	r := d.pipe.stream()
	if d.to != nil && d.to != r {
		d.to.returnLent() // the protocol was replaced
	}
	t, fd, buf, lent := d.pipe.process, d.pipe.fd, d.buf, d.to != nil
	d.buf, d.to = nil, nil
	switch {
	case lent:
		r.commitLent(buf)
		return
	case r != nil:
		r.adopt(buf) // large data is not copied
		return
	}
	if t.receiver != nil {
		t.receiver.PipeDataReceived(fd, buf[:len(buf):len(buf)])
	}
	t.loop.streams.put(buf)
}

func (d *pipeData) about(ec *ExceptionContext) { d.pipe.process.about(ec) }

// ConnectionLost implements Protocol.
func (c *childPipe) ConnectionLost(err error) {
	t := c.process
	if c.buf != nil {
		t.loop.streams.put(c.buf)
		c.buf = nil
	}
	c.lost = true
	t.call(&processCall{t, func() {
		if p, ok := t.protocol.(PipeLossReceiver); ok {
			p.PipeConnectionLost(c.fd, err)
		}
	}})
	t.maybeFinish()
}

// PauseWriting implements Protocol.
func (c *childPipe) PauseWriting() {
	if p, ok := c.process.protocol.(WritingPauser); ok {
		p.PauseWriting()
	}
}

// ResumeWriting implements Protocol.
func (c *childPipe) ResumeWriting() {
	if p, ok := c.process.protocol.(WritingResumer); ok {
		p.ResumeWriting()
	}
}
