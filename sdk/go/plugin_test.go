package relrun_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"relrun"
	"relrun/relruntest"
)

// Hook posts to a URL: the smallest effect.
type hookConfig struct {
	URL string `json:"url" doc:"Where to post"`
}

var hook = relrun.Plugin[hookConfig, relrun.Nothing, relrun.Nothing]{
	Name: "hook", Version: "0.1.0", Summary: "Posts to a hook",
	Resolve: func(config hookConfig) (relrun.Needs, error) {
		return relrun.Effect(relrun.NeedHTTP(config.URL).Methods("POST")), nil
	},
	Apply: func(config hookConfig) (done relrun.Outcome[relrun.Nothing, relrun.Nothing], err error) {
		response, err := relrun.Post(config.URL).JSON(map[string]int{"a": 1}).Send()
		if err != nil {
			return done, fmt.Errorf("post: %w", err)
		}
		defer response.Close()
		body, err := response.Bytes()
		done.Summary = string(body)
		return done, err
	},
}

// Keeper records what it did.
type part struct {
	Name string `json:"name" relrun:"arg"`
	Size uint32 `json:"size" default:"3" relrun:"arg,max=9"`
}

type keeperConfig struct {
	Part []part            `json:"part" doc:"The parts"`
	Env  map[string]string `json:"env,omitempty"`
	Mode string            `json:"mode" default:"fast" relrun:"enum=fast|slow"`
}

type kept struct {
	HowMany int `json:"how-many"`
}

type names struct {
	Names []string `json:"names"`
}

var keeper = relrun.Plugin[keeperConfig, kept, names]{
	Name: "keeper", Version: "0.1.0", Summary: "Keeps parts",
	Resolve: func(keeperConfig) (relrun.Needs, error) { return relrun.Effect(), nil },
	Apply: func(config keeperConfig) (done relrun.Outcome[kept, names], err error) {
		made := names{}
		for _, part := range config.Part {
			made.Names = append(made.Names, fmt.Sprintf("%sx%d", part.Name, part.Size))
		}
		if err := relrun.Checkpoint(made); err != nil {
			return done, err
		}
		done = relrun.Outcome[kept, names]{Summary: "kept", Outputs: kept{len(made.Names)}, Receipt: &made}
		return done, nil
	},
}

func wantKind(t *testing.T, err error, kind relrun.Kind, words string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(fmt.Sprint(err), words) {
		t.Errorf("expected %v with %q, and got %v: %v", kind, words, relrun.KindOf(err), err)
	}
}

func TestAChangeWithoutACheckpointLeavesAnEmptyOneFirst(t *testing.T) {
	host := relruntest.New(t)
	config := hookConfig{"http://a.example"}
	_, err := host.Apply(hook, config)
	wantKind(t, err, relrun.ErrTransient, "post: connection refused")
	if saved := host.Checkpoints(); !slices.Equal(saved, []string{"null"}) {
		t.Errorf("it saved %q", saved)
	}
	if found, err := host.Recover(hook, config, nil); err != nil || found.Done != nil || found.Partly != nil {
		t.Errorf("untouched: %+v, %v", found, err)
	}
	_, err = host.Recover(hook, config, "null")
	wantKind(t, err, relrun.ErrOther, "left no checkpoint")
	if done, err := host.Undo(hook, config, "null"); err != nil || done.Summary != "nothing that can be undone was recorded" {
		t.Errorf("undo: %+v, %v", done, err)
	}
}

func TestAnAnswerIsReadToItsEnd(t *testing.T) {
	host := relruntest.New(t).Answer(201, strings.Repeat("x", 200_000))
	done, err := host.Apply(hook, hookConfig{"http://a.example"})
	if err != nil || len(done.Summary) != 200_000 {
		t.Errorf("%d bytes, %v", len(done.Summary), err)
	}
	want := []string{`POST http://a.example content-type: application/json {"a":1}`}
	if calls := host.Calls(); !slices.Equal(calls, want) {
		t.Errorf("it called %q", calls)
	}
}

func TestOutputsAndReceiptsTravelAsJSON(t *testing.T) {
	host := relruntest.New(t)
	config := `{"part": [{"name": "a", "size": 2}, {"name": "b"}]}`
	done, err := host.Apply(keeper, config)
	if err != nil || done.Outputs != `{"how-many":2}` || *done.Receipt != `{"names":["ax2","bx3"]}` {
		t.Errorf("%+v, %v", done, err)
	}
	found, err := host.Recover(keeper, config, host.Checkpoints()[0])
	if err != nil || *found.Partly != *done.Receipt {
		t.Errorf("%+v, %v", found, err)
	}
	_, err = host.Undo(keeper, config, "null")
	wantKind(t, err, relrun.ErrPermanent, "keeper had begun to change something, and recorded nothing")
	_, err = host.Undo(keeper, config, done.Receipt)
	wantKind(t, err, relrun.ErrPermanent, "keeper cannot undo what it did")
}

func TestTheSchemaSaysWhatTheTagsSay(t *testing.T) {
	var schema struct {
		Required             []string
		AdditionalProperties *bool
		Properties           map[string]struct {
			Description, Default string
			Enum                 []string
			Items                struct {
				Args       []string `json:"x-args"`
				Required   []string
				Properties map[string]map[string]any
			}
		}
	}
	if err := json.Unmarshal([]byte(relruntest.New(t).Describe(keeper).ConfigSchema), &schema); err != nil {
		t.Fatal(err)
	}
	item := schema.Properties["part"].Items
	if !slices.Equal(schema.Required, []string{"part"}) || schema.AdditionalProperties == nil || *schema.AdditionalProperties {
		t.Errorf("%+v", schema)
	}
	if !slices.Equal(item.Args, []string{"name", "size"}) || !slices.Equal(item.Required, []string{"name"}) {
		t.Errorf("%+v", item)
	}
	if size := item.Properties["size"]; size["maximum"] != 9.0 || size["default"] != 3.0 || size["minimum"] != 0.0 {
		t.Errorf("%+v", size)
	}
	if mode := schema.Properties["mode"]; mode.Default != "fast" || len(mode.Enum) != 2 || schema.Properties["part"].Description != "The parts" {
		t.Errorf("%+v", schema.Properties)
	}
}

func TestAConfigOfTheWrongShapeIsTheAuthorsMistake(t *testing.T) {
	host := relruntest.New(t)
	for config, words := range map[string]string{
		`{"uri": "x"}`: `unknown field "uri"`,
		`{}`:           `"url" is missing`,
		`{"url": 5}`:   "cannot unmarshal number",
		`{"url"`:       "config: ",
	} {
		_, err := host.Resolve(hook, config)
		wantKind(t, err, relrun.ErrInvalid, words)
	}
	_, err := host.Resolve(keeper, `{"part": [{"name": "a", "sise": 2}]}`)
	wantKind(t, err, relrun.ErrInvalid, "config.part[0]: unknown field")
}

func TestAPanicIsAPermanentErrorAndLeavesNothingArmed(t *testing.T) {
	panics := hook
	panics.Apply = func(hookConfig) (relrun.Outcome[relrun.Nothing, relrun.Nothing], error) {
		var none map[string]int
		none["x"] = 1
		panic("not reached")
	}
	host := relruntest.New(t)
	_, err := host.Apply(panics, hookConfig{"http://a.example"})
	wantKind(t, err, relrun.ErrPermanent, "hook panicked in apply: assignment to entry in nil map")
	if err := relrun.HostNamed("none").MakeDir("/x"); !errors.Is(err, relrun.ErrMissing) || len(host.Checkpoints()) != 0 {
		t.Errorf("%v", err)
	}
}

func TestErrorsKeepTheirKindsWhenTheyAreWrapped(t *testing.T) {
	for kind, err := range map[relrun.Kind]error{
		relrun.ErrMissing:   fmt.Errorf("open: %w", fs.ErrNotExist),
		relrun.ErrDenied:    fmt.Errorf("a: %w", fmt.Errorf("b: %w", relrun.Errorf(relrun.ErrDenied, "no"))),
		relrun.ErrTimedOut:  relrun.ErrTimedOut,
		relrun.ErrPermanent: errors.New("plain"),
		relrun.ErrInvalid:   relrun.Errorf(relrun.ErrInvalid, "x: %w", fs.ErrNotExist),
	} {
		if relrun.KindOf(err) != kind {
			t.Errorf("%v is %v, not %v", err, relrun.KindOf(err), kind)
		}
	}
	var known *relrun.Error
	if err := fmt.Errorf("a: %w", relrun.Errorf(relrun.ErrOther, "b: %w", fs.ErrExist)); !errors.As(err, &known) || !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
}

func TestNeedsAreWrittenAsAManifestWould(t *testing.T) {
	needs := relrun.Effect(
		relrun.NeedRun("npm", "run", `say "hi"`).Network(),
		relrun.NeedHTTP("https://a.example").Methods("GET", "POST").Private(),
		relrun.NeedSecret("token").ToCommand("npm", "NPM_TOKEN"),
		relrun.NeedHost("*"), relrun.NeedHost("*"),
		relrun.NeedOf("env \"A\""),
	)
	want := []string{
		`run "npm" "run" "say \"hi\"" network=#true`, `http "https://a.example" methods="GET POST" private=#true`,
		`secret "token" to-command="npm" env="NPM_TOKEN"`, `host "*"`, `env "A"`,
	}
	if got := needs.Capabilities(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
