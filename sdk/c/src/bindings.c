/* The generated bindings, taken in: what the host writes lies in the operation's memory, so that nothing of it is freed. */
#ifdef __wasm__

#include <stdlib.h>

/* What the bindings would free is given back with the operation's memory. */
static void relrun_kept(void *memory) {
    (void)memory;
}
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#define free relrun_kept
#include "adopting_plugin.c"
#undef free
#pragma clang diagnostic pop

#endif
