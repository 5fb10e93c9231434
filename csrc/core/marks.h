/*
** marks.h: the marks of a text: the offsets of the bytes that end a plain run
** (ae_byte_plain in scan.h). These are quotation marks, backslashes, control
** characters (also tabs and line feeds), DEL, and bytes beyond ASCII. A sweep finds
** them without a branch per byte. A reader then steps from mark to mark, and need not
** search for the ends of strings.
*/
#ifndef ALTINN_EVENTS_MARKS_H
#define ALTINN_EVENTS_MARKS_H

#include "core/slice.h"

#define AE_MARKS_WINDOW 1024u /* bytes swept at a time */
#define AE_MARKS_BEYOND 64u   /* spare entries, which a sweep may overwrite */
#define AE_MARKS_END \
  8u /* sentinels after the last mark, each `end`: a
                                  reader may look three past the first */

typedef struct ae_marks {
  uint32_t end; /* where the window ends */
  /* Offsets in the text, ascending; after the last mark AE_MARKS_END
  ** times `end`. */
  uint32_t at[AE_MARKS_WINDOW + AE_MARKS_BEYOND];
} ae_marks;

/* Which sweep to use; AE_SWEEP_BEST is what the processor does fastest.
** The others are for tests: all give the same marks. */
typedef enum ae_sweep {
  AE_SWEEP_WORDS,
  AE_SWEEP_SSE2,
  AE_SWEEP_AVX2,
  AE_SWEEP_AVX512,
  AE_SWEEP_BEST
} ae_sweep;

/* Sweeps the window of `text` (less than 4 GiB) that begins at `from`, which is at most
** the text's length. A sweep that this processor or build lacks is replaced by a
** plainer one. */
void ae_marks_sweep (ae_marks *marks, ae_slice text, size_t from, ae_sweep how);

#endif
