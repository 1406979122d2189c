/* Output for people and for programs: numbers, headings, facts, and strings in JSON. */
#ifndef WORDCOUNT_PRINT_H
#define WORDCOUNT_PRINT_H

#include <stdbool.h>
#include <stdint.h>

enum { PRINT_NUMBER_SIZE = 32 }; /* bytes of any number that print_number writes */

/* Writes a number with its thousands separated: "1,234,567". Returns text. */
const char *print_number(uint64_t number, char text[PRINT_NUMBER_SIZE]);

/* A heading, and a line "label   what" below it, both on stdout; bold only on a terminal (and without NO_COLOR). */
void print_heading(const char *text);
void print_fact(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A string in JSON, with its quotes, on stdout. Bytes outside ASCII pass as they are. */
void print_json_string(const char *text);

/* Flushes stdout. false, told on stderr, if anything written to it was lost. */
bool print_done(void);

/* A clock that only goes forward, in ns. */
uint64_t print_clock_ns(void);

#endif
