/* checksums: a relrun step plugin that writes the SHA-256 checksums of a tree.
 *
 * Without a root it is pure: it reads /in/INPUT, and writes /out/checksums/SHA256SUMS. With a root it is an effect: it writes SHA256SUMS
 * beside the files on each of the environment's hosts, and verify tells what differs from it later. */
#include "sums.h"

#include <stdio.h>
#include <string.h>

/* Where the step's directories are; native tests have others. */
#ifndef IN
#define IN "/in"
#endif
#ifndef OUT
#define OUT "/out/checksums"
#endif

struct config {
    rr_text input, root;
};

static const rr_field config_fields[] = {
    RR_TEXT(struct config, input, "input", .doc = "Which of the step's inputs is read, where there is no root", .fallback = "\"work\"",
            .pattern = "^[^/.][^/]*$"),
    RR_TEXT(struct config, root, "root", .doc = "The directory on each host that is read, and that gets the checksums", .pattern = "^/"),
};
static const rr_shape config_shape = RR_SHAPE(struct config, config_fields);

struct outputs {
    int64_t files, bytes;
    rr_text digest;
};

static const rr_field output_fields[] = {
    RR_INTEGER(struct outputs, files, "files", .doc = "How many files there are", .required = true),
    RR_INTEGER(struct outputs, bytes, "bytes", .doc = "How long they are, all together", .required = true),
    RR_TEXT(struct outputs, digest, "digest", .doc = "The SHA-256 of the checksums; of the first host, where there are several",
            .required = true),
};
static const rr_shape output_shape = RR_SHAPE(struct outputs, output_fields);

/* What stands on one host: the SHA-256 of the checksums, and the checksums that stood there before. */
struct place {
    rr_text host, digest, before;
    bool was_there;
};

static const rr_field place_fields[] = {
    RR_TEXT(struct place, host, "host", .required = true),
    RR_TEXT(struct place, digest, "digest", .required = true),
    RR_TEXT(struct place, before, "before"),
    RR_FLAG(struct place, was_there, "was-there"),
};
static const rr_shape place_shape = RR_SHAPE(struct place, place_fields);

struct receipt {
    rr_list places;
};

static const rr_field receipt_fields[] = {RR_LIST(struct receipt, places, "places", &place_shape, .required = true)};
static const rr_shape receipt_shape = RR_SHAPE(struct receipt, receipt_fields);

static rr_error resolve(const void *settings, rr_needs *needs) {
    const struct config *config = settings;
    if (!config->root.len)
        return rr_ok();
    rr_effect(needs);
    rr_idempotent(needs);
    rr_need(needs, rr_capability("host", RR_ARGS("*"), NULL), "it reads the files there, and writes their checksums");
    return rr_ok();
}

static const char *sums_path(const struct config *config) {
    return rr_format("%s/" SUMS_NAME, config->root.data).data;
}

static void answer(rr_outcome *outcome, const struct sums *sums, rr_text digest, size_t hosts) {
    struct outputs outputs = {.files = (int64_t)sums->count, .bytes = (int64_t)sums->bytes, .digest = digest};
    outcome->summary = rr_format("wrote the checksums of %zu files", sums->count);
    if (hosts)
        outcome->summary = rr_format("%s on %zu hosts", outcome->summary.data, hosts);
    outcome->outputs = rr_shape_write(&output_shape, &outputs);
}

/* ---- without a root ---------------------------------------------------------------------------------------------------------- */

static rr_error write_text(const char *path, rr_text text) {
    FILE *file = fopen(path, "wb");
    if (!file)
        return rr_errno("write %s", path);
    size_t written = fwrite(text.data, 1, text.len, file);
    return fclose(file) == 0 && written == text.len ? rr_ok() : rr_errno("write %s", path);
}

static rr_error apply_here(const struct config *config, rr_outcome *outcome) {
    struct sums sums;
    RR_TRY(sums_of_dir(rr_format(IN "/%s", config->input.data).data, &sums));
    rr_text text = sums_text(&sums);
    RR_TRY(write_text(OUT "/" SUMS_NAME, text));
    answer(outcome, &sums, digest_of(text.data, text.len), 0);
    return rr_ok();
}

/* ---- with a root ------------------------------------------------------------------------------------------------------------- */

/* Reads what stood on a host before. */
static rr_error look_before(const struct config *config, struct place *place) {
    rr_entry entry;
    rr_bytes data;
    RR_TRY(rr_stat(place->host.data, sums_path(config), &place->was_there, &entry));
    if (!place->was_there)
        return rr_ok();
    RR_TRY(rr_read_file(place->host.data, sums_path(config), &data));
    place->before = rr_copy(data.data, data.len);
    return rr_ok();
}

static rr_error apply_there(const struct config *config, rr_outcome *outcome) {
    rr_texts hosts = rr_hosts();
    if (!hosts.count)
        return rr_fail(RR_INVALID, "the environment has no hosts, or none is granted");
    struct sums *all = RR_NEW(struct sums, hosts.count);
    rr_text *texts = RR_NEW(rr_text, hosts.count);
    struct place *places = RR_NEW(struct place, hosts.count);
    struct receipt receipt = {.places = {.items = places, .count = hosts.count}};
    for (size_t i = 0; i < hosts.count; i++) {
        rr_progress("checksums", i, hosts.count);
        places[i] = (struct place){.host = hosts.items[i], .before = rr_str("")};
        RR_TRY(look_before(config, &places[i]));
        RR_TRY(sums_of_host(hosts.items[i].data, config->root.data, &all[i]));
        texts[i] = sums_text(&all[i]);
        places[i].digest = digest_of(texts[i].data, texts[i].len);
    }
    outcome->receipt = rr_shape_write(&receipt_shape, &receipt);
    RR_TRY(rr_checkpoint(outcome->receipt));
    for (size_t i = 0; i < hosts.count; i++) {
        rr_bytes data = {.data = (const uint8_t *)texts[i].data, .len = texts[i].len};
        RR_TRY(rr_wrap(rr_write_file(hosts.items[i].data, sums_path(config), data), "on %s", hosts.items[i].data));
    }
    answer(outcome, &all[0], places[0].digest, hosts.count);
    return rr_ok();
}

static rr_error apply(const void *settings, rr_outcome *outcome) {
    const struct config *config = settings;
    return config->root.len ? apply_there(config, outcome) : apply_here(config, outcome);
}

static rr_error plan(const void *settings, rr_changes *changes) {
    const struct config *config = settings;
    if (!config->root.len)
        return rr_ok();
    rr_texts hosts = rr_hosts();
    for (size_t i = 0; i < hosts.count; i++)
        rr_change(changes, rr_format("write %s on %s", sums_path(config), hosts.items[i].data), NULL);
    return rr_ok();
}

static rr_error read_receipt(const rr_json *recorded, struct receipt *receipt) {
    if (!recorded)
        return rr_fail(RR_PERMANENT, "nothing was recorded of any host");
    return rr_wrap(rr_shape_read(&receipt_shape, recorded, false, receipt), "receipt");
}

/* Says what differs on one host; there says whether its checksums are still there. */
static rr_error verify_place(const struct config *config, const struct place *place, rr_changes *changes, bool *there) {
    rr_entry entry;
    rr_bytes data;
    struct sums wanted, found;
    RR_TRY(rr_stat(place->host.data, sums_path(config), there, &entry));
    if (!*there) {
        rr_change(changes, rr_format("%s: " SUMS_NAME " is gone", place->host.data), NULL);
        return rr_ok();
    }
    RR_TRY(rr_read_file(place->host.data, sums_path(config), &data));
    if (!rr_is(digest_of(data.data, data.len), place->digest.data)) {
        rr_change(changes, rr_format("%s: " SUMS_NAME " itself was changed", place->host.data), NULL);
        return rr_ok();
    }
    RR_TRY(sums_read((rr_text){.data = (const char *)data.data, .len = data.len}, &wanted));
    RR_TRY(sums_of_host(place->host.data, config->root.data, &found));
    sums_compare(&wanted, &found, place->host.data, changes);
    return rr_ok();
}

static rr_error verify(const void *settings, const rr_json *recorded, rr_health *health, rr_changes *changes) {
    const struct config *config = settings;
    struct receipt receipt;
    size_t there = 0;
    RR_TRY(read_receipt(recorded, &receipt));
    const struct place *places = receipt.places.items;
    for (size_t i = 0; i < receipt.places.count; i++) {
        bool one = false;
        RR_TRY(verify_place(config, &places[i], changes, &one));
        there += one;
    }
    *health = !there ? RR_GONE : rr_changed(changes) ? RR_DRIFTED : RR_INTACT;
    return rr_ok();
}

/* Puts back what stood before; where something later stands, it stays. */
static rr_error back(const struct config *config, const struct place *place, bool to_nothing) {
    rr_entry entry;
    rr_bytes data;
    bool there = false;
    const char *path = sums_path(config), *host = place->host.data;
    RR_TRY(rr_stat(host, path, &there, &entry));
    if (!there && (to_nothing || !place->was_there))
        return rr_ok();
    if (to_nothing)
        return rr_remove(host, path);
    if (there) {
        RR_TRY(rr_read_file(host, path, &data));
        if (!rr_is(digest_of(data.data, data.len), place->digest.data)) {
            rr_log(RR_WARN, "%s: " SUMS_NAME " is not that of this release, and stays", host);
            return rr_ok();
        }
    }
    if (!place->was_there)
        return rr_remove(host, path);
    return rr_write_file(host, path, (rr_bytes){.data = (const uint8_t *)place->before.data, .len = place->before.len});
}

static rr_error all_back(const void *settings, const rr_json *recorded, bool to_nothing) {
    struct receipt receipt;
    RR_TRY(read_receipt(recorded, &receipt));
    const struct place *places = receipt.places.items;
    for (size_t i = 0; i < receipt.places.count; i++)
        RR_TRY(rr_wrap(back(settings, &places[i], to_nothing), "on %s", places[i].host.data));
    return rr_ok();
}

static rr_error undo(const void *settings, const rr_json *receipt, rr_outcome *outcome) {
    outcome->summary = rr_str("put back the checksums that stood before");
    return all_back(settings, receipt, false);
}

static rr_error destroy(const void *settings, const rr_json *receipt, rr_outcome *outcome) {
    outcome->summary = rr_str("removed the checksums");
    return all_back(settings, receipt, true);
}

RELRUN_PLUGIN(.name = "checksums", .version = "0.1.0",
              .summary = "Writes the SHA-256 checksums of a tree, and tells what differs from them", .config = &config_shape,
              .outputs = &output_shape, .resolve = resolve, .plan = plan, .apply = apply, .verify = verify, .undo = undo,
              .destroy = destroy);
