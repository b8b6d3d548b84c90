/* More of a component's imports: trees, hosts, rounds, Kubernetes, and registries. */
#ifdef __wasm__

#include "component.h"

/* ---- trees, hosts ------------------------------------------------------------------------------------------------------------ */

rr_error rr_tree_capture(const char *dir, rr_text *digest) {
    fault error;
    string text = {0};
    *digest = rr_str("");
    RR_TRY(RR_CHECK(dir));
    bool done = relrun_plugin_trees_capture(S(dir), &text, &error);
    *digest = to_text(text);
    return asked(done, &error);
}

rr_error rr_tree_restore(const char *digest, const char *dir) {
    fault error;
    RR_TRY(RR_CHECK(digest, dir));
    return asked(relrun_plugin_trees_restore(S(digest), S(dir), &error), &error);
}

rr_texts rr_hosts(void) {
    adopting_plugin_list_string_t list = {0};
    relrun_plugin_hosts_names(&list);
    rr_text *items = RR_NEW(rr_text, list.len + 1);
    for (size_t i = 0; i < list.len; i++)
        items[i] = to_text(list.ptr[i]);
    return (rr_texts){.items = items, .count = list.len};
}

rr_pairs rr_host_labels(const char *host) {
    adopting_plugin_list_tuple2_string_string_t list = {0};
    relrun_plugin_hosts_labels_of(T(rr_valid(rr_str(host))), &list);
    return to_pairs(list);
}

rr_text rr_host_setting(const char *host, const char *name) {
    string text = {0};
    return optional(relrun_plugin_hosts_setting_of(T(rr_valid(rr_str(host))), T(rr_valid(rr_str(name))), &text), text);
}

rr_error rr_host_upload(const char *host, const char *digest, const char *path) {
    fault error;
    return asked(relrun_plugin_hosts_upload(S(host), S(digest), S(path), &error), &error);
}

rr_error rr_fetch(const char *host, const char *path, const char *const *without, rr_text *digest) {
    fault error;
    string text = {0};
    *digest = rr_str("");
    RR_TRY(RR_CHECK(host, path));
    if (without)
        RR_TRY(rr_check(without));
    adopting_plugin_list_string_t list = to_list(without);
    bool done = relrun_plugin_hosts_fetch(S(host), S(path), &list, &text, &error);
    *digest = to_text(text);
    return asked(done, &error);
}

static rr_entry to_entry(const relrun_plugin_hosts_entry_t *from) {
    rr_text target = optional(from->target.is_some, from->target.val);
    return (rr_entry){.name = to_text(from->name), .type = (rr_file_type)from->file_type, .target = target};
}

rr_error rr_read_dir(const char *host, const char *path, rr_entries *entries) {
    fault error;
    relrun_plugin_hosts_list_entry_t list = {0};
    *entries = (rr_entries){0};
    RR_TRY(RR_CHECK(host, path));
    if (!relrun_plugin_hosts_read_dir(S(host), S(path), &list, &error))
        return to_error(&error);
    rr_entry *items = RR_NEW(rr_entry, list.len + 1);
    for (size_t i = 0; i < list.len; i++)
        items[i] = to_entry(&list.ptr[i]);
    *entries = (rr_entries){.items = items, .count = list.len};
    return rr_ok();
}

rr_error rr_stat(const char *host, const char *path, bool *found, rr_entry *entry) {
    fault error;
    relrun_plugin_hosts_option_entry_t one = {0};
    *found = false;
    *entry = (rr_entry){.name = rr_str("")};
    RR_TRY(RR_CHECK(host, path));
    if (!relrun_plugin_hosts_stat(S(host), S(path), &one, &error))
        return to_error(&error);
    *found = one.is_some;
    if (one.is_some)
        *entry = to_entry(&one.val);
    return rr_ok();
}

rr_error rr_host_make_dir(const char *host, const char *path) {
    fault error;
    return asked(relrun_plugin_hosts_make_dir(S(host), S(path), &error), &error);
}

rr_error rr_host_symlink(const char *host, const char *target, const char *path) {
    fault error;
    return asked(relrun_plugin_hosts_symlink(S(host), S(target), S(path), &error), &error);
}

rr_error rr_host_rename(const char *host, const char *from, const char *to) {
    fault error;
    return asked(relrun_plugin_hosts_rename(S(host), S(from), S(to), &error), &error);
}

rr_error rr_read_file(const char *host, const char *path, rr_bytes *data) {
    fault error;
    adopting_plugin_list_u8_t list = {0};
    *data = (rr_bytes){0};
    RR_TRY(RR_CHECK(host, path));
    bool done = relrun_plugin_hosts_read_file(S(host), S(path), &list, &error);
    *data = to_bytes(list);
    return asked(done, &error);
}

rr_error rr_host_write_file(const char *host, const char *path, rr_bytes data) {
    fault error;
    return asked(relrun_plugin_hosts_write_file(S(host), S(path), B(data), &error), &error);
}

rr_error rr_host_remove(const char *host, const char *path) {
    fault error;
    return asked(relrun_plugin_hosts_remove(S(host), S(path), &error), &error);
}

rr_error rr_host_claim(const char *host, const char *dir) {
    fault error;
    return asked(relrun_plugin_hosts_claim(S(host), S(dir), &error), &error);
}

rr_error rr_host_disclaim(const char *host, const char *dir) {
    fault error;
    return asked(relrun_plugin_hosts_disclaim(S(host), S(dir), &error), &error);
}

/* ---- rounds ------------------------------------------------------------------------------------------------------------------ */

static void queue(relrun_plugin_rounds_borrow_round_t round, const rr_deed *deed) {
    string host = *S(deed->host), first = *S(deed->first ? deed->first : ""), second = *S(deed->second ? deed->second : "");
    switch (deed->doing) {
    case RR_DO_CLAIM:
        relrun_plugin_rounds_method_round_claim(round, &host, &first);
        break;
    case RR_DO_DISCLAIM:
        relrun_plugin_rounds_method_round_disclaim(round, &host, &first);
        break;
    case RR_DO_MAKE_DIR:
        relrun_plugin_rounds_method_round_make_dir(round, &host, &first);
        break;
    case RR_DO_UPLOAD:
        relrun_plugin_rounds_method_round_upload(round, &host, &first, &second);
        break;
    case RR_DO_SYMLINK:
        relrun_plugin_rounds_method_round_symlink(round, &host, &first, &second);
        break;
    case RR_DO_RENAME:
        relrun_plugin_rounds_method_round_rename(round, &host, &first, &second);
        break;
    case RR_DO_WRITE_FILE:
        relrun_plugin_rounds_method_round_write_file(round, &host, &first, B(deed->data));
        break;
    case RR_DO_REMOVE:
        relrun_plugin_rounds_method_round_remove(round, &host, &first);
        break;
    case RR_DO_RUN: {
        relrun_plugin_process_own_command_t command = rr_made_of(deed->command);
        relrun_plugin_rounds_method_round_run(round, &host, relrun_plugin_process_borrow_command(command));
        relrun_plugin_process_command_drop_own(command);
        break;
    }
    }
}

rr_error rr_host_round(uint32_t parallel, const rr_deed *deeds, size_t count, rr_part **parts, size_t *part_count) {
    fault error;
    relrun_plugin_rounds_list_tuple2_string_result_void_error_t list = {0};
    relrun_plugin_rounds_own_round_t round = relrun_plugin_rounds_constructor_round(parallel);
    relrun_plugin_rounds_borrow_round_t borrowed = relrun_plugin_rounds_borrow_round(round);
    for (size_t i = 0; i < count; i++)
        queue(borrowed, &deeds[i]);
    bool done = relrun_plugin_rounds_method_round_perform(borrowed, &list, &error);
    relrun_plugin_rounds_round_drop_own(round);
    if (!done)
        return to_error(&error);
    *parts = RR_NEW(rr_part, list.len + 1);
    *part_count = list.len;
    for (size_t i = 0; i < list.len; i++) {
        rr_error came = list.ptr[i].f1.is_err ? to_error(&list.ptr[i].f1.val.err) : rr_ok();
        (*parts)[i] = (rr_part){.host = to_text(list.ptr[i].f0), .error = came};
    }
    return rr_ok();
}

/* ---- kubernetes, registry ---------------------------------------------------------------------------------------------------- */

rr_error rr_kubernetes_mark(const char *found, const char *object, rr_text *mark) {
    fault error;
    string text = {0};
    *mark = rr_str("");
    RR_TRY(RR_CHECK(found ? found : "", object));
    string before = *S(found ? found : "");
    bool done = relrun_plugin_kubernetes_mark(found ? &before : NULL, S(object), &text, &error);
    *mark = to_text(text);
    return asked(done, &error);
}

rr_error rr_host_image_digest(rr_text image, rr_text *digest) {
    fault error;
    string text = {0};
    bool done = relrun_plugin_registry_digest(T(image), &text, &error);
    *digest = to_text(text);
    return asked(done, &error);
}

rr_error rr_image_find(const char *repository, const char *name, rr_text *digest) {
    fault error;
    adopting_plugin_option_string_t found = {0};
    *digest = (rr_text){0};
    RR_TRY(RR_CHECK(repository, name));
    bool done = relrun_plugin_registry_find(S(repository), S(name), &found, &error);
    *digest = optional(done && found.is_some, found.val);
    return asked(done, &error);
}

rr_error rr_host_image_push(const char *repository, rr_text image, rr_text *pushed) {
    fault error;
    string text = {0};
    bool done = relrun_plugin_registry_push(S(repository), T(image), &text, &error);
    *pushed = to_text(text);
    return asked(done, &error);
}

rr_error rr_host_image_tag(const char *repository, const char *digest, const char *tag, bool fixed) {
    fault error;
    return asked(relrun_plugin_registry_tag(S(repository), S(digest), S(tag), fixed, &error), &error);
}

rr_error rr_host_image_untag(const char *repository, const char *tag) {
    fault error;
    return asked(relrun_plugin_registry_untag(S(repository), S(tag), &error), &error);
}

#endif
