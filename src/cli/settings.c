/* Values: their forms, and which of two places counts. */
#include "cli/settings.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/words.h"

enum { SHARDS_MAX = 65536, WEIGHT_MAX = 100, NAME_BYTES_MAX = 255 };

static void *need(void *memory)
{
    if (memory == NULL) {
        fputs("mesh: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static char *copy(const char *text, size_t len)
{
    char *c = need(malloc(len + 1));
    memcpy(c, text, len);
    c[len] = '\0';
    return c;
}

/* ---- Life ---- */

void settings_init(struct settings *s)
{
    *s = (struct settings){.capability_count = 0};
}

static void clear(struct setting_value *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->list[i]);
    free(v->list);
    free(v->text);
    *v = (struct setting_value){.origin = FROM_DEFAULT};
}

static void clear_capabilities(struct settings *s)
{
    for (size_t i = 0; i < s->capability_count; i++)
        free(s->capabilities[i].name);
    free(s->capabilities);
    s->capabilities = NULL;
    s->capability_count = 0;
}

void settings_fini(struct settings *s)
{
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        clear(&s->values[i]);
    clear_capabilities(s);
}

/* ---- Forms ---- */

static bool is_text(const char *text, size_t len)
{
    int width;
    if (len == 0 || len > SETTING_TEXT_MAX_BYTES)
        return false;
    for (size_t at = 0; at < len;) {
        at += words_character(text + at, len - at, &width);
        if (width < 0)
            return false;
    }
    return true;
}

static size_t alive_length(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && (('0' <= text[n] && text[n] <= '9') || ('a' <= text[n] && text[n] <= 'z') ||
                       ('A' <= text[n] && text[n] <= 'Z') || text[n] == '_' || text[n] == '-'))
        n++;
    return n;
}

/* What erl takes: letters, digits, _ and - before the @; behind it anything but spaces. */
static bool is_node(const char *text, size_t len, bool host_needed)
{
    size_t alive = alive_length(text, len);
    if (alive == 0 || len > NAME_BYTES_MAX)
        return false;
    if (alive == len)
        return !host_needed;
    return text[alive] == '@' && alive + 1 < len && memchr(text + alive + 1, '@', len - alive - 1) == NULL &&
           memchr(text, ' ', len) == NULL;
}

static bool is_ipv4(const char *text, size_t len)
{
    char address[INET_ADDRSTRLEN];
    struct in_addr parsed;
    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    return inet_pton(AF_INET, address, &parsed) == 1;
}

static bool is_cookie(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return len <= NAME_BYTES_MAX;
}

static bool has_form(enum setting_form form, const char *text, size_t len)
{
    if (!is_text(text, len))
        return false;
    switch (form) {
    case FORM_HALF:
        return is_node(text, len, false);
    case FORM_FULL:
        return is_node(text, len, true);
    case FORM_IPV4:
        return is_ipv4(text, len);
    case FORM_COOKIE:
        return is_cookie(text, len);
    default:
        return true;
    }
}

/* Digits and nothing else, from min to max. */
static bool parse_number(const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (text[i] < '0' || digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = 10 * number + digit;
    }
    if (len == 0 || number < min || number > max)
        return false;
    *out = number;
    return true;
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

static const char *form_expected(enum setting_form form)
{
    switch (form) {
    case FORM_HALF:
        return "NAME or NAME@HOST, with letters, digits, _ and - in NAME";
    case FORM_FULL:
        return "the full name of a node, NAME@HOST";
    case FORM_IPV4:
        return "an IPv4 address";
    case FORM_COOKIE:
        return "1 to 255 printable characters of ASCII";
    default:
        return "a text without control characters";
    }
}

const char *setting_expected(enum setting which, char *out, size_t size)
{
    const struct setting_row *row = &setting_rows[which];
    size_t used = 0;
    switch (row->kind) {
    case KIND_NUMBER:
        snprintf(out, size, "a number, %" PRIu64 " to %" PRIu64, row->min, row->max);
        break;
    case KIND_SWITCH:
        snprintf(out, size, "true or false");
        break;
    case KIND_WORD:
        for (size_t i = 0; row->words[i] != NULL && used < size; i++)
            used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? row->words[i + 1] ? ", " : " or " : "",
                                     row->words[i]);
        break;
    default:
        snprintf(out, size, "%s", form_expected(row->form));
    }
    return out;
}

/* ---- Putting ---- */

bool settings_begin(struct settings *s, enum setting which, enum setting_origin origin, unsigned line,
                    mesh_reason *reason)
{
    const struct setting_row *row = &setting_rows[which];
    const struct setting_value *v = &s->values[which];
    assert(origin != FROM_DEFAULT);
    if (v->origin != FROM_DEFAULT && v->line > 0)
        return words_fail(reason, "given twice: it is in line %u already", v->line);
    if (v->origin != FROM_DEFAULT)
        return words_fail(reason, "given twice");
    for (enum setting i = 0; row->group != 0 && i < SETTING_COUNT; i++)
        if (setting_rows[i].group == row->group && s->values[i].origin != FROM_DEFAULT)
            return words_fail(reason, "expected either this or %s, got both", setting_rows[i].key);
    s->values[which].origin = origin;
    s->values[which].line = line;
    return true;
}

static bool unexpected(enum setting which, const char *text, size_t len, mesh_reason *reason)
{
    char expected[128], quote[QUOTE_SIZE];
    setting_expected(which, expected, sizeof expected);
    if (setting_rows[which].secret)
        return words_fail(reason, "expected %s", expected);
    return words_fail(reason, "expected %s, got %s", expected, words_quote(text, len, quote, sizeof quote));
}

static bool put_word(struct setting_value *v, enum setting which, const char *text, size_t len, mesh_reason *reason)
{
    const char *const *words = setting_rows[which].words;
    size_t i = 0;
    while (words[i] != NULL && !is_word(text, len, words[i]))
        i++;
    if (words[i] == NULL)
        return unexpected(which, text, len, reason);
    v->number = i + 1;
    return true;
}

static bool put_item(struct setting_value *v, enum setting which, const char *text, size_t len, mesh_reason *reason)
{
    char quote[QUOTE_SIZE];
    if (!has_form(setting_rows[which].form, text, len))
        return unexpected(which, text, len, reason);
    if (v->count == SETTING_LIST_MAX)
        return words_fail(reason, "expected at most %u", SETTING_LIST_MAX);
    for (size_t i = 0; i < v->count; i++)
        if (is_word(text, len, v->list[i]))
            return words_fail(reason, "%s is given twice", words_quote(text, len, quote, sizeof quote));
    if ((v->count & (v->count + 1)) == 0) /* full at 0, 1, 3, 7, ... */
        v->list = need(realloc(v->list, (2 * v->count + 1) * sizeof *v->list));
    v->list[v->count++] = copy(text, len);
    return true;
}

bool settings_put(struct settings *s, enum setting which, const char *text, size_t len, mesh_reason *reason)
{
    const struct setting_row *row = &setting_rows[which];
    struct setting_value *v = &s->values[which];
    switch (row->kind) {
    case KIND_TEXT:
        if (!has_form(row->form, text, len))
            return unexpected(which, text, len, reason);
        free(v->text);
        v->text = copy(text, len);
        return true;
    case KIND_NUMBER:
        return parse_number(text, len, row->min, row->max, &v->number) || unexpected(which, text, len, reason);
    case KIND_SWITCH:
        v->number = is_word(text, len, "true");
        return v->number || is_word(text, len, "false") || unexpected(which, text, len, reason);
    case KIND_WORD:
        return put_word(v, which, text, len, reason);
    case KIND_LIST:
        return put_item(v, which, text, len, reason);
    default:
        assert(row->kind != KIND_CAPABILITIES);
        return false;
    }
}

/* ---- Capabilities ---- */

static bool put_count(const char *key, uint32_t max, const char *text, size_t len, uint32_t *out, mesh_reason *reason)
{
    char quote[QUOTE_SIZE];
    uint64_t number;
    if (!parse_number(text, len, 1, max, &number))
        return words_fail(reason, "%s: expected a number, 1 to %u, got %s", key, max,
                          words_quote(text, len, quote, sizeof quote));
    *out = (uint32_t)number;
    return true;
}

bool capability_put(struct capability_setting *c, const char *key, const char *text, size_t len, mesh_reason *reason)
{
    char quote[QUOTE_SIZE];
    if (strcmp(key, "shards") == 0)
        return put_count(key, SHARDS_MAX, text, len, &c->shards, reason);
    if (strcmp(key, "weight") == 0)
        return put_count(key, WEIGHT_MAX, text, len, &c->weight, reason);
    if (strcmp(key, "strategy") == 0) {
        c->strategy = is_word(text, len, "modulo") ? MESH_MODULO : MESH_CAPPED;
        return c->strategy == MESH_MODULO || is_word(text, len, "capped") ||
               words_fail(reason, "strategy: expected capped or modulo, got %s",
                          words_quote(text, len, quote, sizeof quote));
    }
    if (strcmp(key, "name") != 0)
        return words_fail(reason, "expected name, strategy, shards or weight, got %s",
                          words_quote(key, strlen(key), quote, sizeof quote));
    if (!is_text(text, len) || len > NAME_BYTES_MAX)
        return words_fail(reason, "name: expected 1 to 255 bytes without control characters, got %s",
                          words_quote(text, len, quote, sizeof quote));
    free(c->name);
    c->name = copy(text, len);
    return true;
}

bool settings_add_capability(struct settings *s, struct capability_setting *c, mesh_reason *reason)
{
    char quote[QUOTE_SIZE];
    bool ok = true;
    for (size_t i = 0; i < s->capability_count && ok; i++)
        if (strcmp(s->capabilities[i].name, c->name) == 0)
            ok = words_fail(reason, "%s is given twice", words_quote(c->name, strlen(c->name), quote, sizeof quote));
    if (ok && s->capability_count == SETTING_LIST_MAX)
        ok = words_fail(reason, "expected at most %u", SETTING_LIST_MAX);
    if (!ok) {
        free(c->name);
    } else {
        size_t n = s->capability_count++;
        s->capabilities = need(realloc(s->capabilities, (n + 1) * sizeof *s->capabilities));
        s->capabilities[n] = *c;
    }
    c->name = NULL;
    return ok;
}

/* ---- Two places ---- */

static bool group_is_given(const struct settings *s, enum setting which)
{
    unsigned group = setting_rows[which].group;
    bool given = s->values[which].origin != FROM_DEFAULT;
    for (enum setting i = 0; group != 0 && i < SETTING_COUNT && !given; i++)
        given = setting_rows[i].group == group && s->values[i].origin != FROM_DEFAULT;
    return given;
}

void settings_merge(struct settings *over, struct settings *under)
{
    bool keep[SETTING_COUNT];
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        keep[i] = group_is_given(over, i);
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        if (keep[i])
            continue;
        over->values[i] = under->values[i];
        under->values[i] = (struct setting_value){.origin = FROM_DEFAULT};
        if (i != SETTING_CAPABILITIES)
            continue;
        over->capabilities = under->capabilities;
        over->capability_count = under->capability_count;
        under->capabilities = NULL;
        under->capability_count = 0;
    }
    settings_fini(under);
}

/* ---- Asking ---- */

const char *settings_text(const struct settings *s, enum setting which)
{
    assert(setting_rows[which].kind == KIND_TEXT);
    return s->values[which].text;
}

uint64_t settings_number(const struct settings *s, enum setting which)
{
    const struct setting_value *v = &s->values[which];
    return v->origin == FROM_DEFAULT ? setting_rows[which].otherwise : v->number;
}

/* Whether anything of a section of the file is given. */
static bool section_is_given(const struct settings *s, const char *section)
{
    bool given = false;
    for (enum setting i = 0; i < SETTING_COUNT && !given; i++)
        given = setting_rows[i].section != NULL && strcmp(setting_rows[i].section, section) == 0 &&
                s->values[i].origin != FROM_DEFAULT;
    return given;
}

bool settings_on(const struct settings *s, enum setting which)
{
    const struct setting_row *row = &setting_rows[which];
    assert(row->kind == KIND_SWITCH);
    if (s->values[which].origin == FROM_DEFAULT && row->section == NULL && section_is_given(s, row->key))
        return true;
    return settings_number(s, which) != 0;
}

bool settings_check(const struct settings *s, enum setting *which, mesh_reason *reason)
{
    *which = SETTING_EPMD;
    if (settings_on(s, SETTING_EPMD) && s->values[SETTING_EPMD_HOSTS].count == 0)
        return words_fail(reason, "expected hosts, one or more names of nodes");
    return true;
}
