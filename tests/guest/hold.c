/* hold MIB: takes MIB of memory, and exits with 0. */
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    size_t size = (argc == 2 ? atol(argv[1]) : 0) * 1024 * 1024;
    volatile char *block = malloc(size);
    if (!block)
        return 1;
    memset((char *)block, 1, size);
    return block[size - 1] - 1;
}
