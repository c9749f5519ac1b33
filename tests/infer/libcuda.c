/* Stands for NVIDIA's driver where there is none: memory of the host, and a context that must be
   current. What is wrong ends the process, so that no test goes on. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int begun, retained, depth;
static size_t held;
static struct { uint64_t at; size_t size; } given[16];

#define REQUIRE(sound) if (!(sound)) abort()

int stand_in_depth(void) { return depth; }
size_t stand_in_held(void) { return held; }

int cuInit(unsigned flags) { REQUIRE(!flags); begun = 1; return 0; }
int cuDeviceGet(int *device, int number) { REQUIRE(begun && !number); *device = 3; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) {
  REQUIRE(device == 3);
  retained++;
  *context = (void *)0x1234567812345678;
  return 0;
}
int cuCtxPushCurrent_v2(void *context) {
  REQUIRE(retained && context == (void *)0x1234567812345678);
  depth++;
  return 0;
}
int cuCtxPopCurrent_v2(void **context) { REQUIRE(depth); depth--; *context = 0; return 0; }
/* What is copied arrives when it is waited for, as late as it may. */
static struct { uint64_t to; void *from; size_t size; } coming;
int cuCtxSynchronize(void) {
  REQUIRE(depth);
  if (coming.size) memcpy((void *)coming.to, coming.from, coming.size);
  free(coming.from);
  memset(&coming, 0, sizeof coming);
  return 0;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
  REQUIRE(depth);
  *total = 80000000000;
  *free = *total - held;
  return 0;
}
int cuMemAlloc_v2(uint64_t *pointer, size_t size) {
  REQUIRE(depth);
  if (size > 80000000000 - held) return 2; /* CUDA_ERROR_OUT_OF_MEMORY */
  for (int n = 0; n < 16; n++)
    if (!given[n].size) {
      given[n].at = *pointer = (uint64_t)malloc(size);
      given[n].size = size;
      held += size;
      return 0;
    }
  return 2;
}
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) {
  REQUIRE(depth);
  for (int n = 0; n < 16; n++)
    if (given[n].size && to >= given[n].at && to + size <= given[n].at + given[n].size) {
      REQUIRE(!coming.size);
      coming.to = to, coming.size = size, coming.from = malloc(size);
      memcpy(coming.from, from, size);
      return 0;
    }
  return 1; /* CUDA_ERROR_INVALID_VALUE */
}
int cuMemFree_v2(uint64_t pointer) {
  REQUIRE(depth);
  for (int n = 0; n < 16; n++)
    if (given[n].size && given[n].at == pointer) {
      free((void *)pointer);
      held -= given[n].size;
      given[n].size = 0;
      return 0;
    }
  return 1;
}
