package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// Maildir is a [Deliverer] that stores each message as a file in the directory new of
// Dir, with the fields Return-Path, Delivered-To and Received before it. The directories
// tmp, new and cur are created. A message is on disk when Deliver returns: it is written
// to tmp, synced and renamed, so a reader of new sees all of a message or none. If
// Deliver is cancelled, the message may be stored or not.
type Maildir struct {
	Dir string
	// Hostname is the name of this host in Received.
	Hostname string
	// Delivered, if not nil, is called in the loop with the file of each message.
	Delivered func(s *Session, e *Envelope, file string)

	count int // number of messages, for the names of files
}

// Deliver implements [Deliverer].
func (m *Maildir) Deliver(ctx context.Context, s *Session, e *Envelope) error {
	m.count++
	name := fmt.Sprintf("%d.P%dQ%d.%s", time.Now().UnixMicro(), os.Getpid(), m.count, strings.NewReplacer("/", "_", ":", "_").Replace(m.Hostname))
	data := append(m.trace(s, e), e.Data...)
	file, err := aio.ToThread(ctx, func(context.Context) (string, error) { return store(m.Dir, name, data) })
	if err != nil {
		return err
	}
	if m.Delivered != nil {
		m.Delivered(s, e, file)
	}
	return nil
}

// trace returns the fields that a server adds (RFC 5321, section 4.4).
func (m *Maildir) trace(s *Session, e *Envelope) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <%s>\r\n", e.From)
	for _, to := range e.To {
		fmt.Fprintf(&b, "Delivered-To: %s\r\n", to)
	}
	with := "SMTP"
	if s.ESMTP {
		with = "ESMTP"
		if s.Secure {
			with += "S"
		}
		if s.User != "" {
			with += "A"
		}
	}
	fmt.Fprintf(&b, "Received: from %s (%v)\r\n\tby %s with %s;\r\n\t%s\r\n", s.Hostname, s.Peer, m.Hostname, with, time.Now().Format("Mon, 2 Jan 2006 15:04:05 -0700"))
	return b.Bytes()
}

// store writes a file in a worker goroutine.
func store(dir, name string, data []byte) (string, error) {
	for _, d := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return "", err
		}
	}
	tmp, file := filepath.Join(dir, "tmp", name), filepath.Join(dir, "new", name)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, file)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(tmp))
	}
	return file, syncDir(filepath.Join(dir, "new"))
}

// syncDir makes a rename durable, on systems where directories can be synced.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}
