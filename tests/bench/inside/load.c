/* Takes MIB of memory, 1 MiB after the other, and keeps it until SECONDS are over; the first half of them it grows.
 *
 * usage: load LOG NAME MIB SECONDS
 *
 * It adds "start NAME TIME" to LOG before anything else, and "end NAME TIME" when it is done, with the nanoseconds of
 * the monotonic clock.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void sleep_until(long long time)
{
    struct timespec until = {time / 1000000000LL, time % 1000000000LL};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
        ;
}

static int tell(const char *log, const char *what, const char *name, long long time)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s %s %lld\n", what, name, time);
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    return file >= 0 && write(file, line, length) == length && !close(file);
}

int main(int argc, char **argv)
{
    long long began = now();
    if (argc != 5 || !tell(argv[1], "start", argv[2], began))
        return 2;
    int mib = atoi(argv[3]);
    long long length = atof(argv[4]) * 1e9;
    char *memory = mmap(NULL, (size_t)mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 3;
    for (int each = 0; each < mib; each++) {
        /* In user-mode Linux ten times as fast as a fault for each page. */
        madvise(memory + ((size_t)each << 20), 1 << 20, MADV_POPULATE_WRITE);
        memset(memory + ((size_t)each << 20), 1, 1 << 20);
        sleep_until(began + length / 2 * (each + 1) / mib);
    }
    sleep_until(began + length);
    return !tell(argv[1], "end", argv[2], now());
}
