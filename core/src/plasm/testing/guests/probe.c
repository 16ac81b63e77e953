/* probe: does one thing that a runtime must get right, and tells how it went.
 *
 *     probe COMMAND ARGUMENT...
 *
 * What a command finds out goes to standard output. Exit status: 0 it worked, 200 it was called wrongly, else the
 * errno of WASI with which it failed. */

#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

enum { USAGE = 200, PAGE = 65536 };

extern char **environ;

static char buffer[PAGE];
static volatile unsigned jobs_before;

/* ---- Output, by plain write(2): leaving stdio out halves the module ---- */

static int write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0) return errno;
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Texts are told apart by the NUL that ends each. */
static int say(const char *text) { return write_all(STDOUT_FILENO, text, strlen(text) + 1); }

static int say_number(uint64_t number) {
    char digits[21], *first = digits + sizeof digits;
    *--first = '\0';
    do *--first = (char)('0' + number % 10);
    while (number /= 10);
    return say(first);
}

static int result(int returned) { return returned < 0 ? errno : 0; }

static uint64_t number(const char *text) { return strtoull(text, NULL, 10); }

_Noreturn static void spin(void) {
    for (volatile unsigned turns = 0;; turns++) {
    }
}

/* ---- What a job is given ---- */

static int args(char **argv) {
    for (; *argv != NULL; argv++) say(*argv);
    return 0;
}

static int env(char **argv) {
    (void)argv;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) say(*entry);
    return 0;
}

static int copy(int from) {
    ssize_t size;
    while ((size = read(from, buffer, sizeof buffer)) > 0)
        if (write_all(STDOUT_FILENO, buffer, (size_t)size) != 0) return errno;
    return result((int)size);
}

static int cat(char **argv) {
    (void)argv;
    return copy(STDIN_FILENO);
}

/* ---- Output and endings ---- */

static int bytes(char **argv) {
    (void)argv;
    for (int value = 0; value < 256; value++) buffer[value] = (char)value;
    return write_all(STDOUT_FILENO, buffer, 256);
}

static int both(char **argv) {
    (void)argv;
    for (int turn = 0; turn < 100; turn++) {
        write_all(STDOUT_FILENO, "out", 3);
        write_all(STDERR_FILENO, "err", 3);
    }
    return 0;
}

/* Writes so many bytes, then exits or (with a second argument) traps. */
static int blob(char **argv) {
    memset(buffer, 'x', sizeof buffer);
    for (uint64_t left = number(argv[2]); left > 0;) {
        size_t part = left < sizeof buffer ? (size_t)left : sizeof buffer;
        if (write_all(STDOUT_FILENO, buffer, part) != 0) return errno;
        left -= part;
    }
    if (argv[3] != NULL) __builtin_trap();
    return 0;
}

/* Writes for ever, whatever it is told. */
static int flood(char **argv) {
    (void)argv;
    for (;;) {
        write(STDOUT_FILENO, buffer, 1000);
        write(STDERR_FILENO, buffer, 100);
    }
}

static int exit_with(char **argv) { __wasi_proc_exit((uint32_t)number(argv[2])); }

static int count(char **argv) {
    (void)argv;
    return (int)++jobs_before;
}

/* What comes back is used, so that no compiler turns this into a loop. */
__attribute__((noinline)) static unsigned deeper(unsigned depth) {
    return depth == UINT32_MAX ? 0 : deeper(depth + 1) * 3 ^ jobs_before;
}

/* Traps as it is told. */
static int trap(char **argv) {
    if (strcmp(argv[2], "stack") == 0) return (int)deeper(0);
    if (strcmp(argv[2], "memory") == 0) return *(volatile int *)(UINT32_MAX - 3);
    __builtin_trap();
}

/* Says that it runs, and goes on for ever. */
static int busy(char **argv) {
    (void)argv;
    say("busy");
    spin();
}

/* ---- Time ---- */

static uint64_t now(__wasi_clockid_t clock) {
    __wasi_timestamp_t time = 0;
    if (__wasi_clock_time_get(clock, 1, &time) != 0) __builtin_trap();
    return time;
}

static int monotonic(char **argv) {
    (void)argv;
    uint64_t last = 0;
    for (int turn = 0; turn < 10000; turn++) {
        uint64_t time = now(__WASI_CLOCKID_MONOTONIC);
        if (time < last) return EINVAL;
        last = time;
    }
    return 0;
}

/* Sleeps so many milliseconds; says how many nanoseconds it took. */
static int sleep_for(char **argv) {
    uint64_t milliseconds = number(argv[2]), before = now(__WASI_CLOCKID_MONOTONIC);
    struct timespec length = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    if (nanosleep(&length, NULL) != 0) return errno;
    return say_number(now(__WASI_CLOCKID_MONOTONIC) - before);
}

/* ---- Memory ---- */

static uint64_t grow_by(uint64_t pages) {
    uint64_t got = 0;
    for (size_t page; got < pages && (page = __builtin_wasm_memory_grow(0, 1)) != SIZE_MAX; got++)
        for (size_t used = 0; used < PAGE; used += 4096) *(volatile char *)(page * PAGE + used) = 1;
    return got;
}

/* Takes so many pages of memory, one by one, and uses them; says how many it got. */
static int grow(char **argv) { return say_number(grow_by(number(argv[2]))); }

/* The same, but when it got all of them it stays, for those who look from outside. */
static int hoard(char **argv) {
    uint64_t wanted = number(argv[2]), got = grow_by(wanted);
    if (got == wanted) spin();
    return say_number(got);
}

static int allocate(char **argv) {
    volatile char *memory = malloc(number(argv[2]));
    if (memory == NULL) return ENOMEM;
    memory[0] = 1;
    return 0;
}

/* ---- Files ---- */

static int write_file(const char *path, int flags, const char *text) {
    int file = open(path, flags | O_WRONLY, 0666);
    if (file < 0) return errno;
    int error = write_all(file, text, strlen(text));
    return error ? error : result(close(file));
}

static int create(char **argv) { return write_file(argv[2], O_CREAT | O_EXCL, "created"); }
static int overwrite(char **argv) { return write_file(argv[2], 0, "changed"); }
static int append(char **argv) { return write_file(argv[2], O_APPEND, "appended"); }
static int empty(char **argv) { return write_file(argv[2], O_TRUNC, ""); }
static int remove_file(char **argv) { return result(unlink(argv[2])); }
static int make_folder(char **argv) { return result(mkdir(argv[2], 0777)); }
static int remove_folder(char **argv) { return result(rmdir(argv[2])); }
static int move(char **argv) { return result(rename(argv[2], argv[3])); }
static int make_symlink(char **argv) { return result(symlink(argv[2], argv[3])); }
static int make_link(char **argv) { return result(link(argv[2], argv[3])); }

static int date(char **argv) {
    struct timespec times[2] = {{1, 0}, {1, 0}};
    return result(utimensat(AT_FDCWD, argv[2], times, 0));
}

static int resize(char **argv) {
    int file = open(argv[2], O_WRONLY);
    return file < 0 ? errno : result(ftruncate(file, 3));
}

static int read_file(char **argv) {
    int file = open(argv[2], O_RDONLY);
    return file < 0 ? errno : copy(file);
}

static int size_of(char **argv) {
    struct stat status;
    if (stat(argv[2], &status) != 0) return errno;
    say(S_ISDIR(status.st_mode) ? "folder" : S_ISREG(status.st_mode) ? "file" : "other");
    return say_number((uint64_t)status.st_size);
}

static int list(char **argv) {
    DIR *folder = opendir(argv[2]);
    if (folder == NULL) return errno;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) say(entry->d_name);
    return errno;
}

/* The names of the folders that it was given. */
static int folders(char **argv) {
    (void)argv;
    __wasi_prestat_t folder;
    for (__wasi_fd_t fd = 3; __wasi_fd_prestat_get(fd, &folder) == 0; fd++) {
        memset(buffer, 0, sizeof buffer);
        if (__wasi_fd_prestat_dir_name(fd, (uint8_t *)buffer, folder.u.dir.pr_name_len) != 0) return EINVAL;
        say(buffer);
    }
    return 0;
}

/* Reads a path below the first folder without the C library in between, which might tidy it up. */
static int read_raw(char **argv) {
    __wasi_fd_t file;
    __wasi_errno_t error = __wasi_path_open(
        3, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, argv[2], 0, __WASI_RIGHTS_FD_READ, 0, 0, &file);
    return error ? error : copy((int)file);
}

/* Writes so many bytes, so many into each file, then stays, for those who look from outside. */
static int fill(char **argv) {
    uint64_t left = number(argv[2]), each = number(argv[3]), in_file = each;
    char path[] = "/data/filled-000";
    int file = -1;
    while (left > 0) {
        if (in_file >= each) {
            for (size_t digit = sizeof path - 2; ++path[digit] > '9'; digit--) path[digit] = '0';
            if (file >= 0 && close(file) != 0) return errno;
            if ((file = open(path, O_WRONLY | O_CREAT, 0666)) < 0) return errno;
            in_file = 0;
        }
        if (write_all(file, buffer, sizeof buffer) != 0) return errno;
        in_file += sizeof buffer;
        left -= left < sizeof buffer ? left : sizeof buffer;
    }
    spin();
}

/* ---- The table of commands ---- */

static const struct {
    const char *name;
    int arguments;
    int (*run)(char **argv);
} commands[] = {
    {"args", 0, args},
    {"env", 0, env},
    {"cat", 0, cat},
    {"bytes", 0, bytes},
    {"both", 0, both},
    {"blob", 1, blob},
    {"flood", 0, flood},
    {"exit", 1, exit_with},
    {"count", 0, count},
    {"trap", 1, trap},
    {"busy", 0, busy},
    {"monotonic", 0, monotonic},
    {"sleep", 1, sleep_for},
    {"grow", 1, grow},
    {"hoard", 1, hoard},
    {"allocate", 1, allocate},
    {"create", 1, create},
    {"overwrite", 1, overwrite},
    {"append", 1, append},
    {"empty", 1, empty},
    {"resize", 1, resize},
    {"date", 1, date},
    {"unlink", 1, remove_file},
    {"mkdir", 1, make_folder},
    {"rmdir", 1, remove_folder},
    {"rename", 2, move},
    {"symlink", 2, make_symlink},
    {"link", 2, make_link},
    {"read", 1, read_file},
    {"read-raw", 1, read_raw},
    {"stat", 1, size_of},
    {"list", 1, list},
    {"folders", 0, folders},
    {"fill", 2, fill},
};

int main(int argc, char **argv) {
    for (size_t index = 0; argc > 1 && index < sizeof commands / sizeof *commands; index++)
        if (strcmp(argv[1], commands[index].name) == 0 && argc >= 2 + commands[index].arguments)
            return commands[index].run(argv);
    return USAGE;
}
