/*
** mask.h: hiding identity numbers of persons.
*/
#ifndef ALTINN_EVENTS_MASK_H
#define ALTINN_EVENTS_MASK_H

#include "core/slice.h"

/*
** Copies a text, each byte of a digit that belongs to an identity number
** written as a star. The length does not change. `out` may be text.data.
**
** An identity number is eleven digits that stand alone, together or in the
** groups 6 5, 6 3 2, 2 2 2 5 and 2 2 2 3 2. Between groups stand one to three
** separators: blanks of any kind, hyphens and dashes, dots, "_" and "+".
** Digits and separators may be percent-encoded, written as \u0030 like in
** JSON, or full width. A UUID stays as it is.
*/
void ae_mask (ae_slice text, char *out);

#endif
