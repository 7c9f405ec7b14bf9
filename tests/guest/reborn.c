/* reborn PID NAME, as root: reuses the PID of a process that has ended. It forks a child with this PID and this name,
 * which takes memory until it is killed. Exits with 0 if SIGKILL ended the child. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, MOST = 2048 };

int main(int argc, char **argv)
{
    int status;
    pid_t pid = argc == 3 ? atoi(argv[1]) : 0;
    struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    pid_t child = syscall(SYS_clone3, &args, sizeof args);
    if (child < 0) {
        perror("clone3");
        return 1;
    }
    if (child == 0) {
        prctl(PR_SET_NAME, argv[2]);
        for (int i = 0; i < MOST; i++)
            memset(malloc(MIB), 1, MIB);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
