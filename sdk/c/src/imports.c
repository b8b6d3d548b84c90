/* A component's imports: the host's functions by the generated bindings. */
#ifdef __wasm__

#include "component.h"

#include <string.h>

/* The address of a C string, as the bindings take it. */
#define S(text) (&(string){.ptr = (uint8_t *)(uintptr_t)(text), .len = strlen(text)})
#define T(text) (&(string){.ptr = (uint8_t *)(uintptr_t)(text).data, .len = (text).len})
#define B(bytes) (&(adopting_plugin_list_u8_t){.ptr = (uint8_t *)(uintptr_t)(bytes).data, .len = (bytes).len})

static rr_bytes to_bytes(adopting_plugin_list_u8_t from) {
    return (rr_bytes){.data = from.ptr, .len = from.len};
}

static rr_error to_error(const fault *from) {
    /* All cases but cancelled hold a text, in one place. */
    rr_kind kind = (rr_kind)(from->tag + 1);
    rr_text message = kind == RR_CANCELLED ? rr_str("the release is being cancelled") : to_text(from->val.other);
    return (rr_error){.kind = kind, .message = message};
}

/* The answer of a call that gave true for success. */
static rr_error asked(bool done, const fault *from) {
    return done ? rr_ok() : to_error(from);
}

static rr_pairs to_pairs(adopting_plugin_list_tuple2_string_string_t from) {
    rr_pair *items = RR_NEW(rr_pair, from.len + 1);
    for (size_t i = 0; i < from.len; i++)
        items[i] = (rr_pair){.name = to_text(from.ptr[i].f0), .value = to_text(from.ptr[i].f1)};
    return (rr_pairs){.items = items, .count = from.len};
}

static rr_text optional(bool there, string text) {
    return there ? to_text(text) : (rr_text){0};
}

static adopting_plugin_list_string_t to_list(const char *const *texts) {
    size_t count = 0;
    while (texts && texts[count])
        count++;
    string *items = RR_NEW(string, count + 1);
    for (size_t i = 0; i < count; i++)
        items[i] = *S(texts[i]);
    return (adopting_plugin_list_string_t){.ptr = items, .len = count};
}

/* ---- log, checkpoint, context ------------------------------------------------------------------------------------------------ */

void rr_host_log(rr_level level, rr_text message) {
    relrun_plugin_log_write((relrun_plugin_log_level_t)level, T(message));
}

void rr_host_progress(const char *what, uint64_t done, const uint64_t *total) {
    uint64_t copy = total ? *total : 0;
    relrun_plugin_log_progress(S(what), done, total ? &copy : NULL);
}

rr_error rr_host_checkpoint(rr_text state) {
    fault error;
    return asked(relrun_plugin_checkpoint_save(T(state), &error), &error);
}

#define FACT(name, call)      \
    rr_text name(void) {      \
        string text = {0};    \
        call(&text);          \
        return to_text(text); \
    }
#define FACT_IF(name, call)                 \
    rr_text name(void) {                    \
        string text = {0};                  \
        return optional(call(&text), text); \
    }

FACT(rr_package, relrun_plugin_context_package_name)
FACT(rr_version, relrun_plugin_context_version)
FACT(rr_release_id, relrun_plugin_context_release)
FACT(rr_step, relrun_plugin_context_step)
FACT(rr_idempotency_key, relrun_plugin_context_idempotency_key)
FACT_IF(rr_environment, relrun_plugin_context_environment)
FACT_IF(rr_deployment, relrun_plugin_context_deployment)
FACT_IF(rr_previous, relrun_plugin_context_previous)
FACT_IF(rr_unfinished, relrun_plugin_context_unfinished)

uint32_t rr_attempt(void) {
    return relrun_plugin_context_attempt();
}

rr_pairs rr_labels(void) {
    adopting_plugin_list_tuple2_string_string_t list = {0};
    relrun_plugin_context_labels(&list);
    return to_pairs(list);
}

rr_text rr_setting(const char *name) {
    string text = {0};
    return optional(relrun_plugin_context_setting(T(rr_valid(rr_str(name))), &text), text);
}

uint64_t rr_started_at(void) {
    return relrun_plugin_context_started_at();
}

/* ---- secrets ----------------------------------------------------------------------------------------------------------------- */

static relrun_plugin_secrets_borrow_secret_t secret_of(int32_t handle) {
    return relrun_plugin_secrets_borrow_secret((relrun_plugin_secrets_own_secret_t){handle});
}

rr_error rr_host_secret(const char *name, int32_t *handle) {
    fault error;
    relrun_plugin_secrets_own_secret_t made = {0};
    bool done = relrun_plugin_secrets_get(S(name), &made, &error);
    *handle = made.__handle;
    return asked(done, &error);
}

rr_text rr_host_secret_name(int32_t handle) {
    string text = {0};
    relrun_plugin_secrets_method_secret_name(secret_of(handle), &text);
    return to_text(text);
}

rr_error rr_host_secret_reveal(int32_t handle, rr_text *value) {
    fault error;
    string text = {0};
    bool done = relrun_plugin_secrets_method_secret_reveal(secret_of(handle), &text, &error);
    *value = to_text(text);
    return asked(done, &error);
}

rr_error rr_host_secret_sign(int32_t handle, rr_bytes data, rr_bytes *signature) {
    fault error;
    adopting_plugin_list_u8_t made = {0};
    bool done = relrun_plugin_secrets_method_secret_sign(secret_of(handle), B(data), &made, &error);
    *signature = to_bytes(made);
    return asked(done, &error);
}

/* ---- http -------------------------------------------------------------------------------------------------------------------- */

static void fill(relrun_plugin_http_borrow_request_t made, const rr_request *request) {
    for (size_t i = 0; i < request->headers.count; i++)
        relrun_plugin_http_method_request_header(made, T(request->headers.items[i].name), T(request->headers.items[i].value));
    for (size_t i = 0; i < request->secret_header_count; i++) {
        const rr_secret_pair *header = &request->secret_headers[i];
        const char *prefix = header->prefix ? header->prefix : "";
        relrun_plugin_http_method_request_secret_header(made, S(header->name), S(prefix), secret_of(header->secret.handle));
    }
    if (request->user)
        relrun_plugin_http_method_request_basic_auth(made, S(request->user), secret_of(request->password.handle));
    if (request->body)
        relrun_plugin_http_method_request_body(made, B(*request->body));
    if (request->body_file)
        relrun_plugin_http_method_request_body_file(made, S(request->body_file));
    if (request->timeout_ms)
        relrun_plugin_http_method_request_timeout(made, request->timeout_ms);
}

static rr_error start(const rr_request *request, relrun_plugin_http_own_request_t *made) {
    fault error;
    if (!request->context) {
        *made = relrun_plugin_http_constructor_request(S(request->method), S(request->url));
        return rr_ok();
    }
    const char *space = request->name_space ? request->name_space : "";
    return asked(relrun_plugin_kubernetes_start(S(request->context), S(space), S(request->method), S(request->url), made, &error), &error);
}

rr_error rr_host_send(const rr_request *request, int32_t *handle, uint16_t *status) {
    fault error;
    relrun_plugin_http_own_request_t made = {0};
    relrun_plugin_http_own_response_t response = {0};
    RR_TRY(start(request, &made));
    relrun_plugin_http_borrow_request_t borrowed = relrun_plugin_http_borrow_request(made);
    fill(borrowed, request);
    bool done = relrun_plugin_http_method_request_send(borrowed, &response, &error);
    relrun_plugin_http_request_drop_own(made);
    if (!done)
        return to_error(&error);
    *handle = response.__handle;
    *status = relrun_plugin_http_method_response_status(relrun_plugin_http_borrow_response(response));
    return rr_ok();
}

static relrun_plugin_http_borrow_response_t response_of(int32_t handle) {
    return relrun_plugin_http_borrow_response((relrun_plugin_http_own_response_t){handle});
}

rr_pairs rr_host_response_headers(int32_t handle) {
    adopting_plugin_list_tuple2_string_string_t list = {0};
    relrun_plugin_http_method_response_headers(response_of(handle), &list);
    return to_pairs(list);
}

rr_error rr_host_response_read(int32_t handle, uint32_t max, rr_bytes *data) {
    fault error;
    adopting_plugin_list_u8_t list = {0};
    bool done = relrun_plugin_http_method_response_read(response_of(handle), max, &list, &error);
    *data = to_bytes(list);
    return asked(done, &error);
}

rr_error rr_host_response_save(int32_t handle, const char *path, uint64_t *length) {
    fault error;
    return asked(relrun_plugin_http_method_response_save(response_of(handle), S(path), length, &error), &error);
}

/* ---- process ----------------------------------------------------------------------------------------------------------------- */

static relrun_plugin_process_own_command_t made_of(const rr_command *command) {
    adopting_plugin_list_string_t args = to_list(command->args);
    relrun_plugin_process_own_command_t made = relrun_plugin_process_constructor_command(S(command->program), &args);
    relrun_plugin_process_borrow_command_t self = relrun_plugin_process_borrow_command(made);
    if (command->dir)
        relrun_plugin_process_method_command_dir(self, S(command->dir));
    for (size_t i = 0; i < command->env.count; i++)
        relrun_plugin_process_method_command_env(self, T(command->env.items[i].name), T(command->env.items[i].value));
    for (size_t i = 0; i < command->secret_env_count; i++) {
        const rr_secret_pair *variable = &command->secret_env[i];
        relrun_plugin_process_method_command_secret_env(self, S(variable->name), secret_of(variable->secret.handle));
    }
    if (command->input)
        relrun_plugin_process_method_command_stdin(self, B(*command->input));
    if (command->on_host)
        relrun_plugin_process_method_command_on_host(self, S(command->on_host));
    return made;
}

rr_error rr_host_run(const rr_command *command, int32_t *code) {
    fault error;
    relrun_plugin_process_own_command_t made = made_of(command);
    bool done = relrun_plugin_process_method_command_run(relrun_plugin_process_borrow_command(made), code, &error);
    relrun_plugin_process_command_drop_own(made);
    return asked(done, &error);
}

rr_error rr_host_spawn(const rr_command *command, int32_t *handle) {
    fault error;
    relrun_plugin_process_own_child_t child = {0};
    relrun_plugin_process_own_command_t made = made_of(command);
    bool done = relrun_plugin_process_method_command_spawn(relrun_plugin_process_borrow_command(made), &child, &error);
    relrun_plugin_process_command_drop_own(made);
    *handle = child.__handle;
    return asked(done, &error);
}

static relrun_plugin_process_borrow_child_t child_of(int32_t handle) {
    return relrun_plugin_process_borrow_child((relrun_plugin_process_own_child_t){handle});
}

rr_error rr_host_child_read(int32_t handle, rr_stream stream, uint32_t max, rr_bytes *data) {
    fault error;
    adopting_plugin_list_u8_t list = {0};
    bool done = relrun_plugin_process_method_child_read(child_of(handle), (relrun_plugin_process_output_t)stream, max, &list, &error);
    *data = to_bytes(list);
    return asked(done, &error);
}

rr_error rr_host_child_wait(int32_t handle, int32_t *code) {
    fault error;
    return asked(relrun_plugin_process_method_child_wait(child_of(handle), code, &error), &error);
}

void rr_host_child_kill(int32_t handle) {
    relrun_plugin_process_method_child_kill(child_of(handle));
}

void rr_host_drop(rr_handle_kind kind, int32_t handle) {
    switch (kind) {
    case RR_HANDLE_SECRET:
        relrun_plugin_secrets_secret_drop_own((relrun_plugin_secrets_own_secret_t){handle});
        break;
    case RR_HANDLE_RESPONSE:
        relrun_plugin_http_response_drop_own((relrun_plugin_http_own_response_t){handle});
        break;
    case RR_HANDLE_CHILD:
        relrun_plugin_process_child_drop_own((relrun_plugin_process_own_child_t){handle});
        break;
    }
}

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
        relrun_plugin_process_own_command_t command = made_of(deed->command);
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
