package relrun

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// readConfig reads a config: with the defaults of its tags, and without a field that the type does not know. The host has checked it against the
// schema already; what is refused here is refused by the same words in a native test.
func readConfig[C any](text string) (config C, err error) {
	var value any
	reader := json.NewDecoder(strings.NewReader(text))
	reader.UseNumber()
	if err := reader.Decode(&value); err != nil {
		return config, Errorf(ErrInvalid, "config: %w", err)
	}
	if value, err = complete(value, reflect.TypeFor[C](), "config"); err != nil {
		return config, err
	}
	full := new(bytes.Buffer)
	writer := json.NewEncoder(full)
	writer.SetEscapeHTML(false)
	if err := writer.Encode(value); err != nil {
		return config, Errorf(ErrInvalid, "config: %w", err)
	}
	if err := json.Unmarshal(full.Bytes(), &config); err != nil {
		return config, Errorf(ErrInvalid, "config: %w", err)
	}
	return config, nil
}

// complete adds the defaults of structs, and refuses what they do not know or miss. path is where in the config it is.
func complete(value any, t reflect.Type, path string) (any, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	own := t.Implements(schemer) || reflect.PointerTo(t).Implements(texted) || t == raw || t == bytesType
	switch value := value.(type) {
	case []any:
		if own || (t.Kind() != reflect.Slice && t.Kind() != reflect.Array) {
			return value, nil
		}
		for i, item := range value {
			full, err := complete(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
			if err != nil {
				return nil, err
			}
			value[i] = full
		}
		return value, nil
	case map[string]any:
		switch {
		case own:
			return value, nil
		case t.Kind() == reflect.Map:
			return entries(value, t.Elem(), path)
		case t.Kind() == reflect.Struct:
			return object(value, t, path)
		}
	}
	return value, nil
}

func entries(value map[string]any, t reflect.Type, path string) (any, error) {
	for _, key := range slices.Sorted(maps.Keys(value)) {
		full, err := complete(value[key], t, path+"."+key)
		if err != nil {
			return nil, err
		}
		value[key] = full
	}
	return value, nil
}

func object(value map[string]any, t reflect.Type, path string) (any, error) {
	fields := fieldsOf(t)
	names := make([]string, 0, len(fields))
	for _, field := range fields {
		names = append(names, field.name)
	}
	for _, key := range slices.Sorted(maps.Keys(value)) {
		if !slices.Contains(names, key) {
			return nil, Errorf(ErrInvalid, "%s: unknown field %q, expected one of %q", path, key, names)
		}
	}
	for _, field := range fields {
		inner, there := value[field.name]
		switch {
		case there:
			full, err := complete(inner, field.goType, path+"."+field.name)
			if err != nil {
				return nil, err
			}
			value[field.name] = full
		case field.fallback != nil:
			value[field.name] = field.fallback
		case !field.optional:
			return nil, Errorf(ErrInvalid, "%s: %q is missing", path, field.name)
		}
	}
	return value, nil
}
