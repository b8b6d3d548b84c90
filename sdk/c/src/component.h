/* What a component's imports and exports share. Only they name the generated bindings. */
#ifndef RELRUN_COMPONENT_H
#define RELRUN_COMPONENT_H

#include "host.h"

#include "adopting_plugin.h"

#include <string.h>

typedef adopting_plugin_string_t string;
typedef relrun_plugin_types_error_t fault;

static inline string of_text(rr_text text) {
    return (string){.ptr = (uint8_t *)(uintptr_t)text.data, .len = text.len};
}

static inline rr_text to_text(string from) {
    return from.len ? (rr_text){.data = (const char *)from.ptr, .len = from.len} : rr_str("");
}

/* The address of a C string, as the bindings take it. */
#define S(text) (&(string){.ptr = (uint8_t *)(uintptr_t)(text), .len = strlen(text)})
#define T(text) (&(string){.ptr = (uint8_t *)(uintptr_t)(text).data, .len = (text).len})
#define B(bytes) (&(adopting_plugin_list_u8_t){.ptr = (uint8_t *)(uintptr_t)(bytes).data, .len = (bytes).len})

static inline rr_bytes to_bytes(adopting_plugin_list_u8_t from) {
    return (rr_bytes){.data = from.ptr, .len = from.len};
}

static inline rr_error to_error(const fault *from) {
    /* All cases but cancelled hold a text, in one place. */
    rr_kind kind = (rr_kind)(from->tag + 1);
    rr_text message = kind == RR_CANCELLED ? rr_str("the release is being cancelled") : to_text(from->val.other);
    return (rr_error){.kind = kind, .message = message};
}

/* The answer of a call that gave true for success. */
static inline rr_error asked(bool done, const fault *from) {
    return done ? rr_ok() : to_error(from);
}

static inline rr_pairs to_pairs(adopting_plugin_list_tuple2_string_string_t from) {
    rr_pair *items = RR_NEW(rr_pair, from.len + 1);
    for (size_t i = 0; i < from.len; i++)
        items[i] = (rr_pair){.name = to_text(from.ptr[i].f0), .value = to_text(from.ptr[i].f1)};
    return (rr_pairs){.items = items, .count = from.len};
}

static inline rr_text optional(bool there, string text) {
    return there ? to_text(text) : (rr_text){0};
}

static inline adopting_plugin_list_string_t to_list(const char *const *texts) {
    size_t count = 0;
    while (texts && texts[count])
        count++;
    string *items = RR_NEW(string, count + 1);
    for (size_t i = 0; i < count; i++)
        items[i] = *S(texts[i]);
    return (adopting_plugin_list_string_t){.ptr = items, .len = count};
}

/* Makes a command of the host's; the caller drops it. */
relrun_plugin_process_own_command_t rr_made_of(const rr_command *command);

#endif
