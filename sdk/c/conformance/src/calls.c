/* The actions that reach secrets, servers, commands, trees and registries. */
#include "conformance.h"

#include <string.h>

static rr_error secret(const rr_json *action, rr_text name, rr_json **entry) {
    rr_secret found;
    rr_text value = rr_str("");
    rr_bytes signature;
    RR_TRY(rr_secret_get(argument(action, "name"), &found));
    if (rr_is(name, "reveal")) {
        RR_TRY(rr_secret_reveal(found, &value));
        *entry = rr_string(value);
    } else if (rr_is(name, "sign")) {
        rr_text text = rr_as_text(rr_get(action, "text"));
        RR_TRY(rr_secret_sign(found, (rr_bytes){.data = (const uint8_t *)text.data, .len = text.len}, &signature));
        char *hex = rr_alloc(signature.len * 2 + 1);
        for (size_t i = 0; i < signature.len; i++)
            memcpy(hex + i * 2, rr_format("%02x", signature.data[i]).data, 2);
        *entry = rr_string(rr_str(hex));
    } else {
        *entry = rr_set(rr_object(), "name", rr_string(rr_secret_name(found)));
    }
    return rr_ok();
}

/* A list's text at a place. */
static const char *at(const rr_json *list, int place) {
    const rr_json *item = list ? list->first : NULL;
    for (; item && place > 0; place--)
        item = item->next;
    return rr_as_text(item).data;
}

static rr_pairs headers(const rr_json *list) {
    rr_pair *items = RR_NEW(rr_pair, (list ? list->count : 0) + 1);
    size_t count = 0;
    RR_EACH (header, list)
        items[count++] = (rr_pair){.name = rr_str(at(header, 0)), .value = rr_str(at(header, 1))};
    return (rr_pairs){.items = items, .count = count};
}

static uint32_t most(const rr_json *action) {
    return (uint32_t)rr_as_integer(rr_get(action, "max"), 65536);
}

static rr_error drain_body(const rr_json *action, const rr_response *response, rr_json **body) {
    rr_builder all = {0};
    rr_bytes piece;
    do {
        RR_TRY(rr_response_read(response, most(action), &piece));
        rr_add(&all, piece.data, piece.len);
    } while (piece.len);
    *body = rr_string(rr_built(&all));
    return rr_ok();
}

static rr_error answer(const rr_json *action, const rr_request *request, rr_json **entry) {
    rr_response response;
    RR_TRY(rr_send(request, &response));
    rr_json *made = rr_set(rr_object(), "status", rr_integer(response.status)), *list = rr_array(), *body = NULL;
    rr_pairs pairs = rr_response_headers(&response);
    for (size_t i = 0; i < pairs.count; i++)
        rr_push(list, rr_push(rr_push(rr_array(), rr_string(pairs.items[i].name)), rr_string(pairs.items[i].value)));
    *entry = rr_set(made, "headers", list);
    const char *save = optional(action, "save");
    if (save) {
        uint64_t length = 0;
        RR_TRY(rr_response_save(&response, save, &length));
        rr_set(made, "saved", rr_integer((int64_t)length));
    } else {
        RR_TRY(drain_body(action, &response, &body));
        rr_set(made, "body", body);
    }
    rr_response_close(&response);
    return rr_ok();
}

static rr_error http(const rr_json *action, bool cluster, rr_json **entry) {
    const rr_json *header = rr_get(action, "secret-header"), *basic = rr_get(action, "basic-auth"), *text = rr_get(action, "body");
    rr_request request = {.method = argument(action, "method"),
                          .url = argument(action, cluster ? "path" : "url"),
                          .headers = headers(rr_get(action, "headers")),
                          .body_file = optional(action, "body-file"),
                          .timeout_ms = (uint64_t)rr_as_integer(rr_get(action, "timeout"), 0)};
    rr_secret_pair pair = {.name = at(header, 0), .prefix = at(header, 1)};
    rr_bytes body = {.data = (const uint8_t *)rr_as_text(text).data, .len = rr_as_text(text).len};
    if (cluster) {
        request.context = argument(action, "context");
        request.name_space = argument(action, "namespace");
    }
    if (header) {
        RR_TRY(rr_secret_get(at(header, 2), &pair.secret));
        request.secret_headers = &pair;
        request.secret_header_count = 1;
    }
    if (basic) {
        request.user = at(basic, 0);
        RR_TRY(rr_secret_get(at(basic, 1), &request.password));
    }
    if (text)
        request.body = &body;
    return answer(action, &request, entry);
}

static const char *const *words(const rr_json *list) {
    const char **items = RR_NEW(const char *, (list ? list->count : 0) + 1);
    size_t count = 0;
    RR_EACH (item, list)
        items[count++] = rr_as_text(item).data;
    return items;
}

static rr_error drain_child(const rr_json *action, const rr_child *child, rr_stream stream, rr_json **text) {
    rr_builder all = {0};
    rr_bytes piece;
    do {
        RR_TRY(rr_child_read(child, stream, most(action), &piece));
        rr_add(&all, piece.data, piece.len);
    } while (piece.len);
    *text = rr_string(rr_built(&all));
    return rr_ok();
}

static rr_error spawn(const rr_json *action, const rr_command *command, rr_json **entry) {
    rr_child child;
    int32_t code = 0;
    rr_json *output = NULL, *errors = NULL;
    RR_TRY(rr_spawn(command, &child));
    if (rr_as_bool(rr_get(action, "kill"))) {
        rr_child_kill(&child);
        RR_TRY(rr_child_wait(&child, &code));
        *entry = rr_set(rr_object(), "killed", rr_bool(true));
        return rr_ok();
    }
    RR_TRY(drain_child(action, &child, RR_STDOUT, &output));
    RR_TRY(drain_child(action, &child, RR_STDERR, &errors));
    RR_TRY(rr_child_wait(&child, &code));
    rr_child_close(&child);
    *entry = rr_set(rr_set(rr_set(rr_object(), "code", rr_integer(code)), "stdout", output), "stderr", errors);
    return rr_ok();
}

static rr_error command(const rr_json *action, bool spawned, rr_json **entry) {
    const rr_json *env = rr_get(action, "env"), *variable = rr_get(action, "secret-env"), *text = rr_get(action, "stdin");
    rr_pair *variables = RR_NEW(rr_pair, (env ? env->count : 0) + 1);
    rr_secret_pair pair = {.name = at(variable, 0)};
    rr_bytes input = {.data = (const uint8_t *)rr_as_text(text).data, .len = rr_as_text(text).len};
    rr_command made = {.program = argument(action, "program"),
                       .args = words(rr_get(action, "args")),
                       .dir = optional(action, "dir"),
                       .env = {.items = variables},
                       .on_host = optional(action, "on-host")};
    RR_EACH (item, env)
        variables[made.env.count++] = (rr_pair){.name = item->key, .value = rr_as_text(item)};
    if (variable) {
        RR_TRY(rr_secret_get(at(variable, 1), &pair.secret));
        made.secret_env = &pair;
        made.secret_env_count = 1;
    }
    if (text)
        made.input = &input;
    if (spawned)
        return spawn(action, &made, entry);
    int32_t code = 0;
    RR_TRY(rr_run(&made, &code));
    *entry = rr_set(rr_object(), "code", rr_integer(code));
    return rr_ok();
}

/* The actions of trees, clusters and registries. */
static rr_error stored(const rr_json *action, rr_text name, rr_json **entry, bool *known) {
    rr_text text = {0};
    const char *repository = argument(action, "repository");
    if (rr_is(name, "capture")) {
        RR_TRY(rr_tree_capture(argument(action, "dir"), &text));
        *entry = rr_string(text);
    } else if (rr_is(name, "restore")) {
        return rr_tree_restore(argument(action, "digest"), argument(action, "dir"));
    } else if (rr_is(name, "mark")) {
        const rr_json *found = rr_get(action, "found");
        RR_TRY(rr_kubernetes_mark(found ? rr_json_write(found).data : NULL, argument(action, "object"), &text));
        return rr_json_read(text, entry);
    } else if (rr_is(name, "image-digest")) {
        RR_TRY(rr_image_digest(rr_get(action, "image"), &text));
        *entry = rr_string(text);
    } else if (rr_is(name, "image-find")) {
        RR_TRY(rr_image_find(repository, argument(action, "name"), &text));
        *entry = text_or_null(text);
    } else if (rr_is(name, "image-push")) {
        return rr_image_push(repository, rr_get(action, "image"), entry);
    } else if (rr_is(name, "image-tag")) {
        return rr_image_tag(repository, argument(action, "digest"), argument(action, "tag"), rr_as_bool(rr_get(action, "fixed")));
    } else if (rr_is(name, "image-untag")) {
        return rr_image_untag(repository, argument(action, "tag"));
    } else {
        *known = false;
    }
    return rr_ok();
}

rr_error perform_call(const rr_json *action, rr_json **entry, bool *known) {
    rr_text name = rr_as_text(rr_get(action, "do"));
    *known = true;
    if (rr_is(name, "secret") || rr_is(name, "reveal") || rr_is(name, "sign"))
        return secret(action, name, entry);
    if (rr_is(name, "http") || rr_is(name, "kubernetes"))
        return http(action, rr_is(name, "kubernetes"), entry);
    if (rr_is(name, "command") || rr_is(name, "spawn"))
        return command(action, rr_is(name, "spawn"), entry);
    return stored(action, name, entry, known);
}
