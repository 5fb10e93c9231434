/*
** catalogue.h: the meaning of Altinn's events: their types, the thing that each is
** about, its addressee; and the parties in subjects. To add an event type, add an
** entry to a list of types.h. events.types in Lua, short names in rules, suggestions
** and events.describe follow from it.
*/
#ifndef ALTINN_EVENTS_CATALOGUE_H
#define ALTINN_EVENTS_CATALOGUE_H

#include "core/event.h"
#include "core/urn.h"

/* The kinds of things that events are about: X(code, name). */
#define AE_ABOUTS(X) \
  X(AE_ABOUT_NOTHING, NULL) \
  X(AE_ABOUT_LETTER, "letter") \
  X(AE_ABOUT_ATTACHMENT, "attachment") \
  X(AE_ABOUT_ORDER, "order") \
  X(AE_ABOUT_DIALOG, "dialog") \
  X(AE_ABOUT_TRANSFER, "transfer") \
  X(AE_ABOUT_INSTANCE, "instance") \
  X(AE_ABOUT_SUBSCRIPTION, "subscription")

#define AE_ABOUT_ENUM(code, name) code,
typedef enum ae_about { AE_ABOUTS(AE_ABOUT_ENUM) AE_ABOUT_COUNT } ae_about;
#undef AE_ABOUT_ENUM

/* The publishers of events: X(code, name, prefix of its types). The last one takes all
** types that no other publisher has. */
#define AE_PUBLISHERS(X) \
  X(AE_CORRESPONDENCE, "correspondence", "no.altinn.correspondence.") \
  X(AE_DIALOGPORTEN, "dialogporten", "dialogporten.") \
  X(AE_BROKER, "broker", "no.altinn.broker.") \
  X(AE_APP, "app", "app.") \
  X(AE_PLATFORM, "platform", "platform.events.") \
  X(AE_OTHER, "other", "")

#define AE_PUBLISHER_ENUM(code, name, prefix) code,
typedef enum ae_publisher { AE_PUBLISHERS(AE_PUBLISHER_ENUM) AE_PUBLISHER_COUNT } ae_publisher;
#undef AE_PUBLISHER_ENUM

/* An event type. All texts are static. types.h says what each field means. */
typedef struct ae_event_type {
  const char *name; /* the short name: correspondencepublished */
  const char *type; /* the full type */
  ae_about about;
  const char *addressed_to; /* "sender", "recipient", or NULL */
  bool raised;              /* false: in Altinn's enumeration, never raised */
  bool once;                /* happens at most once to a thing */
  const char *summary;      /* when it comes */
  const char *advice;       /* what a receiver does with it */
  const char *note;         /* what Altinn's documentation leaves out; NULL: nothing */
  size_t name_length, type_length;
} ae_event_type;

/* In the order of types.h. */
extern const ae_event_type ae_event_types[];
extern const size_t ae_event_type_count;

/* The entry of a full type, or NULL. */
const ae_event_type *ae_catalogue_type (ae_slice type);
/* The entry of a short name, or NULL. */
const ae_event_type *ae_catalogue_name (ae_slice name);
/* The known short name or full type that a wrong word is likely to mean: the
** one that has all its words ("letterread", "neverread"), else the one with
** the fewest edits (Damerau-Levenshtein distance); NULL when none is near. */
const char *ae_catalogue_suggest (ae_slice word);

/* An environment of Altinn and the host of its platform; false: no more.
** `index` counts from 0. */
bool ae_environment (size_t index, const char **name, ae_slice *host);

/* The names that Lua sees, static strings. */
const char *ae_about_name (ae_about about); /* NULL: nothing */
const char *ae_publisher_name (ae_publisher publisher);

/* The meaning of an event. */
typedef struct ae_meaning {
  const ae_event_type *type; /* NULL: not in the catalogue */
  ae_slice name;             /* last part of the type, or the short name */
  ae_publisher publisher;
  ae_about about;
  ae_slice id;             /* of the thing; absent when the event names none */
  ae_party party;          /* from subject, else alternativesubject */
  const char *environment; /* "production", "tt02", "at22", …; NULL */
  bool validation;         /* platform.events.validatesubscription */
} ae_meaning;

/* Describes an event that was judged; *meaning borrows from the event. */
void ae_describe (const ae_event *event, ae_meaning *meaning);

#endif
