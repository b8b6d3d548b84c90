package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relrun"
	"relrun/relruntest"
)

func record(hash, subject, body string) string {
	return hash + "\x1f" + subject + "\x1f" + body + "\x1e\n"
}

var log = record("1111111aaaa", "feat(cart): show <prices> in *euro*", "") +
	record("2222222bbbb", "fix!: forget old carts", "") +
	record("3333333cccc", "chore: tidy up", "") +
	record("4444444dddd", "Update things", "") +
	record("5555555eeee", "ci(gate): faster", "A word.\n\nBREAKING CHANGE: runners need\nmore memory\n\nRefs: 7")

const page = "# 1.4.0\n\n" +
	"## Breaking changes\n\n" +
	"- forget old carts (`2222222`)\n" +
	"- **gate:** runners need more memory (`5555555`)\n\n" +
	"## Features\n\n" +
	"- **cart:** show &lt;prices> in \\*euro\\* (`1111111`)\n\n" +
	"## Fixes\n\n" +
	"- forget old carts (`2222222`)\n\n" +
	"## Other changes\n\n" +
	"- Update things (`4444444`)\n"

const logCommand = "git log --no-merges --no-decorate --no-color " + format + " "

func TestTheHistorySinceTheLastTagIsGrouped(t *testing.T) {
	host := relruntest.New(t).Command("git describe --tags --abbrev=0 HEAD", 0, "1.3.0\n").Command(logCommand+"1.3.0..HEAD --", 0, log)
	out = t.TempDir()
	done, err := host.Apply(plugin, Config{Version: "1.4.0", Until: "HEAD", Hide: []string{"chore", "ci"}})
	if err != nil {
		t.Fatal(err)
	}
	var outputs Outputs
	if err := json.Unmarshal([]byte(done.Outputs), &outputs); err != nil {
		t.Fatal(err)
	}
	if outputs.Text != page || outputs.Bump != "major" || outputs.Commits != 5 || outputs.Since != "1.3.0" {
		t.Errorf("%+v\n%s", outputs, outputs.Text)
	}
	written, err := os.ReadFile(filepath.Join(out, "CHANGELOG.md"))
	if err != nil || string(written) != page {
		t.Errorf("%s, %v", written, err)
	}
}

func TestWithoutATagTheHistoryBeginsWithTheFirstCommit(t *testing.T) {
	host := relruntest.New(t).
		CommandError("git describe --tags --abbrev=0 HEAD", 128, "fatal: No names found, cannot describe anything.\n").
		Command(logCommand+"HEAD --", 0, record("1234567", "docs: say more", ""))
	out = t.TempDir()
	done, err := host.Apply(plugin, `{"version": "0.1.0", "url": "https://git.example.com/c/"}`)
	if err != nil || !strings.Contains(done.Outputs, "- say more ([`1234567`](https://git.example.com/c/1234567))") {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestAnyOtherFailureOfGitIsToldInItsOwnWords(t *testing.T) {
	host := relruntest.New(t).CommandError("git describe --tags --abbrev=0 HEAD", 128, "fatal: not a git repository\n")
	_, err := host.Apply(plugin, `{"version": "1"}`)
	if !errors.Is(err, relrun.ErrPermanent) || !strings.HasSuffix(err.Error(), "exit code 128: fatal: not a git repository") {
		t.Errorf("%v", err)
	}
}

func TestItAsksForTheVeryCommandsThatItRuns(t *testing.T) {
	needs, err := relruntest.New(t).Resolve(plugin, `{"version": "1", "since": "1.0", "until": "main"}`)
	want := `run "git" "log" "--no-merges" "--no-decorate" "--no-color" "--format=%H%x1f%s%x1f%b%x1e" "1.0..main" "--" in-place=#true`
	if err != nil || len(needs.Requests) != 1 || needs.Requests[0].Capability != want || !needs.Effect || !needs.Idempotent {
		t.Errorf("%+v, %v", needs, err)
	}
	needs, err = relruntest.New(t).Resolve(plugin, `{"version": "1"}`)
	if err != nil || len(needs.Requests) != 2 || !strings.HasSuffix(needs.Requests[1].Capability, `"*" "--" in-place=#true`) {
		t.Errorf("%+v, %v", needs, err)
	}
}

func TestTheNextVersionFollowsFromTheCommits(t *testing.T) {
	for want, subjects := range map[string][]string{
		"none":  {"docs: a", "b", ""},
		"patch": {"fix: a", "docs: b"},
		"minor": {"fix: a", "Feat: b"},
		"major": {"feat: a", "refactor(x)!: b"},
	} {
		var commits []commit
		for _, subject := range subjects {
			commits = append(commits, parseCommit("1", subject, ""))
		}
		if got := bump(commits); got != want {
			t.Errorf("%q ask for %s, not %s", subjects, want, got)
		}
	}
}

func TestWhatIsNoConventionalCommitIsKeptAsItIs(t *testing.T) {
	for _, subject := range []string{"feat:no space", "feat(: x", "Merge: a", "a b: c", ": x"} {
		made := parseCommit("1", subject, "BREAKING CHANGE: no")
		if conventional := subject == "Merge: a"; (made.kind != "") != conventional {
			t.Errorf("%q is %+v", subject, made)
		}
	}
	if commits := parseLog("\x1e\n\x1e"); len(commits) != 0 {
		t.Errorf("%+v", commits)
	}
	if !slices.Equal(parseLog(record("1", "a", "b\x1fc")), []commit{{hash: "1", subject: "a"}}) {
		t.Error("a body may hold anything")
	}
}
