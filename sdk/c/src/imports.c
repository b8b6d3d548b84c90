/* A component's imports: the host's functions by the generated bindings. */
#ifdef __wasm__

#include "component.h"

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

relrun_plugin_process_own_command_t rr_made_of(const rr_command *command) {
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
    relrun_plugin_process_own_command_t made = rr_made_of(command);
    bool done = relrun_plugin_process_method_command_run(relrun_plugin_process_borrow_command(made), code, &error);
    relrun_plugin_process_command_drop_own(made);
    return asked(done, &error);
}

rr_error rr_host_spawn(const rr_command *command, int32_t *handle) {
    fault error;
    relrun_plugin_process_own_child_t child = {0};
    relrun_plugin_process_own_command_t made = rr_made_of(command);
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

#endif
