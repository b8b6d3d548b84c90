package relrun

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Schemer is a type that says its JSON Schema itself. The method is called on the zero value.
type Schemer interface{ JSONSchema() map[string]any }

var (
	schemer   = reflect.TypeFor[Schemer]()
	texted    = reflect.TypeFor[encoding.TextUnmarshaler]()
	raw       = reflect.TypeFor[json.RawMessage]()
	bytesType = reflect.TypeFor[[]byte]()
)

// schemaText returns the JSON Schema of a type. A config's refuses what it does not know.
func schemaText[T any](closed bool) string {
	s := schemas{closed: closed}
	schema := s.of(reflect.TypeFor[T](), nil)
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	// What is made of maps, texts and numbers alone always has a JSON text.
	text, _ := json.Marshal(schema)
	return string(text)
}

// schemas makes JSON Schemas of Go types.
type schemas struct{ closed bool }

// of returns the schema of a type; around are the structs that it stands in, so that one which holds itself comes to an end.
func (s schemas) of(t reflect.Type, around []reflect.Type) map[string]any {
	for t.Kind() == reflect.Pointer && !t.Implements(schemer) {
		t = t.Elem()
	}
	switch {
	case t.Implements(schemer):
		return reflect.Zero(t).Interface().(Schemer).JSONSchema()
	case t == raw || t.Kind() == reflect.Interface:
		return map[string]any{}
	case t == bytesType:
		return map[string]any{"type": "string", "contentEncoding": "base64"}
	case reflect.PointerTo(t).Implements(texted):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem(), around)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem(), around)}
	case reflect.Struct:
		return s.object(t, around)
	default:
		return map[string]any{}
	}
}

func (s schemas) object(t reflect.Type, around []reflect.Type) map[string]any {
	for _, outer := range around {
		if outer == t {
			return map[string]any{"type": "object"}
		}
	}
	around = append(around[:len(around):len(around)], t)
	properties, required, args := map[string]any{}, []string{}, []string{}
	for _, field := range fieldsOf(t) {
		property := s.of(field.goType, around)
		field.describe(property)
		properties[field.name] = property
		if !field.optional {
			required = append(required, field.name)
		}
		if _, ok := field.words["arg"]; ok {
			args = append(args, field.name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if len(args) > 0 {
		schema["x-args"] = args
	}
	if s.closed {
		schema["additionalProperties"] = false
	}
	return schema
}

// field is a field of a struct, as its tags tell of it.
type field struct {
	name     string
	goType   reflect.Type
	optional bool
	doc      string
	fallback json.RawMessage
	words    map[string]string
}

// fieldsOf returns the fields of a struct, those of embedded structs among them, by the names that encoding/json gives them.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		one := t.Field(i)
		tag, options, _ := strings.Cut(one.Tag.Get("json"), ",")
		if one.Anonymous && tag == "" && one.Type.Kind() == reflect.Struct {
			fields = append(fields, fieldsOf(one.Type)...)
			continue
		}
		if !one.IsExported() || (tag == "-" && options == "") {
			continue
		}
		fields = append(fields, fieldOf(one, tag, options))
	}
	return fields
}

func fieldOf(one reflect.StructField, name, options string) field {
	made := field{name: name, goType: one.Type, doc: one.Tag.Get("doc"), words: map[string]string{}}
	if name == "" {
		made.name = one.Name
	}
	omitted := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
	made.optional = omitted || one.Type.Kind() == reflect.Pointer
	if text, ok := one.Tag.Lookup("default"); ok {
		made.optional = true
		made.fallback = literal(text, one.Type)
	}
	words := one.Tag.Get("relrun")
	// A pattern may hold commas: it is the last word.
	if before, pattern, ok := strings.Cut(words, "pattern="); ok {
		made.words["pattern"] = pattern
		words = before
	}
	for word := range strings.SplitSeq(words, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(word), "=")
		made.words[key] = value
	}
	return made
}

// literal returns a default as JSON: a string's may stand without its quotes.
func literal(text string, t reflect.Type) json.RawMessage {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.String || !json.Valid([]byte(text)) {
		quoted, _ := json.Marshal(text) // a string always has a JSON text
		return quoted
	}
	return json.RawMessage(text)
}

// describe writes what the tags say into the field's schema.
func (f field) describe(schema map[string]any) {
	if f.doc != "" {
		schema["description"] = f.doc
	}
	if f.fallback != nil {
		schema["default"] = f.fallback
	}
	for word, key := range map[string]string{"min": "minimum", "max": "maximum", "minlen": "minLength", "maxlen": "maxLength", "minitems": "minItems", "maxitems": "maxItems"} {
		if text, ok := f.words[word]; ok {
			schema[key] = number(text)
		}
	}
	if pattern, ok := f.words["pattern"]; ok {
		schema["pattern"] = pattern
	}
	if choices, ok := f.words["enum"]; ok {
		schema["enum"] = strings.Split(choices, "|")
	}
}

// number returns a bound of a tag; what is none stands in the schema as it is written, where relrun plugin check points at it.
func number(text string) any {
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole
	}
	if broken, err := strconv.ParseFloat(text, 64); err == nil {
		return broken
	}
	return fmt.Sprintf("no number: %s", text)
}
