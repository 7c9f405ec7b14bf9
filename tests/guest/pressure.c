/* Runs at its memory limit without running out of memory, then kills itself: this looks like an OOM kill.
 *
 * pressure FILE: takes 4 MiB, reads FILE through the page cache, so that the kernel has to reclaim pages all the time,
 * and ends by SIGKILL. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, TAKEN = 4 * MIB };

int main(int argc, char **argv)
{
    static char buffer[64 * 1024];
    int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    char *block = mmap(NULL, TAKEN, PROT_READ | PROT_WRITE, kind, -1, 0);
    int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (block == MAP_FAILED || fd < 0) {
        perror("pressure");
        return 1;
    }
    while (read(fd, buffer, sizeof buffer) > 0)
        ;
    kill(getpid(), SIGKILL);
    return 1;
}
