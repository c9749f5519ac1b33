/* Stands in for libcuda.so.1 where there is no GPU: "device" memory is the host's at addresses that
 * nothing can read, and work is done when its stream is waited for, not when it is asked for. So what
 * reads a result too early, writes a buffer too soon, or hands out a host's address, is found. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define APART (1ull << 62) /* between an address of the device and the memory behind it */
enum { OK, INVALID, NO_MEMORY, NO_CONTEXT = 201, NOT_FOUND = 500, SPOILT = 901 };

typedef struct Op {
  void *to, *from, (*call)(void *), *about;
  size_t bytes;
  struct Op *next;
} Op;
typedef struct {
  Op *first, *last;
} Queue;
typedef struct {
  Queue waiting, *recording;
  int spoilt; /* what it records: by a call that no recording may see */
} Stream;

static size_t held, most = 64u << 20; /* bytes of the device */

static _Thread_local int entered; /* how often this thread has made the context its own */

static void put(Queue *queue, Op op) {
  Op *made = malloc(sizeof op);
  *made = op;
  made->next = NULL;
  *(queue->last ? &queue->last->next : &queue->first) = made;
  queue->last = made;
}
static int ask(Stream *stream, Op op) {
  put(stream->recording ? stream->recording : &stream->waiting, op);
  return OK;
}

EXPORT int cuInit(unsigned flags) { return OK; }
EXPORT int cuDriverGetVersion(int *version) { return *version = 13000, OK; }
EXPORT int cuDeviceGetCount(int *count) { return *count = 1, OK; }
EXPORT int cuDeviceGet(int *device, int number) { return *device = 7, number ? INVALID : OK; }
EXPORT int cuDeviceGetName(char *name, int size, int device) {
  return strcpy(name, "stand-in"), OK;
}
EXPORT int cuDeviceGetAttribute(int *value, int what, int device) {
  return *value = what == 75 ? 8 : 6, OK;
}
EXPORT int cuDevicePrimaryCtxRetain(void **context, int device) { return *context = &held, OK; }
EXPORT int cuCtxPushCurrent_v2(void *context) { return entered++, context == &held ? OK : INVALID; }
EXPORT int cuCtxPopCurrent_v2(void **context) {
  return *context = &held, entered-- > 0 ? OK : NO_CONTEXT;
}
EXPORT int cuThreadExchangeStreamCaptureMode(int *mode) { return OK; }
EXPORT int cuMemGetInfo_v2(size_t *left, size_t *all) { return *left = most - held, *all = most, OK; }

EXPORT int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  if (!entered) return NO_CONTEXT;
  if (bytes > most - held) return NO_MEMORY;
  size_t *block = malloc(bytes + 16);
  *block = bytes, held += bytes;
  *address = (uint64_t)(block + 2) + APART;
  return OK;
}
EXPORT int cuMemFree_v2(uint64_t address) {
  size_t *block = (size_t *)(address - APART) - 2;
  return held -= *block, free(block), OK;
}
/* What is copied from memory that is not pinned arrives when the device is waited for. */
static Op coming;
EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
  if (!entered || coming.bytes) return entered ? INVALID : NO_CONTEXT;
  coming = (Op){(void *)(to - APART), malloc(bytes), NULL, NULL, bytes, NULL};
  return memcpy(coming.from, from, bytes), OK;
}
EXPORT int cuCtxSynchronize(void) {
  if (coming.bytes) memcpy(coming.to, coming.from, coming.bytes);
  return free(coming.from), coming = (Op){NULL}, OK;
}
EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
  return entered ? (memcpy(to, (void *)(from - APART), bytes), OK) : NO_CONTEXT;
}
EXPORT int cuCtxGetCurrent(void **context) { return *context = entered ? &held : NULL, OK; }
EXPORT int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
  return *memory = malloc(bytes), OK;
}
EXPORT int cuMemFreeHost(void *memory) { return free(memory), OK; }

EXPORT int cuStreamCreate(Stream **stream, unsigned flags) {
  return *stream = calloc(1, sizeof **stream), flags == 1 ? OK : INVALID; /* non-blocking */
}
EXPORT int cuStreamDestroy_v2(Stream *stream) { return OK; }
EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, void *from, size_t bytes, Stream *stream) {
  return ask(stream, (Op){(void *)(to - APART), from, NULL, NULL, bytes, NULL});
}
EXPORT int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, Stream *stream) {
  return ask(stream, (Op){to, (void *)(from - APART), NULL, NULL, bytes, NULL});
}
EXPORT int cuLaunchHostFunc(Stream *stream, void (*call)(void *), void *about) {
  return ask(stream, (Op){NULL, NULL, call, about, 0, NULL});
}
EXPORT int cuStreamSynchronize(Stream *stream) {
  if (!entered) return NO_CONTEXT;
  if (stream->recording) return stream->spoilt = 1, INVALID;
  Queue all = stream->waiting;
  stream->waiting = (Queue){NULL, NULL};
  for (Op *op = all.first; op; op = op->next)
    op->call ? op->call(op->about) : (void)memcpy(op->to, op->from, op->bytes);
  return OK;
}

EXPORT int cuStreamBeginCapture_v2(Stream *stream, int mode) {
  return stream->recording = calloc(1, sizeof(Queue)), stream->spoilt = 0, OK;
}
EXPORT int cuStreamEndCapture(Stream *stream, Queue **graph) {
  *graph = stream->spoilt ? NULL : stream->recording;
  return stream->recording = NULL, *graph ? OK : SPOILT;
}
EXPORT int cuStreamIsCapturing(Stream *stream, int *status) {
  return *status = stream->recording != NULL, OK;
}
EXPORT int cuGraphInstantiateWithFlags(Queue **made, Queue *graph, uint64_t flags) {
  return *made = graph, OK;
}
EXPORT int cuGraphDestroy(Queue *graph) { return OK; }
EXPORT int cuGraphExecDestroy(Queue *graph) { return OK; }
EXPORT int cuGraphLaunch(Queue *graph, Stream *stream) {
  for (Op *op = graph->first; op; op = op->next) put(&stream->waiting, *op);
  return OK;
}
EXPORT int cuGetErrorName(int code, const char **name) {
  return *name = code == NO_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_INVALID_VALUE", OK;
}

EXPORT int cuGetProcAddress_v2(const char *name, void **found, int version, uint64_t flags, int *why) {
  static void *self;
  char newer[100];
  if (!self) self = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  strcat(strcpy(newer, name), "_v2");
  *found = dlsym(self, newer);
  if (!*found) *found = dlsym(self, name);
  return *found ? OK : NOT_FOUND;
}
