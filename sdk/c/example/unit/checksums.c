/* Tests of the plugin's logic, with a host in memory. */
#include "sums.h"

#include <relrun_test.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define CONFIG "{\"root\": \"/srv\"}"

static void digests_are_those_of_the_standard(void) {
    static char million[1000000];
    memset(million, 'a', sizeof million);
    RT_SAME(digest_of("", 0).data, EMPTY);
    RT_SAME(digest_of("abc", 3).data, ABC);
    RT_SAME(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56).data,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    RT_SAME(digest_of(million, sizeof million).data, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void put(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    RT_CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void an_input_is_written_as_sha256sum_does(void) {
    rr_outcome outcome;
    char line[256] = "";
    mkdir(IN "/work", 0777);
    mkdir(IN "/work/b", 0777);
    put(IN "/work/b/x", "abc");
    put(IN "/work/a", "");
    put(IN "/work/" SUMS_NAME, "old");
    RT_OK(rt_apply("{}", &outcome));
    RT_SAME(outcome.summary.data, "wrote the checksums of 2 files");
    RT_CHECK(rr_as_integer(rr_get(outcome.outputs, "bytes"), -1) == 3 && !outcome.receipt);
    FILE *file = fopen(OUT "/" SUMS_NAME, "rb");
    RT_CHECK(file && fgets(line, sizeof line, file));
    RT_SAME(line, EMPTY "  a\n");
    RT_CHECK(file && fgets(line, sizeof line, file));
    RT_SAME(line, ABC "  b/x\n");
    if (file)
        fclose(file);
    RT_FAILS(rt_apply("{\"input\": \"none\"}", &outcome), RR_MISSING, "list " IN "/none");
}

static void odd_names_are_escaped_and_read_back(void) {
    struct sum item = {.path = rr_str("a\\b\nc"), .digest = rr_str(ABC)};
    struct sums sums = {.items = &item, .count = 1}, again;
    rr_text text = sums_text(&sums);
    RT_SAME(text.data, "\\" ABC "  a\\\\b\\nc\n");
    RT_OK(sums_read(text, &again));
    RT_CHECK(again.count == 1);
    RT_SAME(again.items[0].path.data, "a\\b\nc");
    RT_FAILS(sums_read(rr_str("nonsense\n"), &again), RR_PERMANENT, "line 1 of SHA256SUMS");
}

static const char *applied(void) {
    rr_outcome outcome;
    RT_OK(rt_apply(CONFIG, &outcome));
    RT_SAME(outcome.summary.data, "wrote the checksums of 2 files on 2 hosts");
    return rt_json(outcome.receipt);
}

static void two_hosts(void) {
    static const char *const names[] = {"web1", "web2"};
    for (size_t i = 0; i < 2; i++) {
        rt_add_host(names[i]);
        rt_put(names[i], "/srv/index.html", "abc");
        rt_put(names[i], "/srv/css/a.css", "");
    }
}

static void drift_is_told_by_the_file(void) {
    two_hosts();
    const char *receipt = applied(), *changes = NULL;
    rr_health health;
    rr_bytes data;
    RT_OK(rr_read_file("web2", "/srv/" SUMS_NAME, &data));
    RT_SAME((const char *)data.data, EMPTY "  css/a.css\n" ABC "  index.html\n");
    RT_OK(rt_verify(CONFIG, receipt, &health, &changes));
    RT_CHECK(health == RR_INTACT);
    RT_SAME(changes, "");
    rt_put("web1", "/srv/css/a.css", "abc");
    rt_put("web1", "/srv/evil.js", "");
    RT_OK(rr_remove("web2", "/srv/index.html"));
    RT_OK(rt_verify(CONFIG, receipt, &health, &changes));
    RT_CHECK(health == RR_DRIFTED);
    RT_SAME(changes,
            "web1: css/a.css was changed\nexpected " EMPTY "\nfound    " ABC "\nweb1: evil.js was added\nweb2: index.html is gone\n");
    rt_put("web1", "/srv/" SUMS_NAME, "forged");
    RT_OK(rt_verify(CONFIG, receipt, &health, &changes));
    RT_SAME(changes, "web1: SHA256SUMS itself was changed\nweb2: index.html is gone\n");
    RT_OK(rr_remove("web1", "/srv/" SUMS_NAME));
    RT_OK(rr_remove("web2", "/srv/" SUMS_NAME));
    RT_OK(rt_verify(CONFIG, receipt, &health, &changes));
    RT_CHECK(health == RR_GONE);
}

static void undo_puts_back_what_stood_before(void) {
    two_hosts();
    rt_put("web1", "/srv/" SUMS_NAME, "older\n");
    const char *receipt = applied();
    rr_outcome outcome;
    rr_bytes data;
    bool there = true;
    rr_entry entry;
    for (int twice = 0; twice < 2; twice++) {
        RT_OK(rt_undo(CONFIG, receipt, &outcome));
        RT_OK(rr_read_file("web1", "/srv/" SUMS_NAME, &data));
        RT_SAME((const char *)data.data, "older\n");
        RT_OK(rr_stat("web2", "/srv/" SUMS_NAME, &there, &entry));
        RT_CHECK(!there);
    }
    RT_OK(rt_destroy(CONFIG, receipt, &outcome));
    RT_OK(rr_stat("web1", "/srv/" SUMS_NAME, &there, &entry));
    RT_CHECK(!there);
}

/* Cuts the power after each change: the checkpoint always suffices to go back. */
static void a_crash_can_be_undone(void) {
    for (int after = 0; after < 3; after++) {
        rr_outcome outcome;
        rr_recovery recovery;
        bool there = true;
        rr_entry entry;
        rt_host();
        two_hosts();
        rt_crash_after(after);
        rr_error error = rt_apply(CONFIG, &outcome);
        RT_CHECK((error.kind == RR_OK) == (after == 2));
        rt_crash_after(-1);
        const char *saved = *rt_checkpoints() ? rt_checkpoints() : NULL;
        RT_OK(rt_recover(CONFIG, saved, &recovery));
        if (recovery.found == RR_PARTLY)
            RT_OK(rt_undo(CONFIG, rt_json(recovery.receipt), &outcome));
        for (int i = 1; i < 3; i++) {
            RT_OK(rr_stat(rr_format("web%d", i).data, "/srv/" SUMS_NAME, &there, &entry));
            RT_CHECK(!there);
        }
    }
}

static void it_asks_for_hosts_only_with_a_root(void) {
    const char *needs = NULL;
    RT_OK(rt_resolve("{}", &needs));
    RT_SAME(needs, "pure\n");
    RT_OK(rt_resolve(CONFIG, &needs));
    RT_SAME(needs, "effect\nhost \"*\"\n");
    rr_outcome outcome;
    RT_FAILS(rt_apply(CONFIG, &outcome), RR_INVALID, "no hosts");
}

int main(void) {
    RT_RUN(digests_are_those_of_the_standard);
    RT_RUN(an_input_is_written_as_sha256sum_does);
    RT_RUN(odd_names_are_escaped_and_read_back);
    RT_RUN(drift_is_told_by_the_file);
    RT_RUN(undo_puts_back_what_stood_before);
    RT_RUN(a_crash_can_be_undone);
    RT_RUN(it_asks_for_hosts_only_with_a_root);
    return rt_end();
}
