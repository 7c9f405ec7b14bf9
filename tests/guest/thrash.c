/* Needs more memory than it may have, and never ends.
 *
 * thrash FILE: reads all pages of FILE through a mapping, again and again. Below its size the kernel has to reclaim
 * pages and read them again, so the program waits for memory.
 * thrash SIZE: writes to SIZE bytes of memory, given in MiB, and waits for a signal. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, MIB = 1024 * 1024 };

int main(int argc, char **argv)
{
    struct stat file;
    int fd = argc == 2 && argv[1][0] == '/' ? open(argv[1], O_RDONLY) : -1;
    if (fd < 0) {
        size_t size = argc == 2 ? strtoul(argv[1], NULL, 10) * MIB : 0;
        char *block = malloc(size);
        for (size_t at = 0; block && at < size; at += PAGE)
            memset(block + at, (int)(at / PAGE % 251) + 1, PAGE / 2);
        pause();
        return 1;
    }
    fstat(fd, &file);
    volatile char *map = mmap(NULL, file.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        perror("thrash");
        return 1;
    }
    for (;;)
        for (off_t at = 0; at < file.st_size; at += PAGE)
            (void)map[at];
}
