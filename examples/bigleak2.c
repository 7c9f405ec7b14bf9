/* Allocates 50 MiB and touches it, one MiB after the other: under a limit of 20 MiB it is killed on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, SIZE = 50 * MIB };

int main(void)
{
    char *block = malloc(SIZE);
    if (!block) {
        perror("malloc");
        return 1;
    }
    for (int i = 0; i < SIZE; i += MIB) {
        printf("i = %d\n", i);
        fflush(stdout);
        memset(block + i, 1, MIB);
    }
    puts("touched everything");
    fflush(stdout);
    pause();
    free(block);
    return 0;
}
