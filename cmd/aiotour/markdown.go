package main

import (
	"html"
	"html/template"
	"path"
	"regexp"
	"strings"
)

// markdown makes HTML of the Markdown that the exercises use: headings, paragraphs,
// flat lists, indented code, and in a line code, strong text and links.
func markdown(text string) template.HTML {
	var out strings.Builder
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		title, isHeading := strings.CutPrefix(block, "# ")
		switch {
		case isHeading:
			out.WriteString("<h1>" + inline(title) + "</h1>\n")
		case strings.HasPrefix(block, "    "):
			code := strings.TrimPrefix(strings.ReplaceAll("\n"+block, "\n    ", "\n"), "\n")
			out.WriteString(`<pre class="source"><code>` + html.EscapeString(code) + "</code></pre>\n")
		case strings.HasPrefix(block, "- "):
			out.WriteString("<ul>\n")
			for item := range strings.SplitSeq("\n"+block, "\n- ") {
				if item != "" {
					out.WriteString("<li>" + inline(item) + "</li>\n")
				}
			}
			out.WriteString("</ul>\n")
		default:
			out.WriteString("<p>" + inline(block) + "</p>\n")
		}
	}
	return template.HTML(out.String()) //nolint:gosec // all text is escaped
}

var inlineForms = regexp.MustCompile("`([^`]+)`" + `|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)]+)\)`)

func inline(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	var out strings.Builder
	last := 0
	for _, m := range inlineForms.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(html.EscapeString(text[last:m[0]]))
		part := func(i int) string { return html.EscapeString(text[m[2*i]:m[2*i+1]]) }
		switch {
		case m[2] >= 0:
			out.WriteString("<code>" + part(1) + "</code>")
		case m[4] >= 0:
			out.WriteString("<strong>" + part(2) + "</strong>")
		default:
			out.WriteString(link(part(3), text[m[8]:m[9]]))
		}
		last = m[1]
	}
	return out.String() + html.EscapeString(text[last:])
}

// link makes a link to what the site has: a file of the exercise, or a page with the
// name of the document. For other files it shows only the name.
func link(text, to string) string {
	name := path.Base(to)
	switch {
	case name == "exercise.go" || name == "given.go":
		return `<a href="#` + strings.TrimSuffix(name, ".go") + `">` + text + "</a>"
	case name == "how-it-works.md":
		return `<a href="how-it-works.html">` + text + "</a>"
	}
	return text + " (<code>" + html.EscapeString(path.Clean(strings.ReplaceAll(to, "../", ""))) + "</code>)"
}
