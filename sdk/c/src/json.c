/* JSON, read and written. Depth is bounded, so that no text can exhaust the stack. */
#include "host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DEPTH 512

typedef struct reader {
    const char *at, *end, *begin;
    int depth;
} reader;

static rr_error read_value(reader *in, rr_json **value);

static rr_error wrong(const reader *in, const char *what) {
    return rr_fail(RR_INVALID, "%s at byte %zu of the JSON text", what, (size_t)(in->at - in->begin));
}

static void skip(reader *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
        in->at++;
}

static bool next_is(reader *in, char wanted) {
    skip(in);
    if (in->at == in->end || *in->at != wanted)
        return false;
    in->at++;
    return true;
}

static rr_json *make(rr_type type) {
    rr_json *value = RR_NEW(rr_json, 1);
    value->type = type;
    value->text = value->key = rr_str("");
    return value;
}

static int digit(char hex) {
    if (hex >= '0' && hex <= '9')
        return hex - '0';
    if (hex >= 'a' && hex <= 'f')
        return hex - 'a' + 10;
    return hex >= 'A' && hex <= 'F' ? hex - 'A' + 10 : -1;
}

/* Reads four hexadecimal digits; -1 where they are none. */
static int32_t four(reader *in) {
    int32_t value = 0;
    if (in->end - in->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int one = digit(*in->at++);
        if (one < 0)
            return -1;
        value = value << 4 | one;
    }
    return value;
}

static size_t encode(uint32_t point, char *to) {
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t heads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len; i-- > 1; point >>= 6)
        to[i] = (char)(0x80 | (point & 0x3F));
    to[0] = (char)(heads[len] | point);
    return len;
}

/* Reads what follows \u. */
static rr_error read_escape(reader *in, char **out) {
    int32_t point = four(in);
    if (point >= 0xD800 && point <= 0xDBFF && in->end - in->at >= 6 && in->at[0] == '\\' && in->at[1] == 'u') {
        in->at += 2;
        int32_t low = four(in);
        if (low < 0xDC00 || low > 0xDFFF)
            return wrong(in, "half a surrogate pair");
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    }
    if (point < 0)
        return wrong(in, "an escape without four digits");
    if (point >= 0xD800 && point <= 0xDFFF)
        return wrong(in, "half a surrogate pair");
    *out += encode((uint32_t)point, *out);
    return rr_ok();
}

static rr_error read_string(reader *in, rr_text *text) {
    const char *close = in->at;
    while (close < in->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= in->end)
        return wrong(in, "a string without its end");
    /* No escape is shorter than what it stands for. */
    char *made = rr_memory_grow(NULL, 0, 1, (size_t)(close - in->at) + 1), *out = made;
    while (in->at < close) {
        unsigned char one = (unsigned char)*in->at++;
        if (one < 0x20)
            return wrong(in, "a control character in a string");
        if (one != '\\') {
            *out++ = (char)one;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        char escape = *in->at++;
        const char *known = escape ? strchr(from, escape) : NULL;
        if (known)
            *out++ = to[known - from];
        else if (escape == 'u')
            RR_TRY(read_escape(in, &out));
        else
            return wrong(in, "an unknown escape");
    }
    in->at = close + 1;
    *out = '\0';
    *text = (rr_text){.data = made, .len = (size_t)(out - made)};
    return rr_ok();
}

static bool digits(reader *in) {
    const char *begin = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return in->at > begin;
}

static rr_error read_number(reader *in, rr_json **value) {
    const char *begin = in->at;
    if (in->at < in->end && *in->at == '-')
        in->at++;
    bool zero = in->at < in->end && *in->at == '0';
    const char *whole = in->at;
    if (!digits(in) || (zero && in->at - whole > 1))
        return wrong(in, "no JSON value");
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        if (!digits(in))
            return wrong(in, "a number without digits after its point");
    }
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        in->at++;
        if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
            in->at++;
        if (!digits(in))
            return wrong(in, "a number without digits in its exponent");
    }
    *value = make(RR_NUMBER);
    (*value)->text = rr_copy(begin, (size_t)(in->at - begin));
    return rr_ok();
}

static bool word(reader *in, const char *text) {
    size_t len = strlen(text);
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, text, len) != 0)
        return false;
    in->at += len;
    return true;
}

static rr_error read_array(reader *in, rr_json **value) {
    *value = make(RR_ARRAY);
    if (next_is(in, ']'))
        return rr_ok();
    do {
        rr_json *item = NULL;
        RR_TRY(read_value(in, &item));
        rr_push(*value, item);
    } while (next_is(in, ','));
    return next_is(in, ']') ? rr_ok() : wrong(in, "a list without its end");
}

static rr_error read_object(reader *in, rr_json **value) {
    *value = make(RR_OBJECT);
    if (next_is(in, '}'))
        return rr_ok();
    do {
        rr_text key = rr_str("");
        rr_json *item = NULL;
        if (!next_is(in, '"'))
            return wrong(in, "an object without a name");
        RR_TRY(read_string(in, &key));
        if (!next_is(in, ':'))
            return wrong(in, "a name without a colon");
        RR_TRY(read_value(in, &item));
        rr_push(*value, item);
        item->key = key;
    } while (next_is(in, ','));
    return next_is(in, '}') ? rr_ok() : wrong(in, "an object without its end");
}

static rr_error read_value(reader *in, rr_json **value) {
    if (++in->depth > MOST_DEPTH)
        return wrong(in, "too many values in each other");
    skip(in);
    rr_error error = rr_ok();
    if (next_is(in, '{')) {
        error = read_object(in, value);
    } else if (next_is(in, '[')) {
        error = read_array(in, value);
    } else if (next_is(in, '"')) {
        *value = make(RR_STRING);
        error = read_string(in, &(*value)->text);
    } else if (word(in, "true") || word(in, "false")) {
        *value = rr_bool(in->at[-2] == 'u');
    } else if (word(in, "null")) {
        *value = make(RR_NULL);
    } else {
        error = read_number(in, value);
    }
    in->depth--;
    return error;
}

rr_error rr_json_read(rr_text text, rr_json **value) {
    reader in = {.at = text.data, .end = text.data + text.len, .begin = text.data};
    *value = NULL;
    if (!rr_is_utf8(text.data, text.len))
        return rr_fail(RR_INVALID, "the JSON text is not UTF-8");
    RR_TRY(read_value(&in, value));
    skip(&in);
    return in.at == in.end ? rr_ok() : wrong(&in, "something after the value");
}

static void write_string(rr_builder *out, rr_text text) {
    rr_text valid = rr_valid(text);
    rr_add_str(out, "\"");
    size_t plain = 0;
    for (size_t i = 0; i < valid.len; i++) {
        unsigned char one = (unsigned char)valid.data[i];
        if (one >= 0x20 && one != '"' && one != '\\')
            continue;
        rr_add(out, valid.data + plain, i - plain);
        plain = i + 1;
        char escape[8];
        if (one == '"' || one == '\\')
            snprintf(escape, sizeof escape, "\\%c", one);
        else if (one == '\n')
            snprintf(escape, sizeof escape, "\\n");
        else
            snprintf(escape, sizeof escape, "\\u%04x", one);
        rr_add_str(out, escape);
    }
    rr_add(out, valid.data + plain, valid.len - plain);
    rr_add_str(out, "\"");
}

static void write_value(rr_builder *out, const rr_json *value) {
    switch (value ? value->type : RR_NULL) {
    case RR_NULL:
        rr_add_str(out, "null");
        break;
    case RR_BOOL:
        rr_add_str(out, value->truth ? "true" : "false");
        break;
    case RR_NUMBER:
        rr_add(out, value->text.data, value->text.len);
        break;
    case RR_STRING:
        write_string(out, value->text);
        break;
    case RR_ARRAY:
    case RR_OBJECT:
        rr_add_str(out, value->type == RR_ARRAY ? "[" : "{");
        RR_EACH (item, value) {
            if (item != value->first)
                rr_add_str(out, ",");
            if (value->type == RR_OBJECT) {
                write_string(out, item->key);
                rr_add_str(out, ":");
            }
            write_value(out, item);
        }
        rr_add_str(out, value->type == RR_ARRAY ? "]" : "}");
        break;
    }
}

rr_text rr_json_write(const rr_json *value) {
    rr_builder out = {0};
    write_value(&out, value);
    return rr_built(&out);
}

const rr_json *rr_get(const rr_json *object, const char *name) {
    if (!object || object->type != RR_OBJECT)
        return NULL;
    RR_EACH (item, object)
        if (rr_is(item->key, name))
            return item;
    return NULL;
}

rr_text rr_as_text(const rr_json *value) {
    return value && value->type == RR_STRING ? value->text : rr_str("");
}

int64_t rr_as_integer(const rr_json *value, int64_t fallback) {
    if (!value || value->type != RR_NUMBER)
        return fallback;
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value->text.data, &end, 10);
    if (errno == 0 && *end == '\0')
        return number;
    /* 1e3 and 5.0 are whole numbers too. */
    double real = strtod(value->text.data, &end);
    bool whole = real >= -9007199254740992.0 && real <= 9007199254740992.0 && real == (double)(int64_t)real;
    return whole ? (int64_t)real : fallback;
}

bool rr_as_bool(const rr_json *value) {
    return value && value->type == RR_BOOL && value->truth;
}

rr_json *rr_null(void) {
    return make(RR_NULL);
}

rr_json *rr_bool(bool truth) {
    rr_json *value = make(RR_BOOL);
    value->truth = truth;
    return value;
}

rr_json *rr_integer(int64_t number) {
    rr_json *value = make(RR_NUMBER);
    value->text = rr_format("%" PRId64, number);
    return value;
}

rr_json *rr_string(rr_text text) {
    rr_json *value = make(RR_STRING);
    if (text.data)
        value->text = text;
    return value;
}

rr_json *rr_array(void) {
    return make(RR_ARRAY);
}

rr_json *rr_object(void) {
    return make(RR_OBJECT);
}

rr_json *rr_json_copy(const rr_json *value) {
    if (!value)
        return make(RR_NULL);
    rr_json *copy = make(value->type);
    copy->truth = value->truth;
    copy->text = value->text;
    RR_EACH (item, value) {
        rr_json *inner = rr_json_copy(item);
        inner->key = item->key;
        rr_push(copy, inner);
    }
    return copy;
}

rr_json *rr_push(rr_json *array, rr_json *value) {
    if (array->last)
        array->last->next = value;
    else
        array->first = value;
    array->last = value;
    array->count++;
    return array;
}

rr_json *rr_set(rr_json *object, const char *name, rr_json *value) {
    value->key = rr_str(name);
    rr_json *before = NULL;
    for (rr_json *item = object->first; item; before = item, item = item->next) {
        if (!rr_is(item->key, name))
            continue;
        value->next = item->next;
        if (before)
            before->next = value;
        else
            object->first = value;
        if (object->last == item)
            object->last = value;
        return object;
    }
    return rr_push(object, value);
}
