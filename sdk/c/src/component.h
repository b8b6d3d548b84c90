/* What a component's imports and exports share. Only they name the generated bindings. */
#ifndef RELRUN_COMPONENT_H
#define RELRUN_COMPONENT_H

#include "host.h"

#include "adopting_plugin.h"

typedef adopting_plugin_string_t string;
typedef relrun_plugin_types_error_t fault;

static inline string of_text(rr_text text) {
    return (string){.ptr = (uint8_t *)(uintptr_t)text.data, .len = text.len};
}

static inline rr_text to_text(string from) {
    return from.len ? (rr_text){.data = (const char *)from.ptr, .len = from.len} : rr_str("");
}

#endif
