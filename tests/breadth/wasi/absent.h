/* What these programs call and WASI does not have: users, pipes, processes, temporary files, locks. Every call fails,
   with ENOSYS. */

#ifndef BREADTH_ABSENT_H
#define BREADTH_ABSENT_H

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

#define ABSENT(type, declarator) static inline type declarator { errno = ENOSYS; return (type) -1; }

ABSENT(int, dup(int descriptor))
ABSENT(int, dup2(int descriptor, int other))
ABSENT(int, execvp(const char *file, char *const arguments[]))
ABSENT(int, fchown(int descriptor, uid_t owner, gid_t group))
ABSENT(int, mkstemp(char *pattern))
ABSENT(int, pipe(int ends[2]))
ABSENT(int, system(const char *command))
ABSENT(mode_t, umask(mode_t mask))
ABSENT(pid_t, fork(void))
ABSENT(pid_t, vfork(void))
ABSENT(uid_t, geteuid(void))
ABSENT(uid_t, getuid(void))

#define getpwuid(user) (errno = ENOSYS, (struct passwd *) 0)
#define tmpfile() (errno = ENOSYS, (FILE *) 0)
#define tmpnam(name) (errno = ENOSYS, (char *) 0)
#define L_tmpnam 1

/* Files have no permissions, so there are none to set. */
#define fchmod(descriptor, mode) 0

/* Commands of fcntl that it does not know, so that they fail too. */
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7

#endif
