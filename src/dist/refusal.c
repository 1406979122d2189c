/* The texts of the refusals. */
#include "dist/refusal.h"

const char *refusal_text(enum refusal refusal)
{
    switch (refusal) {
#define TEXT(name, text)                                                                                               \
    case REFUSAL_##name:                                                                                               \
        return text;
        REFUSALS(TEXT)
#undef TEXT
    default:
        return "none";
    }
}
