/* What the SDK's own sources say to each other, and to a host. A component's imports (imports.c) and the fake of native tests
 * (testing/host.c) are two hosts: both have all rr_host_ functions. */
#ifndef RELRUN_HOST_H
#define RELRUN_HOST_H

#include "relrun.h"

#include <stdarg.h>

/* ---- memory.c, text.c -------------------------------------------------------------------------------------------------------- */

/* Gives back all memory of the operation before. */
void rr_memory_reset(void);
/* Memory as realloc gives it, for what the host writes; what was there is copied. */
void *rr_memory_grow(void *old, size_t old_size, size_t align, size_t size);
/* A text as vprintf makes it. */
rr_text rr_vformat(const char *format, va_list arguments) RR_PRINTF(1, 0);
/* The text with each byte that is no UTF-8 as U+FFFD: any other text is a trap in the host. */
rr_text rr_valid(rr_text text);
/* Whether all of these C strings, up to a NULL, are UTF-8; else an error that says which is not. */
rr_error rr_check(const char *const *texts);
#define RR_CHECK(...) rr_check((const char *const[]){__VA_ARGS__, NULL})

/* ---- operations.c ------------------------------------------------------------------------------------------------------------ */

typedef struct rr_need_item {
    rr_text capability;
    const char *reason;
    struct rr_need_item *next;
} rr_need_item;

struct rr_needs {
    bool effect, idempotent;
    rr_need_item *first, *last;
    size_t count;
};

typedef struct rr_change_item {
    rr_text summary;
    const char *detail;
    struct rr_change_item *next;
} rr_change_item;

struct rr_changes {
    rr_change_item *first, *last;
    size_t count;
};

/* The plugin's operations, with JSON texts. Each begins with fresh memory; rr_do_end closes the handles that are still open. */
rr_text rr_do_config_schema(void);
rr_text rr_do_outputs_schema(void);
rr_error rr_do_resolve(rr_text config, rr_needs *needs);
rr_error rr_do_plan(rr_text config, rr_changes *changes);
rr_error rr_do_apply(rr_text config, rr_outcome *outcome);
rr_error rr_do_recover(rr_text config, const rr_text *checkpoint, rr_recovery *recovery);
rr_error rr_do_verify(rr_text config, rr_text receipt, rr_health *health, rr_changes *changes);
rr_error rr_do_undo(rr_text config, rr_text receipt, rr_outcome *outcome);
rr_error rr_do_destroy(rr_text config, rr_text receipt, rr_outcome *outcome);
rr_error rr_do_find(rr_text config, rr_outcome *outcome);

/* ---- guard.c ----------------------------------------------------------------------------------------------------------------- */

/* While an effect's apply runs, the first call that may change something saves an empty checkpoint, unless the plugin has saved one. */
void rr_guard_arm(bool armed);
/* Says that the next call may change something. */
rr_error rr_guard_mutation(void);

/* Handles that are open: closed when the operation ends. */
typedef enum rr_handle_kind { RR_HANDLE_SECRET, RR_HANDLE_RESPONSE, RR_HANDLE_CHILD } rr_handle_kind;
void rr_handle_opened(rr_handle_kind kind, int32_t handle);
/* Whether it was open, and is not any more. */
bool rr_handle_closed(rr_handle_kind kind, int32_t handle);
void rr_handles_close(void);

/* ---- a host ------------------------------------------------------------------------------------------------------------------ */

void rr_host_log(rr_level level, rr_text message);
void rr_host_progress(const char *what, uint64_t done, const uint64_t *total);
rr_error rr_host_checkpoint(rr_text state);
rr_error rr_host_secret(const char *name, int32_t *handle);
rr_text rr_host_secret_name(int32_t handle);
rr_error rr_host_secret_reveal(int32_t handle, rr_text *value);
rr_error rr_host_secret_sign(int32_t handle, rr_bytes data, rr_bytes *signature);
rr_error rr_host_send(const rr_request *request, int32_t *handle, uint16_t *status);
rr_pairs rr_host_response_headers(int32_t handle);
rr_error rr_host_response_read(int32_t handle, uint32_t max, rr_bytes *data);
rr_error rr_host_response_save(int32_t handle, const char *path, uint64_t *length);
rr_error rr_host_run(const rr_command *command, int32_t *code);
rr_error rr_host_spawn(const rr_command *command, int32_t *handle);
rr_error rr_host_child_read(int32_t handle, rr_stream stream, uint32_t max, rr_bytes *data);
rr_error rr_host_child_wait(int32_t handle, int32_t *code);
void rr_host_child_kill(int32_t handle);
void rr_host_drop(rr_handle_kind kind, int32_t handle);
rr_error rr_host_upload(const char *host, const char *digest, const char *path);
rr_error rr_host_make_dir(const char *host, const char *path);
rr_error rr_host_symlink(const char *host, const char *target, const char *path);
rr_error rr_host_rename(const char *host, const char *from, const char *to);
rr_error rr_host_write_file(const char *host, const char *path, rr_bytes data);
rr_error rr_host_remove(const char *host, const char *path);
rr_error rr_host_claim(const char *host, const char *dir);
rr_error rr_host_disclaim(const char *host, const char *dir);
rr_error rr_host_round(uint32_t parallel, const rr_deed *deeds, size_t count, rr_part **parts, size_t *part_count);
rr_error rr_host_image_digest(rr_text image, rr_text *digest);
rr_error rr_host_image_push(const char *repository, rr_text image, rr_text *pushed);
rr_error rr_host_image_tag(const char *repository, const char *digest, const char *tag, bool fixed);
rr_error rr_host_image_untag(const char *repository, const char *tag);
/* Everything else of relrun.h that asks the host (rr_package …, rr_hosts, rr_host_labels, rr_host_setting, rr_fetch, rr_read_dir, rr_stat,
 * rr_read_file, rr_tree_capture, rr_tree_restore, rr_kubernetes_mark, rr_image_find) is the host's own: there is nothing to add. */

#endif
