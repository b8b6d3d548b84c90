/* The actions that reach the environment's hosts. */
#include "conformance.h"

#include <string.h>

static rr_json *shown(const rr_entry *entry) {
    static const char *const types[] = {"file", "dir", "link", "other"};
    rr_json *made = rr_set(rr_object(), "name", rr_string(entry->name));
    rr_set(made, "type", rr_string(rr_str(types[entry->type])));
    return rr_set(made, "target", text_or_null(entry->target));
}

static rr_json *names(void) {
    rr_json *list = rr_array();
    rr_texts hosts = rr_hosts();
    for (size_t i = 0; i < hosts.count; i++)
        rr_push(list, rr_string(hosts.items[i]));
    return list;
}

static rr_json *labels(const char *host) {
    rr_json *object = rr_object();
    rr_pairs pairs = rr_host_labels(host);
    for (size_t i = 0; i < pairs.count; i++)
        rr_set(object, pairs.items[i].name.data, rr_string(pairs.items[i].value));
    return object;
}

static rr_error read_dir(const char *host, const char *path, rr_json **entry) {
    rr_entries entries;
    RR_TRY(rr_read_dir(host, path, &entries));
    *entry = rr_array();
    for (size_t i = 0; i < entries.count; i++)
        rr_push(*entry, shown(&entries.items[i]));
    return rr_ok();
}

static rr_error look(const char *host, const char *path, rr_json **entry) {
    bool found = false;
    rr_entry one;
    RR_TRY(rr_stat(host, path, &found, &one));
    *entry = found ? shown(&one) : rr_null();
    return rr_ok();
}

static rr_bytes bytes_of(const rr_json *action) {
    rr_text text = rr_as_text(rr_get(action, "text"));
    return (rr_bytes){.data = (const uint8_t *)text.data, .len = text.len};
}

static const char *const *texts(const rr_json *list) {
    const char **items = RR_NEW(const char *, (list ? list->count : 0) + 1);
    size_t count = 0;
    RR_EACH (item, list)
        items[count++] = rr_as_text(item).data;
    return items;
}

static const struct {
    const char *name;
    rr_doing doing;
    const char *first, *second;
} doings[] = {
    {"claim", RR_DO_CLAIM, "dir", NULL},
    {"disclaim", RR_DO_DISCLAIM, "dir", NULL},
    {"make-dir", RR_DO_MAKE_DIR, "path", NULL},
    {"upload", RR_DO_UPLOAD, "digest", "path"},
    {"symlink", RR_DO_SYMLINK, "target", "path"},
    {"rename", RR_DO_RENAME, "old", "new"},
    {"write-file", RR_DO_WRITE_FILE, "path", NULL},
    {"remove", RR_DO_REMOVE, "path", NULL},
    {"run", RR_DO_RUN, NULL, NULL},
};

static rr_error deed_of(const rr_json *action, rr_deed *deed) {
    for (size_t i = 0; i < sizeof doings / sizeof *doings; i++) {
        if (strcmp(argument(action, "do"), doings[i].name) != 0)
            continue;
        *deed = (rr_deed){.host = argument(action, "host"), .doing = doings[i].doing, .data = bytes_of(action)};
        deed->first = doings[i].first ? argument(action, doings[i].first) : NULL;
        deed->second = doings[i].second ? argument(action, doings[i].second) : NULL;
        if (deed->doing == RR_DO_RUN) {
            rr_command *command = RR_NEW(rr_command, 1);
            *command = (rr_command){.program = argument(action, "program"), .args = texts(rr_get(action, "args"))};
            deed->command = command;
        }
        return rr_ok();
    }
    return rr_fail(RR_INVALID, "there is no action \"%s\" in a round", argument(action, "do"));
}

static rr_error do_round(const rr_json *action, rr_json **entry) {
    const rr_json *list = rr_get(action, "deeds");
    rr_deed *deeds = RR_NEW(rr_deed, (list ? list->count : 0) + 1);
    size_t count = 0, part_count = 0;
    const rr_part *parts = NULL;
    RR_EACH (deed, list)
        RR_TRY(deed_of(deed, &deeds[count++]));
    RR_TRY(rr_round((uint32_t)rr_as_integer(rr_get(action, "parallel"), 0), deeds, count, &parts, &part_count));
    *entry = rr_array();
    for (size_t i = 0; i < part_count; i++) {
        rr_json *came = parts[i].error.kind == RR_OK ? rr_null() : failed(parts[i].error);
        rr_push(*entry, rr_push(rr_push(rr_array(), rr_string(parts[i].host)), came));
    }
    return rr_ok();
}

rr_error perform_host(const rr_json *action, rr_json **entry, bool *known) {
    rr_text name = rr_as_text(rr_get(action, "do")), text = {0};
    const char *host = argument(action, "host"), *path = argument(action, "path"), *dir = argument(action, "dir");
    rr_bytes data = {0};
    *known = true;
    if (rr_is(name, "hosts"))
        *entry = names();
    else if (rr_is(name, "host-labels"))
        *entry = labels(host);
    else if (rr_is(name, "host-setting"))
        *entry = text_or_null(rr_host_setting(host, argument(action, "name")));
    else if (rr_is(name, "upload"))
        return rr_upload(host, argument(action, "digest"), path);
    else if (rr_is(name, "fetch")) {
        RR_TRY(rr_fetch(host, path, texts(rr_get(action, "without")), &text));
        *entry = rr_string(text);
    } else if (rr_is(name, "read-dir"))
        return read_dir(host, path, entry);
    else if (rr_is(name, "stat"))
        return look(host, path, entry);
    else if (rr_is(name, "make-dir"))
        return rr_make_dir(host, path);
    else if (rr_is(name, "remove"))
        return rr_remove(host, path);
    else if (rr_is(name, "claim"))
        return rr_claim(host, dir);
    else if (rr_is(name, "disclaim"))
        return rr_disclaim(host, dir);
    else if (rr_is(name, "symlink"))
        return rr_symlink(host, argument(action, "target"), path);
    else if (rr_is(name, "rename"))
        return rr_rename(host, argument(action, "old"), argument(action, "new"));
    else if (rr_is(name, "read-file")) {
        RR_TRY(rr_read_file(host, path, &data));
        *entry = rr_string(rr_copy(data.data, data.len));
    } else if (rr_is(name, "write-file"))
        return rr_write_file(host, path, bytes_of(action));
    else if (rr_is(name, "round"))
        return do_round(action, entry);
    else
        *known = false;
    return rr_ok();
}
