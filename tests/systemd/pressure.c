/* Lives at its memory limit without running out of it, then kills itself: what an OOM kill looks like from afar.
 *
 * pressure FILE: touches 16 MiB, reads FILE through the page cache, which the kernel has to reclaim all the while,
 * and ends by SIGKILL. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, TOUCHED = 16 * MIB };

int main(int argc, char **argv)
{
    static char buffer[64 * 1024];
    char *block = malloc(TOUCHED);
    int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (!block || fd < 0) {
        perror("pressure");
        return 1;
    }
    memset(block, 1, TOUCHED);
    while (read(fd, buffer, sizeof buffer) > 0)
        ;
    kill(getpid(), SIGKILL);
    return 1;
}
