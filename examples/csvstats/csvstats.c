/* csvstats: what is in the columns of a CSV file.
 *
 *     csvstats [--json] [--delimiter=CHARACTER] [COLUMN...] < FILE
 *
 * Reads CSV with a header row and prints, for each column, how many values are there and how many are missing,
 * and for a column of numbers also minimum, maximum, mean and sample standard deviation. A value of nothing but
 * blanks is missing. A column named on the command line must hold numbers only; without names, every column is
 * described and one that holds anything else is taken as text. Memory does not grow with the input.
 *
 * Exit status: 0 done, 1 bad data or failed output, 2 wrong usage. */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../utf8.h"
#include "csv.h"

enum { FAILED = 1, USAGE = 2 };
enum { MAX_COLUMNS = 4096 };
enum { CELLS = 7, CELL_SIZE = 32 };

struct options {
    int json;
    char delimiter;
    char **names;
    int name_count;
};

struct column {
    char *name;
    int chosen, text;
    unsigned long long present, missing;
    double min, max, mean, squares; /* squares: the sum of squared distances from the mean */
};

struct table {
    struct column columns[MAX_COLUMNS];
    size_t count;
    unsigned long long rows;
};

/* ---- Messages ---- */

/* Data goes to a terminal without its control characters. */
static void print_text(FILE *stream, const char *text) {
    for (; *text != '\0'; text++) putc((unsigned char)*text < ' ' || *text == 0x7F ? '?' : *text, stream);
}

_Noreturn static void usage(const char *problem, const char *value) {
    fprintf(stderr, "csvstats: %s", problem);
    print_text(stderr, value);
    fputs("\nusage: csvstats [--json] [--delimiter=CHARACTER] [COLUMN...] < FILE\n", stderr);
    exit(USAGE);
}

_Noreturn static void bad_data(unsigned long long line, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fprintf(stderr, "csvstats: line %llu: ", line);
    vfprintf(stderr, format, values);
    va_end(values);
    putc('\n', stderr);
    exit(FAILED);
}

_Noreturn static void not_a_number(unsigned long long line, const struct column *column, char *field) {
    enum { SHOWN = 60 };
    if (strlen(field) > SHOWN) field[SHOWN] = '\0';
    fprintf(stderr, "csvstats: line %llu: column ", line);
    print_text(stderr, column->name);
    fputs(": not a number: ", stderr);
    print_text(stderr, field);
    putc('\n', stderr);
    exit(FAILED);
}

/* ---- Reading ---- */

static const char *after_prefix(const char *text, const char *prefix) {
    size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

static struct options parse_options(int argc, char **argv) {
    struct options options = {.delimiter = ','};
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        const char *value;
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--json") == 0) {
            options.json = 1;
        } else if ((value = after_prefix(argv[i], "--delimiter=")) != NULL) {
            if (strcmp(value, "\\t") == 0) value = "\t";
            if (strlen(value) != 1 || strchr("\"\r\n", *value)) usage("not a delimiter: ", value);
            options.delimiter = *value;
        } else {
            usage("unknown option ", argv[i]);
        }
    }
    options.names = argv + i;
    options.name_count = argc - i;
    return options;
}

static void choose_columns(struct table *table, const struct options *options) {
    for (size_t c = 0; c < table->count; c++) table->columns[c].chosen = options->name_count == 0;
    for (int i = 0; i < options->name_count; i++) {
        int found = 0;
        for (size_t c = 0; c < table->count; c++) {
            if (strcmp(table->columns[c].name, options->names[i]) != 0) continue;
            table->columns[c].chosen = found = 1;
        }
        if (!found) usage("no such column: ", options->names[i]);
    }
}

static void read_header(struct csv *csv, struct table *table) {
    enum csv_event event;
    do {
        event = csv_next(csv);
        if (event == CSV_ERROR) bad_data(csv->line, "%s", csv->error);
        if (event == CSV_EMPTY_LINE || event == CSV_INPUT_END) bad_data(csv->line, "there is no header row");
        if (table->count == MAX_COLUMNS) bad_data(csv->line, "there are more than %d columns", MAX_COLUMNS);
        if (csv->size > CSV_FIELD) bad_data(csv->line, "a column's name is longer than %d bytes", CSV_FIELD);
        if (csv->size > strlen(csv->field)) bad_data(csv->line, "a column's name holds a NUL character");
        char *name = strdup(csv->field);
        if (name == NULL) bad_data(csv->line, "the header does not fit in memory");
        table->columns[table->count++].name = name;
    } while (event == CSV_FIELD_READ);
}

static int is_missing(const struct csv *csv) {
    return strspn(csv->field, " \t") == csv->size;
}

static int parse_number(const struct csv *csv, double *number) {
    /* strtod reads hexadecimal, "inf" and "nan" too; none of them is made of these characters alone. */
    if (strspn(csv->field, " \t0123456789+-.eE") != csv->size) return 0;
    char *end;
    *number = strtod(csv->field, &end);
    end += strspn(end, " \t");
    return *end == '\0' && isfinite(*number);
}

/* Welford's method: one pass, and no sum that outgrows its precision. */
static void add_number(struct column *column, double number) {
    if (column->present == 1 || number < column->min) column->min = number;
    if (column->present == 1 || number > column->max) column->max = number;
    double distance = number - column->mean;
    column->mean += distance / (double)column->present;
    column->squares += distance * (number - column->mean);
}

static void add_field(struct csv *csv, struct column *column, int must_be_number) {
    double number;
    if (!column->chosen) return;
    if (is_missing(csv)) {
        column->missing++;
        return;
    }
    column->present++;
    if (parse_number(csv, &number)) {
        add_number(column, number);
    } else if (must_be_number) {
        not_a_number(csv->line, column, csv->field);
    } else {
        column->text = 1;
    }
}

static void read_rows(struct csv *csv, struct table *table, int must_be_numbers) {
    size_t fields = 0;
    unsigned long long first_line = 0;
    for (;;) {
        enum csv_event event = csv_next(csv);
        if (event == CSV_ERROR) bad_data(csv->line, "%s", csv->error);
        if (event == CSV_INPUT_END) return;
        /* In a table of one column an empty line is a missing value, in a wider one it is nothing. */
        if (event == CSV_EMPTY_LINE && table->count > 1) continue;

        if (fields == 0) first_line = csv->line;
        if (fields < table->count) add_field(csv, &table->columns[fields], must_be_numbers);
        fields++;
        if (event == CSV_FIELD_READ) continue;

        if (fields != table->count)
            bad_data(first_line, "fields in the row: %zu, in the header: %zu", fields, table->count);
        table->rows++;
        fields = 0;
    }
}

/* ---- Printing ---- */

/* `precision` 0 asks for as many digits as reading the number back needs. */
static void format_number(char cell[CELL_SIZE], double number, int precision) {
    if (precision > 0) {
        snprintf(cell, CELL_SIZE, "%.*g", precision, number);
        return;
    }
    for (precision = 15; precision <= 17; precision++) {
        snprintf(cell, CELL_SIZE, "%.*g", precision, number);
        if (strtod(cell, NULL) == number) return;
    }
}

/* The cells after the name; `nothing` stands where a column has no such value. */
static void fill_cells(char cells[CELLS][CELL_SIZE], const struct column *column, int precision, const char *nothing) {
    snprintf(cells[1], CELL_SIZE, "%llu", column->present);
    snprintf(cells[2], CELL_SIZE, "%llu", column->missing);

    double deviation = column->present > 1 ? sqrt(column->squares / (double)(column->present - 1)) : NAN;
    double numbers[] = {column->min, column->max, column->mean, deviation};
    int is_numeric = column->present > 0 && !column->text;
    for (int i = 0; i < 4; i++) {
        if (is_numeric && isfinite(numbers[i])) {
            format_number(cells[3 + i], numbers[i], precision);
        } else {
            strcpy(cells[3 + i], nothing);
        }
    }
}

static const char *const titles[CELLS] = {"column", "count", "missing", "min", "max", "mean", "stddev"};

static size_t width_of(const char *text) {
    size_t width = 0;
    for (; *text != '\0'; text++) width += (*text & 0xC0) != 0x80; /* counts no continuation bytes */
    return width;
}

static void print_table(const struct table *table) {
    enum { PRECISION = 10 };
    char cells[CELLS][CELL_SIZE];
    size_t widths[CELLS];
    for (int i = 0; i < CELLS; i++) widths[i] = strlen(titles[i]);
    for (size_t c = 0; c < table->count; c++) {
        const struct column *column = &table->columns[c];
        if (!column->chosen) continue;
        fill_cells(cells, column, PRECISION, "-");
        for (int i = 0; i < CELLS; i++) {
            size_t width = i == 0 ? width_of(column->name) : strlen(cells[i]);
            if (width > widths[i]) widths[i] = width;
        }
    }

    printf("%-*s", (int)widths[0], titles[0]);
    for (int i = 1; i < CELLS; i++) printf("  %*s", (int)widths[i], titles[i]);
    putchar('\n');
    for (size_t c = 0; c < table->count; c++) {
        const struct column *column = &table->columns[c];
        if (!column->chosen) continue;
        fill_cells(cells, column, PRECISION, "-");
        print_text(stdout, column->name);
        printf("%*s", (int)(widths[0] - width_of(column->name)), "");
        for (int i = 1; i < CELLS; i++) printf("  %*s", (int)widths[i], cells[i]);
        putchar('\n');
    }
}

static void print_json_string(const char *text) {
    size_t size = strlen(text);
    putchar('"');
    while (size > 0) {
        size_t length = utf8_sequence(text, size);
        if (length == 0) {
            fputs("\\ufffd", stdout); /* JSON has no way to carry a byte that is not UTF-8 */
            length = 1;
        } else if (*text == '"' || *text == '\\') {
            printf("\\%c", *text);
        } else if ((unsigned char)*text < ' ') {
            printf("\\u%04x", *text);
        } else {
            fwrite(text, 1, length, stdout);
        }
        text += length;
        size -= length;
    }
    putchar('"');
}

static void print_json(const struct table *table) {
    char cells[CELLS][CELL_SIZE];
    const char *separator = "\n";
    printf("{\"rows\": %llu, \"columns\": [", table->rows);
    for (size_t c = 0; c < table->count; c++) {
        const struct column *column = &table->columns[c];
        if (!column->chosen) continue;
        fill_cells(cells, column, 0, "null");
        printf("%s  {\"name\": ", separator);
        print_json_string(column->name);
        for (int i = 1; i < CELLS; i++) printf(", \"%s\": %s", titles[i], cells[i]);
        putchar('}');
        separator = ",\n";
    }
    fputs("\n]}\n", stdout);
}

int main(int argc, char **argv) {
    static struct csv csv;
    static struct table table;
    struct options options = parse_options(argc, argv);
    csv_start(&csv, stdin, options.delimiter);
    read_header(&csv, &table);
    choose_columns(&table, &options);
    read_rows(&csv, &table, options.name_count > 0);

    if (options.json) {
        print_json(&table);
    } else {
        print_table(&table);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("csvstats: the output cannot be written\n", stderr);
        return FAILED;
    }
    return EXIT_SUCCESS;
}
