//go:build wasip1

package component

import (
	"relrun/internal/bindings/imports/relrun_plugin_registry"
	bound "relrun/internal/bindings/imports/relrun_plugin_types"
	"relrun/internal/wit/types"
)

func (imports) ImageDigest(image string) (string, error) {
	return ask(func() text { return relrun_plugin_registry.Digest(image) }, image)
}

func (imports) ImageFind(repository, name string) (*string, error) {
	found, err := ask(func() types.Result[types.Option[string], bound.Error] {
		return relrun_plugin_registry.Find(repository, name)
	}, repository, name)
	return found.Pointer(), err
}

func (imports) ImagePush(repository, image string) (string, error) {
	return ask(func() text { return relrun_plugin_registry.Push(repository, image) }, repository, image)
}

func (imports) ImageTag(repository, digest, tag string, fixed bool) error {
	return do(func() unit { return relrun_plugin_registry.Tag(repository, digest, tag, fixed) }, repository, digest, tag)
}

func (imports) ImageUntag(repository, tag string) error {
	return do(func() unit { return relrun_plugin_registry.Untag(repository, tag) }, repository, tag)
}
