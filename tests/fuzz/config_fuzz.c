/* Any bytes in the place of a configuration: settings that all have their form, or a fault in a line that exists. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/config.h"
#include "cli/words.h"
#include "fuzz/fuzz.h"

/* What was accepted is accepted again, piece by piece. */
static void check_value(const struct settings *s, enum setting which)
{
    const struct setting_row *row = &setting_rows[which];
    const struct setting_value *v = &s->values[which];
    struct settings again;
    mesh_reason reason;
    settings_init(&again);
    if (v->origin != FROM_FILE || v->line == 0 || !settings_begin(&again, which, FROM_FILE, v->line, &reason))
        abort();
    if (row->kind == KIND_TEXT && (!v->text || !settings_put(&again, which, v->text, strlen(v->text), &reason)))
        abort();
    if (row->kind == KIND_NUMBER && (v->number < row->min || v->number > row->max))
        abort();
    for (size_t i = 0; i < v->count; i++)
        if (!settings_put(&again, which, v->list[i], strlen(v->list[i]), &reason))
            abort();
    settings_fini(&again);
}

static void check_settings(const struct settings *s)
{
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        if (s->values[i].origin != FROM_DEFAULT)
            check_value(s, i);
    for (size_t i = 0; i < s->capability_count; i++) {
        const struct capability_setting *c = &s->capabilities[i];
        if (!c->name || c->name[0] == '\0' || c->shards > 65536 || c->weight > 100)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s;
    mesh_reason reason = {""};
    size_t lines = 2, line = 0;
    words_use_utf8();
    settings_init(&s);
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] >= 0xa8; /* NEL, LS, PS */
    if (config_parse(&s, "f", (mesh_bytes){data, size}, &reason))
        check_settings(&s);
    else if (sscanf(reason.text, "f:%zu: ", &line) != 1 || line == 0 || line > lines)
        abort();
    settings_fini(&s);
    return 0;
}
