package relrun_test

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"relrun"
	"relrun/relruntest"
)

func TestACommandsOutputIsReadAndItsFailureTold(t *testing.T) {
	host := relruntest.New(t).Command("git log", 0, "one\ntwo\n").CommandError("git push", 128, "a\nfatal: no\n")
	output, err := relrun.Command("git", "log").Output()
	if err != nil || string(output) != "one\ntwo\n" {
		t.Errorf("%q, %v", output, err)
	}
	_, err = relrun.Command("git", "push").Output()
	var exit *relrun.ExitError
	if !errors.As(err, &exit) || exit.Code != 128 || err.Error() != "`git push` ended with exit code 128: fatal: no" {
		t.Errorf("%v", err)
	}
	if err := relrun.Command("git", "push").Run(); !errors.As(err, &exit) || relrun.KindOf(err) != relrun.ErrPermanent {
		t.Errorf("%v", err)
	}
	if calls := host.Calls(); !slices.Equal(calls, []string{"run git log", "run git push", "run git push"}) {
		t.Errorf("%q", calls)
	}
}

func TestAChildIsReadWhileItRunsAndClosedTwice(t *testing.T) {
	relruntest.New(t).Command("yes", 0, strings.Repeat("y\n", 50_000))
	child, err := relrun.Command("yes").Start()
	if err != nil {
		t.Fatal(err)
	}
	some := make([]byte, 3)
	if count, err := io.ReadFull(child.Stdout, some); err != nil || count != 3 || string(some) != "y\ny" {
		t.Errorf("%q, %v", some, err)
	}
	rest, err := io.ReadAll(child.Stdout)
	if err != nil || len(rest) != 100_000-3 {
		t.Errorf("%d, %v", len(rest), err)
	}
	child.Close()
	child.Close()
	if _, err := child.Stderr.Read(some); !errors.Is(err, relrun.ErrPermanent) {
		t.Errorf("%v", err)
	}
}

func TestSecretsGoIntoRequestsByTheirHandles(t *testing.T) {
	host := relruntest.New(t).SetSecret("token", "s3cret").Answer(200, "ok")
	secret, err := relrun.GetSecret("token")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := relrun.Get("https://a.example").Bearer(secret).BasicAuth("me", secret).Send(); err != nil {
		t.Fatal(err)
	}
	if calls := host.Calls(); !slices.Equal(calls, []string{"GET https://a.example authorization: Bearer <token> basic me:<token>"}) {
		t.Errorf("%q", calls)
	}
	if _, err := relrun.GetSecret("other"); !errors.Is(err, relrun.ErrDenied) {
		t.Errorf("%v", err)
	}
}

func TestTheLogHasLevelsAttributesAndGroups(t *testing.T) {
	host := relruntest.New(t)
	slog.Warn("slow", "seconds", 3, "why", "a b")
	slog.With("step", 1).WithGroup("g").Debug("deep", "x", true)
	relrun.Progress("upload", 1, 0)
	relrun.Progress("upload", 2, 3)
	want := []string{`warn: slow seconds=3 why="a b"`, "debug: deep step=1 g.x=true", "progress: upload 1", "progress: upload 2/3"}
	if !slices.Equal(host.Lines(), want) {
		t.Errorf("%q", host.Lines())
	}
}

func TestTheContextIsThatOfTheStep(t *testing.T) {
	host := relruntest.New(t).SetRelease("r7").SetLabel("tier", "live").SetSetting("who", "X").SetPrevious(map[string]int{"a": 1})
	facts := relrun.Context()
	environment, bound := facts.Environment()
	who, _ := facts.Setting("who")
	_, set := facts.Setting("none")
	if facts.Release() != "r7" || facts.Labels()["tier"] != "live" || who != "X" || set || environment != "test" || !bound || facts.Attempt() != 1 {
		t.Errorf("%v %v", facts.Labels(), who)
	}
	previous, err := relrun.Previous[map[string]int]()
	if err != nil || (*previous)["a"] != 1 {
		t.Errorf("%v, %v", previous, err)
	}
	host.SetUnfinished("null")
	if unfinished, err := relrun.Unfinished[map[string]int](); err != nil || unfinished != nil {
		t.Errorf("%v, %v", unfinished, err)
	}
	host.SetUnfinished(`{"b": 2}`)
	if unfinished, err := relrun.Unfinished[map[string]int](); err != nil || (*unfinished)["b"] != 2 {
		t.Errorf("%v, %v", unfinished, err)
	}
	host.SetPure()
	if previous, err := relrun.Previous[relrun.Nothing](); err != nil || previous != nil {
		t.Errorf("%v, %v", previous, err)
	}
}

func TestHostsAreChosenByTheirLabels(t *testing.T) {
	host := relruntest.New(t).AddHost("web1", "role=web", "zone=a").AddHost("web2", "role=web", "zone=b").AddHost("db", "role=db")
	var chosen []string
	for _, one := range relrun.HostsWith("role=web, zone=b") {
		chosen = append(chosen, one.Name())
	}
	if !slices.Equal(chosen, []string{"web2"}) || len(relrun.HostsWith("*")) != 3 {
		t.Errorf("%q", chosen)
	}
	web := relrun.Hosts()[0]
	host.Tree("t1", map[string]string{"index.html": "hi"})
	for _, err := range []error{
		web.Claim("/srv"), web.Upload("t1", "/srv/r1"), web.Symlink("r1", "/srv/next"), web.Rename("/srv/next", "/srv/current"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if text, err := host.Content("web1", "/srv/current/index.html"); err != nil || text != "hi" || !host.Claimed("web1", "/srv") {
		t.Errorf("%q, %v", text, err)
	}
	if digest, err := web.Fetch("/srv/current"); err != nil || digest != "t1" {
		t.Errorf("%q, %v", digest, err)
	}
	if entries, err := web.ReadDir("/srv"); err != nil || len(entries) != 2 || entries[0].Type != relrun.Link || *entries[0].Target != "r1" {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestARoundEndsAHostsPartWithWhatFailsFirst(t *testing.T) {
	host := relruntest.New(t).AddHost("a").AddHost("b").Fail("make-dir a /two", relrun.Errorf(relrun.ErrTransient, "away"))
	a, b := relrun.HostNamed("a"), relrun.HostNamed("b")
	round := relrun.NewRound(2)
	for _, dir := range []string{"/one", "/two", "/three"} {
		round.MakeDir(a, dir).MakeDir(b, dir)
	}
	came, err := round.Run(b, relrun.Command("true")).Perform()
	if err != nil || len(came) != 2 || !errors.Is(came[0].Err, relrun.ErrTransient) || came[1].Err != nil {
		t.Errorf("%v, %v", came, err)
	}
	if calls := host.Calls(); slices.Contains(calls, "make-dir a /three") || !slices.Contains(calls, "run b: true") {
		t.Errorf("%q", calls)
	}
}

func TestACrashLeavesWhatWasDoneBefore(t *testing.T) {
	host := relruntest.New(t).AddHost("a").CrashAfter(1)
	a := relrun.HostNamed("a")
	if err := a.MakeDir("/one"); err != nil {
		t.Fatal(err)
	}
	if err := a.MakeDir("/two"); !errors.Is(err, relrun.ErrCancelled) {
		t.Errorf("%v", err)
	}
	if err := relrun.Checkpoint(1); err != nil || len(host.Checkpoints()) != 0 {
		t.Errorf("a checkpoint after the crash, %v", err)
	}
	host.Restart()
	if found, err := a.Stat("/two"); err != nil || found != nil {
		t.Errorf("%v, %v", found, err)
	}
}

func TestImagesArePushedOnceAndTagsThatAreFixedStay(t *testing.T) {
	relruntest.New(t).Point("r.example/a", "1.0", "sha256:other")
	image := relrun.Image{Images: []relrun.Platform{{Platform: "linux/amd64", Layers: []relrun.Layer{{Tree: "t", To: "/"}}}}}
	first, err := image.Push("r.example/a")
	if err != nil || first.Sent != 1 {
		t.Errorf("%+v, %v", first, err)
	}
	again, err := image.Push("r.example/a")
	if digest, _ := image.Digest(); err != nil || again.Existed != 1 || again.Digest != digest {
		t.Errorf("%+v, %v", again, err)
	}
	if err := relrun.TagImage("r.example/a", first.Digest, "1.0", true); !errors.Is(err, relrun.ErrPermanent) {
		t.Errorf("%v", err)
	}
	if err := relrun.TagImage("r.example/a", first.Digest, "latest", false); err != nil {
		t.Error(err)
	}
	if found, ok, err := relrun.FindImage("r.example/a", "latest"); err != nil || !ok || found != first.Digest {
		t.Errorf("%q, %v", found, err)
	}
}

func TestOnlyADryRunOfAClusterChangesNothing(t *testing.T) {
	host := relruntest.New(t).Answer(200, "{}").Answer(200, "{}")
	namespace := relrun.KubernetesNamespace("prod", "shop")
	if _, err := namespace.Request("PATCH", "/api/v1/x?dryRun=All").Send(); err != nil {
		t.Error(err)
	}
	if _, err := relrun.KubernetesMark("stranger", "web"); !errors.Is(err, relrun.ErrDenied) {
		t.Errorf("%v", err)
	}
	if calls := host.Calls(); len(calls) != 1 {
		t.Errorf("%q", calls)
	}
}
