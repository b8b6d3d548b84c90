package relrun

import "encoding/json"

// Image is what a container image is: made of layers, or taken from an OCI image layout. The host makes it, and holds the credentials.
type Image struct {
	// Images is one a platform.
	Images []Platform `json:"images,omitempty"`
	// Layout is the digest of a tree that is an OCI image layout, in place of images.
	Layout string `json:"layout,omitempty"`
	// Name is which one of the layout; the only one, where it has no other.
	Name string `json:"name,omitempty"`
	// Annotations are those of the image, or of the index of several.
	Annotations map[string]string `json:"annotations,omitempty"`
	// MountFrom is another granted repository of the same registry that may have the layers.
	MountFrom string `json:"mount-from,omitempty"`
}

// Platform is the image of one platform.
type Platform struct {
	// Platform is such as linux/amd64.
	Platform string `json:"platform"`
	// Layers are the layers, the lowest first.
	Layers []Layer `json:"layers"`
	// Entrypoint is the program, and its first words.
	Entrypoint []string `json:"entrypoint,omitempty"`
	// Cmd is the words that follow, unless others are given.
	Cmd []string `json:"cmd,omitempty"`
	// Env is variables, as NAME=value.
	Env []string `json:"env,omitempty"`
	// User is who runs it.
	User string `json:"user,omitempty"`
	// WorkingDir is the folder that it is run in.
	WorkingDir string `json:"working-dir,omitempty"`
	// Ports are as 8080/tcp.
	Ports []string `json:"ports,omitempty"`
	// Labels are labels.
	Labels map[string]string `json:"labels,omitempty"`
	// Created is when it was made, as 2026-11-21T12:00:00Z; without, nothing is said.
	Created string `json:"created,omitempty"`
}

// Layer is a tree's digest, and where it goes in the image; of a tree that is one file, the file's path.
type Layer struct {
	Tree string `json:"tree"`
	To   string `json:"to"`
}

// Pushed is how an image got there: how many layers and configs were sent, were there, or were mounted.
type Pushed struct {
	Digest  string `json:"digest"`
	Sent    int    `json:"sent"`
	Existed int    `json:"existed"`
	Mounted int    `json:"mounted"`
}

// Digest makes the image and gives its digest, sha256:…. Nothing is sent.
func (i Image) Digest() (string, error) {
	text, err := jsonText(i)
	if err != nil {
		return "", err
	}
	return host().ImageDigest(text)
}

// Push sends the image to a repository, by its digest alone; what is there is not sent again.
func (i Image) Push(repository string) (Pushed, error) {
	var pushed Pushed
	text, err := jsonText(i)
	if err != nil {
		return pushed, err
	}
	if err := mutation(); err != nil {
		return pushed, err
	}
	answer, err := host().ImagePush(repository, text)
	if err != nil {
		return pushed, err
	}
	return pushed, json.Unmarshal([]byte(answer), &pushed)
}

// FindImage returns what a tag or a digest stands for in a repository: its digest, or nothing where it is not there.
func FindImage(repository, name string) (digest string, ok bool, err error) {
	found, err := host().ImageFind(repository, name)
	digest, ok = present(found)
	return digest, ok, err
}

// TagImage points a tag at a digest that is there. One that is fixed is never taken from another digest.
func TagImage(repository, digest, tag string, fixed bool) error {
	return changing(func() error { return host().ImageTag(repository, digest, tag, fixed) })
}

// UntagImage takes a tag away; what it stood for stays. [ErrOther] where the registry cannot do that.
func UntagImage(repository, tag string) error {
	return changing(func() error { return host().ImageUntag(repository, tag) })
}
