/*
 * Runs a command and writes one line to a file: wall time, user and system CPU (microseconds) and
 * peak resident memory (KiB) of the command and the children it waited for.
 *
 *   bench-run RESULT COMMAND ARGS...
 *
 * A separate program, because a process starts with the peak memory of the process that forked it,
 * which must be small; time(1) has a resolution of a hundredth of a second.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long micro(struct timeval t)
{
    return t.tv_sec * 1000000LL + t.tv_usec;
}

int main(int argc, char **argv)
{
    struct timespec start, end;
    struct rusage used;
    int status;
    pid_t child;
    FILE *result;

    if (argc < 3 || !(result = fopen(argv[1], "we")))
        return 125;
    clock_gettime(CLOCK_MONOTONIC, &start);
    child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &used) != child)
        return 125;
    clock_gettime(CLOCK_MONOTONIC, &end);
    fprintf(result, "%lld %lld %lld %ld\n",
            (end.tv_sec - start.tv_sec) * 1000000LL + (end.tv_nsec - start.tv_nsec) / 1000,
            micro(used.ru_utime), micro(used.ru_stime), used.ru_maxrss);
    fclose(result);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
