package main

import (
	"errors"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// link is the target of a reference.
type link struct {
	name string   // name in the table, unique for each address
	url  *url.URL // nil if err is set
	err  error    // why the reference is invalid
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
	u.Host = strings.ToLower(u.Host) // Parse has lowered the scheme already
	if port := u.Port(); port != "" && port == defaultPorts[u.Scheme] || strings.HasSuffix(u.Host, ":") {
		u.Host = u.Host[:strings.LastIndexByte(u.Host, ':')]
	}
	if isWeb(u) && u.Path == "" {
		u.Path = "/"
	}
	return link{name: u.String(), url: u}
}

// notInQueries matches the characters that a browser escapes in a query and net/url
// does not.
var notInQueries = regexp.MustCompile(`[^!#-;=?-~]+`)

// lineBreaks are removed anywhere in a reference, as in browsers.
var lineBreaks = strings.NewReplacer("\n", "", "\r", "", "\t", "")

var defaultPorts = map[string]string{"http": "80", "https": "443"}

func isWeb(u *url.URL) bool { return defaultPorts[u.Scheme] != "" }

// isWeb reports whether the crawler checks l. That includes invalid links, which are
// reported as broken.
func (l link) isWeb() bool { return l.err != nil || isWeb(l.url) }

// These two regular expressions parse HTML as far as finding links needs. They also
// match and thereby skip everything that may contain text that looks like a link:
// comments, scripts, quoted values of other attributes.
var (
	// markup matches a comment, an entire element whose content is not markup, or
	// the start tag of an element of links, with its name and attributes as groups.
	// A script has attributes as well. An element that is never closed extends to
	// the end of the page, as in a browser.
	markup = regexp.MustCompile(`(?is)` +
		`<!--.*?(?:-->|\z)` +
		`|<(script)\b((?:[^>"']|"[^"]*"|'[^']*')*)>.*?(?:</script\b|\z)` +
		`|<script\b.*?(?:</script\b|\z)` +
		`|<style\b.*?(?:</style\b|\z)` +
		`|<textarea\b.*?(?:</textarea\b|\z)` +
		`|<title\b.*?(?:</title\b|\z)` +
		`|<(a|area|audio|base|embed|frame|iframe|img|input|link|object|source|track|video)` +
		`[\s/]((?:[^>"']|"[^"]*"|'[^']*')*)>`)

	// attribute matches an attribute that has a value: in double quotes, in single
	// quotes, or bare.
	attribute = regexp.MustCompile(`(?s)([^\s"'>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)
)

// references are the attributes of each element that refer to something: to another
// page, or to an image, style sheet, script, frame or medium that is a part of this
// page.
var references = map[string][]string{
	"a": {"href"}, "area": {"href"}, "link": {"href"},
	"audio": {"src"}, "embed": {"src"}, "frame": {"src"}, "iframe": {"src"}, "input": {"src"},
	"script": {"src"}, "track": {"src"},
	"img": {"src", "srcset"}, "source": {"src", "srcset"}, "video": {"src", "poster"},
	"object": {"data"},
}

// findLinks returns the links in a page, in their order in the page, with those to its
// parts. Links to other resources than those of the web are omitted.
func findLinks(address *url.URL, page string) []link {
	base := address
	var refs []string
	rebased := false
	for _, m := range markup.FindAllStringSubmatch(page, -1) {
		element, attributes := strings.ToLower(m[1]+m[3]), m[2]+m[4]
		if element != "base" {
			refs = append(refs, refsOf(element, attributes)...)
			continue
		}
		// the first base element with an href applies to the whole page
		if ref, ok := value(attributes, "href"); ok && !rebased {
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

// refsOf returns the references of an element.
func refsOf(element, attributes string) (refs []string) {
	if rel, _ := value(attributes, "rel"); element == "link" && onlyConnects.MatchString(rel) {
		return nil
	}
	for _, name := range references[element] {
		ref, ok := value(attributes, name)
		switch {
		case !ok:
		case name == "srcset":
			for _, candidate := range strings.Split(ref, ", ") {
				// an address, and the size for which it is meant
				if fields := strings.Fields(candidate); len(fields) > 0 {
					refs = append(refs, strings.TrimSuffix(fields[0], ","))
				}
			}
		default:
			refs = append(refs, ref)
		}
	}
	return refs
}

// onlyConnects matches the relations of link elements that name a host and nothing on it.
var onlyConnects = regexp.MustCompile(`(?i)\b(?:preconnect|dns-prefetch)\b`)

// value returns the value of the first attribute with a name.
func value(attributes, name string) (value string, ok bool) {
	for _, m := range attribute.FindAllStringSubmatch(attributes, -1) {
		if strings.EqualFold(m[1], name) {
			return html.UnescapeString(m[2] + m[3] + m[4]), true
		}
	}
	return "", false
}
