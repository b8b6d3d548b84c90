// Package relrunhttp sends what net/http's client sends through the host, for libraries that take an *http.Client. A plugin that makes its own
// requests is smaller with relrun.NewRequest, which can carry secrets too.
package relrunhttp

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"relrun"
)

// Client returns a client whose requests are checked against the step's grants. Redirects are followed, and checked, by the host.
func Client() *http.Client { return &http.Client{Transport: Transport{}} }

// Transport is an http.RoundTripper.
type Transport struct{}

// RoundTrip sends one request. A deadline of its context bounds the exchange.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	made := relrun.NewRequest(request.Method, request.URL.String())
	for _, name := range slices.Sorted(maps.Keys(request.Header)) {
		for _, value := range request.Header[name] {
			made.Header(name, value)
		}
	}
	if request.Body != nil {
		defer request.Body.Close()
		made.BodyFrom(request.Body)
	}
	if deadline, ok := request.Context().Deadline(); ok {
		made.Timeout(time.Until(deadline))
	}
	answer, err := made.Send()
	if err != nil {
		return nil, err
	}
	return response(request, answer), nil
}

func response(request *http.Request, answer *relrun.Response) *http.Response {
	made := &http.Response{
		Status: strconv.Itoa(answer.Status) + " " + http.StatusText(answer.Status), StatusCode: answer.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: body{answer.Body, answer}, ContentLength: -1, Request: request,
	}
	for _, header := range answer.Headers() {
		made.Header.Add(header[0], header[1])
	}
	if length, err := strconv.ParseInt(made.Header.Get("Content-Length"), 10, 64); err == nil && request.Method != http.MethodHead {
		made.ContentLength = length
	}
	return made
}

// body is an answer's body, which lets the answer go when it is closed.
type body struct {
	io.Reader
	io.Closer
}
