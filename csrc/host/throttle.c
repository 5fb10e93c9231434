/*
** throttle.c: see throttle.h.
*/
#include "host/throttle.h"

static int64_t this_second (ae_clock *clock) {
  return ae_clock_steady_ms(clock) / 1000;
}

bool ae_throttle_allows (ae_throttle *throttle, uint32_t most, ae_clock *clock) {
  int64_t now = this_second(clock);
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

uint64_t ae_throttle_told (ae_throttle *throttle, bool end, ae_clock *clock) {
  uint64_t more = throttle->more;
  if (more == 0 || (!end && throttle->second == this_second(clock))) return 0;
  throttle->more = 0;
  return more;
}
