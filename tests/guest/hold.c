/* hold MIB: takes so much memory and ends well. */
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
