/* A host in memory, and a few words for tests: for testing a plugin's logic natively, without a component.
 *
 * It keeps to the plugin world's words, not to the host's gates: whether a component asks for what it uses shows in relrun plugin test. */
#ifndef RELRUN_TEST_H
#define RELRUN_TEST_H

#include "relrun.h"

/* Puts an empty host in place, and forgets all that the one before it held; all memory of the operation before is given back. */
void rt_host(void);
/* Adds a host of the environment. */
void rt_add_host(const char *name);
/* Writes a file on a host, and makes its directories. */
void rt_put(const char *host, const char *path, const char *text);
/* Adds a secret. */
void rt_secret(const char *name, const char *value);
/* Sets what the environment sets, what the last apply left, and the last checkpoint of an earlier attempt. */
void rt_setting(const char *name, const char *value);
void rt_previous(const char *receipt);
void rt_unfinished(const char *checkpoint);
/* Adds the answer to the next HTTP request that has none yet. A request without one is refused, as by a closed port. */
void rt_answer(uint16_t status, const char *body);
/* Says how a command ends and what it writes, from now on; one that nothing is said of ends with 0. */
void rt_command(const char *words, int32_t code, const char *output, const char *errors);
/* Fails the next call whose record begins with these words, once. */
void rt_fail(const char *call, rr_kind kind, const char *message);
/* Lets that many changes through from now on, then none, nor any checkpoint: the world as a crash leaves it. -1 is no crash. */
void rt_crash_after(int changes);

/* The records, one a line: calls, checkpoints (JSON), lines of the log. */
const char *rt_calls(void);
const char *rt_checkpoints(void);
const char *rt_lines(void);
/* How many handles are open. */
size_t rt_open_handles(void);

/* The plugin's operations, with JSON texts. The answers live until the next rt_host. */
rr_error rt_resolve(const char *config, const char **capabilities);
rr_error rt_plan(const char *config, const char **changes);
rr_error rt_apply(const char *config, rr_outcome *outcome);
rr_error rt_recover(const char *config, const char *checkpoint, rr_recovery *recovery);
rr_error rt_verify(const char *config, const char *receipt, rr_health *health, const char **changes);
rr_error rt_undo(const char *config, const char *receipt, rr_outcome *outcome);
rr_error rt_destroy(const char *config, const char *receipt, rr_outcome *outcome);
const char *rt_config_schema(void);
/* A value's JSON as a C string; "" for NULL. */
const char *rt_json(const rr_json *value);

/* Checks that something holds, and notes where it does not. */
#define RT_CHECK(condition) rt_check((condition), #condition, __FILE__, __LINE__)
/* Checks that two texts are the same. */
#define RT_SAME(got, wanted) rt_same((got), (wanted), #got, __FILE__, __LINE__)
/* Checks that a call succeeded. */
#define RT_OK(call) rt_ok((call), #call, __FILE__, __LINE__)
/* Checks that a call failed with this kind, and with these words in its message. */
#define RT_FAILS(call, kind, words) rt_fails((call), (kind), (words), #call, __FILE__, __LINE__)
/* Runs a test. */
#define RT_RUN(test) rt_run(#test, test)
/* Ends the program: 0 where all checks held. */
int rt_end(void);

void rt_check(bool holds, const char *what, const char *file, int line);
void rt_same(const char *got, const char *wanted, const char *what, const char *file, int line);
void rt_ok(rr_error error, const char *what, const char *file, int line);
void rt_fails(rr_error error, rr_kind kind, const char *words, const char *what, const char *file, int line);
void rt_run(const char *name, void (*test)(void));

#endif
