package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
)

// file is a Disk in a file, to which it only appends lines of JSON.
type file struct{ f *os.File }

// record is a line of the file: a term and vote, or entries.
type record struct {
	Term    int     `json:",omitempty"`
	Vote    string  `json:",omitempty"`
	Index   int     `json:",omitempty"`
	Entries []Entry `json:",omitempty"`
}

// openFile opens the file at path, and creates it if it does not exist.
func openFile(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return &file{f}, err
}

// Load implements Disk. It drops a last line that a crash has truncated.
func (d *file) Load() (s State, err error) {
	if _, err := d.f.Seek(0, io.SeekStart); err != nil {
		return s, err
	}
	good := int64(0)
	for r := bufio.NewReader(d.f); ; {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return s, d.f.Truncate(good)
		}
		if err != nil {
			return s, err
		}
		good += int64(len(line))
		var rec record
		if err := json.Unmarshal(line, &rec); err != nil {
			return s, err
		}
		if rec.Index > 0 {
			s.Log = append(s.Log[:rec.Index-1], rec.Entries...)
		} else {
			s.Term, s.Vote = rec.Term, rec.Vote
		}
	}
}

func (d *file) add(r record) error {
	p, err := json.Marshal(r)
	if err == nil {
		_, err = d.f.Write(append(p, '\n'))
	}
	if err == nil {
		err = d.f.Sync()
	}
	return err
}

// SaveTerm implements Disk.
func (d *file) SaveTerm(term int, vote string) error { return d.add(record{Term: term, Vote: vote}) }

// SaveLog implements Disk.
func (d *file) SaveLog(index int, entries []Entry) error {
	return d.add(record{Index: index, Entries: entries})
}
