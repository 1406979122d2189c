/* The results and the targets as two aligned tables. */
#include <math.h>
#include <string.h>

#include "runner.h"

/* Writes the digits of a whole number in groups of three. */
static void group(double value, char text[NAME_BYTES])
{
    char digits[NAME_BYTES];
    int len = snprintf(digits, sizeof digits, "%.0f", value);
    size_t at = 0;
    for (int i = 0; i < len && at + 2 < NAME_BYTES; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
}

const char *table_number(double value, char text[NAME_BYTES])
{
    double size = fabs(value);
    if (size >= 1e15)
        snprintf(text, NAME_BYTES, "%.3g", value);
    else if (size >= 999.5 || value == floor(value))
        group(value, text);
    else
        snprintf(text, NAME_BYTES, "%.*f", size >= 100 ? 1 : size >= 1 ? 2 : 4, value);
    for (char *end = text + strlen(text) - 1; strchr(text, '.') != NULL && (*end == '0' || *end == '.'); end--)
        *end = '\0';
    return text;
}

static void print_results(const struct results *results, FILE *to)
{
    char median[NAME_BYTES], min[NAME_BYTES], max[NAME_BYTES];
    const char *previous = "";
    fprintf(to, "%-22s  %-12s  %13s  %13s  %13s  %-12s  %4s\n", "bench", "who", "median", "min", "max", "unit", "runs");
    for (size_t i = 0; i < results->count; i++) {
        const struct result *r = &results->list[i];
        fprintf(to, "%-22s  %-12s  %13s  %13s  %13s  %-12s  %4u\n", strcmp(r->bench, previous) == 0 ? "" : r->bench,
                r->who, table_number(r->median, median), table_number(r->min, min), table_number(r->max, max), r->unit,
                r->runs);
        previous = r->bench;
    }
}

/* What Mesh has reached of a target: the value, or the factor of the contender's. False when there is nothing to
 * compare. */
static bool reached(const struct results *results, const struct target *target, double *value)
{
    const struct result *mesh = results_find(results, target->bench, "mesh");
    double limit;
    if (mesh == NULL || !results_wanted(results, target, &limit))
        return false;
    *value = target->against == NULL ? mesh->median : mesh->median / (limit / target->wanted);
    return true;
}

static bool is_good(enum bound bound, double value, double wanted)
{
    return bound == AT_LEAST ? value >= wanted : bound == AT_MOST ? value <= wanted : value < wanted;
}

/* One line of the second table. Returns whether the target is met. */
static bool print_target(const struct results *results, const struct target *target, FILE *to)
{
    static const char *const signs[] = {[AT_LEAST] = ">=", [AT_MOST] = "<=", [BELOW] = "< "};
    const struct job *job = plan_find(target->bench, strlen(target->bench));
    const struct result *mesh = results_find(results, target->bench, "mesh");
    bool failed = (results->failed >> (job - plan_jobs) & 1) != 0;
    char wanted[NAME_BYTES], got[NAME_BYTES] = "-";
    double value;
    bool known = reached(results, target, &value);
    bool met = known && !failed && is_good(target->bound, value, target->wanted);
    table_number(target->wanted, wanted);
    if (known)
        table_number(value, got);
    const char *unit = target->against != NULL ? "x" : mesh != NULL ? mesh->unit : "";
    fprintf(to, "%-22s  %-12s  %s %13s  %13s  %-12s  %s\n", target->bench,
            target->against != NULL ? target->against : "", signs[target->bound], wanted, got, unit,
            failed   ? "FAILED"
            : !known ? "not measured"
            : met    ? "met"
                     : "NOT MET");
    return met;
}

unsigned table_print(const struct results *results, FILE *to)
{
    unsigned missed = 0;
    print_results(results, to);
    fprintf(to, "\n%-22s  %-12s  %16s  %13s  %-12s\n", "target", "against", "wanted", "reached", "unit");
    for (size_t i = 0; i < plan_targets_count; i++) {
        const struct target *target = &plan_targets[i];
        const struct job *job = plan_find(target->bench, strlen(target->bench));
        bool ran =
            results_find(results, target->bench, "mesh") != NULL || (results->failed >> (job - plan_jobs) & 1) != 0;
        if (ran && !print_target(results, target, to))
            missed++;
    }
    return missed;
}
