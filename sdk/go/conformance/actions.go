package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"relrun"
)

// action is one line of a script: do names it, the rest are its arguments.
type action struct {
	Do, Text, Name, Kind, Message, Level, What, Path, Program, Dir string
	Method, URL, Host, Digest, Target, Old, New                    string
	Context, Namespace, Object, Repository, Tag, Save              string
	Stdin, Body                                                    *string
	Wrap                                                           *string
	Catch, Kill, Fixed                                             bool
	Times, Done, Total, Timeout, Max, Parallel                     uint64
	Value, State, Found                                            json.RawMessage
	Image                                                          relrun.Image
	Args, Without                                                  []string
	Env                                                            map[string]string
	Headers                                                        [][2]string
	SecretHeader                                                   *[3]string `json:"secret-header"`
	BasicAuth                                                      *[2]string `json:"basic-auth"`
	SecretEnv                                                      *[2]string `json:"secret-env"`
	BodyFile                                                       string     `json:"body-file"`
	OnHost                                                         string     `json:"on-host"`
	Deeds                                                          []action
}

var kinds = map[string]relrun.Kind{
	"invalid": relrun.ErrInvalid, "denied": relrun.ErrDenied, "missing": relrun.ErrMissing, "timed-out": relrun.ErrTimedOut,
	"cancelled": relrun.ErrCancelled, "transient": relrun.ErrTransient, "permanent": relrun.ErrPermanent, "other": relrun.ErrOther,
}

var levels = map[string]slog.Level{
	"trace": relrun.LevelTrace, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// perform runs one action, and gives its entry in the transcript.
func perform(text json.RawMessage, given json.RawMessage) (entry any, err error) {
	var one action
	if err := json.Unmarshal(text, &one); err != nil {
		return nil, err
	}
	if one.Catch {
		defer func() {
			if fault := recover(); fault != nil {
				entry, err = failed(fmt.Errorf("%v", fault)), nil
			}
		}()
	}
	entry, err = one.perform(given)
	if err != nil && one.Wrap != nil {
		err = fmt.Errorf("%s: %w", *one.Wrap, err)
	}
	if err != nil && one.Catch {
		return failed(err), nil
	}
	return entry, err
}

func failed(err error) any {
	kind := relrun.KindOf(err)
	return map[string]string{"error": kind.Error(), "message": err.Error()}
}

func (a *action) perform(given json.RawMessage) (any, error) {
	switch a.Do {
	case "echo":
		return a.Value, nil
	case "length":
		return map[string]int{"bytes": len(a.Text), "points": utf8.RuneCountInString(a.Text)}, nil
	case "repeat":
		return strings.Repeat(a.Text, int(a.Times)), nil
	case "given":
		return given, nil
	case "throw":
		kind, ok := kinds[a.Kind]
		if !ok {
			return nil, relrun.Errorf(relrun.ErrInvalid, "there is no kind %q", a.Kind)
		}
		return nil, relrun.Errorf(kind, "%s", a.Message)
	case "raise":
		panic(a.Message)
	case "context":
		return facts()
	case "unfinished":
		return relrun.Unfinished[json.RawMessage]()
	case "setting":
		return optional(relrun.Context().Setting(a.Name)), nil
	case "log":
		slog.Log(context.Background(), levels[a.Level], a.Message)
		return nil, nil
	case "progress":
		relrun.Progress(a.What, a.Done, a.Total)
		return nil, nil
	case "print":
		fmt.Println(a.Text)
		return nil, nil
	case "checkpoint":
		return nil, relrun.Checkpoint(a.State)
	case "write":
		return nil, os.WriteFile(a.Path, []byte(a.Text), 0o644)
	case "read":
		data, err := os.ReadFile(a.Path)
		return string(data), err
	case "list":
		return list(a.Path)
	default:
		return a.call()
	}
}

func optional(value string, ok bool) any {
	if !ok {
		return nil
	}
	return value
}

func list(path string) (any, error) {
	entries, err := os.ReadDir(path)
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

func facts() (any, error) {
	facts := relrun.Context()
	previous, err := relrun.Previous[json.RawMessage]()
	return map[string]any{
		"package": facts.Package(), "version": facts.Version(), "release": facts.Release(), "step": facts.Step(),
		"attempt": facts.Attempt(), "idempotency-key": facts.IdempotencyKey(), "environment": optional(facts.Environment()),
		"deployment": optional(facts.Deployment()), "labels": facts.Labels(), "previous": previous,
		"started-at": facts.StartedAt().Unix(),
	}, err
}

// call runs the actions that reach secrets, trees, commands and servers.
func (a *action) call() (any, error) {
	switch a.Do {
	case "secret", "reveal", "sign":
		return a.secret()
	case "http":
		return a.send(relrun.NewRequest(a.Method, a.URL))
	case "kubernetes":
		return a.send(relrun.KubernetesNamespace(a.Context, a.Namespace).Request(a.Method, a.Path))
	case "command":
		command, err := a.command()
		if err != nil {
			return nil, err
		}
		code, err := command.Status()
		return map[string]int{"code": code}, err
	case "spawn":
		return a.spawn()
	case "capture":
		return relrun.CaptureTree(a.Dir)
	case "restore":
		return nil, relrun.RestoreTree(a.Digest, a.Dir)
	case "mark":
		mark, err := relrun.KubernetesMark(string(a.Found), a.Object)
		return json.RawMessage(mark), err
	case "image-digest":
		return a.Image.Digest()
	case "image-find":
		digest, ok, err := relrun.FindImage(a.Repository, a.Name)
		return optional(digest, ok), err
	case "image-push":
		pushed, err := a.Image.Push(a.Repository)
		return pushed, err
	case "image-tag":
		return nil, relrun.TagImage(a.Repository, a.Digest, a.Tag, a.Fixed)
	case "image-untag":
		return nil, relrun.UntagImage(a.Repository, a.Tag)
	default:
		return a.host()
	}
}

func (a *action) secret() (any, error) {
	secret, err := relrun.GetSecret(a.Name)
	if err != nil {
		return nil, err
	}
	switch a.Do {
	case "reveal":
		return secret.Reveal()
	case "sign":
		signature, err := secret.Sign([]byte(a.Text))
		return hex.EncodeToString(signature), err
	default:
		return map[string]string{"name": secret.Name()}, nil
	}
}

func (a *action) send(request *relrun.Request) (any, error) {
	for _, header := range a.Headers {
		request.Header(header[0], header[1])
	}
	if a.SecretHeader != nil {
		secret, err := relrun.GetSecret(a.SecretHeader[2])
		if err != nil {
			return nil, err
		}
		request.SecretHeader(a.SecretHeader[0], a.SecretHeader[1], secret)
	}
	if a.BasicAuth != nil {
		secret, err := relrun.GetSecret(a.BasicAuth[1])
		if err != nil {
			return nil, err
		}
		request.BasicAuth(a.BasicAuth[0], secret)
	}
	if a.Body != nil {
		request.Body([]byte(*a.Body))
	}
	if a.BodyFile != "" {
		request.BodyFile(a.BodyFile)
	}
	if a.Timeout > 0 {
		request.Timeout(time.Duration(a.Timeout) * time.Millisecond)
	}
	response, err := request.Send()
	if err != nil {
		return nil, err
	}
	defer response.Close()
	entry := map[string]any{"status": response.Status, "headers": response.Headers()}
	if a.Save != "" {
		entry["saved"], err = response.Save(a.Save)
		return entry, err
	}
	body, err := drained(response.Body, a.Max)
	entry["body"] = string(body)
	return entry, err
}

func (a *action) command() (*relrun.Cmd, error) {
	command := relrun.Command(a.Program, a.Args...).Dir(a.Dir).Environ(a.Env)
	if a.SecretEnv != nil {
		secret, err := relrun.GetSecret(a.SecretEnv[1])
		if err != nil {
			return nil, err
		}
		command.SecretEnv(a.SecretEnv[0], secret)
	}
	if a.Stdin != nil {
		command.Stdin([]byte(*a.Stdin))
	}
	if a.OnHost != "" {
		command.OnHost(relrun.HostNamed(a.OnHost))
	}
	return command, nil
}

func (a *action) spawn() (any, error) {
	command, err := a.command()
	if err != nil {
		return nil, err
	}
	child, err := command.Start()
	if err != nil {
		return nil, err
	}
	defer child.Close()
	if a.Kill {
		child.Kill()
		_, err := child.Wait()
		return map[string]bool{"killed": true}, err
	}
	stdout, err := drained(child.Stdout, a.Max)
	if err != nil {
		return nil, err
	}
	stderr, err := drained(child.Stderr, a.Max)
	if err != nil {
		return nil, err
	}
	code, err := child.Wait()
	return map[string]any{"code": code, "stdout": string(stdout), "stderr": string(stderr)}, err
}
