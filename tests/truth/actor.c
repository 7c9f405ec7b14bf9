/* Plays a part in a story about memory: each argument is a step, and the steps are done in the given order.
 *
 *   say ROLE     tell the test: "ROLE PID" into the FIFO $TRUTH
 *   go           wait for SIGUSR1, which is blocked from the start
 *   name NAME    take this name
 *   adj N        set oom_score_adj                 orphan   be killed when the parent ends
 *   take MIB     take memory and keep it           touch MIB  the same, page by page
 *   leak         take memory until killed          creep    the same, slowly
 *   shm          the same in shared memory         file FILE  the same in a file
 *   pipes        the same in the buffers of pipes
 *   until FILE   take memory slowly until FILE exists
 *   churn FILE   read FILE through the page cache
 *   thrash FILE  read all pages of FILE through a mapping, again and again
 *   thread       do the rest in a thread called worker, and let the main thread wait
 *   widow        do the rest in a thread called worker, and end the main thread
 *   share        do the rest in a process that shares the memory, and wait for its end
 *   vfork        the same in a child of vfork(2)
 *   storm N      have N children, each of which tells "child PID" and takes 2 MiB, and tell "died PID" of each that SIGKILL ends
 *   raise N      end by signal N
 *   exit N       end with status N
 *   pause        wait forever
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, MOST = 2048, NOT_KILLED = 99 };

static char **word;

static void part(void);

static void check(int failed, const char *what)
{
    if (failed) {
        perror(what);
        _exit(98);
    }
}

static char *next(void)
{
    check(!*word, "a word is missing");
    return *word++;
}

static void tell(const char *role, int pid)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%s %d\n", role, pid);
    int fd = open(getenv("TRUTH"), O_WRONLY | O_CLOEXEC);
    check(fd < 0 || write(fd, line, length) != length, "TRUTH");
    close(fd);
}

static void go(void)
{
    int number;
    sigset_t cue;
    sigemptyset(&cue);
    sigaddset(&cue, SIGUSR1);
    sigwait(&cue, &number);
}

/* Populates all pages at once: a fault for each page takes five times as long in a guest. */
static void take(int mib)
{
    int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    if (mmap(NULL, (size_t)mib * MIB, PROT_READ | PROT_WRITE, kind, -1, 0) == MAP_FAILED)
        exit(12);
}

static void touch(int mib)
{
    char *block = malloc((size_t)mib * MIB);
    if (!block)
        exit(12);
    memset(block, 1, (size_t)mib * MIB);
}

static void leak(long pause_ns, const char *until)
{
    struct timespec pause = {.tv_nsec = pause_ns};
    for (int mib = 0; mib < MOST; mib++) {
        touch(1);
        if (pause_ns)
            nanosleep(&pause, NULL);
        if (until && access(until, F_OK) == 0)
            return;
    }
    exit(NOT_KILLED);
}

static void fill(int fd)
{
    static char block[64 * 1024];
    check(fd < 0, "a file to fill");
    for (long i = 0; i < MOST * 16L; i++)
        if (write(fd, block, sizeof block) < 0)
            return;
}

static void fill_pipes(void)
{
    struct rlimit many = {4096, 4096};
    check(setrlimit(RLIMIT_NOFILE, &many), "RLIMIT_NOFILE");
    for (int i = 0; i < 2000; i++) {
        int ends[2];
        check(pipe2(ends, O_NONBLOCK), "pipe2");
        fill(ends[1]);
    }
    exit(NOT_KILLED);
}

static void churn(const char *name)
{
    static char block[64 * 1024];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    check(fd < 0, name);
    while (read(fd, block, sizeof block) > 0)
        ;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static void thrash(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    check(fd < 0, name);
    off_t size = lseek(fd, 0, SEEK_END);
    volatile char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    check(map == MAP_FAILED, name);
    for (;;)
        for (off_t at = 0; at < size; at += 4096)
            (void)map[at];
}

static void *in_thread(void *nothing)
{
    prctl(PR_SET_NAME, "worker");
    part();
    return nothing;
}

static void start_thread(void)
{
    pthread_t thread;
    check(pthread_create(&thread, NULL, in_thread, NULL), "pthread_create");
}

static int in_process(void *nothing)
{
    (void)nothing;
    part();
    _exit(0);
}

static void await(int pid, const char *what)
{
    check(pid < 0, what);
    waitpid(pid, NULL, 0);
}

static void share(void)
{
    enum { STACK = 64 * 1024 };
    static char stack[STACK] __attribute__((aligned(16)));
    await(clone(in_process, stack + STACK, CLONE_VM | SIGCHLD, NULL), "clone");
}

static void share_by_vfork(void)
{
    int pid = vfork();
    if (pid == 0)
        in_process(NULL);
    await(pid, "vfork");
}

static void reap(int options)
{
    int status, pid;
    while ((pid = waitpid(-1, &status, options)) > 0)
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            tell("died", pid);
}

/* Each child has a pipe to the parent: it writes a byte when it has its memory; the pipe's end means that it died. */
static void storm(int children)
{
    int *pids = calloc(children, sizeof *pids), ends[2];
    char byte;
    for (int i = 0; i < children; i++) {
        check(pipe2(ends, O_CLOEXEC), "pipe2");
        check((pids[i] = fork()) < 0, "fork");
        if (pids[i] == 0) {
            tell("child", getpid());
            touch(2);
            check(write(ends[1], "", 1) != 1, "a byte");
            for (;;)
                pause();
        }
        close(ends[1]);
        check(read(ends[0], &byte, 1) < 0, "a byte");
    }
    for (int i = 0; i < children; i++)
        kill(pids[i], SIGTERM);
    reap(0);
}

static void part(void)
{
    while (*word) {
        const char *verb = next();
        if (!strcmp(verb, "say"))
            tell(next(), getpid());
        else if (!strcmp(verb, "go"))
            go();
        else if (!strcmp(verb, "name"))
            check(prctl(PR_SET_NAME, next()), "PR_SET_NAME");
        else if (!strcmp(verb, "adj")) {
            int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
            const char *number = next();
            check(fd < 0 || write(fd, number, strlen(number)) < 0, "oom_score_adj");
            close(fd);
        } else if (!strcmp(verb, "orphan"))
            check(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
        else if (!strcmp(verb, "take"))
            take(atoi(next()));
        else if (!strcmp(verb, "touch"))
            touch(atoi(next()));
        else if (!strcmp(verb, "leak"))
            leak(0, NULL);
        else if (!strcmp(verb, "creep"))
            leak(4000000, NULL);
        else if (!strcmp(verb, "until"))
            leak(10000000, next());
        else if (!strcmp(verb, "shm"))
            fill(memfd_create("leak", MFD_CLOEXEC));
        else if (!strcmp(verb, "file"))
            fill(open(next(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        else if (!strcmp(verb, "pipes"))
            fill_pipes();
        else if (!strcmp(verb, "churn"))
            churn(next());
        else if (!strcmp(verb, "thrash"))
            thrash(next());
        else if (!strcmp(verb, "thread")) {
            start_thread();
            for (;;)
                pause();
        } else if (!strcmp(verb, "widow")) {
            start_thread();
            pthread_exit(NULL);
        } else if (!strcmp(verb, "share"))
            share();
        else if (!strcmp(verb, "vfork"))
            share_by_vfork();
        else if (!strcmp(verb, "storm"))
            storm(atoi(next()));
        else if (!strcmp(verb, "raise"))
            raise(atoi(next()));
        else if (!strcmp(verb, "exit"))
            exit(atoi(next()));
        else if (!strcmp(verb, "pause"))
            for (;;)
                pause();
        else
            check(1, verb);
    }
}

int main(int count, char **words)
{
    sigset_t cue;
    sigemptyset(&cue);
    sigaddset(&cue, SIGUSR1);
    sigprocmask(SIG_BLOCK, &cue, NULL);
    word = words + (count > 0);
    part();
    return 0;
}
