package aio

import "io"

// SendsBySystem reports whether Sendfile of file over t is done by the system.
func SendsBySystem(t Transport, file io.ReadSeeker) bool {
	s, ok := t.(*streamTransport)
	if !ok {
		return false
	}
	_, ok = s.stream.(fileSender)
	return ok && (&fileSend{file: file}).systemFile() != nil
}
