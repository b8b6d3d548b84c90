/* The operations between the world's JSON texts and a plugin's functions. They know no host, so that a component and native tests run the
 * same code. */
#include "host.h"

#include <string.h>

#define DRAFT "https://json-schema.org/draft/2020-12/schema"

void rr_effect(rr_needs *needs) {
    needs->effect = true;
    needs->idempotent = false;
}

void rr_idempotent(rr_needs *needs) {
    needs->idempotent = true;
}

void rr_need(rr_needs *needs, rr_text capability, const char *reason) {
    for (rr_need_item *item = needs->first; item; item = item->next)
        if (item->capability.len == capability.len && memcmp(item->capability.data, capability.data, capability.len) == 0)
            return;
    rr_need_item *made = RR_NEW(rr_need_item, 1);
    *made = (rr_need_item){.capability = capability, .reason = reason ? reason : ""};
    if (needs->last)
        needs->last->next = made;
    else
        needs->first = made;
    needs->last = made;
    needs->count++;
}

/* Adds a text as KDL writes it. */
static void add_quoted(rr_builder *out, const char *text) {
    rr_add_str(out, "\"");
    for (; *text; text++) {
        unsigned char one = (unsigned char)*text;
        if (one == '"' || one == '\\')
            rr_add_str(out, "\\");
        if (one == '\n')
            rr_add_str(out, "\\n");
        else if (one < 0x20 || one == 0x7F)
            rr_add_str(out, rr_format("\\u{%x}", one).data);
        else
            rr_add(out, text, 1);
    }
    rr_add_str(out, "\"");
}

rr_text rr_capability(const char *word, const char *const *arguments, const char *const *properties) {
    rr_builder out = {0};
    rr_add_str(&out, word);
    for (; arguments && *arguments; arguments++) {
        rr_add_str(&out, " ");
        add_quoted(&out, *arguments);
    }
    for (; properties && properties[0] && properties[1]; properties += 2) {
        rr_add_str(&out, " ");
        rr_add_str(&out, properties[0]);
        rr_add_str(&out, "=");
        if (strcmp(properties[1], "#true") == 0)
            rr_add_str(&out, "#true");
        else
            add_quoted(&out, properties[1]);
    }
    return rr_built(&out);
}

void rr_change(rr_changes *changes, rr_text summary, const char *detail) {
    rr_change_item *made = RR_NEW(rr_change_item, 1);
    *made = (rr_change_item){.summary = summary, .detail = detail};
    if (changes->last)
        changes->last->next = made;
    else
        changes->first = made;
    changes->last = made;
    changes->count++;
}

size_t rr_changed(const rr_changes *changes) {
    return changes->count;
}

static rr_text schema_of(const rr_shape *shape, const char *schema, bool closed) {
    if (!shape)
        return rr_str(schema ? schema : "{\"type\":\"object\"}");
    rr_json *made = rr_shape_schema(shape, closed);
    return rr_json_write(rr_set(made, "$schema", rr_string(rr_str(DRAFT))));
}

rr_text rr_do_config_schema(void) {
    return schema_of(relrun_plugin.config, relrun_plugin.config_schema, true);
}

rr_text rr_do_outputs_schema(void) {
    return schema_of(relrun_plugin.outputs, relrun_plugin.outputs_schema, false);
}

/* Reads a config: a struct of the plugin's shape, or JSON where it has none. */
static rr_error read_config(rr_text text, const void **config) {
    rr_json *value = NULL;
    RR_TRY(rr_wrap(rr_json_read(text, &value), "config"));
    *config = value;
    if (!relrun_plugin.config)
        return rr_ok();
    void *made = rr_alloc(relrun_plugin.config->size);
    *config = made;
    return rr_shape_read(relrun_plugin.config, value, true, made);
}

/* Reads a receipt; null is the empty checkpoint that the guard saves. */
static rr_error read_receipt(rr_text text, const rr_json **receipt) {
    rr_json *value = NULL;
    rr_error error = rr_wrap(rr_json_read(text, &value), "receipt");
    if (error.kind != RR_OK)
        error.kind = RR_PERMANENT;
    *receipt = value && value->type != RR_NULL ? value : NULL;
    return error;
}

/* Closes what is open, whatever came of the operation. */
static rr_error ended(rr_error error) {
    rr_guard_arm(false);
    rr_handles_close();
    return error;
}

static rr_error resolved(const void *config, rr_needs *needs) {
    *needs = (rr_needs){.idempotent = true};
    return relrun_plugin.resolve ? relrun_plugin.resolve(config, needs) : rr_ok();
}

rr_error rr_do_resolve(rr_text text, rr_needs *needs) {
    const void *config = NULL;
    RR_TRY(read_config(text, &config));
    return ended(resolved(config, needs));
}

rr_error rr_do_plan(rr_text text, rr_changes *changes) {
    const void *config = NULL;
    *changes = (rr_changes){0};
    RR_TRY(read_config(text, &config));
    return ended(relrun_plugin.plan ? relrun_plugin.plan(config, changes) : rr_ok());
}

static rr_outcome none(void) {
    return (rr_outcome){.summary = rr_str("")};
}

rr_error rr_do_apply(rr_text text, rr_outcome *outcome) {
    const void *config = NULL;
    rr_needs needs;
    *outcome = none();
    RR_TRY(read_config(text, &config));
    RR_TRY(resolved(config, &needs));
    rr_guard_arm(needs.effect);
    return ended(relrun_plugin.apply(config, outcome));
}

rr_error rr_do_recover(rr_text text, const rr_text *checkpoint, rr_recovery *recovery) {
    const void *config = NULL;
    const rr_json *saved = NULL;
    *recovery = (rr_recovery){.found = RR_NOT_DONE, .outcome = none()};
    RR_TRY(read_config(text, &config));
    if (checkpoint)
        RR_TRY(read_receipt(*checkpoint, &saved));
    if (relrun_plugin.recover)
        return ended(relrun_plugin.recover(config, checkpoint != NULL, saved, recovery));
    if (checkpoint && !saved)
        return rr_fail(RR_OTHER, "it had begun to change something, and left no checkpoint that tells how far it came");
    if (saved)
        *recovery = (rr_recovery){.found = RR_PARTLY, .outcome = none(), .receipt = rr_json_copy(saved)};
    return rr_ok();
}

static rr_error unrecorded(void) {
    return rr_fail(RR_PERMANENT, "%s had begun to change something, and recorded nothing that says what", relrun_plugin.name);
}

rr_error rr_do_verify(rr_text text, rr_text receipt, rr_health *health, rr_changes *changes) {
    const void *config = NULL;
    const rr_json *recorded = NULL;
    *health = RR_INTACT;
    *changes = (rr_changes){0};
    RR_TRY(read_receipt(receipt, &recorded));
    RR_TRY(read_config(text, &config));
    if (!relrun_plugin.verify)
        return rr_fail(RR_PERMANENT, "%s cannot verify what it did", relrun_plugin.name);
    return ended(relrun_plugin.verify(config, recorded, health, changes));
}

typedef rr_error (*back)(const void *config, const rr_json *receipt, rr_outcome *outcome);

static rr_error go_back(back run, const char *able, const char *done, rr_text text, rr_text receipt, rr_outcome *outcome) {
    const void *config = NULL;
    const rr_json *recorded = NULL;
    *outcome = none();
    RR_TRY(read_receipt(receipt, &recorded));
    RR_TRY(read_config(text, &config));
    if (run && recorded)
        return ended(run(config, recorded, outcome));
    if (!recorded && (relrun_plugin.undo || relrun_plugin.destroy || relrun_plugin.recover))
        return unrecorded();
    if (!recorded) {
        outcome->summary = rr_format("nothing that can be %s was recorded", done);
        return rr_ok();
    }
    return rr_fail(RR_PERMANENT, "%s cannot %s", relrun_plugin.name, able);
}

rr_error rr_do_undo(rr_text config, rr_text receipt, rr_outcome *outcome) {
    return go_back(relrun_plugin.undo, "undo what it did", "undone", config, receipt, outcome);
}

rr_error rr_do_destroy(rr_text config, rr_text receipt, rr_outcome *outcome) {
    return go_back(relrun_plugin.destroy, "remove what it deployed", "removed", config, receipt, outcome);
}

rr_error rr_do_find(rr_text text, rr_outcome *outcome) {
    const void *config = NULL;
    *outcome = none();
    RR_TRY(read_config(text, &config));
    if (!relrun_plugin.find)
        return rr_fail(RR_MISSING, "%s cannot take over what stands without relrun's doing", relrun_plugin.name);
    return ended(relrun_plugin.find(config, outcome));
}
