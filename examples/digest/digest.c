/* digest: the SHA-256 of every file below a folder, as `sha256sum` prints it.
 *
 *     digest [FOLDER]    FOLDER is /data unless given
 *
 * Paths are relative to FOLDER and sorted by their bytes, so the same tree always gives the same
 * output. Symbolic links, sockets and the like are named on standard error and skipped.
 *
 * Exit status: 0 every file was read, 1 something was not, 2 wrong usage. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sha256.h"

enum { FAILED = 1, USAGE = 2 };

static int status = EXIT_SUCCESS;

static void complain(const char *path, const char *reason) {
    const char *parts[] = {"digest: ", path, ": ", reason, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) fputs(parts[i], stderr);
}

/* What cannot be read is named and the rest still digested. */
static void unreadable(const char *path) {
    complain(path, strerror(errno));
    status = FAILED;
}

static void *or_die(void *memory) {
    if (memory == NULL) {
        fputs("digest: out of memory\n", stderr);
        exit(FAILED);
    }
    return memory;
}

struct paths {
    char **items;
    size_t count, capacity;
};

static void push(struct paths *paths, char *path) {
    if (paths->count == paths->capacity) {
        paths->capacity = paths->capacity ? 2 * paths->capacity : 64;
        paths->items = or_die(realloc(paths->items, paths->capacity * sizeof *paths->items));
    }
    paths->items[paths->count++] = path;
}

static char *join(const char *folder, const char *name) {
    if (strcmp(folder, ".") == 0) return or_die(strdup(name));
    char *path = or_die(malloc(strlen(folder) + strlen(name) + 2));
    return strcat(strcat(strcpy(path, folder), "/"), name);
}

static void sort_entry(int root, char *path, struct paths *folders, struct paths *files) {
    struct stat info;
    if (fstatat(root, path, &info, AT_SYMLINK_NOFOLLOW) < 0) {
        unreadable(path);
    } else if (S_ISDIR(info.st_mode)) {
        push(folders, path);
    } else if (S_ISREG(info.st_mode)) {
        push(files, path);
    } else {
        complain(path, "skipped, it is not a regular file");
    }
}

static void list_folder(int root, const char *folder, struct paths *folders, struct paths *files) {
    int descriptor = openat(root, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *listing = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (listing == NULL) {
        unreadable(folder);
        if (descriptor >= 0) close(descriptor);
        return;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (entry == NULL) break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        sort_entry(root, join(folder, entry->d_name), folders, files);
    }
    if (errno != 0) unreadable(folder);
    closedir(listing);
}

static int digest_file(int root, const char *path, uint8_t digest[SHA256_DIGEST]) {
    static uint8_t buffer[1 << 16];
    int file = openat(root, path, O_RDONLY | O_NOFOLLOW);
    if (file < 0) return -1;

    struct sha256 hash;
    sha256_start(&hash);
    ssize_t got;
    while ((got = read(file, buffer, sizeof buffer)) > 0) sha256_update(&hash, buffer, (size_t)got);
    int error = errno;
    close(file);
    errno = error;
    if (got < 0) return -1;
    sha256_finish(&hash, digest);
    return 0;
}

/* A path with a line break or a backslash gets escapes, and its line a leading backslash, as sha256sum does it. */
static void print_line(const uint8_t digest[SHA256_DIGEST], const char *path) {
    static const char hex[] = "0123456789abcdef";
    if (strpbrk(path, "\\\n\r") != NULL) putchar('\\');
    for (int i = 0; i < SHA256_DIGEST; i++) {
        putchar(hex[digest[i] >> 4]);
        putchar(hex[digest[i] & 15]);
    }
    fputs("  ", stdout);
    for (; *path != '\0'; path++) {
        switch (*path) {
        case '\\': fputs("\\\\", stdout); break;
        case '\n': fputs("\\n", stdout); break;
        case '\r': fputs("\\r", stdout); break;
        default: putchar(*path);
        }
    }
    putchar('\n');
}

static int by_bytes(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int main(int argc, char **argv) {
    if (argc > 2) {
        fputs("usage: digest [FOLDER]\n", stderr);
        return USAGE;
    }
    const char *folder = argc == 2 ? argv[1] : "/data";
    int root = open(folder, O_RDONLY | O_DIRECTORY);
    if (root < 0) {
        unreadable(folder);
        fputs("digest: is the folder given with --dir HOST:GUEST?\n", stderr);
        return FAILED;
    }

    struct paths folders = {0}, files = {0};
    push(&folders, or_die(strdup(".")));
    while (folders.count > 0) {
        char *next = folders.items[--folders.count];
        list_folder(root, next, &folders, &files);
        free(next);
    }
    qsort(files.items, files.count, sizeof *files.items, by_bytes);

    for (size_t i = 0; i < files.count; i++) {
        uint8_t digest[SHA256_DIGEST];
        if (digest_file(root, files.items[i], digest) == 0) {
            print_line(digest, files.items[i]);
        } else {
            unreadable(files.items[i]);
        }
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        complain("standard output", "cannot be written");
        status = FAILED;
    }
    return status;
}
