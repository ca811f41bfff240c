/* A disk that fails when it is told to, between a server and the C library (LD_PRELOAD).
 *
 * The file that FAULTS names holds at most one line: `call part-of-path errno bytes`. The named call
 * then fails on files whose path has that part: with the error of that number, and for `write` after
 * so many bytes. Without the file nothing fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static __thread int was_short;

/* The error `call` is to fail with on `path`, or 0; `bytes` becomes what is written before. */
static int fault(const char *call, const char *path, long *bytes) {
    const char *name = getenv("FAULTS");
    char line[512], wanted[32], part[256];
    int error = 0;
    if (name == NULL) return 0;
    int fd = syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = syscall(SYS_read, fd, line, sizeof(line) - 1);
    syscall(SYS_close, fd);
    if (n <= 0) return 0;
    line[n] = 0;
    if (sscanf(line, "%31s %255s %d %ld", wanted, part, &error, bytes) != 4) return 0;
    return strcmp(wanted, call) == 0 && strstr(path, part) ? error : 0;
}

static int fault_of_fd(const char *call, int fd, long *bytes) {
    char link[64], path[4096];
    int before = errno;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = 0;
    errno = before;
    return fault(call, path, bytes);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *buffer, size_t count) {
    long bytes = 0;
    int error = fd > 2 ? fault_of_fd("write", fd, &bytes) : 0;
    if (error && bytes > 0 && !was_short && count > (size_t)bytes) {
        was_short = 1;
        return REAL(write)(fd, buffer, bytes);
    }
    was_short = 0;
    if (error) {
        errno = error;
        return -1;
    }
    return REAL(write)(fd, buffer, count);
}

#define ON_FD(name, call, args, pass)                                                              \
    int name args {                                                                                \
        long bytes;                                                                                \
        int error = fault_of_fd(call, fd, &bytes);                                                 \
        if (error) {                                                                               \
            errno = error;                                                                         \
            return -1;                                                                             \
        }                                                                                          \
        return REAL(name) pass;                                                                    \
    }

ON_FD(fsync, "sync", (int fd), (fd))
ON_FD(fdatasync, "sync", (int fd), (fd))
ON_FD(ftruncate, "truncate", (int fd, off_t len), (fd, len))
ON_FD(ftruncate64, "truncate", (int fd, off64_t len), (fd, len))

int rename(const char *from, const char *to) {
    long bytes;
    int error = fault("rename", to, &bytes);
    if (error) {
        errno = error;
        return -1;
    }
    return REAL(rename)(from, to);
}

pid_t fork(void) {
    long bytes;
    int error = fault("fork", "fork", &bytes);
    if (error) {
        errno = error;
        return -1;
    }
    return REAL(fork)();
}
