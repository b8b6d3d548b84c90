//go:build wasip1

package component

import (
	"relrun/internal/bindings/imports/relrun_plugin_http"
	"relrun/internal/bindings/imports/relrun_plugin_kubernetes"
	bound "relrun/internal/bindings/imports/relrun_plugin_types"
	"relrun/internal/wit/types"
	"relrun/internal/world"
)

func (imports) Send(request *world.Request) (world.Response, error) {
	made, err := start(request)
	if err != nil {
		return nil, err
	}
	defer tell(made.Drop)
	tell(func() { fill(made, request) })
	answer, err := ask(made.Send)
	if err != nil {
		return nil, err
	}
	return &response{answer}, nil
}

func start(request *world.Request) (*relrun_plugin_http.Request, error) {
	if request.Cluster == nil {
		return outside(func() *relrun_plugin_http.Request {
			return relrun_plugin_http.MakeRequest(valid(request.Method), valid(request.URL))
		}), nil
	}
	context, namespace := request.Cluster[0], request.Cluster[1]
	return ask(func() types.Result[*relrun_plugin_http.Request, bound.Error] {
		return relrun_plugin_kubernetes.Start(context, namespace, request.Method, request.URL)
	}, context, namespace, request.Method, request.URL)
}

func fill(made *relrun_plugin_http.Request, request *world.Request) {
	for _, header := range request.Headers {
		made.Header(valid(header[0]), valid(header[1]))
	}
	for _, header := range request.SecretHeaders {
		made.SecretHeader(valid(header.Name), valid(header.Prefix), handleOf(header.Secret))
	}
	if request.Password != nil {
		made.BasicAuth(valid(request.User), handleOf(request.Password))
	}
	if request.Body != nil {
		made.Body(request.Body)
	}
	if request.BodyFile != "" {
		made.BodyFile(valid(request.BodyFile))
	}
	if request.Milliseconds > 0 {
		made.Timeout(request.Milliseconds)
	}
}

type response struct{ handle *relrun_plugin_http.Response }

func (r *response) Status() uint16 { return outside(r.handle.Status) }

func (r *response) Headers() [][2]string { return pairs(outside(r.handle.Headers)) }

func (r *response) Read(max uint32) ([]byte, error) {
	return ask(func() types.Result[[]byte, bound.Error] { return r.handle.Read(max) })
}

func (r *response) Save(path string) (uint64, error) {
	return ask(func() types.Result[uint64, bound.Error] { return r.handle.Save(path) }, path)
}

func (r *response) Drop() { tell(r.handle.Drop) }

func (imports) Mark(found *string, object string) (string, error) {
	return ask(func() types.Result[string, bound.Error] {
		return relrun_plugin_kubernetes.Mark(types.Optional(found), valid(object))
	})
}
