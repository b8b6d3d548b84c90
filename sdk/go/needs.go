package relrun

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"relrun/internal/world"
)

// Needs is what one config needs.
type Needs struct {
	effect, idempotent bool
	requests           []Need
}

// Pure depends on config, staged inputs and granted values alone: served from the cache.
func Pure(needs ...Need) Needs { return Needs{idempotent: true}.With(needs...) }

// Effect changes something outside: recorded, never served from the cache. Not idempotent until it says so.
func Effect(needs ...Need) Needs { return Needs{effect: true}.With(needs...) }

// Idempotent says that a second Apply with the same idempotency key does no harm.
func (n Needs) Idempotent() Needs {
	n.idempotent = true
	return n
}

// With asks for more capabilities; what is asked for already is asked for once.
func (n Needs) With(needs ...Need) Needs {
	n.requests = slices.Clone(n.requests)
	for _, need := range needs {
		known := func(other Need) bool { return other.capability == need.capability }
		if !slices.ContainsFunc(n.requests, known) {
			n.requests = append(n.requests, need)
		}
	}
	return n
}

// IsEffect says whether it is an effect.
func (n Needs) IsEffect() bool { return n.effect }

// Capabilities returns what it asks for, each as the manifest would write it.
func (n Needs) Capabilities() []string {
	all := make([]string, 0, len(n.requests))
	for _, need := range n.requests {
		all = append(all, need.capability)
	}
	return all
}

func (n Needs) world() world.Needs {
	made := world.Needs{Effect: n.effect, Idempotent: n.idempotent}
	for _, need := range n.requests {
		made.Requests = append(made.Requests, world.Need{Capability: need.capability, Reason: need.reason})
	}
	return made
}

// Need is one capability that a plugin needs.
type Need struct{ capability, reason string }

// NeedOf is a capability in the manifest's own words.
func NeedOf(capability string) Need { return Need{capability: capability} }

// NeedRun asks to run a command: the program, then each argument.
func NeedRun(program string, args ...string) Need {
	need := "run " + quoted(program)
	for _, arg := range args {
		need += " " + quoted(arg)
	}
	return NeedOf(need)
}

// NeedHTTP asks for HTTP with an origin: https://api.example.com.
func NeedHTTP(origin string) Need { return NeedOf("http " + quoted(origin)) }

// NeedHost asks for the environment's hosts; * matches any run of characters.
func NeedHost(pattern string) Need { return NeedOf("host " + quoted(pattern)) }

// NeedKubernetes asks for one namespace of a cluster.
func NeedKubernetes(context, namespace string) Need {
	return NeedOf("kubernetes").property("context", context).property("namespace", namespace)
}

// NeedRegistry asks for one repository of a registry: registry.example.com/acme/shop.
func NeedRegistry(repository string) Need { return NeedOf("registry " + quoted(repository)) }

// NeedSecret asks for a secret of the manifest; say to which target with [Need.To] or [Need.ToCommand].
func NeedSecret(name string) Need { return NeedOf("secret " + quoted(name)) }

// NeedRead asks for a directory, read-only.
func NeedRead(path string) Need { return NeedOf("read " + quoted(path)) }

// NeedWrite asks for a directory, read and write.
func NeedWrite(path string) Need { return NeedOf("write " + quoted(path)) }

// NeedEnv asks for an environment variable.
func NeedEnv(name string) Need { return NeedOf("env " + quoted(name)) }

// Because says why, in a few words, for the person who grants it.
func (n Need) Because(reason string) Need {
	n.reason = reason
	return n
}

// InPlace, of run: it runs in the work tree itself instead of a staged copy.
func (n Need) InPlace() Need { return n.flag("in-place") }

// Unconfined, of run: it is not confined at all.
func (n Need) Unconfined() Need { return n.property("confine", "none") }

// Readonly, of run: it changes nothing, so that plan and verify may run it.
func (n Need) Readonly() Need { return n.flag("readonly") }

// Network, of run: it may reach the network.
func (n Need) Network() Need { return n.flag("network") }

// Methods, of http: these methods, in upper case; without, GET and HEAD.
func (n Need) Methods(methods ...string) Need {
	return n.property("methods", strings.Join(methods, " "))
}

// Private, of http: the origin may be a loopback, private or link-local address.
func (n Need) Private() Need { return n.flag("private") }

// To, of secret: into requests to this origin.
func (n Need) To(origin string) Need { return n.property("to", origin) }

// ToCommand, of secret: into this program's variable, or its standard input where none is named.
func (n Need) ToCommand(program, env string) Need {
	n = n.property("to-command", program)
	if env == "" {
		return n
	}
	return n.property("env", env)
}

// Reveal, of secret: the plugin sees the bytes.
func (n Need) Reveal() Need { return n.flag("reveal") }

func (n Need) property(name, value string) Need {
	n.capability += " " + name + "=" + quoted(value)
	return n
}

func (n Need) flag(name string) Need {
	n.capability += " " + name + "=#true"
	return n
}

// quoted returns a text as KDL writes it.
func quoted(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, char := range text {
		switch {
		case char == '"' || char == '\\':
			out.WriteByte('\\')
			out.WriteRune(char)
		case char == '\n':
			out.WriteString(`\n`)
		case char == '\r':
			out.WriteString(`\r`)
		case char == '\t':
			out.WriteString(`\t`)
		case unicode.IsControl(char):
			fmt.Fprintf(&out, `\u{%x}`, char)
		default:
			out.WriteRune(char)
		}
	}
	out.WriteByte('"')
	return out.String()
}
