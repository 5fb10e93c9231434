/*
** throttle.c: see throttle.h.
*/
#include "host/throttle.h"

#include <time.h>

static int64_t this_second (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec;
}

bool ae_throttle_allows (ae_throttle *throttle, uint32_t most) {
  int64_t now = this_second();
  if (now != throttle->second) {
    throttle->second = now;
    throttle->written = 0;
  }
  if (throttle->written < most) {
    throttle->written++;
    return true;
  }
  throttle->more++;
  return false;
}

uint64_t ae_throttle_told (ae_throttle *throttle, bool end) {
  uint64_t more = throttle->more;
  if (more == 0 || (!end && throttle->second == this_second())) return 0;
  throttle->more = 0;
  return more;
}
