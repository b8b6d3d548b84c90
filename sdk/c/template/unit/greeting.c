/* Tests of the plugin's logic, with a host in memory: make test. */
#include <relrun_test.h>

#include <stdio.h>
#include <string.h>

static void it_greets(void) {
    rr_outcome outcome;
    RT_OK(rt_apply("{\"who\": \"World\"}", &outcome));
    RT_SAME(outcome.summary.data, "greeted World");
    RT_SAME(rt_json(outcome.outputs), "{\"bytes\":13}");
    RT_SAME(rt_lines(), "info: greeting World\n");

    char text[64] = "";
    FILE *file = fopen(OUT "/index.txt", "rb");
    RT_CHECK(file && fgets(text, sizeof text, file));
    RT_SAME(text, "Hello World!\n");
    if (file)
        fclose(file);
}

static void it_refuses_nobody(void) {
    rr_outcome outcome;
    RT_FAILS(rt_apply("{\"who\": \"\"}", &outcome), RR_INVALID, "who");
    RT_FAILS(rt_apply("{\"whom\": \"World\"}", &outcome), RR_INVALID, "unknown field \"whom\"");
}

int main(void) {
    RT_RUN(it_greets);
    RT_RUN(it_refuses_nobody);
    return rt_end();
}
