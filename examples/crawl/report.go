package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goaio/aio"
)

// report prints the table and returns the number of broken addresses. It runs after the
// loop.
func (c *crawler) report(w io.Writer) (broken int, err error) {
	var checked, redirects, disallowed, left int
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STATUS\tTIME\tSIZE\tURL\tFOUND ON")
	for _, name := range slices.Sorted(maps.Keys(c.pages)) {
		p := c.pages[name]
		switch {
		case p.status == unchecked:
			left++
			continue
		case p.status == forbidden:
			disallowed++
		default:
			checked++
		}
		if p.isBroken() {
			broken++
		} else if p.answer.location != nil {
			redirects++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", p.statusText(), p.timeText(), p.sizeText(), p.name, p.foundOn())
	}
	flushErr := t.Flush()
	_, err = fmt.Fprintf(w, "\n%d checked, %d broken, %d redirects, %d disallowed, %d not checked\n",
		checked, broken, redirects, disallowed, left)
	return broken, cmp.Or(flushErr, err)
}

func (p *page) isBroken() bool {
	return p.status == failed || p.status == answered && (p.answer.code >= 400 || p.redirectProblem() != "")
}

// redirectProblem explains why the redirects that begin at p have no target. It returns
// "" if they have one, or if p is not a redirect. The report has a separate line for
// the target, with its status.
func (p *page) redirectProblem() string {
	seen := map[*page]bool{}
	for ; !seen[p]; p = p.target {
		seen[p] = true
		switch {
		case p.answer.location == nil, p.target == nil && p.hops < maxHops:
			return ""
		case p.target == nil:
			return "too many redirects"
		}
	}
	return "redirect loop"
}

func (p *page) statusText() string {
	switch {
	case p.status == forbidden:
		return "disallowed"
	case errors.Is(p.err, aio.ErrTimeout):
		return "timed out"
	case p.err != nil:
		return p.err.Error()
	case p.answer.location == nil:
		return strconv.Itoa(p.answer.code)
	}
	text := fmt.Sprintf("%d→%s", p.answer.code, p.shortTarget())
	if problem := p.redirectProblem(); problem != "" {
		text += " (" + problem + ")"
	}
	return text
}

// shortTarget returns the target of the redirect p, without the host if it is the same
// as p's.
func (p *page) shortTarget() string {
	site := p.url.Scheme + "://" + p.url.Host
	if path, ok := strings.CutPrefix(p.answer.location.name, site+"/"); ok {
		return "/" + path
	}
	return p.answer.location.name
}

func (p *page) timeText() string {
	if p.status == forbidden || p.url == nil {
		return "-"
	}
	return p.took.Round(time.Millisecond).String()
}

func (p *page) sizeText() string {
	switch {
	case p.status != answered || p.answer.size < 0:
		return "-"
	case p.answer.truncated:
		return fmt.Sprintf(">%d", p.answer.size)
	}
	return strconv.FormatInt(p.answer.size, 10)
}
