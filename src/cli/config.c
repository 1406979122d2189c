/* One pass over libyaml's events. The grammar is two levels deep, so there is one function a level and no recursion:
 * what nests deeper is refused where it begins. */
#include "cli/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "cli/words.h"

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the last one: owned */
    bool has_event;
    struct settings *s;
    const char *name;
    mesh_bytes text;
    mesh_reason *reason;
    bool failed;
};

/* ---- Faults ---- */

static bool fail_in(struct reader *r, size_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool fail_in(struct reader *r, size_t line, const char *format, ...)
{
    char words[400];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    r->failed = true;
    return words_fail(r->reason, "%s:%zu: %s", r->name, line, words);
}

/* The line of the event, from 1. */
static size_t line_of(const struct reader *r)
{
    return r->event.start_mark.line + 1;
}

/* What the event is, for "got ...". */
static const char *describe(const struct reader *r, char *out, size_t size)
{
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return words_quote((const char *)r->event.data.scalar.value, r->event.data.scalar.length, out, size);
    case YAML_MAPPING_START_EVENT:
        return "a mapping";
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    case YAML_ALIAS_EVENT:
        return "an alias";
    default:
        return "nothing";
    }
}

/* A setting's name in the file: "gossip.port". */
static const char *path_of(enum setting which, char *out, size_t size)
{
    const struct setting_row *row = &setting_rows[which];
    snprintf(out, size, "%s%s%s", row->section ? row->section : "", row->section ? "." : "", row->key);
    return out;
}

static bool unexpected(struct reader *r, enum setting which, const char *expected)
{
    char path[64], got[QUOTE_SIZE];
    return fail_in(r, line_of(r), "%s: expected %s, got %s", path_of(which, path, sizeof path), expected,
                   setting_rows[which].secret && r->event.type == YAML_SCALAR_EVENT ? "another text"
                                                                                    : describe(r, got, sizeof got));
}

/* ---- Events ---- */

/* libyaml tells where its reader failed in bytes, and else in lines. */
static bool fail_syntax(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    size_t line = p->problem_mark.line + 1;
    if (p->error == YAML_READER_ERROR) {
        line = 1;
        const char *bytes = r->text.data;
        for (size_t i = 0; i < p->problem_offset && i < r->text.len; i++)
            line += bytes[i] == '\n';
    }
    return fail_in(r, line, "expected YAML: %s", p->problem ? p->problem : "out of memory");
}

/* The next event; false when there is none that may be used. */
static bool next(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = yaml_parser_parse(&r->parser, &r->event) == 1;
    if (!r->has_event)
        return fail_syntax(r);
    const yaml_char_t *tag = NULL, *anchor = NULL;
    if (r->event.type == YAML_SCALAR_EVENT)
        tag = r->event.data.scalar.tag, anchor = r->event.data.scalar.anchor;
    else if (r->event.type == YAML_SEQUENCE_START_EVENT)
        tag = r->event.data.sequence_start.tag, anchor = r->event.data.sequence_start.anchor;
    else if (r->event.type == YAML_MAPPING_START_EVENT)
        tag = r->event.data.mapping_start.tag, anchor = r->event.data.mapping_start.anchor;
    if (tag || anchor)
        return fail_in(r, line_of(r), "expected a plain value, got %s", tag ? "a tag" : "an anchor");
    return true;
}

/* Passes over the next event, to the one behind it. */
static bool skip(struct reader *r)
{
    bool ok = next(r);
    return ok && next(r);
}

static bool is_scalar(const struct reader *r)
{
    return r->event.type == YAML_SCALAR_EVENT;
}

static bool is_plain(const struct reader *r)
{
    return is_scalar(r) && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_plain_word(const struct reader *r, const char *word)
{
    return is_plain(r) && strcmp((const char *)r->event.data.scalar.value, word) == 0;
}

/* What YAML takes for no value at all. */
static bool is_null(const struct reader *r)
{
    return is_plain_word(r, "") || is_plain_word(r, "~") || is_plain_word(r, "null");
}

/* A text that may be a key, in out; false when it is none, and then no key that there is, either. */
static bool take_key(const struct reader *r, char *out, size_t size)
{
    if (!is_scalar(r) || r->event.data.scalar.length >= size ||
        strlen((const char *)r->event.data.scalar.value) != r->event.data.scalar.length)
        return false;
    memcpy(out, r->event.data.scalar.value, r->event.data.scalar.length + 1);
    return true;
}

/* ---- Values ---- */

static bool put(struct reader *r, enum setting which)
{
    mesh_reason why;
    char path[64];
    if (settings_put(r->s, which, (const char *)r->event.data.scalar.value, r->event.data.scalar.length, &why))
        return true;
    return fail_in(r, line_of(r), "%s: %.300s", path_of(which, path, sizeof path), why.text);
}

static bool read_list(struct reader *r, enum setting which)
{
    if (r->event.type != YAML_SEQUENCE_START_EVENT)
        return unexpected(r, which, "a list");
    while (next(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (!is_scalar(r) || is_null(r))
            return unexpected(r, which, "a list of texts");
        if (!put(r, which))
            return false;
    }
    return !r->failed;
}

static bool put_option(struct reader *r, struct capability_setting *c, const char *key)
{
    mesh_reason why;
    bool number = strcmp(key, "shards") == 0 || strcmp(key, "weight") == 0;
    if (!is_scalar(r) || is_null(r) || (number && !is_plain(r))) {
        char got[QUOTE_SIZE];
        return fail_in(r, line_of(r), "capabilities: %.16s: expected %s, got %s", key, number ? "a number" : "a text",
                       describe(r, got, sizeof got));
    }
    if (capability_put(c, key, (const char *)r->event.data.scalar.value, r->event.data.scalar.length, &why))
        return true;
    return fail_in(r, line_of(r), "capabilities: %.300s", why.text);
}

/* Behind the beginning of a mapping: the name and the options of one capability. */
static bool read_options(struct reader *r, struct capability_setting *c)
{
    static const char *const keys[] = {"name", "strategy", "shards", "weight"};
    bool given[4] = {false};
    size_t line = line_of(r);
    while (next(r) && r->event.type != YAML_MAPPING_END_EVENT) {
        char key[16], got[QUOTE_SIZE];
        size_t i = 0;
        bool is_key = take_key(r, key, sizeof key);
        while (i < 4 && !(is_key && strcmp(key, keys[i]) == 0))
            i++;
        if (i == 4)
            return fail_in(r, line_of(r), "capabilities: expected name, strategy, shards or weight, got %s",
                           describe(r, got, sizeof got));
        if (given[i])
            return fail_in(r, line_of(r), "capabilities: %s: given twice", key);
        given[i] = true;
        if (!next(r) || !put_option(r, c, key))
            return false;
    }
    if (!r->failed && !given[0])
        return fail_in(r, line, "capabilities: expected a name among the options");
    return !r->failed;
}

static bool read_capability(struct reader *r)
{
    struct capability_setting c = {.name = NULL};
    mesh_reason why;
    size_t line = line_of(r);
    bool ok;
    if (r->event.type == YAML_MAPPING_START_EVENT)
        ok = read_options(r, &c);
    else if (is_scalar(r) && !is_null(r))
        ok = put_option(r, &c, "name");
    else
        ok = unexpected(r, SETTING_CAPABILITIES, "a name, or a mapping with name, strategy, shards, weight");
    if (!ok)
        free(c.name);
    else if (!settings_add_capability(r->s, &c, &why))
        ok = fail_in(r, line, "capabilities: %.300s", why.text);
    return ok;
}

static bool read_capabilities(struct reader *r)
{
    if (r->event.type != YAML_SEQUENCE_START_EVENT)
        return unexpected(r, SETTING_CAPABILITIES, "a list");
    while (next(r) && r->event.type != YAML_SEQUENCE_END_EVENT)
        if (!read_capability(r))
            return false;
    return !r->failed;
}

static bool read_value(struct reader *r, enum setting which)
{
    char expected[128], bare[160];
    switch (setting_rows[which].kind) {
    case KIND_LIST:
        return read_list(r, which);
    case KIND_CAPABILITIES:
        return read_capabilities(r);
    case KIND_NUMBER:
    case KIND_SWITCH:
        setting_expected(which, expected, sizeof expected);
        snprintf(bare, sizeof bare, "%s%s", expected, is_scalar(r) ? ", without quotes" : "");
        if (!is_plain(r)) /* what is in quotes is a text, whatever it says */
            return unexpected(r, which, bare);
        return put(r, which);
    default:
        if (!is_scalar(r) || is_null(r))
            return unexpected(r, which, setting_expected(which, expected, sizeof expected));
        return put(r, which);
    }
}

/* ---- Keys ---- */

static bool unknown_key(struct reader *r, const char *section, const char *key)
{
    char got[QUOTE_SIZE];
    struct guess guess;
    guess_begin(&guess, key);
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        const char *in = setting_rows[i].section;
        if (in == section || (in && section && strcmp(in, section) == 0))
            guess_offer(&guess, setting_rows[i].key);
    }
    return fail_in(r, line_of(r), "%s%sexpected a setting, got %s%s%s%s", section ? section : "", section ? ": " : "",
                   describe(r, got, sizeof got), guess.best ? "; did you mean " : "", guess.best ? guess.best : "",
                   guess.best ? "?" : "");
}

/* The event is a key: which setting it begins. */
static bool begin_key(struct reader *r, const char *section, enum setting *which)
{
    char key[64] = "", path[64];
    mesh_reason why;
    if (!take_key(r, key, sizeof key) || (*which = setting_by_key(section, key)) == SETTING_COUNT)
        return unknown_key(r, section, key);
    if (!settings_begin(r->s, *which, FROM_FILE, (unsigned)line_of(r), &why))
        return fail_in(r, line_of(r), "%s: %.300s", path_of(*which, path, sizeof path), why.text);
    return true;
}

/* Behind the beginning of a mapping under a switch. */
static bool read_section(struct reader *r, const char *section)
{
    enum setting which = SETTING_COUNT;
    while (next(r) && r->event.type != YAML_MAPPING_END_EVENT)
        if (!begin_key(r, section, &which) || !next(r) || !read_value(r, which))
            return false;
    return !r->failed;
}

static bool is_section(const char *key)
{
    bool found = false;
    for (enum setting i = 0; i < SETTING_COUNT && !found; i++)
        found = setting_rows[i].section && strcmp(setting_rows[i].section, key) == 0;
    return found;
}

static bool read_top(struct reader *r)
{
    enum setting which = SETTING_COUNT;
    while (next(r) && r->event.type != YAML_MAPPING_END_EVENT) {
        if (!begin_key(r, NULL, &which) || !next(r))
            return false;
        const char *key = setting_rows[which].key;
        if (!is_section(key)) {
            if (!read_value(r, which))
                return false;
        } else if (r->event.type == YAML_MAPPING_START_EVENT) {
            if (!settings_put(r->s, which, "true", 4, r->reason) || !read_section(r, key))
                return false;
        } else if (!is_plain_word(r, "true") && !is_plain_word(r, "false")) {
            return unexpected(r, which, "true, false, or a mapping with its options");
        } else if (!put(r, which)) {
            return false;
        }
    }
    return !r->failed;
}

static bool read_stream(struct reader *r)
{
    char got[QUOTE_SIZE];
    if (!skip(r)) /* the stream's beginning */
        return false;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return true;
    if (!next(r))
        return false;
    if (r->event.type == YAML_MAPPING_START_EVENT) {
        if (!read_top(r))
            return false;
    } else if (!is_null(r)) {
        return fail_in(r, line_of(r), "expected settings, KEY: VALUE, got %s", describe(r, got, sizeof got));
    }
    if (!skip(r)) /* the document's end */
        return false;
    return r->event.type == YAML_STREAM_END_EVENT || fail_in(r, line_of(r), "expected one document, got a second");
}

bool config_parse(struct settings *s, const char *name, mesh_bytes text, mesh_reason *reason)
{
    struct reader r = {.s = s, .name = name, .text = text, .reason = reason};
    if (text.len > CONFIG_MAX_BYTES)
        return words_fail(reason, "%s: expected at most %u bytes, got %zu", name, CONFIG_MAX_BYTES, text.len);
    if (yaml_parser_initialize(&r.parser) != 1)
        return words_fail(reason, "%s: out of memory", name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, text.len ? text.data : (const unsigned char *)"", text.len);
    bool ok = read_stream(&r);
    if (r.has_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return ok;
}

bool config_read(struct settings *s, const char *path, mesh_reason *reason)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return words_fail(reason, "%s: %s", path, strerror(errno));
    char *text = malloc(CONFIG_MAX_BYTES + 1);
    size_t len = text ? fread(text, 1, CONFIG_MAX_BYTES + 1, file) : 0;
    bool ok = text && !ferror(file);
    if (!ok)
        words_fail(reason, "%s: %s", path, strerror(errno));
    fclose(file);
    ok = ok && config_parse(s, path, (mesh_bytes){text, len}, reason);
    free(text);
    return ok;
}
