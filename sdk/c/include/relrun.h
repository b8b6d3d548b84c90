/* The relrun SDK for step plugins in C.
 *
 * A plugin is one call of RELRUN_PLUGIN with functions for its operations. All memory that the SDK hands out lives until the operation
 * ends: nothing is freed by hand, and every handle that is still open is closed then. Errors are values: RR_TRY hands one on.
 *
 * Texts that a function takes are C strings in UTF-8; texts that it gives are an rr_text, which is followed by a NUL too. */
#ifndef RELRUN_H
#define RELRUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RR_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#define RR_CHECKED __attribute__((__warn_unused_result__))
#else
#define RR_PRINTF(text, first)
#define RR_CHECKED
#endif

/* A list of C strings: RR_ARGS("log", "-1"). */
#define RR_ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- Texts, bytes, memory ---------------------------------------------------------------------------------------------------- */

/* A text in UTF-8. data[len] is a NUL that len does not count. */
typedef struct rr_text {
    const char *data;
    size_t len;
} rr_text;

/* Some bytes. */
typedef struct rr_bytes {
    const uint8_t *data;
    size_t len;
} rr_bytes;

/* A list of texts. */
typedef struct rr_texts {
    const rr_text *items;
    size_t count;
} rr_texts;

/* A name and a value. */
typedef struct rr_pair {
    rr_text name, value;
} rr_pair;

/* A list of pairs. */
typedef struct rr_pairs {
    const rr_pair *items;
    size_t count;
} rr_pairs;

/* Memory for the rest of the operation, zeroed and aligned for anything. Never NULL: where there is none left, the operation ends. */
void *rr_alloc(size_t size);
/* Room for count things of a type. */
#define RR_NEW(type, count) ((type *)rr_alloc(sizeof(type) * (size_t)(count)))
/* Remembers how much memory is used, for rr_release. */
typedef struct rr_mark {
    void *chunk;
    size_t used;
} rr_mark;
/* Returns the mark of this moment. */
rr_mark rr_memory(void);
/* Gives back all memory that was handed out since the mark: for loops that read much. */
void rr_release(rr_mark mark);

/* The text of a C string, which is not copied. */
rr_text rr_str(const char *text);
/* A copy of some bytes as a text. */
rr_text rr_copy(const void *data, size_t len);
/* A text as printf makes it. */
rr_text rr_format(const char *format, ...) RR_PRINTF(1, 2);
/* A text, or some bytes, that are put together; begin with rr_builder text = {0}. */
typedef struct rr_builder {
    char *data;
    size_t len, room;
} rr_builder;
/* Adds some bytes, or a C string. */
void rr_add(rr_builder *builder, const void *data, size_t len);
void rr_add_str(rr_builder *builder, const char *text);
/* The whole. What is added later may or may not be part of it. */
rr_text rr_built(const rr_builder *builder);
/* Whether a text is this C string. */
bool rr_is(rr_text text, const char *other);
/* Whether some bytes are UTF-8. */
bool rr_is_utf8(const void *data, size_t len);

/* ---- Errors ------------------------------------------------------------------------------------------------------------------ */

/* What happens next: only what is transient is tried again. */
typedef enum rr_kind {
    RR_OK = 0,
    RR_INVALID,   /* the manifest's author's mistake */
    RR_DENIED,    /* no grant covers it, or policy forbids it */
    RR_MISSING,   /* something that should be there is not */
    RR_TIMED_OUT, /* it took longer than it may */
    RR_CANCELLED, /* the release is being cancelled: clean up and return */
    RR_TRANSIENT, /* another try may help */
    RR_PERMANENT, /* another try cannot help */
    RR_OTHER      /* a kind that this version does not know */
} rr_kind;

/* Why something failed; RR_OK where it did not. */
typedef struct rr_error {
    rr_kind kind;
    rr_text message;
} rr_error;

/* Nothing failed. */
rr_error rr_ok(void);
/* An error with a message as printf makes it. */
rr_error rr_fail(rr_kind kind, const char *format, ...) RR_PRINTF(2, 3);
/* Puts what was being done before the message; the kind stays. What did not fail stays so. */
rr_error rr_wrap(rr_error error, const char *format, ...) RR_PRINTF(2, 3);
/* The error of errno: ENOENT is missing, EACCES and EROFS denied, and so on. */
rr_error rr_errno(const char *format, ...) RR_PRINTF(1, 2);
/* The kind's name in the plugin world: "timed-out". */
const char *rr_kind_name(rr_kind kind);
/* Returns from the function where this failed. */
#define RR_TRY(call)                \
    do {                            \
        rr_error rr_tried = (call); \
        if (rr_tried.kind != RR_OK) \
            return rr_tried;        \
    } while (0)

/* ---- JSON -------------------------------------------------------------------------------------------------------------------- */

typedef enum rr_type { RR_NULL, RR_BOOL, RR_NUMBER, RR_STRING, RR_ARRAY, RR_OBJECT } rr_type;

/* A JSON value. A number keeps the digits that it was written with. */
typedef struct rr_json rr_json;
struct rr_json {
    rr_type type;
    bool truth;     /* of RR_BOOL */
    rr_text text;   /* of RR_STRING its text, of RR_NUMBER its digits */
    rr_text key;    /* its name, where it stands in an object */
    rr_json *first; /* of RR_ARRAY and RR_OBJECT: what it holds */
    rr_json *last;
    rr_json *next; /* what comes after it there */
    size_t count;
};

/* Reads a JSON text. */
RR_CHECKED rr_error rr_json_read(rr_text text, rr_json **value);
/* Writes a JSON value in one line. */
rr_text rr_json_write(const rr_json *value);
/* The value of a name; NULL where there is none, or where it is no object. */
const rr_json *rr_get(const rr_json *object, const char *name);
/* A string's text, or "" where it is none. */
rr_text rr_as_text(const rr_json *value);
/* A number as a whole one, or the fallback. */
int64_t rr_as_integer(const rr_json *value, int64_t fallback);
/* Whether it is the value true. */
bool rr_as_bool(const rr_json *value);
/* Goes over what an array or an object holds. */
#define RR_EACH(item, of) for (const rr_json *item = (of) ? (of)->first : NULL; item; item = item->next)

rr_json *rr_null(void);
rr_json *rr_bool(bool truth);
rr_json *rr_integer(int64_t value);
rr_json *rr_string(rr_text text);
rr_json *rr_array(void);
rr_json *rr_object(void);
/* A copy of a value, to stand elsewhere. */
rr_json *rr_json_copy(const rr_json *value);
/* Adds a value at the end, and returns the array. */
rr_json *rr_push(rr_json *array, rr_json *value);
/* Sets a name's value, and returns the object. The name is not copied. */
rr_json *rr_set(rr_json *object, const char *name, rr_json *value);

/* ---- Shapes: structs as JSON, with a JSON Schema ----------------------------------------------------------------------------- */

typedef enum rr_field_type {
    RR_FIELD_TEXT,    /* rr_text */
    RR_FIELD_INTEGER, /* int64_t */
    RR_FIELD_REAL,    /* double */
    RR_FIELD_BOOL,    /* bool */
    RR_FIELD_TEXTS,   /* rr_texts */
    RR_FIELD_PAIRS,   /* rr_pairs: an object with free keys */
    RR_FIELD_JSON,    /* const rr_json *, NULL where it is absent */
    RR_FIELD_LIST     /* rr_list of a shape */
} rr_field_type;

/* A list of structs of one shape. */
typedef struct rr_list {
    void *items;
    size_t count;
} rr_list;

/* One field of a struct. Write it with the macro of its type: RR_TEXT(struct config, who, .required = true). */
typedef struct rr_field {
    const char *name; /* in JSON; kebab-case */
    rr_field_type type;
    size_t offset;
    const char *doc;
    bool required;
    bool arg;                     /* a manifest may write it as a positional argument */
    const char *fallback;         /* its default, as JSON */
    const char *const *choices;   /* of RR_FIELD_TEXT: what it may be, up to a NULL */
    const char *pattern;          /* of RR_FIELD_TEXT: a regular expression */
    int64_t min, max;             /* bounds of a number, of a text's length, of a list's length; 0 says nothing */
    const struct rr_shape *shape; /* of RR_FIELD_LIST */
} rr_field;

/* A struct, told by its fields. */
typedef struct rr_shape {
    size_t size;
    const rr_field *fields;
    size_t count;
} rr_shape;

#define RR_TEXT(of, member, json, ...) {.name = json, .type = RR_FIELD_TEXT, .offset = offsetof(of, member), __VA_ARGS__}
#define RR_INTEGER(of, member, json, ...) {.name = json, .type = RR_FIELD_INTEGER, .offset = offsetof(of, member), __VA_ARGS__}
#define RR_REAL(of, member, json, ...) {.name = json, .type = RR_FIELD_REAL, .offset = offsetof(of, member), __VA_ARGS__}
#define RR_FLAG(of, member, json, ...) {.name = json, .type = RR_FIELD_BOOL, .offset = offsetof(of, member), __VA_ARGS__}
#define RR_TEXTS(of, member, json, ...) {.name = json, .type = RR_FIELD_TEXTS, .offset = offsetof(of, member), __VA_ARGS__}
#define RR_PAIRS(of, member, json, ...) {.name = json, .type = RR_FIELD_PAIRS, .offset = offsetof(of, member), __VA_ARGS__}
#define RR_ANY(of, member, json, ...) {.name = json, .type = RR_FIELD_JSON, .offset = offsetof(of, member), __VA_ARGS__}
#define RR_LIST(of, member, json, inner, ...) \
    {.name = json, .type = RR_FIELD_LIST, .offset = offsetof(of, member), .shape = inner, __VA_ARGS__}
/* The shape of a struct by its array of fields. */
#define RR_SHAPE(of, table) {.size = sizeof(of), .fields = table, .count = sizeof(table) / sizeof *(table)}

/* Reads a JSON object into a struct of this shape. What it does not know is refused where it is closed, else left alone. */
RR_CHECKED rr_error rr_shape_read(const rr_shape *shape, const rr_json *value, bool closed, void *into);
/* Makes a JSON object of a struct of this shape. */
rr_json *rr_shape_write(const rr_shape *shape, const void *from);
/* The JSON Schema of a shape. */
rr_json *rr_shape_schema(const rr_shape *shape, bool closed);

/* ---- What a plugin is -------------------------------------------------------------------------------------------------------- */

typedef struct rr_needs rr_needs;
typedef struct rr_changes rr_changes;

/* Says that the config's step changes something outside. It is pure until then. */
void rr_effect(rr_needs *needs);
/* Says that a second apply with the same idempotency key does no harm. A pure step always says so. */
void rr_idempotent(rr_needs *needs);
/* Asks for a capability in the manifest's own words, and says why; one word after the other, as rr_capability makes them. */
void rr_need(rr_needs *needs, rr_text capability, const char *reason);
/* A capability: rr_capability("run", RR_ARGS("make", "dist"), NULL), or with properties: RR_ARGS("methods", "GET POST"). A property of
 * "#true" is a flag. */
rr_text rr_capability(const char *word, const char *const *arguments, const char *const *properties);
/* Says one thing that would change, or has drifted. The detail may be NULL. */
void rr_change(rr_changes *changes, rr_text summary, const char *detail);
/* How many were said. */
size_t rr_changed(const rr_changes *changes);

/* What an apply, an undo or a destroy leaves. */
typedef struct rr_outcome {
    rr_text summary;  /* one line: what was done */
    rr_json *outputs; /* an object; NULL is an empty one */
    rr_json *receipt; /* what undo needs; NULL where nothing can be undone */
} rr_outcome;

/* How far an apply came that never answered. */
typedef struct rr_recovery {
    enum { RR_NOT_DONE, RR_DONE, RR_PARTLY } found;
    rr_outcome outcome; /* of RR_DONE */
    rr_json *receipt;   /* of RR_PARTLY */
} rr_recovery;

/* Whether what a receipt names still stands; what differs is said with rr_change. */
typedef enum rr_health { RR_INTACT, RR_DRIFTED, RR_GONE } rr_health;

/* A plugin. Only name, version, summary and apply must be set; the config is a struct of the shape, or a const rr_json * where there is a
 * schema.
 *
 * resolve  says what the config needs, and reaches nothing; by default nothing, and the step is pure.
 * plan     says what apply would change, and changes nothing.
 * recover  says how far an apply came: begun says that it may have changed something, checkpoint is the last one that it saved, or NULL.
 * verify   says whether what the receipt names still stands.
 * undo     restores what stood before; destroy removes the deployment. Doing it twice does no harm.
 * find     looks at what stands without relrun's doing; its outputs are values for the config's references. */
typedef struct rr_plugin {
    const char *name, *version, *summary;
    const rr_shape *config, *outputs;
    const char *config_schema, *outputs_schema;
    rr_error (*resolve)(const void *config, rr_needs *needs);
    rr_error (*plan)(const void *config, rr_changes *changes);
    rr_error (*apply)(const void *config, rr_outcome *outcome);
    rr_error (*recover)(const void *config, bool begun, const rr_json *checkpoint, rr_recovery *recovery);
    rr_error (*verify)(const void *config, const rr_json *receipt, rr_health *health, rr_changes *changes);
    rr_error (*undo)(const void *config, const rr_json *receipt, rr_outcome *outcome);
    rr_error (*destroy)(const void *config, const rr_json *receipt, rr_outcome *outcome);
    rr_error (*find)(const void *config, rr_outcome *outcome);
} rr_plugin;

/* The plugin that the component exports. */
extern const rr_plugin relrun_plugin;
/* Makes it: RELRUN_PLUGIN(.name = "greet", .version = "0.1.0", .summary = "Greets", .apply = apply). */
#define RELRUN_PLUGIN(...) const rr_plugin relrun_plugin = {__VA_ARGS__}

/* ---- What the host offers ---------------------------------------------------------------------------------------------------- */

typedef enum rr_level { RR_TRACE, RR_DEBUG, RR_INFO, RR_WARN, RR_ERROR } rr_level;

/* Writes to the step's log, as printf makes it. */
void rr_log(rr_level level, const char *format, ...) RR_PRINTF(2, 3);
/* Says how far something has come; a total of 0 is one that is not known yet. */
void rr_progress(const char *what, uint64_t done, uint64_t total);

/* Records how far an apply has come; it is durable when the call returns. Call it before each change. */
RR_CHECKED rr_error rr_checkpoint(const rr_json *state);

/* Which release this is. A pure step gets empty answers and an attempt of 1. What is absent has no data. */
rr_text rr_package(void);
rr_text rr_version(void);
rr_text rr_release_id(void);
rr_text rr_step(void);
uint32_t rr_attempt(void);
rr_text rr_idempotency_key(void);
rr_text rr_environment(void);
rr_text rr_deployment(void);
rr_pairs rr_labels(void);
rr_text rr_setting(const char *name);
rr_text rr_previous(void); /* the receipt of this deployment's last apply, as JSON */
/* In apply: the last checkpoint of an earlier attempt in this release that did not end well and was not undone, as JSON. What stands at the
 * target is partly this release's own doing then. */
rr_text rr_unfinished(void);
uint64_t rr_started_at(void);

/* A secret of the manifest: a handle. The bytes stay with the host. */
typedef struct rr_secret {
    int32_t handle;
} rr_secret;
RR_CHECKED rr_error rr_secret_get(const char *name, rr_secret *secret);
rr_text rr_secret_name(rr_secret secret);
RR_CHECKED rr_error rr_secret_reveal(rr_secret secret, rr_text *value);
/* HMAC-SHA-256 of the data under this secret. */
RR_CHECKED rr_error rr_secret_sign(rr_secret secret, rr_bytes data, rr_bytes *signature);

/* A header, or a variable, whose value is a secret after a prefix. */
typedef struct rr_secret_pair {
    const char *name, *prefix;
    rr_secret secret;
} rr_secret_pair;

/* An HTTP request. What is not set is left out. */
typedef struct rr_request {
    const char *method, *url;
    rr_pairs headers;
    const rr_secret_pair *secret_headers;
    size_t secret_header_count;
    const char *user; /* basic authentication, with the password */
    rr_secret password;
    const rr_bytes *body;
    const char *body_file; /* a path under one of the step's directories */
    uint64_t timeout_ms;
    const char *context, *name_space; /* of a cluster: the url is a path there */
} rr_request;

/* An answer whose body is pulled. */
typedef struct rr_response {
    uint16_t status;
    int32_t handle;
} rr_response;

/* Sends it. A status of 400 or more is a response, not an error. */
RR_CHECKED rr_error rr_send(const rr_request *request, rr_response *response);
/* The headers, names in lower case, in the order they came. */
rr_pairs rr_response_headers(const rr_response *response);
/* The next bytes of the body, at most max; none at the end. */
RR_CHECKED rr_error rr_response_read(const rr_response *response, uint32_t max, rr_bytes *data);
/* The rest of the body, at most so many bytes; a longer one is an error. */
RR_CHECKED rr_error rr_response_all(const rr_response *response, size_t limit, rr_bytes *data);
/* Writes the rest of the body to a file under one of the step's directories. */
RR_CHECKED rr_error rr_response_save(const rr_response *response, const char *path, uint64_t *length);
/* Lets it go before the operation ends. A second time does nothing. */
void rr_response_close(rr_response *response);

/* A command on the host machine. There is no shell. What is not set is left out. */
typedef struct rr_command {
    const char *program;
    const char *const *args; /* up to a NULL */
    const char *dir;         /* relative to /work */
    rr_pairs env;
    const rr_secret_pair *secret_env; /* the prefix is not used */
    size_t secret_env_count;
    const rr_bytes *input;
    const char *on_host;
    bool readonly; /* it changes nothing, and needs no checkpoint */
} rr_command;

typedef enum rr_stream { RR_STDOUT, RR_STDERR } rr_stream;
/* A command that runs. */
typedef struct rr_child {
    int32_t handle;
} rr_child;

/* Runs it to the end; its output goes to the log. Gives the exit code, or 128 plus the signal. */
RR_CHECKED rr_error rr_run(const rr_command *command, int32_t *code);
/* Runs it to the end, and gives what it wrote; either may be NULL. */
RR_CHECKED rr_error rr_output(const rr_command *command, int32_t *code, rr_text *output, rr_text *errors);
/* Starts it, for reading its output. */
RR_CHECKED rr_error rr_spawn(const rr_command *command, rr_child *child);
/* The next bytes, at most max; none at the end. */
RR_CHECKED rr_error rr_child_read(const rr_child *child, rr_stream stream, uint32_t max, rr_bytes *data);
RR_CHECKED rr_error rr_child_wait(const rr_child *child, int32_t *code);
/* Ends its whole process tree. */
void rr_child_kill(const rr_child *child);
/* Ends it, and lets it go before the operation ends. A second time does nothing. */
void rr_child_close(rr_child *child);

/* Records a directory of the step as a tree, and gives its digest. */
RR_CHECKED rr_error rr_tree_capture(const char *dir, rr_text *digest);
/* Lays a tree into an empty or missing directory of the step. */
RR_CHECKED rr_error rr_tree_restore(const char *digest, const char *dir);

/* Files on the environment's hosts. Paths are absolute there. */
typedef enum rr_file_type { RR_FILE, RR_DIR, RR_LINK, RR_SPECIAL } rr_file_type;
typedef struct rr_entry {
    rr_text name;
    rr_file_type type;
    rr_text target; /* where a link points; no data elsewhere */
} rr_entry;
typedef struct rr_entries {
    const rr_entry *items;
    size_t count;
} rr_entries;

rr_texts rr_hosts(void);
rr_pairs rr_host_labels(const char *host);
rr_text rr_host_setting(const char *host, const char *name);
RR_CHECKED rr_error rr_upload(const char *host, const char *digest, const char *path);
/* Records a directory there as a tree; what lies at the paths of without, up to a NULL, is left out. */
RR_CHECKED rr_error rr_fetch(const char *host, const char *path, const char *const *without, rr_text *digest);
RR_CHECKED rr_error rr_read_dir(const char *host, const char *path, rr_entries *entries);
/* What is at the path; found says whether anything is. */
RR_CHECKED rr_error rr_stat(const char *host, const char *path, bool *found, rr_entry *entry);
RR_CHECKED rr_error rr_make_dir(const char *host, const char *path);
RR_CHECKED rr_error rr_symlink(const char *host, const char *target, const char *path);
RR_CHECKED rr_error rr_rename(const char *host, const char *from, const char *to);
RR_CHECKED rr_error rr_read_file(const char *host, const char *path, rr_bytes *data);
RR_CHECKED rr_error rr_write_file(const char *host, const char *path, rr_bytes data);
RR_CHECKED rr_error rr_remove(const char *host, const char *path);
RR_CHECKED rr_error rr_claim(const char *host, const char *dir);
RR_CHECKED rr_error rr_disclaim(const char *host, const char *dir);

/* One thing of a round: what the function of the same name does, and its arguments in its order. */
typedef enum rr_doing {
    RR_DO_CLAIM,
    RR_DO_DISCLAIM,
    RR_DO_MAKE_DIR,
    RR_DO_UPLOAD,
    RR_DO_SYMLINK,
    RR_DO_RENAME,
    RR_DO_WRITE_FILE,
    RR_DO_REMOVE,
    RR_DO_RUN
} rr_doing;
typedef struct rr_deed {
    const char *host;
    rr_doing doing;
    const char *first, *second;
    rr_bytes data;             /* of RR_DO_WRITE_FILE */
    const rr_command *command; /* of RR_DO_RUN */
} rr_deed;
typedef struct rr_part {
    rr_text host;
    rr_error error;
} rr_part;
/* Does things on several hosts at once: a host's part in order, up to what fails first. At most so many hosts at once; 0 leaves it to
 * relrun. */
RR_CHECKED rr_error rr_round(uint32_t parallel, const rr_deed *deeds, size_t count, const rr_part **parts, size_t *part_count);

/* This ledger's mark, as JSON, to stand on an object. The one that was found there, or NULL, is compared with it. */
RR_CHECKED rr_error rr_kubernetes_mark(const char *found, const char *object, rr_text *mark);

/* Images of an OCI registry; an image is told as JSON, see wit/plugin.wit. */
RR_CHECKED rr_error rr_image_digest(const rr_json *image, rr_text *digest);
/* What a tag or a digest stands for; no data where it is not there. */
RR_CHECKED rr_error rr_image_find(const char *repository, const char *name, rr_text *digest);
RR_CHECKED rr_error rr_image_push(const char *repository, const rr_json *image, rr_json **pushed);
RR_CHECKED rr_error rr_image_tag(const char *repository, const char *digest, const char *tag, bool fixed);
RR_CHECKED rr_error rr_image_untag(const char *repository, const char *tag);

#ifdef __cplusplus
}
#endif
#endif
