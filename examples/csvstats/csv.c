#include "csv.h"

#include <string.h>

static int peek(struct csv *csv) {
    if (csv->position == csv->filled) {
        csv->position = 0;
        csv->filled = fread(csv->buffer, 1, sizeof csv->buffer, csv->input);
        if (csv->filled == 0) return EOF;
    }
    return csv->buffer[csv->position];
}

static int take(struct csv *csv) {
    int byte = peek(csv);
    if (byte != EOF) csv->position++;
    if (byte == '\n') csv->next_line++;
    return byte;
}

/* Outside quotes CR LF is one line break. */
static int take_unquoted(struct csv *csv) {
    int byte = take(csv);
    return byte == '\r' && peek(csv) == '\n' ? take(csv) : byte;
}

static void keep(struct csv *csv, int byte) {
    if (csv->size < CSV_FIELD) csv->field[csv->size] = (char)byte;
    if (csv->size <= CSV_FIELD) csv->size++;
}

static int ends_field(const struct csv *csv, int byte) {
    return byte == EOF || byte == '\n' || byte == csv->delimiter;
}

static enum csv_event fail(struct csv *csv, const char *error) {
    csv->error = error;
    return CSV_ERROR;
}

/* Reads to the closing quote; returns 0 if there is none. */
static int take_quoted(struct csv *csv) {
    for (;;) {
        int byte = take(csv);
        if (byte == EOF) return 0;
        if (byte == '"') {
            if (peek(csv) != '"') return 1;
            take(csv);
        }
        keep(csv, byte);
    }
}

void csv_start(struct csv *csv, FILE *input, char delimiter) {
    static const unsigned char byte_order_mark[] = {0xEF, 0xBB, 0xBF};
    csv->input = input;
    csv->delimiter = delimiter;
    csv->at_record_start = 1;
    csv->next_line = 1;
    peek(csv);
    if (csv->filled >= 3 && memcmp(csv->buffer, byte_order_mark, 3) == 0) csv->position = 3;
}

enum csv_event csv_next(struct csv *csv) {
    csv->size = 0;
    csv->field[0] = '\0';
    csv->line = csv->next_line;
    int byte = take_unquoted(csv);
    if (csv->at_record_start) {
        if (byte == EOF) return ferror(csv->input) ? fail(csv, "the input cannot be read") : CSV_INPUT_END;
        if (byte == '\n') return CSV_EMPTY_LINE;
    }

    if (byte == '"') {
        if (!take_quoted(csv)) return fail(csv, "the quote that opens here is never closed");
        byte = take_unquoted(csv);
        if (!ends_field(csv, byte)) return fail(csv, "a closing quote is followed by more text");
    } else {
        for (; !ends_field(csv, byte); byte = take_unquoted(csv)) {
            if (byte == '"') return fail(csv, "a quote stands inside a field that is not quoted");
            keep(csv, byte);
        }
    }
    csv->field[csv->size < CSV_FIELD ? csv->size : CSV_FIELD] = '\0';
    csv->at_record_start = byte != csv->delimiter;
    return csv->at_record_start ? CSV_RECORD_END : CSV_FIELD_READ;
}
