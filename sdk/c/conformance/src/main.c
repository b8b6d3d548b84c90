#include "conformance.h"

#include <string.h>

static rr_error resolve(const void *config, rr_needs *needs) {
    const rr_json *idempotent = rr_get(config, "idempotent"), *asked = rr_get(config, "needs");
    if (rr_is(rr_as_text(rr_get(config, "resolve")), "refuse"))
        return rr_fail(RR_INVALID, "refused");
    if (!rr_is(rr_as_text(rr_get(config, "kind")), "pure"))
        rr_effect(needs);
    if (!idempotent || rr_as_bool(idempotent))
        rr_idempotent(needs);
    RR_EACH (need, asked)
        rr_need(needs, rr_as_text(need), "the script asks for it");
    return rr_ok();
}

/* Runs the actions of an operation. */
static rr_error run(const rr_json *script, const rr_json *given, rr_json **transcript) {
    *transcript = rr_array();
    const rr_json *actions = rr_get(script, "do");
    RR_EACH (action, actions) {
        rr_json *entry = NULL;
        RR_TRY(perform(action, given, &entry));
        rr_push(*transcript, entry ? entry : rr_null());
    }
    return rr_ok();
}

static void fill(const rr_json *script, rr_json *transcript, rr_outcome *outcome) {
    const rr_json *summary = rr_get(script, "summary"), *receipt = rr_get(script, "receipt"), *outputs = rr_get(script, "outputs");
    outcome->summary = summary ? rr_as_text(summary) : rr_str("done");
    outcome->outputs = outputs ? rr_json_copy(outputs) : rr_object();
    rr_set(outcome->outputs, "transcript", transcript);
    outcome->receipt = receipt ? rr_json_copy(receipt) : NULL;
}

static rr_error apply(const void *config, rr_outcome *outcome) {
    rr_json *transcript = NULL;
    RR_TRY(run(rr_get(config, "apply"), NULL, &transcript));
    fill(rr_get(config, "apply"), transcript, outcome);
    return rr_ok();
}

static void say_changes(const rr_json *script, const rr_json *transcript, rr_changes *changes) {
    const rr_json *said = rr_get(script, "changes");
    RR_EACH (change, said)
        rr_change(changes, rr_as_text(rr_get(change, "summary")), optional(change, "detail"));
    rr_change(changes, rr_str("transcript"), rr_json_write(transcript).data);
}

static rr_error plan(const void *config, rr_changes *changes) {
    rr_json *transcript = NULL;
    RR_TRY(run(rr_get(config, "plan"), NULL, &transcript));
    say_changes(rr_get(config, "plan"), transcript, changes);
    return rr_ok();
}

static rr_error recover(const void *config, bool begun, const rr_json *checkpoint, rr_recovery *recovery) {
    (void)begun;
    rr_json *transcript = NULL;
    const rr_json *script = rr_get(config, "recover"), *receipt = rr_get(script, "receipt");
    RR_TRY(run(script, checkpoint, &transcript));
    rr_text found = rr_as_text(rr_get(script, "recovery"));
    if (rr_is(found, "done")) {
        recovery->found = RR_DONE;
        fill(script, transcript, &recovery->outcome);
    } else if (rr_is(found, "partly")) {
        recovery->found = RR_PARTLY;
        recovery->receipt = receipt ? rr_json_copy(receipt) : rr_set(rr_object(), "transcript", transcript);
    }
    return rr_ok();
}

static rr_error verify(const void *config, const rr_json *receipt, rr_health *health, rr_changes *changes) {
    rr_json *transcript = NULL;
    const rr_json *script = rr_get(config, "verify");
    RR_TRY(run(script, receipt, &transcript));
    rr_text found = rr_as_text(rr_get(script, "health"));
    if (rr_is(found, "gone"))
        *health = RR_GONE;
    if (rr_is(found, "drifted")) {
        *health = RR_DRIFTED;
        say_changes(script, transcript, changes);
    }
    return rr_ok();
}

static rr_error back(const rr_json *script, const rr_json *receipt, rr_outcome *outcome) {
    rr_json *transcript = NULL;
    const rr_json *summary = rr_get(script, "summary");
    RR_TRY(run(script, receipt, &transcript));
    outcome->summary = summary ? rr_as_text(summary) : rr_json_write(transcript);
    return rr_ok();
}

static rr_error undo(const void *config, const rr_json *receipt, rr_outcome *outcome) {
    return back(rr_get(config, "undo"), receipt, outcome);
}

static rr_error destroy(const void *config, const rr_json *receipt, rr_outcome *outcome) {
    return back(rr_get(config, "destroy"), receipt, outcome);
}

RELRUN_PLUGIN(.name = "conformance", .version = "0.1.0", .summary = "Does what its config says",
              .config_schema = "{\"type\":\"object\",\"properties\":{\"needs\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}",
              .resolve = resolve, .plan = plan, .apply = apply, .recover = recover, .verify = verify, .undo = undo, .destroy = destroy);
