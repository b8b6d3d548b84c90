package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"relrun"
	"relrun/relruntest"
)

func TestItGreets(t *testing.T) {
	host := relruntest.New(t)
	out = t.TempDir()
	done, err := host.Apply(plugin, `{"who": "World"}`)
	if err != nil {
		t.Fatal(err)
	}
	if done.Summary != "greeted World" || done.Outputs != `{"bytes":13}` {
		t.Errorf("it answers %+v", done)
	}
	text, err := os.ReadFile(filepath.Join(out, "index.txt"))
	if err != nil || string(text) != "Hello World!\n" {
		t.Errorf("it writes %q, %v", text, err)
	}
}

func TestItRefusesAFieldThatItDoesNotKnow(t *testing.T) {
	_, err := relruntest.New(t).Apply(plugin, `{"whom": "World"}`)
	if !errors.Is(err, relrun.ErrInvalid) {
		t.Errorf("it answers %v", err)
	}
}
