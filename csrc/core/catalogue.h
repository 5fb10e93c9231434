/*
** catalogue.h: what Altinn's events mean: the types that are raised, what
** each is about, whom it is addressed to; and the parties in subjects.
** To add an event type, add one line to one of the two lists at the beginning
** of catalogue.c: AE_CORRESPONDENCE_TYPES or AE_OTHER_TYPES. All else follows:
** events.types in Lua, short names in rules, suggestions, events.describe.
*/
#ifndef ALTINN_EVENTS_CATALOGUE_H
#define ALTINN_EVENTS_CATALOGUE_H

#include "core/event.h"
#include "core/urn.h"

typedef enum ae_about {
  AE_ABOUT_NOTHING,
  AE_ABOUT_LETTER,
  AE_ABOUT_ATTACHMENT,
  AE_ABOUT_ORDER,
  AE_ABOUT_DIALOG,
  AE_ABOUT_TRANSFER,
  AE_ABOUT_INSTANCE,
  AE_ABOUT_SUBSCRIPTION
} ae_about;

typedef enum ae_publisher {
  AE_CORRESPONDENCE,
  AE_DIALOGPORTEN,
  AE_BROKER,
  AE_APP,
  AE_PLATFORM,
  AE_OTHER
} ae_publisher;

typedef struct ae_event_type {
  const char *name; /* the short name: correspondencepublished */
  const char *type; /* the full type */
  ae_about about;
  const char *addressed_to; /* "sender", "recipient", or NULL */
  bool raised;              /* false: in Altinn's enumeration, never raised */
  bool once;                /* happens at most once to a thing */
  const char *summary;
} ae_event_type;

extern const ae_event_type ae_event_types[];
extern const size_t ae_event_type_count;

/* The entry of a full type, or NULL. */
const ae_event_type *ae_catalogue_type (ae_slice type);
/* The entry of a short name, or NULL. */
const ae_event_type *ae_catalogue_name (ae_slice name);
/* The known word nearest to a misspelt one, or NULL when none is near
** (Damerau-Levenshtein distance over short names and full types). */
const char *ae_catalogue_suggest (ae_slice word);

/* An environment of Altinn and the host of its platform; false: no more.
** `index` counts from 0. */
bool ae_environment (size_t index, const char **name, ae_slice *host);

/* The names that Lua sees, static strings. */
const char *ae_about_name (ae_about about); /* NULL: nothing */
const char *ae_publisher_name (ae_publisher publisher);

/* What an event means; see events.describe in the design. */
typedef struct ae_meaning {
  const ae_event_type *type; /* NULL: not in the catalogue */
  ae_slice name;             /* last part of the type, or the short name */
  ae_publisher publisher;
  ae_about about;
  ae_slice id;             /* of the thing; absent when there is none */
  ae_party party;          /* from subject, else alternativesubject */
  const char *environment; /* "production", "tt02", "at22", …; NULL */
  bool validation;         /* platform.events.validatesubscription */
} ae_meaning;

/* Describes an event that was judged; *meaning borrows from the event. */
void ae_describe (const ae_event *event, ae_meaning *meaning);

#endif
