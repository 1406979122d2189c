/* Sentences for people, cut where they do not fit. */
#include <stdarg.h>
#include <stdio.h>

#include "discovery/reason.h"

void reason_say(struct discovery_reason *reason, const char *format, ...)
{
    va_list arguments;
    if (reason == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(reason->text, sizeof reason->text, format, arguments);
    va_end(arguments);
}
