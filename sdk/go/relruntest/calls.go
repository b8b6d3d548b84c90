package relruntest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"relrun"
	"relrun/internal/world"
)

var levels = [...]string{"trace", "debug", "info", "warn", "error"}

// Log keeps the line.
func (h *Host) Log(level world.Level, message string) {
	h.lines = append(h.lines, levels[level]+": "+message)
}

// Progress keeps it as a line.
func (h *Host) Progress(what string, done uint64, total *uint64) {
	line := fmt.Sprintf("progress: %s %d", what, done)
	if total != nil {
		line += fmt.Sprintf("/%d", *total)
	}
	h.lines = append(h.lines, line)
}

// Checkpoint keeps the state.
func (h *Host) Checkpoint(state string) error {
	if !json.Valid([]byte(state)) {
		return relrun.Errorf(relrun.ErrInvalid, "a checkpoint that is no JSON")
	}
	if h.left != 0 && !h.crashed {
		h.checkpoints = append(h.checkpoints, state)
	}
	return nil
}

type secret struct {
	host *Host
	name string
}

// Secret gives a secret that [Host.SetSecret] has added.
func (h *Host) Secret(name string) (world.Secret, error) {
	if _, ok := h.secrets[name]; !ok {
		return nil, relrun.Errorf(relrun.ErrDenied, "no grant covers the secret %q", name)
	}
	return secret{h, name}, nil
}

func (s secret) Name() string { return s.name }

func (s secret) Reveal() (string, error) { return s.host.secrets[s.name], nil }

func (s secret) Sign(data []byte) ([]byte, error) {
	if err := s.host.call("sign", s.name); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(s.host.secrets[s.name]))
	mac.Write(data)
	return mac.Sum(nil), nil
}

type answer struct {
	status  uint16
	headers [][2]string
	body    []byte
}

// Send gives the next answer.
func (h *Host) Send(request *world.Request) (world.Response, error) {
	if err := h.call(shownRequest(request)...); err != nil {
		return nil, err
	}
	if len(h.answers) == 0 {
		return nil, relrun.Errorf(relrun.ErrTransient, "connection refused")
	}
	next := h.answers[0]
	h.answers = h.answers[1:]
	return &response{answer: next}, nil
}

// shownRequest returns a request as the record of calls shows it; of a secret only its name.
func shownRequest(request *world.Request) []string {
	words := []string{request.Method, request.URL}
	for _, header := range request.Headers {
		words = append(words, header[0]+": "+header[1])
	}
	for _, header := range request.SecretHeaders {
		words = append(words, header.Name+": "+header.Prefix+"<"+header.Secret.Name()+">")
	}
	if request.Password != nil {
		words = append(words, "basic "+request.User+":<"+request.Password.Name()+">")
	}
	if request.Body != nil {
		words = append(words, string(request.Body))
	}
	if request.BodyFile != "" {
		words = append(words, "file "+request.BodyFile)
	}
	return words
}

type response struct {
	answer  answer
	dropped bool
}

func (r *response) Status() uint16 { return r.answer.status }

func (r *response) Headers() [][2]string { return r.answer.headers }

func (r *response) Read(max uint32) ([]byte, error) {
	if r.dropped {
		return nil, relrun.Errorf(relrun.ErrPermanent, "the response is closed")
	}
	piece := r.answer.body[:min(int(max), len(r.answer.body))]
	r.answer.body = r.answer.body[len(piece):]
	return piece, nil
}

func (r *response) Save(path string) (uint64, error) {
	rest := r.answer.body
	r.answer.body = nil
	return uint64(len(rest)), os.WriteFile(path, rest, 0o644)
}

func (r *response) Drop() { r.dropped = true }

type script struct {
	words          string
	code           int32
	stdout, stderr string
}

// scripted returns how a command ends.
func (h *Host) scripted(command *world.Command) script {
	words := strings.Join(append([]string{command.Program}, command.Args...), " ")
	for i := len(h.commands) - 1; i >= 0; i-- {
		if h.commands[i].words == words {
			return h.commands[i]
		}
	}
	return script{words: words}
}

// shownCommand returns a command as the record of calls shows it; of a secret only its name.
func shownCommand(command *world.Command) []string {
	words := []string{"run"}
	if command.OnHost != "" {
		words = append(words, command.OnHost+":")
	}
	words = append(append(words, command.Program), command.Args...)
	for _, variable := range command.SecretEnv {
		words = append(words, variable.Name+"=<"+variable.Secret.Name()+">")
	}
	return words
}

// Run gives the command's exit code.
func (h *Host) Run(command *world.Command) (int32, error) {
	if err := h.change(shownCommand(command)...); err != nil {
		return 0, err
	}
	return h.scripted(command).code, nil
}

// Spawn gives the command's output.
func (h *Host) Spawn(command *world.Command) (world.Child, error) {
	if err := h.change(shownCommand(command)...); err != nil {
		return nil, err
	}
	scripted := h.scripted(command)
	return &child{rest: [2]string{scripted.stdout, scripted.stderr}, code: scripted.code}, nil
}

type child struct {
	rest    [2]string
	code    int32
	dropped bool
}

func (c *child) Read(which world.Stream, max uint32) ([]byte, error) {
	if c.dropped {
		return nil, relrun.Errorf(relrun.ErrPermanent, "the command is closed")
	}
	rest := c.rest[which]
	piece := rest[:min(int(max), len(rest))]
	c.rest[which] = rest[len(piece):]
	return []byte(piece), nil
}

func (c *child) Wait() (int32, error) { return c.code, nil }

func (c *child) Kill() { c.code = 137 }

func (c *child) Drop() { c.dropped = true }

// Capture names the tree by the directory.
func (h *Host) Capture(dir string) (string, error) {
	return "tree-of-" + strings.ReplaceAll(strings.Trim(dir, "/"), "/", "-"), h.call("capture", dir)
}

// Restore notes the call.
func (h *Host) Restore(digest, dir string) error { return h.call("restore", digest, dir) }

// Mark gives the release's id as the mark. One that was found and begins with stranger is another ledger's.
func (h *Host) Mark(found *string, object string) (string, error) {
	if found != nil && strings.HasPrefix(*found, "stranger") {
		return "", relrun.Errorf(relrun.ErrDenied, "%s belongs to %s", object, *found)
	}
	return fmt.Sprintf("%q", h.facts.release), nil
}

// ImageDigest names an image by what it is told as: the same words give the same digest.
func (h *Host) ImageDigest(image string) (string, error) {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(image))), nil
}

// ImageFind gives what [Host.Point], a push or a tag has left.
func (h *Host) ImageFind(repository, name string) (*string, error) {
	if err := h.call("find", repository, name); err != nil {
		return nil, err
	}
	if digest, ok := h.tags[[2]string{repository, name}]; ok {
		return &digest, nil
	}
	return nil, nil
}

// ImagePush keeps the image by its digest.
func (h *Host) ImagePush(repository, image string) (string, error) {
	digest, _ := h.ImageDigest(image) // it never fails
	if err := h.change("push", repository, digest); err != nil {
		return "", err
	}
	_, known := h.tags[[2]string{repository, digest}]
	h.tags[[2]string{repository, digest}] = digest
	pushed := relrun.Pushed{Digest: digest, Sent: 1}
	if known {
		pushed = relrun.Pushed{Digest: digest, Existed: 1}
	}
	return text(pushed), nil
}

// ImageTag points the tag.
func (h *Host) ImageTag(repository, digest, tag string, fixed bool) error {
	if err := h.change("tag", repository, tag, digest); err != nil {
		return err
	}
	there, ok := h.tags[[2]string{repository, tag}]
	if ok && fixed && there != digest {
		return relrun.Errorf(relrun.ErrPermanent, "%s exists with another content", tag)
	}
	h.tags[[2]string{repository, tag}] = digest
	return nil
}

// ImageUntag takes the tag away.
func (h *Host) ImageUntag(repository, tag string) error {
	if err := h.change("untag", repository, tag); err != nil {
		return err
	}
	delete(h.tags, [2]string{repository, tag})
	return nil
}

// Point points a tag of a repository at a digest, as somebody else may.
func (h *Host) Point(repository, tag, digest string) *Host {
	h.tags[[2]string{repository, tag}] = digest
	return h
}
