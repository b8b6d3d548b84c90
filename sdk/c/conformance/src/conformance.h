/* The conformance plugin of the C SDK: tests/conformance/README.md says what it does. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <relrun.h>

/* Runs one action of a script, and gives its entry in the transcript. */
rr_error perform(const rr_json *action, const rr_json *given, rr_json **entry);

/* An action's argument as a C string, "" where it is absent. */
const char *argument(const rr_json *action, const char *name);
/* The same, or NULL where it is absent. */
const char *optional(const rr_json *action, const char *name);
/* An error as an entry. */
rr_json *failed(rr_error error);
/* A text as an entry; null where it has no data. */
rr_json *text_or_null(rr_text text);

/* The actions that reach servers and commands; known says whether it is one of them. */
rr_error perform_call(const rr_json *action, rr_json **entry, bool *known);
/* The actions that reach hosts. */
rr_error perform_host(const rr_json *action, rr_json **entry, bool *known);

#endif
