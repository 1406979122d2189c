/* Numbers as text, both ways, whatever the locale says. */
#ifndef TERM_NUMBER_H
#define TERM_NUMBER_H

#include <mesh/term.h>

#define NUMBER_FLOAT_MAX 32

/* Magnitudes up to so many bytes are read and written as decimals; that costs the square of the length, so longer
 * ones are written as 0x…, and decimals of more digits are not read. */
#define NUMBER_DECIMAL_BYTES 1024
#define NUMBER_DECIMAL_DIGITS 2466

/* The shortest text that gives the same double, as Elixir prints it ("1.0", "1.0e-10"). Returns its length. */
size_t number_float_text(double value, char text[NUMBER_FLOAT_MAX]);

/* A decimal number with point and optional exponent, all of text; false when it is not one, or not finite. */
bool number_float(const char *text, size_t len, double *out);

/* The same for the 31 characters of a FLOAT_EXT, padded with NULs. */
bool number_old_float(const char text[31], double *out);

/* Appends sign and digits of an integer. */
int number_integer_text(bool negative, mesh_bytes magnitude, mesh_buf *out);

/* Appends the term of an integer whose digits (of base 10 or 16, nothing else) are given. MESH_EINVAL: too many. */
int number_integer(bool negative, const char *digits, size_t len, unsigned base, mesh_buf *out);

#endif
