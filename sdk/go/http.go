package relrun

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"relrun/internal/world"
)

// limit is how much of a body is read into memory where nobody says it.
const limit = 16 << 20

// Request is an HTTP request being made. Its methods return the request itself.
type Request struct {
	made world.Request
	err  error
}

// NewRequest starts a request. The URL is absolute, http or https, and its origin is one of the step's grants.
func NewRequest(method, url string) *Request {
	return &Request{made: world.Request{Method: method, URL: url}}
}

// Get starts a GET request.
func Get(url string) *Request { return NewRequest("GET", url) }

// Post starts a POST request.
func Post(url string) *Request { return NewRequest("POST", url) }

// Header adds a header.
func (r *Request) Header(name, value string) *Request {
	r.made.Headers = append(r.made.Headers, [2]string{name, value})
	return r
}

// SecretHeader adds a header of the prefix and the secret, for the granted origin alone. The plugin never holds the bytes.
func (r *Request) SecretHeader(name, prefix string, secret *Secret) *Request {
	r.made.SecretHeaders = append(r.made.SecretHeaders, world.SecretHeader{Name: name, Prefix: prefix, Secret: secret.handle})
	return r
}

// Bearer adds the secret as a bearer token.
func (r *Request) Bearer(secret *Secret) *Request {
	return r.SecretHeader("authorization", "Bearer ", secret)
}

// BasicAuth adds basic authentication with the secret as its password.
func (r *Request) BasicAuth(user string, password *Secret) *Request {
	r.made.User, r.made.Password = user, password.handle
	return r
}

// Body sets the body.
func (r *Request) Body(data []byte) *Request {
	if data == nil {
		data = []byte{}
	}
	r.made.Body = data
	return r
}

// BodyFrom sets the body to all that the reader gives.
func (r *Request) BodyFrom(reader io.Reader) *Request {
	data, err := io.ReadAll(reader)
	if err != nil && r.err == nil {
		r.err = err
	}
	return r.Body(data)
}

// JSON sets the body to a value's JSON, with its content type.
func (r *Request) JSON(value any) *Request {
	data, err := json.Marshal(value)
	if err != nil && r.err == nil {
		r.err = Errorf(ErrInvalid, "body: %w", err)
	}
	return r.Header("content-type", "application/json").Body(data)
}

// BodyFile takes the body from a file under one of the step's directories.
func (r *Request) BodyFile(path string) *Request {
	r.made.BodyFile = path
	return r
}

// Timeout bounds the whole exchange. The host has a bound of its own.
func (r *Request) Timeout(timeout time.Duration) *Request {
	r.made.Milliseconds = uint64(max(timeout.Milliseconds(), 1))
	return r
}

// changes says whether it may change something.
func (r *Request) changes() bool {
	switch r.made.Method {
	case "GET", "HEAD", "OPTIONS":
		return false
	}
	isPair := func(char rune) bool { return char == '?' || char == '&' }
	for _, pair := range strings.FieldsFunc(r.made.URL, isPair) {
		if r.made.Cluster != nil && pair == "dryRun=All" {
			return false
		}
	}
	return true
}

// Send sends it. A status of 400 or more is a response, not an error. Close the response.
func (r *Request) Send() (*Response, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.changes() {
		if err := mutation(); err != nil {
			return nil, err
		}
	}
	handle, err := host().Send(&r.made)
	if err != nil {
		return nil, err
	}
	pull := func(max uint32) ([]byte, error) { return handle.Read(max) }
	return &Response{Status: int(handle.Status()), Body: &reader{pull: pull}, handle: handle}, nil
}

// Response is an answer whose body is pulled.
type Response struct {
	// Status is the status code.
	Status int
	// Body is the rest of the body.
	Body   io.Reader
	handle world.Response
}

// Headers returns the headers, names in lower case, in the order they came.
func (r *Response) Headers() [][2]string { return r.handle.Headers() }

// Header returns the first header of this name, or nothing.
func (r *Response) Header(name string) string {
	for _, header := range r.handle.Headers() {
		if strings.EqualFold(header[0], name) {
			return header[1]
		}
	}
	return ""
}

// Bytes reads the rest of the body, at most 16 MiB; a longer one is an error.
func (r *Response) Bytes() ([]byte, error) {
	return all(r.Body, limit)
}

// JSON reads the rest of the body, at most 16 MiB, as JSON.
func (r *Response) JSON(into any) error {
	data, err := r.Bytes()
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// Save writes the rest of the body to a file under one of the step's directories, and gives its length in bytes.
func (r *Response) Save(path string) (int64, error) {
	length, err := r.handle.Save(path)
	return int64(length), err
}

// Close lets the response go. A second time does nothing.
func (r *Response) Close() error {
	r.handle.Drop()
	return nil
}
