package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// commit is a commit as Conventional Commits read it: https://www.conventionalcommits.org.
type commit struct {
	hash, kind, scope, subject string
	// breaking says what it breaks, where it breaks something.
	breaking string
}

var (
	conventional = regexp.MustCompile(`^([a-zA-Z]+)(?:\(([^()]+)\))?(!)?: +(.+)$`)
	footer       = regexp.MustCompile(`(?m)^BREAKING[ -]CHANGE: +(.+(?:\n[^\n]+)*)`)
)

// parseLog reads what git has written in [format].
func parseLog(text string) []commit {
	var commits []commit
	for record := range strings.SplitSeq(text, "\x1e") {
		parts := strings.SplitN(strings.TrimLeft(record, "\n"), "\x1f", 3)
		if len(parts) == 3 {
			commits = append(commits, parseCommit(parts[0], parts[1], parts[2]))
		}
	}
	return commits
}

func parseCommit(hash, subject, body string) commit {
	made := commit{hash: hash, subject: strings.TrimSpace(subject)}
	words := conventional.FindStringSubmatch(made.subject)
	if words == nil {
		return made
	}
	made.kind, made.scope, made.subject = strings.ToLower(words[1]), words[2], words[4]
	if words[3] != "" {
		made.breaking = made.subject
	}
	if found := footer.FindStringSubmatch(strings.ReplaceAll(body, "\r", "")); found != nil {
		made.breaking = strings.Join(strings.Fields(found[1]), " ")
	}
	return made
}

// sections are the headings of the types, in their order. What is of no type that is known comes last.
var sections = []struct {
	heading string
	kinds   []string
}{
	{"Features", []string{"feat"}},
	{"Fixes", []string{"fix"}},
	{"Performance", []string{"perf"}},
	{"Reverts", []string{"revert"}},
	{"Documentation", []string{"docs"}},
	{"Build and dependencies", []string{"build", "deps"}},
	{"Refactoring", []string{"refactor"}},
}

func isKnown(kind string) bool {
	for _, section := range sections {
		if slices.Contains(section.kinds, kind) {
			return true
		}
	}
	return false
}

// render writes the changelog as Markdown.
func render(config Config, commits []commit) string {
	var page strings.Builder
	fmt.Fprintf(&page, "# %s\n", config.Version)
	shown := 0
	section := func(heading string, line func(commit) string, belongs func(commit) bool) {
		begun := false
		for _, one := range commits {
			if !belongs(one) {
				continue
			}
			if !begun {
				fmt.Fprintf(&page, "\n## %s\n\n", heading)
				begun = true
			}
			fmt.Fprintf(&page, "- %s%s (%s)\n", scoped(one), escaped(line(one)), linked(config.URL, one.hash))
			shown++
		}
	}
	subject := func(one commit) string { return one.subject }
	visible := func(one commit) bool { return !slices.Contains(config.Hide, one.kind) }
	section("Breaking changes", func(one commit) string { return one.breaking }, func(one commit) bool { return one.breaking != "" })
	for _, known := range sections {
		section(known.heading, subject, func(one commit) bool { return visible(one) && slices.Contains(known.kinds, one.kind) })
	}
	section("Other changes", subject, func(one commit) bool { return visible(one) && !isKnown(one.kind) })
	if shown == 0 {
		page.WriteString("\nNothing that its users would notice.\n")
	}
	return page.String()
}

func scoped(one commit) string {
	if one.scope == "" {
		return ""
	}
	return "**" + escaped(one.scope) + ":** "
}

// escaped keeps a subject from being read as Markdown's or HTML's own words, but for code.
func escaped(text string) string {
	return strings.NewReplacer("\\", "\\\\", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "<", "&lt;").Replace(text)
}

func linked(url, hash string) string {
	short := hash[:min(len(hash), 7)]
	if url == "" {
		return "`" + short + "`"
	}
	return "[`" + short + "`](" + url + hash + ")"
}

// bump says what the commits ask of the next version, as Semantic Versioning counts.
func bump(commits []commit) string {
	found := "none"
	for _, one := range commits {
		switch {
		case one.breaking != "":
			return "major"
		case one.kind == "feat":
			found = "minor"
		case (one.kind == "fix" || one.kind == "perf" || one.kind == "revert") && found == "none":
			found = "patch"
		}
	}
	return found
}
