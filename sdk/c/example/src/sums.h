/* The checksums of a tree: made of a directory of the step or of a host, written as sha256sum does, and compared. */
#ifndef SUMS_H
#define SUMS_H

#include <relrun.h>

/* The name of the file that holds them, which is left out of them. */
#define SUMS_NAME "SHA256SUMS"

/* One file of a tree: its path in it, and its SHA-256 in hexadecimal. */
struct sum {
    rr_text path, digest;
};

/* The files of a tree; sorted by their paths, once they are whole. */
struct sums {
    struct sum *items;
    size_t count, room;
    uint64_t bytes;
};

/* The checksums of a directory of this machine. */
rr_error sums_of_dir(const char *dir, struct sums *sums);
/* The checksums of a directory of a host. */
rr_error sums_of_host(const char *host, const char *dir, struct sums *sums);
/* Writes them as sha256sum does: sha256sum --check understands it. */
rr_text sums_text(const struct sums *sums);
/* Reads what sums_text has written. */
rr_error sums_read(rr_text text, struct sums *sums);
/* Says what differs, and returns how much. */
size_t sums_compare(const struct sums *wanted, const struct sums *found, const char *where, rr_changes *changes);
/* The SHA-256 of some bytes, in hexadecimal. */
rr_text digest_of(const void *data, size_t len);

#endif
