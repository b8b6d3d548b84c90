/* A component's exports: the operations by the generated bindings. */
#ifdef __wasm__

#include "component.h"

static string leaving(rr_text text) {
    return of_text(rr_valid(text.data ? text : rr_str("")));
}

/* Gives an error to the host, and says whether there was none. */
static bool answered(rr_error error, fault *to) {
    if (error.kind == RR_OK)
        return true;
    to->tag = (uint8_t)((error.kind > RR_OTHER ? RR_OTHER : error.kind) - 1);
    to->val.other = leaving(error.message);
    return false;
}

static relrun_plugin_types_outcome_t to_outcome(const rr_outcome *from) {
    relrun_plugin_types_outcome_t made = {.summary = leaving(from->summary)};
    made.outputs = of_text(from->outputs ? rr_json_write(from->outputs) : rr_str("{}"));
    made.receipt.is_some = from->receipt != NULL;
    if (from->receipt)
        made.receipt.val = of_text(rr_json_write(from->receipt));
    return made;
}

static relrun_plugin_types_list_change_t to_changes(const rr_changes *from) {
    relrun_plugin_types_change_t *items = RR_NEW(relrun_plugin_types_change_t, from->count + 1);
    size_t count = 0;
    for (rr_change_item *item = from->first; item; item = item->next) {
        items[count].summary = leaving(item->summary);
        items[count].detail.is_some = item->detail != NULL;
        if (item->detail)
            items[count].detail.val = leaving(rr_str(item->detail));
        count++;
    }
    return (relrun_plugin_types_list_change_t){.ptr = items, .len = count};
}

void exports_relrun_plugin_step_describe(exports_relrun_plugin_step_description_t *ret) {
    ret->name = leaving(rr_str(relrun_plugin.name));
    ret->version = leaving(rr_str(relrun_plugin.version));
    ret->summary = leaving(rr_str(relrun_plugin.summary));
    ret->config_schema = leaving(rr_do_config_schema());
    ret->outputs_schema = leaving(rr_do_outputs_schema());
}

bool exports_relrun_plugin_step_resolve(string *config, exports_relrun_plugin_step_needs_t *ret, fault *err) {
    rr_needs needs = {0};
    rr_error error = rr_do_resolve(to_text(*config), &needs);
    relrun_plugin_types_need_t *items = RR_NEW(relrun_plugin_types_need_t, needs.count + 1);
    size_t count = 0;
    for (rr_need_item *item = needs.first; item; item = item->next)
        items[count++] = (relrun_plugin_types_need_t){.capability = leaving(item->capability), .reason = leaving(rr_str(item->reason))};
    ret->kind = needs.effect ? RELRUN_PLUGIN_TYPES_KIND_EFFECT : RELRUN_PLUGIN_TYPES_KIND_PURE;
    ret->idempotent = needs.idempotent;
    ret->requests = (relrun_plugin_types_list_need_t){.ptr = items, .len = count};
    return answered(error, err);
}

bool exports_relrun_plugin_step_plan(string *config, exports_relrun_plugin_step_list_change_t *ret, fault *err) {
    rr_changes changes = {0};
    rr_error error = rr_do_plan(to_text(*config), &changes);
    relrun_plugin_types_list_change_t list = to_changes(&changes);
    *ret = (exports_relrun_plugin_step_list_change_t){.ptr = list.ptr, .len = list.len};
    return answered(error, err);
}

/* Gives an outcome to the host, and says whether there was no error. */
static bool ended(rr_error error, const rr_outcome *outcome, relrun_plugin_types_outcome_t *ret, fault *err) {
    if (error.kind == RR_OK)
        *ret = to_outcome(outcome);
    return answered(error, err);
}

bool exports_relrun_plugin_step_apply(string *config, exports_relrun_plugin_step_outcome_t *ret, fault *err) {
    rr_outcome outcome;
    rr_error error = rr_do_apply(to_text(*config), &outcome);
    return ended(error, &outcome, ret, err);
}

bool exports_relrun_plugin_step_recover(string *config, string *checkpoint, exports_relrun_plugin_step_recovery_t *ret, fault *err) {
    rr_recovery recovery;
    rr_text saved = checkpoint ? to_text(*checkpoint) : rr_str("");
    rr_error error = rr_do_recover(to_text(*config), checkpoint ? &saved : NULL, &recovery);
    ret->tag = (uint8_t)recovery.found;
    if (error.kind == RR_OK && recovery.found == RR_DONE)
        ret->val.done = to_outcome(&recovery.outcome);
    if (error.kind == RR_OK && recovery.found == RR_PARTLY)
        ret->val.partly = of_text(rr_json_write(recovery.receipt));
    return answered(error, err);
}

bool exports_relrun_plugin_step_verify(string *config, string *receipt, exports_relrun_plugin_step_health_t *ret, fault *err) {
    rr_health health;
    rr_changes changes = {0};
    rr_error error = rr_do_verify(to_text(*config), to_text(*receipt), &health, &changes);
    ret->tag = (uint8_t)health;
    ret->val.drifted = to_changes(&changes);
    return answered(error, err);
}

bool exports_relrun_plugin_step_undo(string *config, string *receipt, exports_relrun_plugin_step_outcome_t *ret, fault *err) {
    rr_outcome outcome;
    rr_error error = rr_do_undo(to_text(*config), to_text(*receipt), &outcome);
    return ended(error, &outcome, ret, err);
}

bool exports_relrun_plugin_step_destroy(string *config, string *receipt, exports_relrun_plugin_step_outcome_t *ret, fault *err) {
    rr_outcome outcome;
    rr_error error = rr_do_destroy(to_text(*config), to_text(*receipt), &outcome);
    return ended(error, &outcome, ret, err);
}

bool exports_relrun_plugin_adoption_find(string *config, exports_relrun_plugin_adoption_outcome_t *ret, fault *err) {
    rr_outcome outcome;
    rr_error error = rr_do_find(to_text(*config), &outcome);
    return ended(error, &outcome, ret, err);
}

#endif
