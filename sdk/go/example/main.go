// Command changelog is a relrun step plugin that writes a changelog of git's commits, grouped as Conventional Commits say.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"relrun"
)

// out is where the step's artifact "changelog" is written; a test writes elsewhere.
var out = "/out/changelog"

// Config is what a manifest configures.
type Config struct {
	// Version is the heading.
	Version string `json:"version" doc:"What the changelog is of, its heading" relrun:"minlen=1"`
	// Since is where it begins.
	Since string `json:"since,omitempty" doc:"The tag or commit after which it begins; without, the last tag, or the first commit where there is none" relrun:"pattern=^([^-].*)?$"`
	// Until is where it ends.
	Until string `json:"until" default:"HEAD" doc:"The last commit" relrun:"pattern=^[^-].*$"`
	// URL makes links of the commits.
	URL string `json:"url,omitempty" doc:"Where a commit is seen, up to its hash: https://git.example.com/acme/shop/commit/"`
	// Hide leaves types of commits out.
	Hide []string `json:"hide" default:"[\"chore\", \"ci\", \"style\", \"test\"]" doc:"Types of commits that are left out, unless they break something"`
}

// Outputs is what other steps may refer to.
type Outputs struct {
	Commits int    `json:"commits" doc:"How many commits there are, those that are left out among them"`
	Since   string `json:"since" doc:"The tag or commit after which it begins; empty for the first"`
	Bump    string `json:"bump" doc:"What the commits ask of the next version: major, minor, patch or none"`
	Text    string `json:"text" doc:"The changelog itself"`
}

var plugin = relrun.Plugin[Config, Outputs, relrun.Nothing]{
	Name:    "changelog",
	Version: "0.1.0",
	Summary: "Writes a changelog of the commits since the last tag",
	Resolve: resolve,
	Apply:   apply,
}

func init() { relrun.Export(plugin) }

// main is never called: relrun calls the plugin's operations.
func main() {}

// format is what git writes of a commit: its hash, subject and body.
const format = "--format=%H%x1f%s%x1f%b%x1e"

func describe(config Config) []string {
	return []string{"describe", "--tags", "--abbrev=0", config.Until}
}

func history(since, until string) []string {
	commits := until
	if since != "" {
		commits = since + ".." + until
	}
	return []string{"log", "--no-merges", "--no-decorate", "--no-color", format, commits, "--"}
}

// resolve asks for the commands alone. They run in the work tree itself, because git's own files are never staged; so no fingerprint covers what
// they read, and the step is an effect, which is never served from the cache. It changes nothing, and may run as often as it likes.
func resolve(config Config) (relrun.Needs, error) {
	ask := func(args []string, reason string) relrun.Need {
		return relrun.NeedRun("git", args...).InPlace().Because(reason)
	}
	if config.Since != "" {
		return relrun.Effect(ask(history(config.Since, config.Until), "it lists the commits")).Idempotent(), nil
	}
	commits := history("", config.Until)
	// Which tag it will be is not known yet.
	commits[len(commits)-2] = "*"
	return relrun.Effect(
		ask(describe(config), "it finds the last tag"),
		ask(commits, "it lists the commits"),
	).Idempotent(), nil
}

func apply(config Config) (done relrun.Outcome[Outputs, relrun.Nothing], err error) {
	since := config.Since
	if since == "" {
		if since, err = lastTag(config); err != nil {
			return done, err
		}
	}
	text, err := relrun.Command("git", history(since, config.Until)...).Readonly().Output()
	if err != nil {
		return done, fmt.Errorf("list the commits: %w", err)
	}
	commits := parseLog(string(text))
	slog.Info("read the history", "commits", len(commits), "since", since)
	markdown := render(config, commits)
	if err := os.WriteFile(filepath.Join(out, "CHANGELOG.md"), []byte(markdown), 0o644); err != nil {
		return done, fmt.Errorf("write the changelog: %w", err)
	}
	done.Summary = fmt.Sprintf("wrote a changelog of %d commits", len(commits))
	done.Outputs = Outputs{Commits: len(commits), Since: since, Bump: bump(commits), Text: markdown}
	return done, nil
}

// lastTag returns the last tag before the end, or nothing where there is none.
func lastTag(config Config) (string, error) {
	text, err := relrun.Command("git", describe(config)...).Readonly().Output()
	var exit *relrun.ExitError
	if errors.As(err, &exit) && exit.Code == 128 && isUntagged(string(exit.Stderr)) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find the last tag: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// isUntagged says whether git found nothing because there is no tag; any other reason is an error.
func isUntagged(message string) bool {
	return strings.Contains(message, "No names found") || strings.Contains(message, "No tags can describe")
}
