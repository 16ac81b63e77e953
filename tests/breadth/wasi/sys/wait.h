/* There are no processes to wait for. */

#ifndef BREADTH_SYS_WAIT_H
#define BREADTH_SYS_WAIT_H

#include <errno.h>
#include <sys/types.h>

#define WNOHANG 1
#define WIFEXITED(status) 1
#define WEXITSTATUS(status) (status)
#define WIFSIGNALED(status) 0
#define WTERMSIG(status) 0

static inline pid_t waitpid(pid_t process, int *status, int options)
{
    (void) process;
    (void) status;
    (void) options;
    errno = ECHILD;
    return -1;
}

#endif
