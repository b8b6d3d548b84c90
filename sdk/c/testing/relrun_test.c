/* A plugin's operations as tests call them, and the words of tests. */
#include "relrun_test.h"

#include "../src/host.h"

#include <stdio.h>
#include <string.h>

static int failures;

/* ---- operations -------------------------------------------------------------------------------------------------------------- */

static const char *lines_of(const rr_changes *changes) {
    rr_builder lines = {0};
    for (const rr_change_item *item = changes->first; item; item = item->next) {
        rr_add(&lines, item->summary.data, item->summary.len);
        rr_add_str(&lines, "\n");
        if (item->detail)
            rr_add_str(&lines, rr_format("%s\n", item->detail).data);
    }
    return rr_built(&lines).data;
}

rr_error rt_resolve(const char *config, const char **capabilities) {
    rr_needs needs = {0};
    rr_builder lines = {0};
    rr_error error = rr_do_resolve(rr_str(config), &needs);
    rr_add_str(&lines, needs.effect ? "effect\n" : "pure\n");
    for (const rr_need_item *item = needs.first; item; item = item->next)
        rr_add_str(&lines, rr_format("%s\n", item->capability.data).data);
    *capabilities = rr_built(&lines).data;
    return error;
}

rr_error rt_plan(const char *config, const char **changes) {
    rr_changes all = {0};
    rr_error error = rr_do_plan(rr_str(config), &all);
    *changes = lines_of(&all);
    return error;
}

rr_error rt_apply(const char *config, rr_outcome *outcome) {
    return rr_do_apply(rr_str(config), outcome);
}

rr_error rt_recover(const char *config, const char *checkpoint, rr_recovery *recovery) {
    rr_text saved = rr_str(checkpoint);
    return rr_do_recover(rr_str(config), checkpoint ? &saved : NULL, recovery);
}

rr_error rt_verify(const char *config, const char *receipt, rr_health *health, const char **changes) {
    rr_changes all = {0};
    rr_error error = rr_do_verify(rr_str(config), rr_str(receipt), health, &all);
    *changes = lines_of(&all);
    return error;
}

rr_error rt_undo(const char *config, const char *receipt, rr_outcome *outcome) {
    return rr_do_undo(rr_str(config), rr_str(receipt), outcome);
}

rr_error rt_destroy(const char *config, const char *receipt, rr_outcome *outcome) {
    return rr_do_destroy(rr_str(config), rr_str(receipt), outcome);
}

const char *rt_config_schema(void) {
    return rr_do_config_schema().data;
}

const char *rt_json(const rr_json *value) {
    return value ? rr_json_write(value).data : "";
}

/* ---- checks ------------------------------------------------------------------------------------------------------------------ */

static void failed(const char *file_name, int line) {
    failures++;
    printf("%s:%d: ", file_name, line);
}

void rt_check(bool holds, const char *what, const char *file_name, int line) {
    if (holds)
        return;
    failed(file_name, line);
    printf("%s does not hold\n", what);
}

void rt_same(const char *got, const char *wanted, const char *what, const char *file_name, int line) {
    if (strcmp(got ? got : "(nothing)", wanted) == 0)
        return;
    failed(file_name, line);
    printf("%s is\n%s\nand not\n%s\n", what, got ? got : "(nothing)", wanted);
}

void rt_ok(rr_error error, const char *what, const char *file_name, int line) {
    if (error.kind == RR_OK)
        return;
    failed(file_name, line);
    printf("%s failed: %s: %s\n", what, rr_kind_name(error.kind), error.message.data);
}

void rt_fails(rr_error error, rr_kind kind, const char *words, const char *what, const char *file_name, int line) {
    if (error.kind == kind && error.kind != RR_OK && strstr(error.message.data, words))
        return;
    failed(file_name, line);
    printf("%s: expected %s with \"%s\", and got %s: %s\n", what, rr_kind_name(kind), words, rr_kind_name(error.kind),
           error.kind == RR_OK ? "" : error.message.data);
}

void rt_run(const char *name, void (*test)(void)) {
    int before = failures;
    rt_host();
    test();
    printf("%s %s\n", failures == before ? "ok  " : "FAIL", name);
}

int rt_end(void) {
    rt_host();
    if (failures)
        printf("%d checks failed\n", failures);
    return failures ? 1 : 0;
}
