/* Long jumps need WebAssembly's exceptions, which jobs do not get. A program that never jumps runs as it is; one that
   does ends there, and says so, in place of going on as if nothing had happened. */

#ifndef BREADTH_SETJMP_H
#define BREADTH_SETJMP_H

#include <stdio.h>
#include <stdlib.h>

typedef int jmp_buf[1];

#define setjmp(environment) ((void) (environment), 0)

static inline _Noreturn void longjmp(jmp_buf environment, int value)
{
    (void) environment;
    (void) value;
    fputs("longjmp: WebAssembly without exceptions cannot jump, so the program ends here\n", stderr);
    exit(EXIT_FAILURE);
}

#endif
