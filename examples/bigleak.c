/* Allocates 50 MiB and touches none of it: the kernel hands out no memory for that, so nothing is killed. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIZE = 50 * 1024 * 1024 };

int main(void)
{
    char *block = malloc(SIZE);
    if (!block) {
        perror("malloc");
        return 1;
    }
    printf("allocated %d bytes at %p, touched none of them\n", SIZE, (void *)block);
    fflush(stdout);
    pause();
    free(block);
    return 0;
}
