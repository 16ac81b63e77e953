/* UTF-8 as the Unicode Standard defines it (chapter 3, table 3-7), shared by the examples. */

#ifndef PLASM_EXAMPLES_UTF8_H
#define PLASM_EXAMPLES_UTF8_H

#include <stddef.h>

/* The length of the well-formed sequence at the start of `text`, or 0 if there is none. */
static inline size_t utf8_sequence(const char *text, size_t size) {
    const unsigned char *byte = (const unsigned char *)text;
    if (size == 0) return 0;
    if (byte[0] < 0x80) return 1;

    size_t length = byte[0] >= 0xF0 ? 4 : byte[0] >= 0xE0 ? 3 : 2;
    if (byte[0] < 0xC2 || byte[0] > 0xF4 || length > size) return 0;
    for (size_t i = 1; i < length; i++)
        if ((byte[i] & 0xC0) != 0x80) return 0;

    if (byte[0] == 0xE0 && byte[1] < 0xA0) return 0; /* overlong */
    if (byte[0] == 0xED && byte[1] > 0x9F) return 0; /* a surrogate */
    if (byte[0] == 0xF0 && byte[1] < 0x90) return 0; /* overlong */
    if (byte[0] == 0xF4 && byte[1] > 0x8F) return 0; /* above U+10FFFF */
    return length;
}

#endif
