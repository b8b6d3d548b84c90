/* Structs as JSON: one table says how a struct is read, how it is written, and what its JSON Schema is. */
#include "host.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void *slot(void *into, const rr_field *field) {
    return (char *)into + field->offset;
}

static rr_error unfit(const char *path, const char *wanted) {
    return rr_fail(RR_INVALID, "%s: expected %s", path, wanted);
}

static rr_error read_object(const rr_shape *shape, const rr_json *value, bool closed, void *into, const char *path);

static rr_error within(const rr_field *field, int64_t number, const char *path, const char *of) {
    if (field->min && number < field->min)
        return rr_fail(RR_INVALID, "%s: expected %s at least %" PRId64, path, of, field->min);
    if (field->max && number > field->max)
        return rr_fail(RR_INVALID, "%s: expected %s at most %" PRId64, path, of, field->max);
    return rr_ok();
}

/* The length of a text in code points, as JSON Schema counts. */
static int64_t points(rr_text text) {
    int64_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return count;
}

static rr_error read_text(const rr_field *field, const rr_json *value, rr_text *into, const char *path) {
    if (value->type != RR_STRING)
        return unfit(path, "a text");
    *into = value->text;
    if (!field->choices)
        return within(field, points(value->text), path, "a length of");
    for (const char *const *choice = field->choices; *choice; choice++)
        if (rr_is(value->text, *choice))
            return rr_ok();
    return rr_fail(RR_INVALID, "%s: %s is none of its choices", path, value->text.data);
}

static rr_error read_integer(const rr_field *field, const rr_json *value, int64_t *into, const char *path) {
    *into = rr_as_integer(value, INT64_MIN);
    if (*into == INT64_MIN)
        return unfit(path, "a whole number");
    return within(field, *into, path, "a number of");
}

static rr_error read_texts(const rr_json *value, rr_texts *into, const char *path) {
    if (value->type != RR_ARRAY)
        return unfit(path, "a list of texts");
    rr_text *items = RR_NEW(rr_text, value->count);
    size_t count = 0;
    RR_EACH (item, value) {
        if (item->type != RR_STRING)
            return unfit(path, "a list of texts");
        items[count++] = item->text;
    }
    *into = (rr_texts){.items = items, .count = count};
    return rr_ok();
}

static rr_error read_pairs(const rr_json *value, rr_pairs *into, const char *path) {
    if (value->type != RR_OBJECT)
        return unfit(path, "names and texts");
    rr_pair *items = RR_NEW(rr_pair, value->count);
    size_t count = 0;
    RR_EACH (item, value) {
        if (item->type != RR_STRING)
            return unfit(path, "names and texts");
        items[count++] = (rr_pair){.name = item->key, .value = item->text};
    }
    *into = (rr_pairs){.items = items, .count = count};
    return rr_ok();
}

static rr_error read_list(const rr_field *field, const rr_json *value, bool closed, rr_list *into, const char *path) {
    if (value->type != RR_ARRAY)
        return unfit(path, "a list");
    char *items = rr_alloc(field->shape->size * (value->count ? value->count : 1));
    size_t count = 0;
    RR_EACH (item, value) {
        const char *here = rr_format("%s[%zu]", path, count).data;
        RR_TRY(read_object(field->shape, item, closed, items + field->shape->size * count, here));
        count++;
    }
    *into = (rr_list){.items = items, .count = count};
    return rr_ok();
}

static rr_error read_field(const rr_field *field, const rr_json *value, bool closed, void *into, const char *path) {
    void *at = slot(into, field);
    switch (field->type) {
    case RR_FIELD_TEXT:
        return read_text(field, value, at, path);
    case RR_FIELD_INTEGER:
        return read_integer(field, value, at, path);
    case RR_FIELD_REAL:
        if (value->type != RR_NUMBER)
            return unfit(path, "a number");
        *(double *)at = strtod(value->text.data, NULL);
        return rr_ok();
    case RR_FIELD_BOOL:
        if (value->type != RR_BOOL)
            return unfit(path, "true or false");
        *(bool *)at = value->truth;
        return rr_ok();
    case RR_FIELD_TEXTS:
        return read_texts(value, at, path);
    case RR_FIELD_PAIRS:
        return read_pairs(value, at, path);
    case RR_FIELD_JSON:
        *(const rr_json **)at = value;
        return rr_ok();
    case RR_FIELD_LIST:
        return read_list(field, value, closed, at, path);
    }
    return rr_ok();
}

static const rr_field *known(const rr_shape *shape, rr_text name) {
    for (size_t i = 0; i < shape->count; i++)
        if (rr_is(name, shape->fields[i].name))
            return &shape->fields[i];
    return NULL;
}

/* What a field holds where nothing is said of it: never a text without data. */
static void empty(const rr_field *field, void *into) {
    if (field->type == RR_FIELD_TEXT)
        *(rr_text *)slot(into, field) = rr_str("");
}

static rr_error read_object(const rr_shape *shape, const rr_json *value, bool closed, void *into, const char *path) {
    if (!value || value->type != RR_OBJECT)
        return unfit(path, "an object");
    RR_EACH (item, value)
        if (closed && !known(shape, item->key))
            return rr_fail(RR_INVALID, "%s: unknown field \"%s\"", path, item->key.data);
    for (size_t i = 0; i < shape->count; i++) {
        const rr_field *field = &shape->fields[i];
        const rr_json *found = rr_get(value, field->name);
        rr_json *fallback = NULL;
        empty(field, into);
        if (!found && field->fallback) {
            RR_TRY(rr_wrap(rr_json_read(rr_str(field->fallback), &fallback), "the default of %s", field->name));
            found = fallback;
        }
        if (!found && field->required)
            return rr_fail(RR_INVALID, "%s: \"%s\" is missing", path, field->name);
        if (found)
            RR_TRY(read_field(field, found, closed, into, rr_format("%s.%s", path, field->name).data));
    }
    return rr_ok();
}

rr_error rr_shape_read(const rr_shape *shape, const rr_json *value, bool closed, void *into) {
    memset(into, 0, shape->size);
    return read_object(shape, value, closed, into, closed ? "config" : "value");
}

static rr_json *write_list(const rr_field *field, const rr_list *list) {
    rr_json *array = rr_array();
    for (size_t i = 0; i < list->count; i++)
        rr_push(array, rr_shape_write(field->shape, (const char *)list->items + field->shape->size * i));
    return array;
}

static rr_json *write_field(const rr_field *field, const void *at) {
    rr_json *made = NULL;
    switch (field->type) {
    case RR_FIELD_TEXT:
        return rr_string(*(const rr_text *)at);
    case RR_FIELD_INTEGER:
        return rr_integer(*(const int64_t *)at);
    case RR_FIELD_REAL:
        made = rr_integer(0);
        made->text = rr_format("%.17g", *(const double *)at);
        return made;
    case RR_FIELD_BOOL:
        return rr_bool(*(const bool *)at);
    case RR_FIELD_TEXTS:
        made = rr_array();
        for (size_t i = 0; i < ((const rr_texts *)at)->count; i++)
            rr_push(made, rr_string(((const rr_texts *)at)->items[i]));
        return made;
    case RR_FIELD_PAIRS:
        made = rr_object();
        for (size_t i = 0; i < ((const rr_pairs *)at)->count; i++) {
            const rr_pair *pair = &((const rr_pairs *)at)->items[i];
            rr_set(made, pair->name.data, rr_string(pair->value));
        }
        return made;
    case RR_FIELD_JSON:
        return rr_json_copy(*(const rr_json *const *)at);
    case RR_FIELD_LIST:
        return write_list(field, at);
    }
    return rr_null();
}

rr_json *rr_shape_write(const rr_shape *shape, const void *from) {
    rr_json *object = rr_object();
    for (size_t i = 0; i < shape->count; i++) {
        const rr_field *field = &shape->fields[i];
        rr_set(object, field->name, write_field(field, (const char *)from + field->offset));
    }
    return object;
}

static void bounds(const rr_field *field, rr_json *schema, const char *least, const char *most) {
    if (field->min)
        rr_set(schema, least, rr_integer(field->min));
    if (field->max)
        rr_set(schema, most, rr_integer(field->max));
}

static rr_json *of_type(const char *type) {
    return rr_set(rr_object(), "type", rr_string(rr_str(type)));
}

static rr_json *text_schema(const rr_field *field) {
    rr_json *schema = of_type("string");
    bounds(field, schema, "minLength", "maxLength");
    if (field->pattern)
        rr_set(schema, "pattern", rr_string(rr_str(field->pattern)));
    if (field->choices) {
        rr_json *choices = rr_array();
        for (const char *const *choice = field->choices; *choice; choice++)
            rr_push(choices, rr_string(rr_str(*choice)));
        rr_set(schema, "enum", choices);
    }
    return schema;
}

static rr_json *field_schema(const rr_field *field, bool closed) {
    rr_json *schema = rr_object();
    switch (field->type) {
    case RR_FIELD_TEXT:
        return text_schema(field);
    case RR_FIELD_INTEGER:
    case RR_FIELD_REAL:
        schema = of_type(field->type == RR_FIELD_INTEGER ? "integer" : "number");
        bounds(field, schema, "minimum", "maximum");
        return schema;
    case RR_FIELD_BOOL:
        return of_type("boolean");
    case RR_FIELD_TEXTS:
        schema = rr_set(of_type("array"), "items", of_type("string"));
        bounds(field, schema, "minItems", "maxItems");
        return schema;
    case RR_FIELD_PAIRS:
        return rr_set(of_type("object"), "additionalProperties", of_type("string"));
    case RR_FIELD_JSON:
        return schema;
    case RR_FIELD_LIST:
        schema = rr_set(of_type("array"), "items", rr_shape_schema(field->shape, closed));
        bounds(field, schema, "minItems", "maxItems");
        return schema;
    }
    return schema;
}

rr_json *rr_shape_schema(const rr_shape *shape, bool closed) {
    rr_json *schema = of_type("object"), *properties = rr_object(), *required = rr_array(), *arguments = rr_array();
    for (size_t i = 0; i < shape->count; i++) {
        const rr_field *field = &shape->fields[i];
        rr_json *property = field_schema(field, closed), *fallback = NULL;
        if (field->doc)
            rr_set(property, "description", rr_string(rr_str(field->doc)));
        if (field->fallback && rr_json_read(rr_str(field->fallback), &fallback).kind == RR_OK)
            rr_set(property, "default", fallback);
        rr_set(properties, field->name, property);
        if (field->required)
            rr_push(required, rr_string(rr_str(field->name)));
        if (field->arg)
            rr_push(arguments, rr_string(rr_str(field->name)));
    }
    rr_set(schema, "properties", properties);
    if (required->count)
        rr_set(schema, "required", required);
    if (arguments->count)
        rr_set(schema, "x-args", arguments);
    if (closed)
        rr_set(schema, "additionalProperties", rr_bool(false));
    return schema;
}
