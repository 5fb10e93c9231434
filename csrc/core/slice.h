/*
** slice.h: the types that all code shares: a range of bytes, and the codes of a
** failure.
*/
#ifndef ALTINN_EVENTS_SLICE_H
#define ALTINN_EVENTS_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* For functions that must be inlined, whatever the compiler would choose. */
#if defined(__GNUC__)
#define AE_INLINE static inline __attribute__((always_inline))
#else
#define AE_INLINE static inline
#endif

/* A range of bytes that somebody else owns; never NUL-terminated.
** An absent slice has data == NULL; an empty one has length == 0. */
typedef struct ae_slice {
  const char *data;
  size_t length;
} ae_slice;

#define AE_LITERAL(text) ((ae_slice){"" text, sizeof(text) - 1})

/* The same bytes; an absent slice equals an empty one. */
static inline bool ae_slice_equal (ae_slice a, ae_slice b) {
  return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* Whether `text` begins with `prefix`. */
static inline bool ae_slice_starts (ae_slice text, ae_slice prefix) {
  return text.length >= prefix.length &&
         (prefix.length == 0 || memcmp(text.data, prefix.data, prefix.length) == 0);
}

/* The closed set of failure codes; the names are those that Lua sees. */
#define AE_CODES(X) \
  X(AE_OK, "ok") \
  X(AE_SYNTAX, "syntax") \
  X(AE_NOT_CLOUDEVENT, "not_cloudevent") \
  X(AE_INVALID, "invalid") \
  X(AE_TOO_LARGE, "too_large") \
  X(AE_UNSUPPORTED, "unsupported") \
  X(AE_AUTH, "auth") \
  X(AE_FORBIDDEN, "forbidden") \
  X(AE_NOT_FOUND, "not_found") \
  X(AE_CONFLICT, "conflict") \
  X(AE_THROTTLED, "throttled") \
  X(AE_SERVER, "server") \
  X(AE_NETWORK, "network") \
  X(AE_TLS, "tls") \
  X(AE_TIMEOUT, "timeout") \
  X(AE_CANCELLED, "cancelled") \
  X(AE_MEMORY, "memory") \
  X(AE_STORAGE, "storage")

#define AE_CODE_ENUM(code, name) code,
typedef enum ae_code { AE_CODES(AE_CODE_ENUM) AE_CODE_COUNT } ae_code;
#undef AE_CODE_ENUM

/* The stages at which an exchange fails with AE_NETWORK; the names are those that Lua
** sees. */
#define AE_STAGES(X) \
  X(AE_RESOLVE, "resolve") /* the host's name */ \
  X(AE_CONNECT, "connect") \
  X(AE_BROKEN, "broken") /* later */

#define AE_STAGE_ENUM(code, name) code,
typedef enum ae_stage { AE_NO_STAGE, AE_STAGES(AE_STAGE_ENUM) AE_STAGE_COUNT } ae_stage;
#undef AE_STAGE_ENUM

/* Longest message that the core writes, NUL included. */
#define AE_MESSAGE_SIZE 256

/* A failure: what kind, where (1-based byte in the input, 0 = nowhere),
** and a sentence for people that holds nothing of the payload. */
typedef struct ae_error {
  ae_code code;
  size_t position;
  char message[AE_MESSAGE_SIZE];
} ae_error;

/* The name of a code, a static string. */
const char *ae_code_name (ae_code code);
/* The name of a stage, a static string; NULL for AE_NO_STAGE. */
const char *ae_stage_name (ae_stage stage);

/* Fills *error (which may be NULL) and returns `code`. The format is
** printf's; every argument must be the program's own or escaped text. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
ae_code
ae_fail (ae_error *error, ae_code code, size_t position, const char *format, ...);

#endif
