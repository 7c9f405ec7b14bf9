/* Prints memory.current and memory.peak of its own cgroup. */
#include <stdio.h>
#include <string.h>

static int number(const char *cgroup, const char *name)
{
    char path[4096];
    long long value;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", cgroup, name);
    FILE *file = fopen(path, "r");
    return file && fscanf(file, "%lld", &value) == 1 && printf("%lld\n", value) > 0;
}

int main(void)
{
    char line[2048];
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "0::", 3)) {
            line[strcspn(line, "\n")] = '\0';
            return !(number(line + 3, "memory.current") && number(line + 3, "memory.peak"));
        }
    return 1;
}
