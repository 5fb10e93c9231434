/*
** altinn_private.h: shared by the files of the Altinn calls.
*/
#ifndef ALTINN_EVENTS_ALTINN_PRIVATE_H
#define ALTINN_EVENTS_ALTINN_PRIVATE_H

#include "core/altinn.h"

#define AE_RESOURCE_PREFIX "urn:altinn:resource:"
#define AE_LETTER_TYPES "no.altinn.correspondence."

/* The shape of the body of a successful reply. */
typedef enum ae_shape {
  AE_SHAPE_SUBSCRIPTION,
  AE_SHAPE_SUBSCRIPTIONS,
  AE_SHAPE_NOTHING,
  AE_SHAPE_EVENTS,
  AE_SHAPE_LETTERS,
  AE_SHAPE_OVERVIEW,
  AE_SHAPE_DETAILS,
  AE_SHAPE_TEXT,
  AE_SHAPE_IDENTIFIER,
  AE_SHAPE_OCTETS,
  AE_SHAPE_ATTACHMENT,
  AE_SHAPE_ATTACHMENT_DETAILS,
  /* shapes of parts of the bodies above */
  AE_SHAPE_ANYTHING,
  AE_SHAPE_STATUS,
  AE_SHAPE_CONTENT,
  AE_SHAPE_FILE,
  AE_SHAPE_COUNT
} ae_shape;

typedef struct ae_call_entry {
  const char *name, *method, *path;
  ae_shape shape;
} ae_call_entry;

/* Indexed by ae_call. */
extern const ae_call_entry ae_call_entries[];

/* The entry of a list like ae_statuses that equals the word but for case; NULL: none. */
const char *ae_listed (const char *const *list, ae_slice word);

/* The resource without its prefix. */
ae_slice ae_resource_id (ae_slice resource);
/* Whether the resource is that of an app. */
bool ae_resource_is_app (ae_slice resource);

/* The full type of a short name; any other text stays as it is. */
ae_slice ae_type_full (ae_slice type);

/* Whether a body is JSON of the call's shape; AE_SYNTAX or AE_INVALID. */
ae_code ae_shape_check (ae_shape shape, ae_slice body, ae_error *error);

/* Whether a body looks like HTML: a page for people. */
bool ae_is_markup (ae_slice body);

/* Finds a member of a checked JSON object; false: it is not there. Of several members
** with one name the last counts. */
bool ae_json_member (ae_slice object, const char *name, ae_slice *value);

#endif
