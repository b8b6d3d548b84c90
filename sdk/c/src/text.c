/* Texts and errors. */
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

rr_text rr_str(const char *text) {
    return (rr_text){.data = text ? text : "", .len = text ? strlen(text) : 0};
}

rr_text rr_copy(const void *data, size_t len) {
    char *copy = rr_alloc(len + 1);
    if (len)
        memcpy(copy, data, len);
    return (rr_text){.data = copy, .len = len};
}

rr_text rr_vformat(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    char *made = rr_alloc(len < 0 ? 1 : (size_t)len + 1);
    if (len > 0)
        vsnprintf(made, (size_t)len + 1, format, again);
    va_end(again);
    return (rr_text){.data = made, .len = len < 0 ? 0 : (size_t)len};
}

rr_text rr_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    rr_text made = rr_vformat(format, arguments);
    va_end(arguments);
    return made;
}

bool rr_is(rr_text text, const char *other) {
    return text.data && text.len == strlen(other) && memcmp(text.data, other, text.len) == 0;
}

/* The length of the UTF-8 sequence that begins here; 0 where there is none. */
static size_t sequence(const uint8_t *at, size_t left) {
    if (at[0] < 0x80)
        return 1;
    size_t len = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    bool longer = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool beyond = (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF4 && at[1] > 0x8F);
    return longer || beyond ? 0 : len;
}

bool rr_is_utf8(const void *data, size_t len) {
    const uint8_t *at = data;
    while (len) {
        size_t step = sequence(at, len);
        if (!step)
            return false;
        at += step;
        len -= step;
    }
    return true;
}

rr_text rr_valid(rr_text text) {
    if (!text.data || rr_is_utf8(text.data, text.len))
        return text;
    rr_builder made = {0};
    for (size_t i = 0; i < text.len;) {
        size_t step = sequence((const uint8_t *)text.data + i, text.len - i);
        if (step)
            rr_add(&made, text.data + i, step);
        else
            rr_add_str(&made, "\xEF\xBF\xBD");
        i += step ? step : 1;
    }
    return rr_built(&made);
}

rr_error rr_check(const char *const *texts) {
    for (; *texts; texts++)
        if (!rr_is_utf8(*texts, strlen(*texts)))
            return rr_fail(RR_INVALID, "not UTF-8: %s", rr_valid(rr_str(*texts)).data);
    return rr_ok();
}

void rr_add(rr_builder *builder, const void *data, size_t len) {
    if (builder->room - builder->len < len + 1) {
        size_t room = (builder->len + len + 1) * 2;
        char *larger = rr_memory_grow(builder->data, builder->len, 1, room);
        builder->data = larger;
        builder->room = room;
    }
    if (len)
        memcpy(builder->data + builder->len, data, len);
    builder->len += len;
    builder->data[builder->len] = '\0';
}

void rr_add_str(rr_builder *builder, const char *text) {
    rr_add(builder, text, strlen(text));
}

rr_text rr_built(const rr_builder *builder) {
    return builder->data ? (rr_text){.data = builder->data, .len = builder->len} : rr_str("");
}

rr_error rr_ok(void) {
    return (rr_error){.kind = RR_OK};
}

rr_error rr_fail(rr_kind kind, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    rr_error error = {.kind = kind, .message = rr_vformat(format, arguments)};
    va_end(arguments);
    return error;
}

rr_error rr_wrap(rr_error error, const char *format, ...) {
    if (error.kind == RR_OK)
        return error;
    va_list arguments;
    va_start(arguments, format);
    rr_text doing = rr_vformat(format, arguments);
    va_end(arguments);
    rr_builder message = {0};
    rr_add(&message, doing.data, doing.len);
    rr_add_str(&message, ": ");
    rr_add(&message, error.message.data, error.message.len);
    return (rr_error){.kind = error.kind, .message = rr_built(&message)};
}

static rr_kind kind_of(int number) {
    switch (number) {
    case ENOENT:
        return RR_MISSING;
    case EACCES:
    case EPERM:
    case EROFS:
#ifdef ENOTCAPABLE
    case ENOTCAPABLE:
#endif
        return RR_DENIED;
    case ETIMEDOUT:
        return RR_TIMED_OUT;
    case EINTR:
    case EAGAIN:
        return RR_TRANSIENT;
    case EINVAL:
    case ENAMETOOLONG:
        return RR_INVALID;
    default:
        return RR_PERMANENT;
    }
}

rr_error rr_errno(const char *format, ...) {
    int number = errno;
    va_list arguments;
    va_start(arguments, format);
    rr_text doing = rr_vformat(format, arguments);
    va_end(arguments);
    return rr_fail(kind_of(number), "%s: %s", doing.data, strerror(number));
}

const char *rr_kind_name(rr_kind kind) {
    static const char *const names[] = {"ok", "invalid", "denied", "missing", "timed-out", "cancelled", "transient", "permanent", "other"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "other";
}
