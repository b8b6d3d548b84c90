/* The SDK's tests: a plugin that keeps parts, and the SDK's own words. */
#include "relrun_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
    rr_text name;
    int64_t size;
};

struct config {
    rr_list part;
    rr_text mode;
    rr_text host;
    bool early;
    rr_texts words;
    rr_pairs env;
    double ratio;
    const rr_json *any;
};

static const rr_field part_fields[] = {
    RR_TEXT(struct part, name, "name", .required = true, .arg = true, .min = 1),
    RR_INTEGER(struct part, size, "size", .fallback = "3", .arg = true, .max = 9),
};
static const rr_shape part_shape = RR_SHAPE(struct part, part_fields);
static const char *const modes[] = {"fast", "slow", NULL};
static const rr_field fields[] = {
    RR_LIST(struct config, part, "part", &part_shape, .doc = "The parts", .required = true),
    RR_TEXT(struct config, mode, "mode", .fallback = "\"fast\"", .choices = modes),
    RR_TEXT(struct config, host, "host", .doc = "Where to keep them"),
    RR_FLAG(struct config, early, "early"),
    RR_TEXTS(struct config, words, "words"),
    RR_PAIRS(struct config, env, "env"),
    RR_REAL(struct config, ratio, "ratio"),
    RR_ANY(struct config, any, "any"),
};
static const rr_shape shape = RR_SHAPE(struct config, fields);

static rr_error resolve(const void *settings, rr_needs *needs) {
    const struct config *config = settings;
    rr_effect(needs);
    if (config->host.len) {
        rr_need(needs, rr_capability("host", RR_ARGS(config->host.data), NULL), "parts are kept there");
        rr_need(needs, rr_capability("host", RR_ARGS(config->host.data), NULL), "twice");
    }
    return rr_ok();
}

static rr_error apply(const void *settings, rr_outcome *outcome) {
    const struct config *config = settings;
    const struct part *parts = config->part.items;
    rr_json *names = rr_array();
    for (size_t i = 0; i < config->part.count; i++)
        rr_push(names, rr_string(rr_format("%sx%lld", parts[i].name.data, (long long)parts[i].size)));
    if (!config->early)
        RR_TRY(rr_checkpoint(rr_set(rr_object(), "names", rr_json_copy(names))));
    if (config->host.len)
        RR_TRY(rr_wrap(rr_make_dir(config->host.data, "/parts"), "keep"));
    outcome->summary = rr_format("kept %zu", config->part.count);
    outcome->outputs = rr_set(rr_object(), "how-many", rr_integer((int64_t)config->part.count));
    outcome->receipt = rr_set(rr_object(), "names", names);
    return rr_ok();
}

static rr_error undo(const void *settings, const rr_json *receipt, rr_outcome *outcome) {
    (void)settings;
    outcome->summary = rr_format("let %zu go", rr_get(receipt, "names")->count);
    return rr_ok();
}

RELRUN_PLUGIN(.name = "keeper", .version = "0.1.0", .summary = "Keeps parts", .config = &shape, .resolve = resolve, .apply = apply,
              .undo = undo);

static void outputs_and_receipts_travel_as_json(void) {
    rr_outcome outcome;
    RT_OK(rt_apply("{\"part\": [{\"name\": \"a\", \"size\": 2}, {\"name\": \"b\"}]}", &outcome));
    RT_SAME(outcome.summary.data, "kept 2");
    RT_SAME(rt_json(outcome.outputs), "{\"how-many\":2}");
    RT_SAME(rt_json(outcome.receipt), "{\"names\":[\"ax2\",\"bx3\"]}");
    RT_SAME(rt_checkpoints(), "{\"names\":[\"ax2\",\"bx3\"]}\n");
    RT_OK(rt_undo("{\"part\": []}", "{\"names\":[\"a\"]}", &outcome));
    RT_SAME(outcome.summary.data, "let 1 go");
    RT_FAILS(rt_undo("{\"part\": []}", "null", &outcome), RR_PERMANENT, "recorded nothing that says what");
    RT_FAILS(rt_destroy("{\"part\": []}", "{}", &outcome), RR_PERMANENT, "keeper cannot remove what it deployed");
}

static void a_change_without_a_checkpoint_leaves_an_empty_one_first(void) {
    rr_outcome outcome;
    rt_add_host("web1");
    RT_OK(rt_apply("{\"part\": [], \"early\": true, \"host\": \"web1\"}", &outcome));
    RT_SAME(rt_checkpoints(), "null\n");
    RT_SAME(rt_calls(), "make-dir web1 /parts\n");
    rr_recovery recovery;
    RT_OK(rt_recover("{\"part\": []}", NULL, &recovery));
    RT_CHECK(recovery.found == RR_NOT_DONE);
    RT_FAILS(rt_recover("{\"part\": []}", "null", &recovery), RR_OTHER, "left no checkpoint");
    RT_OK(rt_recover("{\"part\": []}", "{\"names\":[]}", &recovery));
    RT_CHECK(recovery.found == RR_PARTLY);
    RT_SAME(rt_json(recovery.receipt), "{\"names\":[]}");
}

static void a_crash_changes_nothing_more(void) {
    rr_outcome outcome;
    rt_add_host("web1");
    rt_crash_after(0);
    RT_FAILS(rt_apply("{\"part\": [], \"host\": \"web1\"}", &outcome), RR_CANCELLED, "keep: crashed");
    RT_SAME(rt_checkpoints(), "");
}

static void needs_are_asked_for_once_and_in_kdl(void) {
    const char *needs = NULL;
    RT_OK(rt_resolve("{\"part\": [], \"host\": \"a\\\"b\\nc\"}", &needs));
    RT_SAME(needs, "effect\nhost \"a\\\"b\\nc\"\n");
    RT_SAME(rr_capability("run", RR_ARGS("npm", "*"), RR_ARGS("network", "#true", "env", "A")).data,
            "run \"npm\" \"*\" network=#true env=\"A\"");
}

static void a_config_of_the_wrong_shape_is_the_authors_mistake(void) {
    const char *needs = NULL;
    static const char *const cases[][2] = {
        {"{\"parts\": []}", "config: unknown field \"parts\""},
        {"{}", "\"part\" is missing"},
        {"{\"part\": [{\"name\": \"\"}]}", "config.part[0].name: expected a length of at least 1"},
        {"{\"part\": [{\"name\": \"a\", \"size\": 10}]}", "config.part[0].size: expected a number of at most 9"},
        {"{\"part\": [{\"name\": \"a\", \"size\": 1.5}]}", "expected a whole number"},
        {"{\"part\": [], \"mode\": \"odd\"}", "odd is none of its choices"},
        {"{\"part\": [], \"words\": [1]}", "config.words: expected a list of texts"},
        {"{\"part\"", "config: "},
        {"[]", "config: expected an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        RT_FAILS(rt_resolve(cases[i][0], &needs), RR_INVALID, cases[i][1]);
}

static void the_schema_says_what_the_fields_say(void) {
    const char *schema = rt_config_schema();
    static const char *const parts[] = {
        "\"required\":[\"part\"]",
        "\"x-args\":[\"name\",\"size\"]",
        "\"additionalProperties\":false",
        "\"mode\":{\"type\":\"string\",\"enum\":[\"fast\",\"slow\"],\"default\":\"fast\"}",
        "\"size\":{\"type\":\"integer\",\"maximum\":9,\"default\":3}",
        "\"env\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
        "\"any\":{}",
        "\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(schema, parts[i]))
            RT_SAME(schema, parts[i]);
    }
}

static void a_shape_is_written_as_it_is_read(void) {
    rr_json *value = NULL;
    struct config config;
    const char *text =
        "{\"part\":[{\"name\":\"\xC3\xA4\",\"size\":-1}],\"mode\":\"slow\",\"host\":\"h\",\"early\":true,\"words\":[\"x\",\"\"],"
        "\"env\":{\"A\":\"1\"},\"ratio\":0.5,\"any\":[null,{\"n\":1e400}]}";
    RT_OK(rr_json_read(rr_str(text), &value));
    RT_OK(rr_shape_read(&shape, value, true, &config));
    RT_CHECK(config.words.count == 2 && config.ratio == 0.5 && config.early);
    RT_SAME(rt_json(rr_shape_write(&shape, &config)), text);
}

static void json_is_read_and_written_exactly(void) {
    static const char *const same[] = {
        "null",
        "true",
        "false",
        "0",
        "-1.5e+3",
        "\"\"",
        "[]",
        "{}",
        "12345678901234567890.125",
        "[1,[2,{\"a\":[]}]]",
        "\"\\\"\\\\\\n\\u0001\"",
        "\"\xF0\x9F\x98\x80\"",
        "{\"\":{\"\":null}}",
    };
    static const char *const wrong[] = {
        "",
        "nul",
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\n\"",
        "[",
        "{\"a\"}",
        "1 2",
        "\"",
        "\"\\",
        "\"\\u12\"",
        "\xFF",
        "\"\xC0\x80\"",
        "tru",
        "-",
        "'a'",
    };
    rr_json *value = NULL;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        RT_OK(rr_json_read(rr_str(same[i]), &value));
        RT_SAME(rt_json(value), same[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        RT_FAILS(rr_json_read(rr_str(wrong[i]), &value), RR_INVALID, "");
    RT_OK(rr_json_read(rr_str(" { \"a\\u0062\" : \"\\uD83D\\uDE00\\u00e9\\/\" } "), &value));
    RT_SAME(rt_json(value), "{\"ab\":\"\xF0\x9F\x98\x80\xC3\xA9/\"}");
    RT_OK(rr_json_read(rr_str("\"a\\u0000b\""), &value));
    RT_CHECK(rr_as_text(value).len == 3);
    RT_SAME(rt_json(value), "\"a\\u0000b\"");
}

static void no_depth_exhausts_the_stack(void) {
    rr_json *value = NULL;
    char *deep = rr_alloc(200001);
    memset(deep, '[', 200000);
    RT_FAILS(rr_json_read(rr_str(deep), &value), RR_INVALID, "too many values in each other");
}

static void set_replaces_what_is_there(void) {
    rr_json *object = rr_set(rr_set(rr_set(rr_object(), "a", rr_integer(1)), "b", rr_integer(2)), "a", rr_bool(true));
    rr_set(object, "b", rr_null());
    rr_set(object, "c", rr_string(rr_str("x")));
    RT_SAME(rt_json(object), "{\"a\":true,\"b\":null,\"c\":\"x\"}");
    RT_CHECK(rr_as_bool(rr_get(object, "a")) && !rr_get(object, "d") && rr_as_integer(rr_get(object, "c"), 7) == 7);
}

static void whole_numbers_are_read_in_all_their_forms(void) {
    static const struct {
        const char *text;
        int64_t number;
    } cases[] = {{"1e3", 1000}, {"-5.0", -5}, {"9223372036854775807", INT64_MAX}, {"1e300", -7}, {"1.5", -7}, {"\"1\"", -7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rr_json *value = NULL;
        RT_OK(rr_json_read(rr_str(cases[i].text), &value));
        RT_CHECK(rr_as_integer(value, -7) == cases[i].number);
    }
}

static void errors_keep_their_kinds(void) {
    rr_error error = rr_wrap(rr_fail(RR_TIMED_OUT, "%d s", 5), "wait for %s", "x");
    RT_FAILS(error, RR_TIMED_OUT, "wait for x: 5 s");
    RT_OK(rr_wrap(rr_ok(), "never"));
    errno = ENOENT;
    RT_FAILS(rr_errno("open %s", "f"), RR_MISSING, "open f: ");
    RT_SAME(rr_kind_name(RR_TIMED_OUT), "timed-out");
}

static void what_is_no_utf8_never_reaches_the_host(void) {
    rr_log(RR_WARN, "a\xFF%s", "\xE2\x82");
    RT_SAME(rt_lines(), "warn: a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\n");
    rt_add_host("h");
    RT_FAILS(rr_make_dir("h", "/\xC3\x28"), RR_INVALID, "not UTF-8");
    RT_SAME(rt_calls(), "");
}

static void a_commands_output_is_read_to_its_end(void) {
    static char many[200001];
    memset(many, 'y', sizeof many - 1);
    rt_command("yes -n", 0, many, "");
    rt_command("git push", 128, "", "fatal: no\n");
    rr_text output, errors;
    int32_t code = 1;
    RT_OK(rr_output(&(rr_command){.program = "yes", .args = RR_ARGS("-n")}, &code, &output, NULL));
    RT_CHECK(code == 0 && output.len == 200000);
    RT_OK(rr_output(&(rr_command){.program = "git", .args = RR_ARGS("push")}, &code, NULL, &errors));
    RT_CHECK(code == 128);
    RT_SAME(errors.data, "fatal: no\n");
    RT_CHECK(rt_open_handles() == 0);
    RT_FAILS(rr_run(&(rr_command){.program = ""}, &code), RR_INVALID, "names no program");
}

static void handles_are_closed_once(void) {
    rr_secret secret;
    rr_response response;
    rr_bytes body;
    rt_secret("token", "s3cret");
    rt_answer(200, "hello");
    RT_OK(rr_secret_get("token", &secret));
    RT_FAILS(rr_secret_get("other", &(rr_secret){0}), RR_DENIED, "other");
    rr_request request = {.url = "https://a.example",
                          .secret_headers = &(rr_secret_pair){"authorization", "Bearer ", secret},
                          .secret_header_count = 1,
                          .user = "me",
                          .password = secret};
    RT_OK(rr_send(&request, &response));
    RT_CHECK(response.status == 200);
    RT_SAME(rt_calls(), "GET https://a.example authorization: Bearer <token> basic me:<token>\n");
    RT_OK(rr_response_read(&response, 2, &body));
    RT_CHECK(body.len == 2);
    RT_FAILS(rr_response_all(&response, 2, &body), RR_PERMANENT, "more than 2 bytes");
    rr_response_close(&response);
    rr_response_close(&response);
    RT_FAILS(rr_response_read(&response, 1, &body), RR_PERMANENT, "closed");
    RT_FAILS(rr_send(&(rr_request){.url = "https://a.example", .user = "me"}, &response), RR_PERMANENT, "the password of me: it is closed");
    RT_FAILS(rr_send(&request, &response), RR_TRANSIENT, "refused");
    RT_CHECK(rt_open_handles() == 1);
    rr_outcome outcome;
    RT_OK(rt_apply("{\"part\": []}", &outcome));
    RT_CHECK(rt_open_handles() == 0);
}

static void a_round_ends_a_hosts_part_with_what_fails_first(void) {
    rt_add_host("a");
    rt_add_host("b");
    rt_fail("make-dir a /two", RR_TRANSIENT, "away");
    const rr_part *parts = NULL;
    size_t count = 0;
    rr_command command = {.program = "true"};
    rr_deed deeds[] = {
        {.host = "a", .doing = RR_DO_MAKE_DIR, .first = "/one"}, {.host = "a", .doing = RR_DO_MAKE_DIR, .first = "/two"},
        {.host = "b", .doing = RR_DO_MAKE_DIR, .first = "/two"}, {.host = "a", .doing = RR_DO_REMOVE, .first = "/one"},
        {.host = "b", .doing = RR_DO_RUN, .command = &command},
    };
    RT_OK(rr_round(0, deeds, sizeof deeds / sizeof *deeds, &parts, &count));
    RT_CHECK(count == 2);
    RT_FAILS(parts[0].error, RR_TRANSIENT, "away");
    RT_OK(parts[1].error);
    RT_SAME(rt_calls(), "make-dir a /one\nmake-dir a /two\nmake-dir b /two\nrun b: true\n");
}

static void memory_can_be_given_back(void) {
    rr_text before = rr_format("kept");
    rr_mark mark = rr_memory();
    for (int i = 0; i < 1000; i++) {
        memset(rr_alloc(300000), 1, 300000);
        rr_release(mark);
    }
    RT_SAME(before.data, "kept");
    int64_t *numbers = RR_NEW(int64_t, 3);
    RT_CHECK(numbers[0] == 0 && numbers[2] == 0 && (uintptr_t)numbers % 16 == 0);
}

static void images_are_pushed_once(void) {
    rr_json *image = rr_set(rr_object(), "layout", rr_string(rr_str("t"))), *pushed = NULL;
    RT_OK(rr_image_push("r.example/a", image, &pushed));
    RT_CHECK(rr_as_integer(rr_get(pushed, "sent"), -1) == 1);
    RT_OK(rr_image_push("r.example/a", image, &pushed));
    RT_CHECK(rr_as_integer(rr_get(pushed, "existed"), -1) == 1);
    RT_OK(rr_image_tag("r.example/a", "sha256:x", "1.0", true));
    RT_FAILS(rr_image_tag("r.example/a", "sha256:y", "1.0", true), RR_PERMANENT, "another content");
    rr_text digest;
    RT_OK(rr_image_find("r.example/a", "1.0", &digest));
    RT_SAME(digest.data, "sha256:x");
    RT_OK(rr_image_untag("r.example/a", "1.0"));
    RT_OK(rr_image_find("r.example/a", "1.0", &digest));
    RT_CHECK(!digest.data);
}

int main(void) {
    RT_RUN(outputs_and_receipts_travel_as_json);
    RT_RUN(a_change_without_a_checkpoint_leaves_an_empty_one_first);
    RT_RUN(a_crash_changes_nothing_more);
    RT_RUN(needs_are_asked_for_once_and_in_kdl);
    RT_RUN(a_config_of_the_wrong_shape_is_the_authors_mistake);
    RT_RUN(the_schema_says_what_the_fields_say);
    RT_RUN(a_shape_is_written_as_it_is_read);
    RT_RUN(json_is_read_and_written_exactly);
    RT_RUN(no_depth_exhausts_the_stack);
    RT_RUN(set_replaces_what_is_there);
    RT_RUN(whole_numbers_are_read_in_all_their_forms);
    RT_RUN(errors_keep_their_kinds);
    RT_RUN(what_is_no_utf8_never_reaches_the_host);
    RT_RUN(a_commands_output_is_read_to_its_end);
    RT_RUN(handles_are_closed_once);
    RT_RUN(a_round_ends_a_hosts_part_with_what_fails_first);
    RT_RUN(memory_can_be_given_back);
    RT_RUN(images_are_pushed_once);
    return rt_end();
}
