/* The host in memory. What it holds is of fixed size: a test that needs more says so by ending. */
#include "relrun_test.h"

#include "../src/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 64
#define ROOM ((size_t)1 << 20)

typedef struct named {
    char *name, *value, *more;
    int32_t code;
} named;

typedef struct file {
    char *host, *path, *data;
    size_t len;
    rr_file_type type;
} file;

typedef struct list {
    named items[MOST];
    size_t count;
} list;

typedef struct opened {
    rr_handle_kind kind;
    size_t what;  /* the secret, the answer or the command */
    size_t at[2]; /* how much is read of each stream */
} opened;

static struct {
    list hosts, secrets, settings, answers, commands, faults, marks, tags;
    file files[MOST * 4];
    size_t file_count, next_answer;
    opened handles[MOST];
    size_t handle_count, open_count;
    char *previous, *unfinished;
    int left;
    char calls[ROOM], checkpoints[ROOM], lines[ROOM];
} host;

static _Noreturn void give_up(const char *why) {
    fprintf(stderr, "relrun_test: %s\n", why);
    exit(2);
}

static char *keep(const char *text) {
    char *copy = malloc(strlen(text ? text : "") + 1);
    if (!copy)
        give_up("no memory left");
    return strcpy(copy, text ? text : "");
}

static void forget(list *of) {
    for (size_t i = 0; i < of->count; i++) {
        free(of->items[i].name);
        free(of->items[i].value);
        free(of->items[i].more);
    }
}

static void add(list *to, const char *name, const char *value, const char *more, int32_t code) {
    if (to->count == MOST)
        give_up("a test says too much of one kind");
    to->items[to->count++] = (named){.name = keep(name), .value = keep(value), .more = keep(more), .code = code};
}

/* The last of this name: what was said later rules. */
static named *find(list *in, const char *name) {
    for (size_t i = in->count; i-- > 0;)
        if (strcmp(in->items[i].name, name) == 0)
            return &in->items[i];
    return NULL;
}

static void note(char *record, const char *line) {
    if (strlen(record) + strlen(line) + 2 > ROOM)
        give_up("a record is full");
    strcat(strcat(record, line), "\n");
}

void rt_host(void) {
    list *all[] = {&host.hosts, &host.secrets, &host.settings, &host.answers, &host.commands, &host.faults, &host.marks, &host.tags};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        forget(all[i]);
    for (size_t i = 0; i < host.file_count; i++) {
        free(host.files[i].host);
        free(host.files[i].path);
        free(host.files[i].data);
    }
    free(host.previous);
    free(host.unfinished);
    memset(&host, 0, sizeof host);
    host.left = -1;
    rr_guard_arm(false);
    rr_memory_reset();
}

void rt_add_host(const char *name) {
    add(&host.hosts, name, NULL, NULL, 0);
}

void rt_secret(const char *name, const char *value) {
    add(&host.secrets, name, value, NULL, 0);
}

void rt_setting(const char *name, const char *value) {
    add(&host.settings, name, value, NULL, 0);
}

void rt_previous(const char *receipt) {
    host.previous = keep(receipt);
}

void rt_unfinished(const char *checkpoint) {
    host.unfinished = keep(checkpoint);
}

void rt_answer(uint16_t status, const char *body) {
    add(&host.answers, "", body, NULL, status);
}

void rt_command(const char *words, int32_t code, const char *output, const char *errors) {
    add(&host.commands, words, output, errors, code);
}

void rt_fail(const char *call, rr_kind kind, const char *message) {
    add(&host.faults, call, message, NULL, (int32_t)kind);
}

void rt_crash_after(int changes) {
    host.left = changes;
}

const char *rt_calls(void) {
    return host.calls;
}

const char *rt_checkpoints(void) {
    return host.checkpoints;
}

const char *rt_lines(void) {
    return host.lines;
}

size_t rt_open_handles(void) {
    return host.open_count;
}

/* Notes a call, and fails it where the test says so. */
static rr_error call(rr_text words) {
    note(host.calls, words.data);
    for (size_t i = 0; i < host.faults.count; i++) {
        named *fault = &host.faults.items[i];
        if (fault->code == RR_OK || strncmp(words.data, fault->name, strlen(fault->name)) != 0)
            continue;
        rr_kind kind = (rr_kind)fault->code;
        fault->code = RR_OK;
        return rr_fail(kind, "%s", fault->value);
    }
    return rr_ok();
}

/* Notes a call that changes something. After a crash nothing changes any more. */
static rr_error change(rr_text words) {
    if (host.left == 0)
        return rr_fail(RR_CANCELLED, "crashed");
    if (host.left > 0)
        host.left--;
    return call(words);
}

/* ---- log, checkpoint, context ------------------------------------------------------------------------------------------------ */

void rr_host_log(rr_level level, rr_text message) {
    static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
    note(host.lines, rr_format("%s: %s", names[level], message.data).data);
}

void rr_host_progress(const char *what, uint64_t done, const uint64_t *total) {
    if (total)
        note(host.lines, rr_format("progress: %s %llu/%llu", what, (unsigned long long)done, (unsigned long long)*total).data);
    else
        note(host.lines, rr_format("progress: %s %llu", what, (unsigned long long)done).data);
}

rr_error rr_host_checkpoint(rr_text state) {
    if (host.left != 0)
        note(host.checkpoints, state.data);
    return rr_ok();
}

rr_text rr_package(void) {
    return rr_str("acme/shop");
}

rr_text rr_version(void) {
    return rr_str("1.0.0");
}

rr_text rr_release_id(void) {
    return rr_str("r1");
}

rr_text rr_step(void) {
    return rr_str("step");
}

uint32_t rr_attempt(void) {
    return 1;
}

rr_text rr_idempotency_key(void) {
    return rr_str("0000000000000000000000000000000000000000000000000000000000000000");
}

rr_text rr_environment(void) {
    return rr_str("test");
}

rr_text rr_deployment(void) {
    return rr_str("shop");
}

rr_pairs rr_labels(void) {
    return (rr_pairs){0};
}

rr_text rr_setting(const char *name) {
    named *found = find(&host.settings, name);
    return found ? rr_str(found->value) : (rr_text){0};
}

rr_text rr_previous(void) {
    return host.previous ? rr_str(host.previous) : (rr_text){0};
}

rr_text rr_unfinished(void) {
    return host.unfinished ? rr_str(host.unfinished) : (rr_text){0};
}

uint64_t rr_started_at(void) {
    return 1700000000;
}

/* ---- handles ----------------------------------------------------------------------------------------------------------------- */

static int32_t hand_out(rr_handle_kind kind, size_t what) {
    if (host.handle_count == MOST)
        give_up("too many handles");
    host.handles[host.handle_count++] = (opened){.kind = kind, .what = what};
    host.open_count++;
    return (int32_t)host.handle_count;
}

static opened *handed_out(int32_t handle) {
    if (handle < 1 || (size_t)handle > host.handle_count)
        give_up("a handle that was never handed out");
    return &host.handles[handle - 1];
}

void rr_host_drop(rr_handle_kind kind, int32_t handle) {
    if (handed_out(handle)->kind != kind || !host.open_count)
        give_up("a handle is closed twice, or as another kind");
    host.open_count--;
}

rr_error rr_host_secret(const char *name, int32_t *handle) {
    named *found = find(&host.secrets, name);
    if (!found)
        return rr_fail(RR_DENIED, "no grant covers the secret \"%s\"", name);
    *handle = hand_out(RR_HANDLE_SECRET, (size_t)(found - host.secrets.items));
    return rr_ok();
}

static named *secret_of(int32_t handle) {
    return &host.secrets.items[handed_out(handle)->what];
}

rr_text rr_host_secret_name(int32_t handle) {
    return rr_str(secret_of(handle)->name);
}

rr_error rr_host_secret_reveal(int32_t handle, rr_text *value) {
    *value = rr_str(secret_of(handle)->value);
    return rr_ok();
}

/* No HMAC: the name and the data, by which a test sees what was signed. */
rr_error rr_host_secret_sign(int32_t handle, rr_bytes data, rr_bytes *signature) {
    rr_text made = rr_format("%s:%.*s", secret_of(handle)->name, (int)data.len, (const char *)data.data);
    *signature = (rr_bytes){.data = (const uint8_t *)made.data, .len = made.len};
    return call(rr_format("sign %s", secret_of(handle)->name));
}

/* ---- http -------------------------------------------------------------------------------------------------------------------- */

rr_error rr_host_send(const rr_request *request, int32_t *handle, uint16_t *status) {
    rr_builder words = {0};
    rr_add_str(&words, rr_format("%s %s", request->method, request->url).data);
    for (size_t i = 0; i < request->headers.count; i++)
        rr_add_str(&words, rr_format(" %s: %s", request->headers.items[i].name.data, request->headers.items[i].value.data).data);
    for (size_t i = 0; i < request->secret_header_count; i++) {
        const rr_secret_pair *header = &request->secret_headers[i];
        const char *prefix = header->prefix ? header->prefix : "";
        rr_add_str(&words, rr_format(" %s: %s<%s>", header->name, prefix, secret_of(header->secret.handle)->name).data);
    }
    if (request->user)
        rr_add_str(&words, rr_format(" basic %s:<%s>", request->user, secret_of(request->password.handle)->name).data);
    if (request->body)
        rr_add_str(&words, rr_format(" %.*s", (int)request->body->len, (const char *)request->body->data).data);
    if (request->body_file)
        rr_add_str(&words, rr_format(" file %s", request->body_file).data);
    RR_TRY(call(rr_built(&words)));
    if (host.next_answer == host.answers.count)
        return rr_fail(RR_TRANSIENT, "connection refused");
    *status = (uint16_t)host.answers.items[host.next_answer].code;
    *handle = hand_out(RR_HANDLE_RESPONSE, host.next_answer++);
    return rr_ok();
}

rr_pairs rr_host_response_headers(int32_t handle) {
    (void)handle;
    return (rr_pairs){0};
}

static rr_bytes next_of(const char *all, size_t *at, uint32_t max) {
    size_t left = strlen(all) - *at, len = left < max ? left : max;
    rr_text piece = rr_copy(all + *at, len);
    *at += len;
    return (rr_bytes){.data = (const uint8_t *)piece.data, .len = len};
}

rr_error rr_host_response_read(int32_t handle, uint32_t max, rr_bytes *data) {
    opened *one = handed_out(handle);
    *data = next_of(host.answers.items[one->what].value, &one->at[0], max);
    return rr_ok();
}

rr_error rr_host_response_save(int32_t handle, const char *path, uint64_t *length) {
    rr_bytes rest;
    RR_TRY(rr_host_response_read(handle, UINT32_MAX, &rest));
    FILE *into = fopen(path, "wb");
    if (!into)
        return rr_errno("save %s", path);
    *length = fwrite(rest.data, 1, rest.len, into);
    return fclose(into) == 0 && *length == rest.len ? rr_ok() : rr_errno("save %s", path);
}

/* ---- commands ---------------------------------------------------------------------------------------------------------------- */

static rr_text words_of(const rr_command *command) {
    rr_builder words = {0};
    rr_add_str(&words, command->program);
    for (const char *const *arg = command->args; arg && *arg; arg++) {
        rr_add_str(&words, " ");
        rr_add_str(&words, *arg);
    }
    return rr_built(&words);
}

static rr_error begin(const rr_command *command) {
    const char *place = command->on_host ? rr_format("%s: ", command->on_host).data : "";
    rr_builder words = {0};
    rr_add_str(&words, rr_format("run %s%s", place, words_of(command).data).data);
    for (size_t i = 0; i < command->secret_env_count; i++) {
        const rr_secret_pair *variable = &command->secret_env[i];
        rr_add_str(&words, rr_format(" %s=<%s>", variable->name, secret_of(variable->secret.handle)->name).data);
    }
    return change(rr_built(&words));
}

rr_error rr_host_run(const rr_command *command, int32_t *code) {
    RR_TRY(begin(command));
    named *found = find(&host.commands, words_of(command).data);
    *code = found ? found->code : 0;
    return rr_ok();
}

rr_error rr_host_spawn(const rr_command *command, int32_t *handle) {
    RR_TRY(begin(command));
    const char *words = words_of(command).data;
    if (!find(&host.commands, words))
        rt_command(words, 0, "", "");
    *handle = hand_out(RR_HANDLE_CHILD, (size_t)(find(&host.commands, words) - host.commands.items));
    return rr_ok();
}

rr_error rr_host_child_read(int32_t handle, rr_stream stream, uint32_t max, rr_bytes *data) {
    opened *one = handed_out(handle);
    named *command = &host.commands.items[one->what];
    *data = next_of(stream == RR_STDOUT ? command->value : command->more, &one->at[stream], max);
    return rr_ok();
}

rr_error rr_host_child_wait(int32_t handle, int32_t *code) {
    *code = host.commands.items[handed_out(handle)->what].code;
    return rr_ok();
}

void rr_host_child_kill(int32_t handle) {
    (void)handed_out(handle);
}

/* ---- trees, hosts ------------------------------------------------------------------------------------------------------------ */

rr_error rr_tree_capture(const char *dir, rr_text *digest) {
    *digest = rr_format("tree-of-%s", dir);
    return call(rr_format("capture %s", dir));
}

rr_error rr_tree_restore(const char *digest, const char *dir) {
    return call(rr_format("restore %s %s", digest, dir));
}

rr_texts rr_hosts(void) {
    rr_text *items = RR_NEW(rr_text, host.hosts.count + 1);
    for (size_t i = 0; i < host.hosts.count; i++)
        items[i] = rr_str(host.hosts.items[i].name);
    return (rr_texts){.items = items, .count = host.hosts.count};
}

rr_pairs rr_host_labels(const char *name) {
    (void)name;
    return (rr_pairs){0};
}

rr_text rr_host_setting(const char *name, const char *setting) {
    return rr_setting(rr_format("%s/%s", name, setting).data);
}

static file *at(const char *name, const char *path) {
    for (size_t i = 0; i < host.file_count; i++)
        if (strcmp(host.files[i].host, name) == 0 && strcmp(host.files[i].path, path) == 0)
            return &host.files[i];
    return NULL;
}

static void lay(const char *name, const char *path, rr_file_type type, const void *data, size_t len) {
    file *there = at(name, path);
    if (!there) {
        if (host.file_count == sizeof host.files / sizeof *host.files)
            give_up("too many files");
        there = &host.files[host.file_count++];
        *there = (file){.host = keep(name), .path = keep(path)};
    }
    free(there->data);
    there->data = malloc(len + 1);
    if (!there->data)
        give_up("no memory left");
    if (len)
        memcpy(there->data, data, len);
    there->data[len] = '\0';
    there->len = len;
    there->type = type;
}

static void lay_dirs(const char *name, const char *path) {
    for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
        rr_text dir = rr_copy(path, (size_t)(end - path));
        if (!at(name, dir.data))
            lay(name, dir.data, RR_DIR, "", 0);
    }
}

void rt_put(const char *name, const char *path, const char *text) {
    lay_dirs(name, path);
    lay(name, path, RR_FILE, text, strlen(text));
}

static rr_error known(const char *name) {
    return find(&host.hosts, name) ? rr_ok() : rr_fail(RR_MISSING, "there is no host \"%s\"", name);
}

static rr_error on(const char *name, rr_text words) {
    RR_TRY(change(words));
    return known(name);
}

rr_error rr_host_upload(const char *name, const char *digest, const char *path) {
    RR_TRY(on(name, rr_format("upload %s %s", name, path)));
    lay_dirs(name, path);
    lay(name, path, RR_DIR, digest, strlen(digest));
    return rr_ok();
}

rr_error rr_fetch(const char *name, const char *path, const char *const *without, rr_text *digest) {
    (void)without;
    RR_TRY(known(name));
    file *found = at(name, path);
    if (!found)
        return rr_fail(RR_MISSING, "%s is not there", path);
    *digest = rr_copy(found->data, found->len);
    return rr_ok();
}

static rr_entry entry_of(const file *found) {
    rr_entry made = {.name = rr_str(strrchr(found->path, '/') + 1), .type = found->type};
    if (found->type == RR_LINK)
        made.target = rr_copy(found->data, found->len);
    return made;
}

rr_error rr_read_dir(const char *name, const char *path, rr_entries *entries) {
    RR_TRY(known(name));
    rr_entry *items = RR_NEW(rr_entry, host.file_count + 1);
    size_t count = 0, len = strlen(path);
    for (size_t i = 0; i < host.file_count; i++) {
        const file *one = &host.files[i];
        bool inside = strcmp(one->host, name) == 0 && strncmp(one->path, path, len) == 0 && one->path[len] == '/';
        if (inside && !strchr(one->path + len + 1, '/'))
            items[count++] = entry_of(one);
    }
    *entries = (rr_entries){.items = items, .count = count};
    return rr_ok();
}

rr_error rr_stat(const char *name, const char *path, bool *found, rr_entry *entry) {
    RR_TRY(known(name));
    file *one = at(name, path);
    *found = one != NULL;
    if (one)
        *entry = entry_of(one);
    return rr_ok();
}

rr_error rr_host_make_dir(const char *name, const char *path) {
    RR_TRY(on(name, rr_format("make-dir %s %s", name, path)));
    lay_dirs(name, rr_format("%s/", path).data);
    return rr_ok();
}

rr_error rr_host_symlink(const char *name, const char *target, const char *path) {
    RR_TRY(on(name, rr_format("symlink %s %s -> %s", name, path, target)));
    if (at(name, path))
        return rr_fail(RR_PERMANENT, "%s: something is there", path);
    lay(name, path, RR_LINK, target, strlen(target));
    return rr_ok();
}

rr_error rr_host_rename(const char *name, const char *from, const char *to) {
    RR_TRY(on(name, rr_format("rename %s %s", name, to)));
    file *found = at(name, from);
    if (!found)
        return rr_fail(RR_MISSING, "%s is not there", from);
    lay(name, to, found->type, found->data, found->len);
    found = at(name, from);
    found->path[0] = '\0';
    return rr_ok();
}

rr_error rr_read_file(const char *name, const char *path, rr_bytes *data) {
    RR_TRY(known(name));
    file *found = at(name, path);
    if (!found || found->type != RR_FILE)
        return rr_fail(RR_MISSING, "%s is not there", path);
    *data = (rr_bytes){.data = (const uint8_t *)rr_copy(found->data, found->len).data, .len = found->len};
    return rr_ok();
}

rr_error rr_host_write_file(const char *name, const char *path, rr_bytes data) {
    RR_TRY(on(name, rr_format("write-file %s %s", name, path)));
    lay(name, path, RR_FILE, data.data, data.len);
    return rr_ok();
}

rr_error rr_host_remove(const char *name, const char *path) {
    RR_TRY(on(name, rr_format("remove %s %s", name, path)));
    size_t len = strlen(path);
    for (size_t i = 0; i < host.file_count; i++) {
        file *one = &host.files[i];
        bool below = strncmp(one->path, path, len) == 0 && (one->path[len] == '\0' || one->path[len] == '/');
        if (below && strcmp(one->host, name) == 0)
            one->path[0] = '\0';
    }
    return rr_ok();
}

rr_error rr_host_claim(const char *name, const char *dir) {
    return on(name, rr_format("claim %s %s", name, dir));
}

rr_error rr_host_disclaim(const char *name, const char *dir) {
    return on(name, rr_format("disclaim %s %s", name, dir));
}

static rr_error one_deed(const rr_deed *deed) {
    switch (deed->doing) {
    case RR_DO_CLAIM:
        return rr_host_claim(deed->host, deed->first);
    case RR_DO_DISCLAIM:
        return rr_host_disclaim(deed->host, deed->first);
    case RR_DO_MAKE_DIR:
        return rr_host_make_dir(deed->host, deed->first);
    case RR_DO_UPLOAD:
        return rr_host_upload(deed->host, deed->first, deed->second);
    case RR_DO_SYMLINK:
        return rr_host_symlink(deed->host, deed->first, deed->second);
    case RR_DO_RENAME:
        return rr_host_rename(deed->host, deed->first, deed->second);
    case RR_DO_WRITE_FILE:
        return rr_host_write_file(deed->host, deed->first, deed->data);
    case RR_DO_REMOVE:
        return rr_host_remove(deed->host, deed->first);
    case RR_DO_RUN:
        break;
    }
    int32_t code = 0;
    rr_command command = *deed->command;
    command.on_host = deed->host;
    RR_TRY(rr_host_run(&command, &code));
    return code ? rr_fail(RR_PERMANENT, "`%s` ended with exit code %d", words_of(&command).data, (int)code) : rr_ok();
}

/* One host's part after the other's, in the order in which things were queued, so that a test knows what comes when. */
rr_error rr_host_round(uint32_t parallel, const rr_deed *deeds, size_t count, rr_part **parts, size_t *part_count) {
    (void)parallel;
    *parts = RR_NEW(rr_part, count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t part = 0;
        while (part < *part_count && !rr_is((*parts)[part].host, deeds[i].host))
            part++;
        if (part == *part_count)
            (*parts)[(*part_count)++] = (rr_part){.host = rr_str(deeds[i].host)};
        if ((*parts)[part].error.kind == RR_OK)
            (*parts)[part].error = one_deed(&deeds[i]);
    }
    return rr_ok();
}

/* ---- kubernetes, registry ---------------------------------------------------------------------------------------------------- */

/* A mark that begins with stranger is another ledger's. */
rr_error rr_kubernetes_mark(const char *found, const char *object, rr_text *mark) {
    *mark = rr_str("\"r1\"");
    return found && strncmp(found, "stranger", 8) == 0 ? rr_fail(RR_DENIED, "%s belongs to %s", object, found) : rr_ok();
}

/* The same words give the same digest. */
rr_error rr_host_image_digest(rr_text image, rr_text *digest) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < image.len; i++)
        hash = (hash ^ (uint8_t)image.data[i]) * 1099511628211u;
    *digest = rr_format("sha256:%064llx", (unsigned long long)hash);
    return rr_ok();
}

rr_error rr_image_find(const char *repository, const char *name, rr_text *digest) {
    named *found = find(&host.tags, rr_format("%s:%s", repository, name).data);
    *digest = found && *found->value ? rr_str(found->value) : (rr_text){0};
    return call(rr_format("find %s %s", repository, name));
}

rr_error rr_host_image_push(const char *repository, rr_text image, rr_text *pushed) {
    rr_text digest;
    RR_TRY(rr_host_image_digest(image, &digest));
    const char *name = rr_format("%s:%s", repository, digest.data).data;
    bool there = find(&host.tags, name) != NULL;
    add(&host.tags, name, digest.data, NULL, 0);
    *pushed = rr_format("{\"digest\":\"%s\",\"sent\":%d,\"existed\":%d,\"mounted\":0}", digest.data, !there, there);
    return change(rr_format("push %s %s", repository, digest.data));
}

rr_error rr_host_image_tag(const char *repository, const char *digest, const char *tag, bool fixed) {
    RR_TRY(change(rr_format("tag %s %s %s", repository, tag, digest)));
    const char *name = rr_format("%s:%s", repository, tag).data;
    named *found = find(&host.tags, name);
    if (found && fixed && strcmp(found->value, digest) != 0)
        return rr_fail(RR_PERMANENT, "%s exists with another content", tag);
    add(&host.tags, name, digest, NULL, 0);
    return rr_ok();
}

rr_error rr_host_image_untag(const char *repository, const char *tag) {
    RR_TRY(change(rr_format("untag %s %s", repository, tag)));
    add(&host.tags, rr_format("%s:%s", repository, tag).data, "", NULL, 0);
    return rr_ok();
}
