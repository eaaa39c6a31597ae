package main

import (
	"errors"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// link is where a reference leads.
type link struct {
	name string   // as in the table, one for each address
	url  *url.URL // nil if err is not
	err  error    // why the reference makes no sense
}

// newLink resolves a reference found at base, in a form that is the same for all
// references to the same page: without a fragment or default port, with scheme and host
// in lower case.
func newLink(base *url.URL, ref string) link {
	ref = lineBreaks.Replace(strings.TrimSpace(ref))
	u, err := base.Parse(ref)
	if err == nil && isWeb(u) && u.Hostname() == "" {
		err = errors.New("no host in URL")
	}
	if err != nil {
		return link{name: strconv.Quote(ref), err: withoutURL(err)}
	}
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = notInQueries.ReplaceAllStringFunc(u.RawQuery, url.PathEscape)
	u.Host = strings.ToLower(u.Host) // Parse has done so for the scheme
	if port := u.Port(); port != "" && port == defaultPorts[u.Scheme] || strings.HasSuffix(u.Host, ":") {
		u.Host = u.Host[:strings.LastIndexByte(u.Host, ':')]
	}
	if isWeb(u) && u.Path == "" {
		u.Path = "/"
	}
	return link{name: u.String(), url: u}
}

// notInQueries matches what a browser escapes in a query, and net/url leaves as it is.
var notInQueries = regexp.MustCompile(`[^!#-;=?-~]+`)

// lineBreaks are dropped wherever they are in a reference, as browsers do.
var lineBreaks = strings.NewReplacer("\n", "", "\r", "", "\t", "")

var defaultPorts = map[string]string{"http": "80", "https": "443"}

func isWeb(u *url.URL) bool { return defaultPorts[u.Scheme] != "" }

// isWeb reports whether the crawler checks l. That includes invalid links, which are
// reported as broken.
func (l link) isWeb() bool { return l.err != nil || isWeb(l.url) }

// These two take HTML apart as far as finding links needs. Whatever may hold something
// that only looks like a link has to be matched too, to be stepped over: a comment, a
// script, the quoted value of another attribute.
var (
	// markup matches a comment, an entire element whose content is not markup, or
	// the start tag of an a or base element, with its name and attributes as
	// groups. An element that is never closed extends to the end of the page, as in
	// a browser.
	markup = regexp.MustCompile(`(?is)` +
		`<!--.*?(?:-->|\z)` +
		`|<script\b.*?(?:</script\b|\z)` +
		`|<style\b.*?(?:</style\b|\z)` +
		`|<textarea\b.*?(?:</textarea\b|\z)` +
		`|<title\b.*?(?:</title\b|\z)` +
		`|<(a|base)[\s/]((?:[^>"']|"[^"]*"|'[^']*')*)>`)

	// attribute matches an attribute that has a value: in double quotes, in single
	// quotes, or bare.
	attribute = regexp.MustCompile(`(?s)([^\s"'>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)
)

// findLinks returns the links in a page, in their order in the page. Links to other
// resources than web pages are omitted.
func findLinks(address *url.URL, page string) []link {
	base := address
	var refs []string
	rebased := false
	for _, m := range markup.FindAllStringSubmatch(page, -1) {
		ref, ok := href(m[2])
		switch {
		case !ok:
		case strings.EqualFold(m[1], "a"):
			refs = append(refs, ref)
		case !rebased:
			// of several base elements the first one counts, for all of the
			// page
			rebased = true
			if l := newLink(address, ref); l.err == nil {
				base = l.url
			}
		}
	}
	var links []link
	for _, ref := range refs {
		if l := newLink(base, ref); l.isWeb() {
			links = append(links, l)
		}
	}
	return links
}

// href returns the value of the first attribute of that name.
func href(attributes string) (value string, ok bool) {
	for _, m := range attribute.FindAllStringSubmatch(attributes, -1) {
		if strings.EqualFold(m[1], "href") {
			return html.UnescapeString(m[2] + m[3] + m[4]), true
		}
	}
	return "", false
}
