/* The actions that need no server. */
#include "conformance.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *argument(const rr_json *action, const char *name) {
    return rr_as_text(rr_get(action, name)).data;
}

const char *optional(const rr_json *action, const char *name) {
    const rr_json *value = rr_get(action, name);
    return value && value->type == RR_STRING ? value->text.data : NULL;
}

rr_json *failed(rr_error error) {
    rr_json *entry = rr_set(rr_object(), "error", rr_string(rr_str(rr_kind_name(error.kind))));
    return rr_set(entry, "message", rr_string(error.message));
}

rr_json *text_or_null(rr_text text) {
    return text.data ? rr_string(text) : rr_null();
}

static rr_json *length(rr_text text) {
    int64_t points = 0;
    for (size_t i = 0; i < text.len; i++)
        points += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return rr_set(rr_set(rr_object(), "bytes", rr_integer((int64_t)text.len)), "points", rr_integer(points));
}

static rr_json *repeat(rr_text text, int64_t times) {
    size_t count = times > 0 ? (size_t)times : 0;
    char *made = rr_alloc(text.len * count + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(made + text.len * i, text.data, text.len);
    return rr_string((rr_text){.data = made, .len = text.len * count});
}

static rr_error thrown(const rr_json *action) {
    for (rr_kind kind = RR_INVALID; kind <= RR_OTHER; kind++)
        if (strcmp(argument(action, "kind"), rr_kind_name(kind)) == 0)
            return rr_fail(kind, "%s", argument(action, "message"));
    return rr_fail(RR_INVALID, "there is no kind %s", argument(action, "kind"));
}

static rr_error json_or_null(rr_text text, rr_json **value) {
    *value = rr_null();
    return text.data ? rr_json_read(text, value) : rr_ok();
}

static rr_error context(rr_json **entry) {
    rr_json *facts = rr_object(), *labels = rr_object(), *previous = NULL;
    rr_pairs pairs = rr_labels();
    for (size_t i = 0; i < pairs.count; i++)
        rr_set(labels, pairs.items[i].name.data, rr_string(pairs.items[i].value));
    RR_TRY(json_or_null(rr_previous(), &previous));
    rr_set(facts, "package", rr_string(rr_package()));
    rr_set(facts, "version", rr_string(rr_version()));
    rr_set(facts, "release", rr_string(rr_release_id()));
    rr_set(facts, "step", rr_string(rr_step()));
    rr_set(facts, "attempt", rr_integer(rr_attempt()));
    rr_set(facts, "idempotency-key", rr_string(rr_idempotency_key()));
    rr_set(facts, "environment", text_or_null(rr_environment()));
    rr_set(facts, "deployment", text_or_null(rr_deployment()));
    rr_set(facts, "labels", labels);
    rr_set(facts, "previous", previous);
    rr_set(facts, "started-at", rr_integer((int64_t)rr_started_at()));
    *entry = facts;
    return rr_ok();
}

static void write_log(const rr_json *action) {
    static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(argument(action, "level"), names[i]) == 0)
            rr_log((rr_level)i, "%s", argument(action, "message"));
}

static rr_error write_file(const char *path, rr_text text) {
    FILE *file = fopen(path, "wb");
    if (!file)
        return rr_errno("write %s", path);
    size_t written = fwrite(text.data, 1, text.len, file);
    return fclose(file) == 0 && written == text.len ? rr_ok() : rr_errno("write %s", path);
}

static rr_error read_file(const char *path, rr_json **entry) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return rr_errno("read %s", path);
    rr_builder all = {0};
    char piece[4096];
    size_t count;
    while ((count = fread(piece, 1, sizeof piece, file)) > 0)
        rr_add(&all, piece, count);
    bool broken = ferror(file);
    fclose(file);
    *entry = rr_string(rr_built(&all));
    return broken ? rr_errno("read %s", path) : rr_ok();
}

static int by_text(const void *one, const void *other) {
    return strcmp(((const rr_text *)one)->data, ((const rr_text *)other)->data);
}

static rr_error list(const char *path, rr_json **entry) {
    DIR *dir = opendir(path);
    if (!dir)
        return rr_errno("list %s", path);
    size_t room = 64, count = 0;
    rr_text *names = RR_NEW(rr_text, room);
    for (struct dirent *one; (one = readdir(dir));) {
        if (strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0)
            continue;
        if (count == room) {
            rr_text *larger = RR_NEW(rr_text, room * 2);
            memcpy(larger, names, count * sizeof *names);
            names = larger;
            room *= 2;
        }
        names[count++] = rr_copy(one->d_name, strlen(one->d_name));
    }
    closedir(dir);
    qsort(names, count, sizeof *names, by_text);
    *entry = rr_array();
    for (size_t i = 0; i < count; i++)
        rr_push(*entry, rr_string(names[i]));
    return rr_ok();
}

static rr_error one_action(const rr_json *action, const rr_json *given, rr_json **entry) {
    rr_text name = rr_as_text(rr_get(action, "do"));
    bool known = false;
    if (rr_is(name, "echo"))
        *entry = rr_json_copy(rr_get(action, "value"));
    else if (rr_is(name, "length"))
        *entry = length(rr_as_text(rr_get(action, "text")));
    else if (rr_is(name, "repeat"))
        *entry = repeat(rr_as_text(rr_get(action, "text")), rr_as_integer(rr_get(action, "times"), 0));
    else if (rr_is(name, "given"))
        *entry = rr_json_copy(given);
    else if (rr_is(name, "throw"))
        return thrown(action);
    else if (rr_is(name, "raise"))
        return rr_fail(RR_PERMANENT, "%s", argument(action, "message"));
    else if (rr_is(name, "context"))
        return context(entry);
    else if (rr_is(name, "unfinished"))
        return json_or_null(rr_unfinished(), entry);
    else if (rr_is(name, "setting"))
        *entry = text_or_null(rr_setting(argument(action, "name")));
    else if (rr_is(name, "log"))
        write_log(action);
    else if (rr_is(name, "progress"))
        rr_progress(argument(action, "what"), (uint64_t)rr_as_integer(rr_get(action, "done"), 0),
                    (uint64_t)rr_as_integer(rr_get(action, "total"), 0));
    else if (rr_is(name, "print"))
        return puts(argument(action, "text")) < 0 || fflush(stdout) != 0 ? rr_errno("print") : rr_ok();
    else if (rr_is(name, "checkpoint"))
        return rr_checkpoint(rr_get(action, "state"));
    else if (rr_is(name, "write"))
        return write_file(argument(action, "path"), rr_as_text(rr_get(action, "text")));
    else if (rr_is(name, "read"))
        return read_file(argument(action, "path"), entry);
    else if (rr_is(name, "list"))
        return list(argument(action, "path"), entry);
    else {
        RR_TRY(perform_call(action, entry, &known));
        if (!known)
            RR_TRY(perform_host(action, entry, &known));
        return known ? rr_ok() : rr_fail(RR_INVALID, "there is no action \"%s\"", name.data);
    }
    return rr_ok();
}

rr_error perform(const rr_json *action, const rr_json *given, rr_json **entry) {
    rr_error error = one_action(action, given, entry);
    const char *wrap = optional(action, "wrap");
    if (wrap)
        error = rr_wrap(error, "%s", wrap);
    if (error.kind == RR_OK || !rr_as_bool(rr_get(action, "catch")))
        return error;
    *entry = failed(error);
    return rr_ok();
}
