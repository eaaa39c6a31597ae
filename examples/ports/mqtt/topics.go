package mqtt

import (
	"strings"
	"unicode/utf8"
)

// ValidTopic reports whether a message can have that topic: it is not empty, and has no
// wildcard.
func ValidTopic(topic string) bool { return validText(topic) && !strings.ContainsAny(topic, "+#") }

// ValidFilter reports whether a subscription can have that filter: each + stands for a
// whole level, and # for the last ones. A shared subscription, $share/NAME/FILTER, has a
// name without wildcards.
func ValidFilter(filter string) bool {
	filter, ok := unshared(filter)
	if !ok || !validText(filter) {
		return false
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		switch {
		case level == "+", level == "#" && i == len(levels)-1:
		case strings.ContainsAny(level, "+#"):
			return false
		}
	}
	return true
}

func validText(s string) bool {
	return s != "" && len(s) <= 0xffff && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

// unshared returns the filter of a shared subscription without its prefix. It returns
// other filters unchanged.
func unshared(filter string) (string, bool) {
	rest, shared := strings.CutPrefix(filter, "$share/")
	if !shared {
		return filter, true
	}
	name, filter, ok := strings.Cut(rest, "/")
	return filter, ok && name != "" && !strings.ContainsAny(name, "+#")
}

// Match reports whether a topic matches a filter. A filter that begins with a wildcard
// does not match the topics that begin with $, which belong to the server. Nothing
// matches an invalid filter or topic.
func Match(filter, topic string) bool {
	if !ValidFilter(filter) || !ValidTopic(topic) {
		return false
	}
	filter, _ = unshared(filter)
	if topic[0] == '$' && (filter[0] == '+' || filter[0] == '#') {
		return false
	}
	for {
		f, moreFilter, hasFilter := strings.Cut(filter, "/")
		t, moreTopic, hasTopic := strings.Cut(topic, "/")
		switch {
		case f == "#":
			return true
		case f != "+" && f != t:
			return false
		case !hasTopic:
			// "a/#" matches its parent, "a".
			return !hasFilter || moreFilter == "#"
		case !hasFilter:
			return false
		}
		filter, topic = moreFilter, moreTopic
	}
}
