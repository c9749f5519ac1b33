/* Lets one call that changes files below a folder fail: of Python, numpy, hnswlib, onnx and all.
 *
 * Preloaded, it stands between a process and the C library. `faults_begin(root, at, action, lasting)`
 * makes call number `at` (0: none) fail with the errno `action`, or write half of what it should
 * (SHORT), or kill the process (KILL; a write is torn first). `lasting` lets all later calls that
 * need space fail, too, as on a full disk. `faults_op(n)` names call n, until there is none: NULL.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHORT = -1, KILL = -2, CALLS = 100000 };

static char root[PATH_MAX];
static int active, at, action, lasting, count;
static const char *ops[CALLS];

void faults_begin(const char *folder, int number, int what, int all)
{
    snprintf(root, sizeof root, "%s/", folder);
    at = number, action = what, lasting = all, count = 0, active = 1;
}

const char *faults_op(int number) { return number < count ? ops[number] : NULL; }

static int below(int folder, const char *path)
{
    char whole[2 * PATH_MAX], base[PATH_MAX] = "", link[64];
    if (path && path[0] == '/')
        return strncmp(path, root, strlen(root)) == 0;
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base))
            return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length < 0)
            return 0;
        base[length] = 0;
    }
    snprintf(whole, sizeof whole, "%s/%s", base, path ? path : "");
    return strncmp(whole, root, strlen(root)) == 0;
}

/* Count a call; return 0 to let it through, else what it has to do. */
static int fault(const char *op, int folder, const char *path, int needs_space)
{
    if (!active || !below(folder, path) || count >= CALLS)
        return 0;
    ops[count++] = op;
    if (count == at || (lasting && at && count > at && needs_space)) {
        if (action == KILL && strcmp(op, "write"))
            raise(SIGKILL);
        return action;
    }
    return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARD(op, folder, path, space)                                                            \
    {                                                                                             \
        int wrong = fault(op, folder, path, space);                                               \
        if (wrong > 0) {                                                                          \
            errno = wrong;                                                                        \
            return -1;                                                                            \
        }                                                                                         \
    }

/* Of a write: fail, or go on with `size` bytes, all or half of them. */
#define GUARD_WRITE(fd, size)                                                                     \
    int wrong = fault("write", fd, NULL, 1);                                                      \
    if (wrong > 0) {                                                                              \
        errno = wrong;                                                                            \
        return -1;                                                                                \
    }                                                                                             \
    if (wrong < 0 && size > 1)                                                                    \
        size /= 2;

#define TORN(call)                                                                                \
    ssize_t done = call;                                                                          \
    if (wrong == KILL)                                                                            \
        raise(SIGKILL);                                                                           \
    return done;

ssize_t write(int fd, const void *data, size_t size)
{
    GUARD_WRITE(fd, size)
    TORN(REAL(write)(fd, data, size))
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t place)
{
    GUARD_WRITE(fd, size)
    TORN(REAL(pwrite)(fd, data, size, place))
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t place)
{
    GUARD_WRITE(fd, size)
    TORN(REAL(pwrite64)(fd, data, size, place))
}

ssize_t writev(int fd, const struct iovec *blocks, int number)
{
    GUARD_WRITE(fd, number)
    TORN(REAL(writev)(fd, blocks, number))
}

ssize_t sendfile(int fd, int from, off_t *place, size_t size)
{
    GUARD_WRITE(fd, size)
    TORN(REAL(sendfile)(fd, from, place, size))
}

ssize_t sendfile64(int fd, int from, off64_t *place, size_t size)
{
    GUARD_WRITE(fd, size)
    TORN(REAL(sendfile64)(fd, from, place, size))
}

/* The C library's own buffers are written by calls within it, which nobody else sees. */
size_t fwrite(const void *data, size_t size, size_t number, FILE *file)
{
    int wrong = fault("write", fileno(file), NULL, 1);
    if (wrong > 0) {
        errno = wrong;
        return 0;
    }
    size_t done = REAL(fwrite)(data, size, wrong < 0 ? number / 2 : number, file);
    if (wrong == KILL) {
        fflush(file);
        raise(SIGKILL);
    }
    return done;
}

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define OPEN(name, folder, ...)                                                                   \
    {                                                                                             \
        va_list rest;                                                                             \
        va_start(rest, flags);                                                                    \
        mode_t mode = va_arg(rest, mode_t);                                                       \
        va_end(rest);                                                                             \
        if (WRITES(flags))                                                                        \
            GUARD("open", folder, path, (flags & O_CREAT) != 0)                                   \
        return REAL(name)(__VA_ARGS__, flags, mode);                                              \
    }

int open(const char *path, int flags, ...) OPEN(open, AT_FDCWD, path)
int open64(const char *path, int flags, ...) OPEN(open64, AT_FDCWD, path)
int openat(int folder, const char *path, int flags, ...) OPEN(openat, folder, folder, path)
int openat64(int folder, const char *path, int flags, ...) OPEN(openat64, folder, folder, path)

#define FOPEN(name)                                                                               \
    FILE *name(const char *path, const char *mode)                                                \
    {                                                                                             \
        int wrong = strpbrk(mode, "wa+") ? fault("open", AT_FDCWD, path, 1) : 0;                  \
        if (wrong > 0) {                                                                          \
            errno = wrong;                                                                        \
            return NULL;                                                                          \
        }                                                                                         \
        return REAL(name)(path, mode);                                                            \
    }
FOPEN(fopen)
FOPEN(fopen64)

#define ONE(name, op, space, types, values, folder, path)                                         \
    int name types                                                                                \
    {                                                                                             \
        GUARD(op, folder, path, space)                                                            \
        return REAL(name) values;                                                                 \
    }
ONE(fsync, "fsync", 0, (int fd), (fd), fd, NULL)
ONE(fdatasync, "fsync", 0, (int fd), (fd), fd, NULL)
ONE(ftruncate, "truncate", 0, (int fd, off_t size), (fd, size), fd, NULL)
ONE(ftruncate64, "truncate", 0, (int fd, off64_t size), (fd, size), fd, NULL)
ONE(rename, "rename", 0, (const char *old, const char *path), (old, path), AT_FDCWD, path)
ONE(renameat, "rename", 0, (int from, const char *old, int folder, const char *path),
    (from, old, folder, path), folder, path)
ONE(link, "link", 1, (const char *old, const char *path), (old, path), AT_FDCWD, path)
ONE(symlink, "symlink", 1, (const char *old, const char *path), (old, path), AT_FDCWD, path)
ONE(unlink, "unlink", 0, (const char *path), (path), AT_FDCWD, path)
ONE(unlinkat, "unlink", 0, (int folder, const char *path, int flags), (folder, path, flags), folder,
    path)
ONE(rmdir, "unlink", 0, (const char *path), (path), AT_FDCWD, path)
ONE(mkdir, "mkdir", 1, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
ONE(mkdirat, "mkdir", 1, (int folder, const char *path, mode_t mode), (folder, path, mode), folder,
    path)
