/* {{name}}: a relrun step plugin. */
#include <relrun.h>

#include <stdio.h>

/* Where the step's artifact "greeting" is written; a native test writes elsewhere. */
#ifndef OUT
#define OUT "/out/greeting"
#endif

/* What a manifest configures. */
struct config {
    rr_text who;
};

static const rr_field config_fields[] = {
    RR_TEXT(struct config, who, "who", .doc = "Whom to greet", .required = true, .min = 1),
};
static const rr_shape config_shape = RR_SHAPE(struct config, config_fields);

/* What other steps may refer to: ${step.NAME.bytes}. */
struct outputs {
    int64_t bytes;
};

static const rr_field output_fields[] = {
    RR_INTEGER(struct outputs, bytes, "bytes", .doc = "How long the greeting is, in bytes", .required = true),
};
static const rr_shape output_shape = RR_SHAPE(struct outputs, output_fields);

static rr_error write_text(const char *path, rr_text text) {
    FILE *file = fopen(path, "wb");
    if (!file)
        return rr_errno("write %s", path);
    size_t written = fwrite(text.data, 1, text.len, file);
    if (fclose(file) != 0 || written != text.len)
        return rr_errno("write %s", path);
    return rr_ok();
}

static rr_error apply(const void *settings, rr_outcome *outcome) {
    const struct config *config = settings;
    rr_log(RR_INFO, "greeting %s", config->who.data);
    rr_text text = rr_format("Hello %s!\n", config->who.data);
    RR_TRY(write_text(OUT "/index.txt", text));
    struct outputs outputs = {.bytes = (int64_t)text.len};
    outcome->summary = rr_format("greeted %s", config->who.data);
    outcome->outputs = rr_shape_write(&output_shape, &outputs);
    return rr_ok();
}

RELRUN_PLUGIN(.name = "{{name}}", .version = "0.1.0", .summary = "Writes a greeting to /out/greeting", .config = &config_shape,
              .outputs = &output_shape, .apply = apply);
