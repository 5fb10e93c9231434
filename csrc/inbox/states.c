/*
** states.c: see states.h.
*/
#include "inbox/states.h"

#include <assert.h>

#define TEXT(name, text) text,
static const char *const run_names[] = {"waiting", AE_RUN_STATES(TEXT)};
static const char *const effect_names[] = {"", AE_EFFECT_STATES(TEXT)};
#undef TEXT

const char *ae_run_state_name (ae_run_state state) {
  assert(state < AE_RUN_STATE_COUNT);
  return run_names[state];
}

const char *ae_effect_state_name (ae_effect_state state) {
  assert(state < AE_EFFECT_STATE_COUNT);
  return effect_names[state];
}

static int find (const char *const *names, int count, ae_slice name) {
  for (int i = 1; i < count; i++)
    if (ae_slice_equal((ae_slice){names[i], strlen(names[i])}, name)) return i;
  return 0;
}

ae_run_state ae_run_state_of (ae_slice name) {
  return (ae_run_state)find(run_names, AE_RUN_STATE_COUNT, name);
}

ae_effect_state ae_effect_state_of (ae_slice name) {
  return (ae_effect_state)find(effect_names, AE_EFFECT_STATE_COUNT, name);
}

bool ae_run_state_is_final (ae_run_state state) {
  switch (state) {
#define CASE(name, text) case AE_RUN_##name:
    AE_FINAL_RUN_STATES(CASE) return true;
#undef CASE
    default: return false;
  }
}
