/* A streaming reader of CSV as RFC 4180 describes it: a quoted field may hold delimiters, line breaks and
 * doubled quotes. Lines may also end in LF alone, and a byte order mark at the start is skipped. */

#ifndef PLASM_EXAMPLES_CSV_H
#define PLASM_EXAMPLES_CSV_H

#include <stddef.h>
#include <stdio.h>

/* How much of a field is kept. The rest of a longer one is read and dropped, so memory stays constant. */
enum { CSV_FIELD = 4096 };

enum csv_event {
    CSV_FIELD_READ, /* `field` is there, and another one follows in this record */
    CSV_RECORD_END, /* `field` is there, the last one of this record */
    CSV_EMPTY_LINE,
    CSV_INPUT_END,
    CSV_ERROR, /* `error` says what is wrong in `line` */
};

struct csv {
    unsigned long long line; /* where the latest field began */
    char field[CSV_FIELD + 1];
    size_t size; /* of the field, or CSV_FIELD + 1 if it was cut */
    const char *error;

    /* The reader's own. */
    FILE *input;
    char delimiter;
    int at_record_start;
    unsigned long long next_line;
    unsigned char buffer[1 << 16];
    size_t position, filled;
};

/* `csv` must be zeroed. */
void csv_start(struct csv *csv, FILE *input, char delimiter);
enum csv_event csv_next(struct csv *csv);

#endif
