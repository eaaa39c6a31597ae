package main

import (
	"net/url"
	"regexp"
	"strings"
)

// robotsRules match the paths that a robots.txt forbids for all user agents.
type robotsRules []*regexp.Regexp

func (r robotsRules) forbid(u *url.URL) bool {
	for _, path := range r {
		if path.MatchString(u.RequestURI()) {
			return true
		}
	}
	return false
}

// parseRobots returns the Disallow rules for the user agent "*". It ignores Allow
// rules, so it may forbid more than the file does.
func parseRobots(text string) robotsRules {
	var rules robotsRules
	naming := false // in the User-agent lines at the start of a group
	ours := false   // in a group for all user agents
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "user-agent":
			ours = naming && ours || value == "*"
			naming = true
		case "allow":
			naming = false
		case "disallow":
			naming = false
			if ours && value != "" { // an empty path forbids nothing
				rules = append(rules, pathRule(value)...)
			}
		}
	}
	return rules
}

// pathRule returns the rule for a path: it is a prefix, in which * matches any text and
// a $ at the end matches the end of the path. A rule that is not UTF-8 is ignored.
func pathRule(path string) robotsRules {
	expr := "^" + strings.ReplaceAll(regexp.QuoteMeta(path), `\*`, `.*`)
	if prefix, ok := strings.CutSuffix(expr, `\$`); ok {
		expr = prefix + "$"
	}
	rule, err := regexp.Compile(expr)
	if err != nil {
		return nil
	}
	return robotsRules{rule}
}
