/* What the programs reported, one flat JSON object a line, and what becomes of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

/* Copies the string of "key":"string" out of a line. The programs are ours: no escapes, no spaces. */
static bool take_text(const char *line, const char *key, char text[NAME_BYTES])
{
    char quoted[NAME_BYTES + 4];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const char *at = strstr(line, quoted);
    if (at == NULL)
        return false;
    at += strlen(quoted);
    size_t len = strcspn(at, "\"\\");
    if (at[len] != '"' || len == 0 || len >= NAME_BYTES)
        return false;
    memcpy(text, at, len);
    text[len] = '\0';
    return true;
}

static bool take_value(const char *line, double *value)
{
    static const char key[] = "\"value\":";
    const char *at = strstr(line, key);
    if (at == NULL)
        return false;
    char *end;
    *value = strtod(at + sizeof key - 1, &end);
    return end != at + sizeof key - 1 && isfinite(*value);
}

/* What is of the same bench stands together. */
static struct result *find_or_add(struct results *results, const struct result *like)
{
    size_t at = results->count;
    for (size_t i = 0; i < results->count; i++) {
        struct result *r = &results->list[i];
        if (strcmp(r->bench, like->bench) != 0)
            continue;
        if (strcmp(r->who, like->who) == 0)
            return r;
        at = i + 1;
    }
    if (results->count == MAX_RESULTS)
        return NULL;
    struct result *r = &results->list[at];
    memmove(r + 1, r, (results->count++ - at) * sizeof *r);
    *r = *like;
    return r;
}

static bool add_line(struct results *results, const char *line, const char *who)
{
    struct result like = {.runs = 0};
    double value;
    if (!take_text(line, "bench", like.bench) || !take_text(line, "who", like.who) ||
        !take_text(line, "unit", like.unit) || !take_value(line, &value) || strcmp(like.who, who) != 0)
        return false;
    struct result *r = find_or_add(results, &like);
    if (r == NULL || r->runs == MAX_RUNS || strcmp(r->unit, like.unit) != 0)
        return false;
    r->samples[r->runs++] = value;
    return true;
}

bool results_add(struct results *results, const char *output, const char *who)
{
    char line[512];
    bool any = false;
    for (const char *at = output; *at != '\0';) {
        size_t len = strcspn(at, "\n");
        if (len >= sizeof line)
            return false;
        memcpy(line, at, len);
        line[len] = '\0';
        if (len > 0 && !add_line(results, line, who))
            return false;
        any |= len > 0;
        at += len + (at[len] == '\n');
    }
    return any;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void results_settle(struct results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        struct result *r = &results->list[i];
        qsort(r->samples, r->runs, sizeof r->samples[0], by_value);
        r->min = r->samples[0];
        r->max = r->samples[r->runs - 1];
        r->median = (r->samples[(r->runs - 1) / 2] + r->samples[r->runs / 2]) / 2;
    }
}

const struct result *results_find(const struct results *results, const char *bench, const char *who)
{
    for (size_t i = 0; i < results->count; i++)
        if (strcmp(results->list[i].bench, bench) == 0 && strcmp(results->list[i].who, who) == 0)
            return &results->list[i];
    return NULL;
}

bool results_wanted(const struct results *results, const struct target *target, double *value)
{
    double unit = 1;
    if (target->against != NULL) {
        const struct result *contender = results_find(results, target->bench, target->against);
        if (contender == NULL)
            return false;
        unit = contender->median;
    }
    *value = target->wanted * unit;
    return true;
}

void results_write(const struct results *results, FILE *to)
{
    for (size_t i = 0; i < results->count; i++) {
        const struct result *r = &results->list[i];
        fprintf(to,
                "{\"bench\":\"%s\",\"who\":\"%s\",\"value\":%.9g,\"unit\":\"%s\",\"runs\":%u,\"min\":%.9g,"
                "\"max\":%.9g}\n",
                r->bench, r->who, r->median, r->unit, r->runs, r->min, r->max);
    }
}
