/* mesh check-config: reads settings as a node would, and shows what came out and where it is from. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/columns.h"
#include "cli/flags.h"
#include "cli/resolve.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "cli/words.h"

static const char *const flags[] = {"json", "help", NULL};

static void help(void)
{
    puts(
        "\nReads FILE (YAML), takes what the flags say in place of what it says, and prints every setting, its value,\n"
        "and where that is from. The first fault is told on stderr, with FILE:LINE and what was expected, and the "
        "exit\n"
        "code is 2. In FILE a setting has the name of its flag, but for the lists modules, capabilities and connect;\n"
        "gossip, epmd, local-epmd and erlang-hosts are true, or a mapping with their options. Secrets are not "
        "shown.\n\n"
        "  --json                             for programs\n");
    flags_help(stdout);
}

/* ---- Printing ---- */

static void put_list(const struct settings *s, enum setting which, FILE *to)
{
    const struct setting_value *v = &s->values[which];
    bool sets = setting_rows[which].kind == KIND_CAPABILITIES;
    for (size_t i = 0; i < v->count; i++)
        fprintf(to, "%s%s", i > 0 ? " " : "", v->list[i]);
    for (size_t i = 0; sets && i < s->capability_count; i++) {
        const struct capability_setting *c = &s->capabilities[i];
        fprintf(to, "%s%s", i > 0 ? " " : "", c->name);
        if (c->strategy == MESH_MODULO)
            fputs(",strategy=modulo", to);
        if (c->shards != 0)
            fprintf(to, ",shards=%" PRIu32, c->shards);
        if (c->weight != 0)
            fprintf(to, ",weight=%" PRIu32, c->weight);
    }
    if (v->count == 0 && (!sets || s->capability_count == 0))
        fputs("none", to);
}

static void put_value(const struct settings *s, enum setting which, FILE *to)
{
    const struct setting_row *row = &setting_rows[which];
    const struct setting_value *v = &s->values[which];
    if (row->kind == KIND_LIST || row->kind == KIND_CAPABILITIES)
        put_list(s, which, to);
    else if (row->kind == KIND_SWITCH)
        fputs(settings_on(s, which) ? "true" : "false", to);
    else if (v->origin == FROM_DEFAULT && row->otherwise_is)
        fputs(row->otherwise_is, to);
    else if (row->kind == KIND_NUMBER)
        fprintf(to, "%" PRIu64, settings_number(s, which));
    else if (row->kind == KIND_WORD)
        fputs(row->words[settings_number(s, which) - 1], to);
    else if (v->text)
        fputs(row->secret ? "(not shown)" : v->text, to);
}

static void add_row(struct columns *table, const char *name, const char *value, const char *from)
{
    columns_text(table, mesh_str(name));
    columns_text(table, mesh_str(value));
    columns_text(table, mesh_str(from));
}

static void add_setting(struct columns *table, const struct settings *s, enum setting which, const char *file)
{
    const struct setting_row *row = &setting_rows[which];
    const struct setting_value *v = &s->values[which];
    char name[64], from[4200], *value = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&value, &size);
    if (to == NULL)
        abort();
    put_value(s, which, to);
    fclose(to);
    snprintf(name, sizeof name, "%s%s%s", row->section ? row->section : "", row->section ? "." : "", row->key);
    if (v->origin == FROM_FILE)
        snprintf(from, sizeof from, "%s:%u", file, v->line);
    else
        snprintf(from, sizeof from, "%s%s", v->origin == FROM_FLAG ? "--" : "default",
                 v->origin == FROM_FLAG ? row->flag : "");
    add_row(table, name, value, from);
    free(value);
}

/* Whether a row is worth showing: not the options of what is off, nor a text that is not given. */
static bool is_shown(const struct settings *s, enum setting which)
{
    const struct setting_row *row = &setting_rows[which];
    bool nothing = row->kind == KIND_TEXT && s->values[which].text == NULL && row->otherwise_is == NULL;
    return !nothing && (row->section == NULL || settings_on(s, setting_by_key(NULL, row->section)));
}

/* ---- Reading ---- */

/* What is checked, and how it is shown. */
struct check {
    struct resolved resolved;
    bool json;
};

static int print(const struct check *c)
{
    static const char *const headings[] = {"setting", "value", "from"};
    struct columns *table = columns_create(headings, 3);
    const struct resolved *r = &c->resolved;
    if (r->node[0] != '\0')
        add_row(table, "node", r->node, settings_text(&r->settings, SETTING_NAME) ? "name" : "sname");
    if (r->cookie_file[0] != '\0')
        add_row(table, "cookie", "(not shown)", r->cookie_file);
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        if (is_shown(&r->settings, i))
            add_setting(table, &r->settings, i, r->file);
    if (c->json)
        columns_print_json(table, stdout);
    else
        columns_print(table, stdout, terminal_colours(stdout));
    columns_destroy(table);
    return verb_end(&verb_check_config, EXIT_DONE);
}

static int take_words(struct check *c, struct args *args)
{
    mesh_reason reason;
    struct arg arg;
    while (args_next(args, &arg)) {
        if (arg.flag[0] == '\0') {
            if (c->resolved.file)
                return verb_misuse(&verb_check_config, "expected one file, got a second");
            c->resolved.file = arg.word;
            continue;
        }
        if (strcmp(arg.word, "--json") == 0) {
            c->json = true;
            continue;
        }
        switch (flags_take(&c->resolved.settings, args, &arg, &reason)) {
        case FLAGS_TAKEN:
            break;
        case FLAGS_REFUSED:
            return verb_misuse(&verb_check_config, "%s", reason.text);
        default:
            return verb_unknown_flag(&verb_check_config, &arg, flags, true);
        }
    }
    return c->resolved.file ? EXIT_DONE : verb_misuse(&verb_check_config, "expected a file");
}

static int run(struct args *args)
{
    struct check c = {.json = false};
    resolved_init(&c.resolved);
    int code = take_words(&c, args);
    if (code == EXIT_DONE)
        code = resolve(&c.resolved, &verb_check_config);
    if (code == EXIT_DONE)
        code = print(&c);
    resolved_fini(&c.resolved);
    return code;
}

const struct verb verb_check_config = {"check-config", "FILE [FLAGS]",
                                       "Show the settings that a file gives, or its faults", help, run};
