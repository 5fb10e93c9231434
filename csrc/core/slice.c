/*
** slice.c: the names of the failure codes, and how a failure is written.
*/
#include "core/slice.h"

#include <stdarg.h>
#include <stdio.h>

#define AE_CODE_NAME(code, name) name,
static const char *const names[] = {AE_CODES(AE_CODE_NAME)};
#undef AE_CODE_NAME

const char *ae_code_name (ae_code code) {
  return (unsigned)code < AE_CODE_COUNT ? names[code] : "unknown";
}

const char *ae_stage_name (ae_stage stage) {
#define AE_STAGE_NAME(code, name) name,
  static const char *const stages[] = {NULL, AE_STAGES(AE_STAGE_NAME)};
#undef AE_STAGE_NAME
  return stages[stage];
}

ae_code ae_fail (ae_error *error, ae_code code, size_t position, const char *format, ...) {
  va_list arguments;
  if (error == NULL) return code;
  error->code = code;
  error->position = position;
  va_start(arguments, format);
  (void)vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  return code;
}
