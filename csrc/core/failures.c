/*
** failures.c: the lists of failures.h as tables.
*/
#include "core/failures.h"

#include <assert.h>

#define STATUS_ENTRY(first_status, last_status, name, what, at_once, reason) \
  {.first = (first_status), \
   .last = (last_status), \
   .code = AE_##name, \
   .remedy = AE_##what, \
   .soon = (at_once), \
   .why = (reason)},
const ae_failure ae_failure_statuses[] = {AE_FAILURE_STATUSES(STATUS_ENTRY){.why = NULL}};

#define CODE_ENTRY(name, what, at_once, reason) \
  {.code = AE_##name, .remedy = AE_##what, .soon = (at_once), .why = (reason)},
const ae_failure ae_failure_codes[] = {AE_FAILURE_CODES(CODE_ENTRY){.why = NULL}};

#define TREAT_NEVER .remedy = AE_NEVER
#define TREAT_AGAIN .remedy = AE_AGAIN
#define TREAT_FETCH .remedy = AE_NEVER, .fetch = true
#define TREAT_DENIED .remedy = AE_NEVER, .denied = true
#define NUMBER_ENTRY(error, status, treatment, meaning) \
  {.number = (error), \
   .first = (status), \
   .last = (status), \
   TREAT_##treatment, \
   .why = (meaning)},
const ae_failure ae_failure_numbers[] = {AE_ALTINN_ERRORS(NUMBER_ENTRY){.why = NULL}};

const ae_failure *ae_failure_of_status (int status) {
  const ae_failure *failure = ae_failure_statuses;
  while (failure[1].why != NULL && (status < failure->first || status > failure->last))
    failure++;
  return failure; /* the last entry takes any status */
}

const ae_failure *ae_failure_of_number (int32_t number) {
  const ae_failure *failure = ae_failure_numbers;
  while (failure->why != NULL && failure->number != number) failure++;
  return failure->why != NULL ? failure : NULL;
}

#define STAGE_WHY(why) why,
const char *ae_stage_why (ae_stage stage) {
  static const char *const reasons[] = {NULL, AE_FAILURE_STAGES(STAGE_WHY)};
  static_assert(sizeof reasons / sizeof *reasons == AE_STAGE_COUNT, "a reason for each stage");
  return reasons[stage];
}

const char *ae_remedy_name (ae_remedy remedy) {
#define NAME(code, name) name,
  static const char *const names[] = {AE_REMEDIES(NAME)};
#undef NAME
  return names[remedy];
}
