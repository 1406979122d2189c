/* Why something was refused, as a sentence for people. */
#ifndef DISCOVERY_REASON_H
#define DISCOVERY_REASON_H

struct discovery_reason {
    char text[256]; /* ends in NUL; what is longer is cut */
};

/* Writes the sentence, as printf does. reason may be NULL: then nothing happens. Any thread. */
void reason_say(struct discovery_reason *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
