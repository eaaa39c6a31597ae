package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

func TestArgs(t *testing.T) {
	t.Setenv("SMTP_PASSWORD", "")
	for _, c := range []struct{ args, want string }{
		{"", "want one of -serve and -send"},
		{"-serve -send", "want one of -serve and -send"},
		{"-send -addr x", "-addr must be HOST:PORT"},
		{"-serve x", "unexpected argument"},
		{"-send x y", "unexpected argument"},
		{"-serve -cert x", "-cert and -key must be used together"},
		{"-serve -tls", "-tls and -tls-from-start require"},
		{"-serve -size 0", "-size and -timeout"},
		{"-send -timeout 0s", "-size and -timeout"},
		{"-serve -grace -1s", "-grace must not be negative"},
		{"-send -user ann", "requires a password"},
		{"-send -ca /nonexistent", "/nonexistent"},
		{"-serve -cert /nonexistent -key /nonexistent", "/nonexistent"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(strings.Fields(c.args), nil, &stdout, &stderr)
		if status != exitUsage || !strings.Contains(stderr.String(), c.want) || !strings.HasSuffix(stderr.String(), usage+"\n") {
			t.Errorf("%s: exit status %d, %s", c.args, status, &stderr)
		}
	}
}
