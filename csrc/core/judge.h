/*
** judge.h: what the readers and the judge of events share: checks of texts
** (text.c) and of media types (media.c).
*/
#ifndef ALTINN_EVENTS_JUDGE_H
#define ALTINN_EVENTS_JUDGE_H

#include "core/event.h"

/* The known attributes, as bits, whose text may be any String; those of id, type and
** subject must not be empty ("Required Attributes", "Optional Attributes"). When such a
** text is plain and not empty, nothing is left to judge. */
#define AE_FREE_TEXTS \
  (1u << AE_ID | 1u << AE_TYPE | 1u << AE_SUBJECT | 1u << AE_RESOURCE | \
   1u << AE_RESOURCEINSTANCE | 1u << AE_ALTERNATIVESUBJECT)

/* Why a text cannot be a String (CloudEvents 1.0.2, Type System), as a
** static sentence; NULL when it can. */
const char *ae_text_reason (ae_slice text);

/* Whether the text is UTF-8 (RFC 3629). */
bool ae_text_is_utf8 (ae_slice text);

/* RFC 2045 §5.1: type "/" subtype *(";" parameter). */
bool ae_media_type_valid (ae_slice text);

/* The type and subtype of a media type, without parameters. */
ae_slice ae_media_type_bare (ae_slice text);

#endif
