#include "sums.h"

#include "sha256.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static rr_text hex_of(const uint8_t digest[SHA256_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    char *hex = rr_alloc(SHA256_SIZE * 2 + 1);
    for (int i = 0; i < SHA256_SIZE; i++) {
        hex[i * 2] = digits[digest[i] >> 4];
        hex[i * 2 + 1] = digits[digest[i] & 15];
    }
    return rr_str(hex);
}

rr_text digest_of(const void *data, size_t len) {
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    sha256_begin(&hash);
    sha256_add(&hash, data, len);
    sha256_end(&hash, digest);
    return hex_of(digest);
}

static void add(struct sums *sums, rr_text path, rr_text digest) {
    if (sums->count == sums->room) {
        size_t room = sums->room ? sums->room * 2 : 64;
        struct sum *larger = RR_NEW(struct sum, room);
        if (sums->count)
            memcpy(larger, sums->items, sums->count * sizeof *larger);
        sums->items = larger;
        sums->room = room;
    }
    sums->items[sums->count++] = (struct sum){.path = path, .digest = digest};
}

static int by_path(const void *one, const void *other) {
    return strcmp(((const struct sum *)one)->path.data, ((const struct sum *)other)->path.data);
}

static void sort(struct sums *sums) {
    if (sums->count)
        qsort(sums->items, sums->count, sizeof *sums->items, by_path);
}

/* The path of a name in a tree; at its root there is none before it. */
static const char *inside(const char *path, const char *name) {
    return *path ? rr_format("%s/%s", path, name).data : rr_copy(name, strlen(name)).data;
}

static bool is_own(const char *path) {
    return strcmp(path, SUMS_NAME) == 0;
}

/* ---- a directory of this machine --------------------------------------------------------------------------------------------- */

static rr_error add_file(const char *full, const char *path, struct sums *sums) {
    static uint8_t piece[64 << 10];
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    size_t count;
    FILE *file = fopen(full, "rb");
    if (!file)
        return rr_errno("read %s", path);
    sha256_begin(&hash);
    while ((count = fread(piece, 1, sizeof piece, file)) > 0)
        sha256_add(&hash, piece, count);
    bool broken = ferror(file);
    fclose(file);
    if (broken)
        return rr_errno("read %s", path);
    sums->bytes += hash.len;
    sha256_end(&hash, digest);
    add(sums, rr_str(path), hex_of(digest));
    return rr_ok();
}

static rr_error add_dir(const char *root, const char *path, struct sums *sums);

static rr_error add_node(const char *root, const char *path, struct sums *sums) {
    struct stat node;
    const char *full = inside(root, path);
    if (lstat(full, &node) != 0)
        return rr_errno("look at %s", path);
    if (S_ISDIR(node.st_mode))
        return add_dir(root, path, sums);
    if (S_ISREG(node.st_mode))
        return is_own(path) ? rr_ok() : add_file(full, path, sums);
    rr_log(RR_DEBUG, "%s is no file, and left out", path);
    return rr_ok();
}

static rr_error add_dir(const char *root, const char *path, struct sums *sums) {
    DIR *dir = opendir(*path ? inside(root, path) : root);
    if (!dir)
        return rr_errno("list %s", *path ? path : root);
    rr_error error = rr_ok();
    for (struct dirent *one; error.kind == RR_OK && (one = readdir(dir));)
        if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0)
            error = add_node(root, inside(path, one->d_name), sums);
    closedir(dir);
    return error;
}

rr_error sums_of_dir(const char *dir, struct sums *sums) {
    *sums = (struct sums){0};
    RR_TRY(add_dir(dir, "", sums));
    sort(sums);
    return rr_ok();
}

/* ---- a directory of a host --------------------------------------------------------------------------------------------------- */

static rr_error add_host_file(const char *host, const char *full, const char *path, struct sums *sums) {
    rr_mark before = rr_memory();
    char hex[SHA256_SIZE * 2 + 1];
    rr_bytes data;
    RR_TRY(rr_wrap(rr_read_file(host, full, &data), "read %s on %s", path, host));
    sums->bytes += data.len;
    strcpy(hex, digest_of(data.data, data.len).data);
    rr_release(before);
    add(sums, rr_str(path), rr_copy(hex, sizeof hex - 1));
    return rr_ok();
}

static rr_error add_host_dir(const char *host, const char *root, const char *path, struct sums *sums) {
    rr_entries entries;
    RR_TRY(rr_wrap(rr_read_dir(host, *path ? inside(root, path) : root, &entries), "list %s on %s", *path ? path : root, host));
    for (size_t i = 0; i < entries.count; i++) {
        const char *inner = inside(path, entries.items[i].name.data);
        if (entries.items[i].type == RR_DIR)
            RR_TRY(add_host_dir(host, root, inner, sums));
        if (entries.items[i].type == RR_FILE && !is_own(inner))
            RR_TRY(add_host_file(host, inside(root, inner), inner, sums));
    }
    return rr_ok();
}

rr_error sums_of_host(const char *host, const char *dir, struct sums *sums) {
    *sums = (struct sums){0};
    RR_TRY(add_host_dir(host, dir, "", sums));
    sort(sums);
    return rr_ok();
}

/* ---- as text ----------------------------------------------------------------------------------------------------------------- */

/* A path as sha256sum writes it: where it holds a backslash or the end of a line, these are escaped, and the line begins with a backslash.
 */
static const char *line_of(const struct sum *sum) {
    if (!strpbrk(sum->path.data, "\\\n\r"))
        return rr_format("%s  %s\n", sum->digest.data, sum->path.data).data;
    char *escaped = rr_alloc(sum->path.len * 2 + 1), *to = escaped;
    for (const char *at = sum->path.data; *at; at++) {
        static const char from[] = "\\\n\r", as[] = "\\nr";
        const char *found = strchr(from, *at);
        if (found) {
            *to++ = '\\';
            *to++ = as[found - from];
        } else {
            *to++ = *at;
        }
    }
    return rr_format("\\%s  %s\n", sum->digest.data, escaped).data;
}

rr_text sums_text(const struct sums *sums) {
    rr_builder text = {0};
    for (size_t i = 0; i < sums->count; i++)
        rr_add_str(&text, line_of(&sums->items[i]));
    return rr_built(&text);
}

static rr_text unescaped(rr_text text) {
    char *made = rr_alloc(text.len + 1), *to = made;
    for (size_t i = 0; i < text.len; i++) {
        char one = text.data[i];
        if (one == '\\' && i + 1 < text.len) {
            char escape = text.data[++i];
            one = escape == 'n' ? '\n' : escape == 'r' ? '\r' : '\\';
        }
        *to++ = one;
    }
    return (rr_text){.data = made, .len = (size_t)(to - made)};
}

rr_error sums_read(rr_text text, struct sums *sums) {
    const char *at = text.data, *end = text.data + text.len;
    *sums = (struct sums){0};
    for (size_t number = 1; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        bool escaped = *at == '\\';
        if (!stop)
            stop = end;
        at += escaped;
        if (stop - at < SHA256_SIZE * 2 + 3 || memcmp(at + SHA256_SIZE * 2, "  ", 2) != 0)
            return rr_fail(RR_PERMANENT, "line %zu of " SUMS_NAME " is no checksum", number);
        rr_text digest = rr_copy(at, SHA256_SIZE * 2), path = rr_copy(at + SHA256_SIZE * 2 + 2, (size_t)(stop - at) - SHA256_SIZE * 2 - 2);
        add(sums, escaped ? unescaped(path) : path, digest);
        at = stop + 1;
    }
    sort(sums);
    return rr_ok();
}

size_t sums_compare(const struct sums *wanted, const struct sums *found, const char *where, rr_changes *changes) {
    size_t differ = 0, w = 0, f = 0;
    while (w < wanted->count || f < found->count) {
        const struct sum *want = w < wanted->count ? &wanted->items[w] : NULL, *has = f < found->count ? &found->items[f] : NULL;
        int order = !want ? 1 : !has ? -1 : by_path(want, has);
        const char *what = order < 0 ? "is gone" : order > 0 ? "was added" : "was changed";
        w += order <= 0;
        f += order >= 0;
        if (order == 0 && strcmp(want->digest.data, has->digest.data) == 0)
            continue;
        differ++;
        const char *path = order > 0 ? has->path.data : want->path.data;
        const char *detail = order ? NULL : rr_format("expected %s\nfound    %s", want->digest.data, has->digest.data).data;
        rr_change(changes, rr_format("%s: %s %s", where, path, what), detail);
    }
    return differ;
}
