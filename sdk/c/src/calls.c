/* Calls to the host: what is checked before them, and the handles that they open. */
#include "host.h"

#include <stdlib.h>
#include <string.h>

/* ---- the guard --------------------------------------------------------------------------------------------------------------- */

static bool guarded;

void rr_guard_arm(bool armed) {
    guarded = armed;
}

rr_error rr_checkpoint(const rr_json *state) {
    rr_error error = rr_host_checkpoint(rr_json_write(state));
    if (error.kind == RR_OK)
        guarded = false;
    return error;
}

rr_error rr_guard_mutation(void) {
    return guarded ? rr_checkpoint(NULL) : rr_ok();
}

/* ---- handles ----------------------------------------------------------------------------------------------------------------- */

typedef struct open_handle {
    rr_handle_kind kind;
    int32_t handle;
    struct open_handle *next;
} open_handle;

static open_handle *open_handles;

void rr_handle_opened(rr_handle_kind kind, int32_t handle) {
    /* Not in the operation's memory, which a plugin may give back at any time. */
    open_handle *made = malloc(sizeof *made);
    if (!made)
        abort();
    *made = (open_handle){.kind = kind, .handle = handle, .next = open_handles};
    open_handles = made;
}

bool rr_handle_closed(rr_handle_kind kind, int32_t handle) {
    for (open_handle **at = &open_handles; *at; at = &(*at)->next) {
        if ((*at)->kind != kind || (*at)->handle != handle)
            continue;
        open_handle *closed = *at;
        *at = closed->next;
        free(closed);
        return true;
    }
    return false;
}

void rr_handles_close(void) {
    while (open_handles) {
        open_handle *closed = open_handles;
        open_handles = closed->next;
        rr_host_drop(closed->kind, closed->handle);
        free(closed);
    }
}

static void close_handle(rr_handle_kind kind, int32_t *handle) {
    if (*handle && rr_handle_closed(kind, *handle))
        rr_host_drop(kind, *handle);
    *handle = 0;
}

static rr_error is_open(int32_t handle) {
    return handle ? rr_ok() : rr_fail(RR_PERMANENT, "it is closed, or was never opened");
}

/* ---- log --------------------------------------------------------------------------------------------------------------------- */

void rr_log(rr_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    rr_mark before = rr_memory();
    rr_host_log(level, rr_valid(rr_vformat(format, arguments)));
    rr_release(before);
    va_end(arguments);
}

void rr_progress(const char *what, uint64_t done, uint64_t total) {
    rr_host_progress(rr_valid(rr_str(what)).data, done, total ? &total : NULL);
}

/* ---- secrets ----------------------------------------------------------------------------------------------------------------- */

rr_error rr_secret_get(const char *name, rr_secret *secret) {
    *secret = (rr_secret){0};
    RR_TRY(RR_CHECK(name));
    RR_TRY(rr_host_secret(name, &secret->handle));
    rr_handle_opened(RR_HANDLE_SECRET, secret->handle);
    return rr_ok();
}

rr_text rr_secret_name(rr_secret secret) {
    return secret.handle ? rr_host_secret_name(secret.handle) : rr_str("");
}

rr_error rr_secret_reveal(rr_secret secret, rr_text *value) {
    *value = rr_str("");
    RR_TRY(is_open(secret.handle));
    return rr_host_secret_reveal(secret.handle, value);
}

rr_error rr_secret_sign(rr_secret secret, rr_bytes data, rr_bytes *signature) {
    *signature = (rr_bytes){0};
    RR_TRY(is_open(secret.handle));
    return rr_host_secret_sign(secret.handle, data, signature);
}

static rr_error check_pairs(rr_pairs pairs) {
    for (size_t i = 0; i < pairs.count; i++)
        RR_TRY(RR_CHECK(pairs.items[i].name.data, pairs.items[i].value.data));
    return rr_ok();
}

static rr_error check_secrets(const rr_secret_pair *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        RR_TRY(RR_CHECK(items[i].name, items[i].prefix ? items[i].prefix : ""));
        RR_TRY(rr_wrap(is_open(items[i].secret.handle), "the secret of %s", items[i].name));
    }
    return rr_ok();
}

/* ---- http -------------------------------------------------------------------------------------------------------------------- */

/* Whether the request to a cluster is only tried. */
static bool is_tried(const rr_request *request) {
    const char *found = request->context ? strstr(request->url, "dryRun=All") : NULL;
    if (!found || found == request->url)
        return false;
    char after = found[strlen("dryRun=All")];
    return (found[-1] == '?' || found[-1] == '&') && (after == '\0' || after == '&');
}

static bool only_reads(const char *method) {
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

rr_error rr_send(const rr_request *request, rr_response *response) {
    rr_request full = *request;
    *response = (rr_response){0};
    if (!full.method)
        full.method = "GET";
    if (!full.url)
        return rr_fail(RR_INVALID, "a request names no URL");
    RR_TRY(RR_CHECK(full.method, full.url, full.user ? full.user : "", full.body_file ? full.body_file : ""));
    RR_TRY(RR_CHECK(full.context ? full.context : "", full.name_space ? full.name_space : ""));
    RR_TRY(check_pairs(full.headers));
    RR_TRY(check_secrets(full.secret_headers, full.secret_header_count));
    if (full.user)
        RR_TRY(rr_wrap(is_open(full.password.handle), "the password of %s", full.user));
    if (!only_reads(full.method) && !is_tried(&full))
        RR_TRY(rr_guard_mutation());
    RR_TRY(rr_host_send(&full, &response->handle, &response->status));
    rr_handle_opened(RR_HANDLE_RESPONSE, response->handle);
    return rr_ok();
}

rr_pairs rr_response_headers(const rr_response *response) {
    return response->handle ? rr_host_response_headers(response->handle) : (rr_pairs){0};
}

rr_error rr_response_read(const rr_response *response, uint32_t max, rr_bytes *data) {
    *data = (rr_bytes){0};
    RR_TRY(is_open(response->handle));
    return rr_host_response_read(response->handle, max, data);
}

/* Pulls one piece after the other, and keeps all of them in one place. */
static rr_error pulled(rr_error (*pull)(int32_t handle, int which, rr_bytes *data), int32_t handle, int which, size_t limit, rr_text *all) {
    rr_builder made = {0};
    for (;;) {
        rr_bytes piece = {0};
        RR_TRY(pull(handle, which, &piece));
        if (!piece.len)
            break;
        if (piece.len > limit - made.len)
            return rr_fail(RR_PERMANENT, "there is more than %zu bytes", limit);
        rr_add(&made, piece.data, piece.len);
    }
    *all = rr_built(&made);
    return rr_ok();
}

#define PIECE ((uint32_t)64 << 10)
#define MOST_OUTPUT ((size_t)64 << 20)

static rr_error pull_body(int32_t handle, int which, rr_bytes *data) {
    (void)which;
    return rr_host_response_read(handle, PIECE, data);
}

static rr_error pull_output(int32_t handle, int which, rr_bytes *data) {
    return rr_host_child_read(handle, (rr_stream)which, PIECE, data);
}

rr_error rr_response_all(const rr_response *response, size_t limit, rr_bytes *data) {
    rr_text all = rr_str("");
    *data = (rr_bytes){0};
    RR_TRY(is_open(response->handle));
    RR_TRY(pulled(pull_body, response->handle, 0, limit, &all));
    *data = (rr_bytes){.data = (const uint8_t *)all.data, .len = all.len};
    return rr_ok();
}

rr_error rr_response_save(const rr_response *response, const char *path, uint64_t *length) {
    *length = 0;
    RR_TRY(is_open(response->handle));
    RR_TRY(RR_CHECK(path));
    return rr_host_response_save(response->handle, path, length);
}

void rr_response_close(rr_response *response) {
    close_handle(RR_HANDLE_RESPONSE, &response->handle);
}

/* ---- commands ---------------------------------------------------------------------------------------------------------------- */

static rr_error check_command(const rr_command *command) {
    if (!command->program || !*command->program)
        return rr_fail(RR_INVALID, "a command names no program");
    RR_TRY(RR_CHECK(command->program, command->dir ? command->dir : "", command->on_host ? command->on_host : ""));
    if (command->args)
        RR_TRY(rr_check(command->args));
    RR_TRY(check_pairs(command->env));
    return check_secrets(command->secret_env, command->secret_env_count);
}

static rr_error prepare(const rr_command *command) {
    RR_TRY(check_command(command));
    return command->readonly ? rr_ok() : rr_guard_mutation();
}

rr_error rr_run(const rr_command *command, int32_t *code) {
    *code = 0;
    RR_TRY(prepare(command));
    return rr_host_run(command, code);
}

rr_error rr_spawn(const rr_command *command, rr_child *child) {
    *child = (rr_child){0};
    RR_TRY(prepare(command));
    RR_TRY(rr_host_spawn(command, &child->handle));
    rr_handle_opened(RR_HANDLE_CHILD, child->handle);
    return rr_ok();
}

static rr_error drained(const rr_child *child, int32_t *code, rr_text *output, rr_text *errors) {
    rr_text all = rr_str("");
    /* Standard output first, then standard error: the host keeps what is not yet read. */
    RR_TRY(pulled(pull_output, child->handle, RR_STDOUT, MOST_OUTPUT, &all));
    if (output)
        *output = all;
    RR_TRY(pulled(pull_output, child->handle, RR_STDERR, MOST_OUTPUT, &all));
    if (errors)
        *errors = all;
    return rr_host_child_wait(child->handle, code);
}

rr_error rr_output(const rr_command *command, int32_t *code, rr_text *output, rr_text *errors) {
    rr_child child;
    *code = 0;
    if (output)
        *output = rr_str("");
    if (errors)
        *errors = rr_str("");
    RR_TRY(rr_spawn(command, &child));
    rr_error error = drained(&child, code, output, errors);
    rr_child_close(&child);
    return error;
}

rr_error rr_child_read(const rr_child *child, rr_stream stream, uint32_t max, rr_bytes *data) {
    *data = (rr_bytes){0};
    RR_TRY(is_open(child->handle));
    return rr_host_child_read(child->handle, stream, max, data);
}

rr_error rr_child_wait(const rr_child *child, int32_t *code) {
    *code = 0;
    RR_TRY(is_open(child->handle));
    return rr_host_child_wait(child->handle, code);
}

void rr_child_kill(const rr_child *child) {
    if (child->handle)
        rr_host_child_kill(child->handle);
}

void rr_child_close(rr_child *child) {
    close_handle(RR_HANDLE_CHILD, &child->handle);
}

/* ---- hosts ------------------------------------------------------------------------------------------------------------------- */

#define CHANGE(call, ...)              \
    do {                               \
        RR_TRY(RR_CHECK(__VA_ARGS__)); \
        RR_TRY(rr_guard_mutation());   \
        return call;                   \
    } while (0)

rr_error rr_upload(const char *host, const char *digest, const char *path) {
    CHANGE(rr_host_upload(host, digest, path), host, digest, path);
}

rr_error rr_make_dir(const char *host, const char *path) {
    CHANGE(rr_host_make_dir(host, path), host, path);
}

rr_error rr_symlink(const char *host, const char *target, const char *path) {
    CHANGE(rr_host_symlink(host, target, path), host, target, path);
}

rr_error rr_rename(const char *host, const char *from, const char *to) {
    CHANGE(rr_host_rename(host, from, to), host, from, to);
}

rr_error rr_write_file(const char *host, const char *path, rr_bytes data) {
    CHANGE(rr_host_write_file(host, path, data), host, path);
}

rr_error rr_remove(const char *host, const char *path) {
    CHANGE(rr_host_remove(host, path), host, path);
}

rr_error rr_claim(const char *host, const char *dir) {
    CHANGE(rr_host_claim(host, dir), host, dir);
}

rr_error rr_disclaim(const char *host, const char *dir) {
    CHANGE(rr_host_disclaim(host, dir), host, dir);
}

rr_error rr_round(uint32_t parallel, const rr_deed *deeds, size_t count, const rr_part **parts, size_t *part_count) {
    rr_part *made = NULL;
    *parts = NULL;
    *part_count = 0;
    for (size_t i = 0; i < count; i++) {
        const rr_deed *deed = &deeds[i];
        RR_TRY(RR_CHECK(deed->host, deed->first ? deed->first : "", deed->second ? deed->second : ""));
        if (deed->doing == RR_DO_RUN)
            RR_TRY(check_command(deed->command));
    }
    RR_TRY(rr_guard_mutation());
    RR_TRY(rr_host_round(parallel, deeds, count, &made, part_count));
    *parts = made;
    return rr_ok();
}

/* ---- images ------------------------------------------------------------------------------------------------------------------ */

rr_error rr_image_digest(const rr_json *image, rr_text *digest) {
    return rr_host_image_digest(rr_json_write(image), digest);
}

rr_error rr_image_push(const char *repository, const rr_json *image, rr_json **pushed) {
    rr_text answer = rr_str("null");
    *pushed = NULL;
    RR_TRY(RR_CHECK(repository));
    RR_TRY(rr_guard_mutation());
    RR_TRY(rr_host_image_push(repository, rr_json_write(image), &answer));
    return rr_json_read(answer, pushed);
}

rr_error rr_image_tag(const char *repository, const char *digest, const char *tag, bool fixed) {
    CHANGE(rr_host_image_tag(repository, digest, tag, fixed), repository, digest, tag);
}

rr_error rr_image_untag(const char *repository, const char *tag) {
    CHANGE(rr_host_image_untag(repository, tag), repository, tag);
}
