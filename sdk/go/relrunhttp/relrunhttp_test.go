package relrunhttp_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"relrun"
	"relrun/relrunhttp"
	"relrun/relruntest"
)

func TestALibrarysRequestsGoThroughTheHost(t *testing.T) {
	host := relruntest.New(t).Answer(201, strings.Repeat("x", 100_000))
	answer, err := relrunhttp.Client().Post("https://a.example/x?y=1", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || len(text) != 100_000 || answer.StatusCode != 201 || answer.Status != "201 Created" {
		t.Errorf("%d bytes, %v, %v", len(text), answer.Status, err)
	}
	if calls := host.Calls(); !slices.Equal(calls, []string{"POST https://a.example/x?y=1 Content-Type: text/plain hello"}) {
		t.Errorf("%q", calls)
	}
}

func TestTheHostsErrorKeepsItsKind(t *testing.T) {
	relruntest.New(t).Fail("GET", relrun.Errorf(relrun.ErrDenied, "no grant covers it"))
	request, err := http.NewRequest(http.MethodGet, "https://a.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := relrunhttp.Client().Do(request); !errors.Is(err, relrun.ErrDenied) || relrun.KindOf(err) != relrun.ErrDenied {
		t.Errorf("%v", err)
	}
}
