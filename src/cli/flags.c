/* From flags to settings. */
#include "cli/flags.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/words.h"

/* NAME,OPTION=VALUE,... */
static bool put_capability(struct settings *s, const char *text, mesh_reason *reason)
{
    struct capability_setting c = {.name = NULL};
    size_t len = strcspn(text, ",");
    bool ok = capability_put(&c, "name", text, len, reason);
    bool given[3] = {false};
    static const char *const options[] = {"strategy", "shards", "weight"};
    for (const char *at = text + len; ok && *at == ','; at += len) {
        char key[16];
        size_t key_len = strcspn(++at, ",=");
        len = strcspn(at, ",");
        snprintf(key, sizeof key, "%.*s", (int)(key_len < sizeof key ? key_len : sizeof key), at);
        size_t value_at = key_len < len ? key_len + 1 : len;
        for (int i = 0; i < 3 && ok; i++)
            if (strcmp(key, options[i]) == 0) {
                ok = !given[i] || words_fail(reason, "%s: given twice", key);
                given[i] = true;
            }
        if (ok && strcmp(key, "name") == 0) /* it stands first, alone */
            ok = words_fail(reason, "expected NAME[,OPTION=VALUE], with strategy, shards or weight as OPTION");
        ok = ok && capability_put(&c, key, at + value_at, len - value_at, reason);
    }
    if (ok)
        return settings_add_capability(s, &c, reason);
    free(c.name);
    return false;
}

static bool put(struct settings *s, enum setting which, struct args *args, const struct arg *arg, mesh_reason *reason)
{
    const struct setting_row *row = &setting_rows[which];
    bool grows = row->kind == KIND_LIST || row->kind == KIND_CAPABILITIES;
    bool more = grows && s->values[which].origin == FROM_FLAG;
    const char *value = row->kind == KIND_SWITCH && arg->value == NULL ? "true" : args_value(args, arg);
    if (value == NULL)
        return words_fail(reason, "expected a value, %s", row->value);
    if (!more && !settings_begin(s, which, FROM_FLAG, 0, reason))
        return false;
    if (row->kind == KIND_CAPABILITIES)
        return put_capability(s, value, reason);
    return settings_put(s, which, value, strlen(value), reason);
}

enum flags_result flags_take(struct settings *s, struct args *args, const struct arg *arg, mesh_reason *reason)
{
    mesh_reason why;
    enum setting which = setting_by_flag(arg->flag);
    if (which == SETTING_COUNT)
        return FLAGS_OTHER;
    if (put(s, which, args, arg, &why))
        return FLAGS_TAKEN;
    words_fail(reason, "--%s: %.400s", arg->flag, why.text);
    return FLAGS_REFUSED;
}

void flags_help(FILE *to)
{
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        const struct setting_row *row = &setting_rows[i];
        char flag[64];
        snprintf(flag, sizeof flag, "--%s%s%s", row->flag, row->value ? " " : "", row->value ? row->value : "");
        fprintf(to, strlen(flag) > 34 ? "  %s\n%37s%s" : "  %-34s %s%s", flag, strlen(flag) > 34 ? "" : row->help,
                strlen(flag) > 34 ? row->help : "");
        if (row->kind == KIND_LIST || row->kind == KIND_CAPABILITIES)
            fputs("; again for more", to);
        else if (row->otherwise_is != NULL)
            fprintf(to, " (default: %s)", row->otherwise_is);
        else if (row->kind == KIND_WORD)
            fprintf(to, " (default: %s)", row->words[row->otherwise - 1]);
        else if (row->kind == KIND_NUMBER)
            fprintf(to, " (default: %" PRIu64 ")", row->otherwise);
        else if (row->kind == KIND_SWITCH && row->otherwise != 0)
            fputs(" (default; =false turns it off)", to);
        fputc('\n', to);
    }
}
