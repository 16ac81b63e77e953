/* hello: turns text around, code point by code point.
 *
 *     hello TEXT    prints TEXT reversed
 *     hello         reverses each line of standard input
 *
 * Text that is not UTF-8 is reversed byte by byte.
 *
 * Exit status: 0 done, 1 input or output failed, 2 wrong usage. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../utf8.h"

enum { FAILED = 1, USAGE = 2 };

/* Plain write(2): leaving stdio out halves the module. */
static void write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0) _exit(FAILED);
        bytes += written;
        size -= (size_t)written;
    }
}

_Noreturn static void fail(int status, const char *message) {
    write_all(STDERR_FILENO, message, strlen(message));
    _exit(status);
}

static void reverse_bytes(char *bytes, size_t size) {
    for (size_t i = 0; i < size / 2; i++) {
        char byte = bytes[i];
        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
}

static int is_utf8(const char *text, size_t size) {
    size_t length;
    for (; size > 0; text += length, size -= length) {
        length = utf8_sequence(text, size);
        if (length == 0) return 0;
    }
    return 1;
}

/* Turning each sequence around first makes it come out straight when the whole is turned around. */
static void reverse_text(char *text, size_t size) {
    if (is_utf8(text, size)) {
        size_t length;
        for (size_t i = 0; i < size; i += length) {
            length = utf8_sequence(text + i, size - i);
            reverse_bytes(text + i, length);
        }
    }
    reverse_bytes(text, size);
}

/* Reverses the complete lines at the start of `text` and writes them; returns how many bytes they are. */
static size_t write_lines(char *text, size_t size) {
    size_t done = 0;
    char *end;
    while ((end = memchr(text + done, '\n', size - done)) != NULL) {
        size_t line = (size_t)(end - text) - done;
        reverse_text(text + done, line);
        done += line + 1;
    }
    write_all(STDOUT_FILENO, text, done);
    return done;
}

static void reverse_stdin(void) {
    size_t capacity = 1 << 16, size = 0;
    char *text = malloc(capacity);
    for (;;) {
        if (text == NULL) fail(FAILED, "hello: a line does not fit in memory\n");
        ssize_t got = read(STDIN_FILENO, text + size, capacity - size);
        if (got < 0) fail(FAILED, "hello: cannot read standard input\n");
        if (got == 0) break;

        char *fresh = text + size;
        size += (size_t)got;
        if (memchr(fresh, '\n', (size_t)got) != NULL) {
            size_t done = write_lines(text, size);
            size -= done;
            memmove(text, text + done, size);
        }
        if (size == capacity) text = capacity > SIZE_MAX / 2 ? NULL : realloc(text, capacity *= 2);
    }
    reverse_text(text, size); /* the last line, if it has no newline */
    write_all(STDOUT_FILENO, text, size);
}

int main(int argc, char **argv) {
    if (argc > 2) fail(USAGE, "usage: hello [TEXT]\n");
    if (argc < 2) {
        reverse_stdin();
        return 0;
    }
    size_t size = strlen(argv[1]);
    reverse_text(argv[1], size);
    argv[1][size] = '\n'; /* in place of the terminating NUL */
    write_all(STDOUT_FILENO, argv[1], size + 1);
    return 0;
}
