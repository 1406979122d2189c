#include "cli/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config.h"

void resolved_init(struct resolved *r)
{
    *r = (struct resolved){.file = NULL};
    settings_init(&r->settings);
}

void resolved_fini(struct resolved *r)
{
    settings_fini(&r->settings);
    explicit_bzero(r->cookie, sizeof r->cookie);
}

/* Tells a fault that is no value's alone, where its setting is. */
static int blame(const struct resolved *r, const struct verb *verb, enum setting which, const mesh_reason *reason)
{
    const struct setting_row *row = &setting_rows[which];
    const struct setting_value *v = &r->settings.values[which];
    if (v->origin == FROM_FILE)
        fprintf(stderr, "%s:%u: %s: %s\n", r->file, v->line, row->key, reason->text);
    else
        fprintf(stderr, "mesh %s: --%s: %s\n", verb->name, row->flag, reason->text);
    return EXIT_USAGE;
}

static int read_file(struct resolved *r)
{
    struct settings file;
    mesh_reason reason;
    settings_init(&file);
    bool ok = config_read(&file, r->file, &reason);
    if (ok)
        settings_merge(&r->settings, &file);
    else
        fprintf(stderr, "%s\n", reason.text);
    settings_fini(&file);
    return ok ? EXIT_DONE : EXIT_USAGE;
}

static bool find_cookie(struct resolved *r, mesh_reason *reason)
{
    const char *given = settings_text(&r->settings, SETTING_COOKIE);
    if (!identity_cookie_file(&r->settings, getenv("HOME"), r->cookie_file, sizeof r->cookie_file, reason))
        return false;
    if (r->cookie_file[0] != '\0')
        return cookie_read(r->cookie_file, r->cookie, reason);
    snprintf(r->cookie, sizeof r->cookie, "%s", given); /* its form has seen to the length */
    return true;
}

int resolve_cookie(struct resolved *r, const struct verb *verb)
{
    mesh_reason reason;
    return find_cookie(r, &reason) ? EXIT_DONE : blame(r, verb, SETTING_COOKIE_FILE, &reason);
}

int resolve(struct resolved *r, const struct verb *verb)
{
    struct host host = {"", ""};
    enum setting which;
    mesh_reason reason;
    if (r->file != NULL && read_file(r) != EXIT_DONE)
        return EXIT_USAGE;
    const char *name = settings_text(&r->settings, SETTING_NAME);
    if (!settings_check(&r->settings, &which, &reason))
        return blame(r, verb, which, &reason);
    host_read(&host, name && !strchr(name, '@'));
    if (!identity_name(&r->settings, &host, r->node, &which, &reason))
        return blame(r, verb, which, &reason);
    return r->node[0] != '\0' ? resolve_cookie(r, verb) : EXIT_DONE;
}
