/* Memory that lives for one operation, in chunks: handing out is an addition, and giving back is letting go of chunks. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK ((size_t)64 << 10)
#define MOST_CHUNK ((size_t)4 << 20)
#define ALIGNMENT ((size_t)16)

typedef struct chunk {
    struct chunk *before;
    size_t size, used;
} chunk;

/* Where a chunk's memory begins: after its head, aligned. */
#define HEAD ((sizeof(chunk) + ALIGNMENT - 1) & ~(ALIGNMENT - 1))

static chunk *newest;

static void let_go(void) {
    chunk *old = newest;
    newest = old->before;
    free(old);
}

/* Ends the operation: where no memory is left, no error can be made either. */
static _Noreturn void exhausted(size_t size) {
    fprintf(stderr, "relrun: no memory left for %zu bytes\n", size);
    abort();
}

static void add_chunk(size_t size) {
    size_t wanted = newest ? newest->size * 2 : FIRST_CHUNK;
    if (wanted > MOST_CHUNK)
        wanted = MOST_CHUNK;
    if (wanted < size)
        wanted = size;
    if (wanted > SIZE_MAX - HEAD)
        exhausted(size);
    chunk *made = malloc(HEAD + wanted);
    if (!made)
        exhausted(size);
    made->before = newest;
    made->size = wanted;
    made->used = 0;
    newest = made;
}

static void *take(size_t size) {
    if (size > SIZE_MAX - ALIGNMENT)
        exhausted(size);
    size_t rounded = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (!newest || newest->size - newest->used < rounded)
        add_chunk(rounded);
    void *memory = (char *)newest + HEAD + newest->used;
    newest->used += rounded;
    return memory;
}

void *rr_alloc(size_t size) {
    void *memory = take(size ? size : 1);
    memset(memory, 0, size);
    return memory;
}

void *rr_memory_grow(void *old, size_t old_size, size_t align, size_t size) {
    (void)align; /* no type of the world is aligned to more than 8 bytes */
    void *memory = take(size ? size : 1);
    if (old)
        memcpy(memory, old, old_size < size ? old_size : size);
    return memory;
}

rr_mark rr_memory(void) {
    return (rr_mark){.chunk = newest, .used = newest ? newest->used : 0};
}

void rr_release(rr_mark mark) {
    while (newest && newest != mark.chunk)
        let_go();
    if (newest)
        newest->used = mark.used;
}

void rr_memory_reset(void) {
    while (newest)
        let_go();
}

#ifdef __wasm__
/* Memory that the host writes to, in the place of the bindings' own. A NUL follows, so that a text of the host's is a C string too. */
__attribute__((__export_name__("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size);
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    char *memory = rr_memory_grow(old, old_size, align, size + 1);
    memory[size] = '\0';
    return memory;
}
#endif
