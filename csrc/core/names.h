/*
** names.h: recognizes the names of known attributes and payload members, and makes the
** place of an attribute that is added.
*/
#ifndef ALTINN_EVENTS_NAMES_H
#define ALTINN_EVENTS_NAMES_H

#include "core/event.h"

/* Members of a JSON event that are no attributes. */
enum { AE_MEMBER_DATA = AE_EXTENSION + 1, AE_MEMBER_BASE64 };

/* Whether `length` bytes are the same. When the compiler knows the length, it compares
** words, without a call. */
AE_INLINE bool ae_same_bytes (const char *a, const char *b, size_t length) {
  uint64_t x, y, difference = 0;
  if (length < 8) return memcmp(a, b, length) == 0;
  for (size_t at = 0; at < length; at += 8) {
    size_t from = at + 8 <= length ? at : length - 8;
    memcpy(&x, a + from, 8);
    memcpy(&y, b + from, 8);
    difference |= x ^ y;
  }
  return difference == 0;
}

#define AE_IS_NAME(text, value) \
  (ae_same_bytes(name, text, sizeof(text) - 1) ? (unsigned)(value) : AE_EXTENSION)

/* The known attribute of that name; AE_EXTENSION for any other name; AE_MEMBER_DATA and
** AE_MEMBER_BASE64 for the two members of the payload. */
AE_INLINE unsigned ae_name_known (const char *name, size_t length) {
  switch (length) {
    case 2: return AE_IS_NAME("id", AE_ID);
    case 4:
      if (name[0] == 'd') return AE_IS_NAME("data", AE_MEMBER_DATA);
      return name[1] == 'i' ? AE_IS_NAME("time", AE_TIME) : AE_IS_NAME("type", AE_TYPE);
    case 6: return AE_IS_NAME("source", AE_SOURCE);
    case 7: return AE_IS_NAME("subject", AE_SUBJECT);
    case 8: return AE_IS_NAME("resource", AE_RESOURCE);
    case 10: return AE_IS_NAME("dataschema", AE_DATASCHEMA);
    case 11:
      if (name[0] == 'd') return AE_IS_NAME("data_base64", AE_MEMBER_BASE64);
      return AE_IS_NAME("specversion", AE_SPECVERSION);
    case 15: return AE_IS_NAME("datacontenttype", AE_DATACONTENTTYPE);
    case 16: return AE_IS_NAME("resourceinstance", AE_RESOURCEINSTANCE);
    case 18: return AE_IS_NAME("alternativesubject", AE_ALTERNATIVESUBJECT);
    default: return AE_EXTENSION;
  }
}

#undef AE_IS_NAME

/* The place of the next attribute; NULL: no room, but event->count counts it. Of several
** attributes with one known name, event->known has the first. */
AE_INLINE ae_attribute *ae_event_place (ae_event *event, unsigned known) {
  uint32_t index = event->count++;
  if (index >= event->capacity) return NULL;
  if (event->known[known] < 0) event->known[known] = (int32_t)index;
  return &event->attributes[index];
}

#endif
