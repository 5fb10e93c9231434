/*
** event.h: CloudEvents: reads, judges and writes them.
**
** An event is in memory that the caller provides: a buffer with its text and an array
** of attributes. Nothing is allocated here. Names and values are spans of the buffer.
** Escapes in them are decoded in place, so the buffer changes (ae_event_read does not
** write to it). `data` stays the JSON text that came in.
**
** Rules: CloudEvents 1.0.2 (core), its JSON event format and HTTP protocol binding.
** catalogue.h adds the meaning that Altinn gives to events.
*/
#ifndef ALTINN_EVENTS_EVENT_H
#define ALTINN_EVENTS_EVENT_H

#include "core/json.h"
#include "core/slice.h"
#include "core/timestamp.h"

/* The known attributes, which have an index of their own: first those of CloudEvents
** 1.0.2, then the extensions that Altinn sets. */
#define AE_ATTRIBUTES(X) \
  X(AE_ID, "id") \
  X(AE_SOURCE, "source") \
  X(AE_SPECVERSION, "specversion") \
  X(AE_TYPE, "type") \
  X(AE_DATACONTENTTYPE, "datacontenttype") \
  X(AE_DATASCHEMA, "dataschema") \
  X(AE_SUBJECT, "subject") \
  X(AE_TIME, "time") \
  X(AE_RESOURCE, "resource") \
  X(AE_RESOURCEINSTANCE, "resourceinstance") \
  X(AE_ALTERNATIVESUBJECT, "alternativesubject")

#define AE_ATTRIBUTE_ENUM(code, name) code,
typedef enum ae_known {
  AE_ATTRIBUTES(AE_ATTRIBUTE_ENUM) AE_KNOWN_COUNT,
  AE_EXTENSION = AE_KNOWN_COUNT
} ae_known;
#undef AE_ATTRIBUTE_ENUM

/* The kind of a context attribute's value or of the payload. */
typedef enum ae_kind {
  AE_NONE,    /* absent */
  AE_STRING,  /* text: a span of the buffer */
  AE_BOOLEAN, /* integer is 0 or 1 */
  AE_INTEGER, /* integer, -2^31 .. 2^31-1 */
  AE_JSON,    /* payload: the raw JSON value, checked, not decoded. As an
                   attribute: a value that none can have; refused */
  AE_BASE64,  /* payload only: Base64 text, checked, not decoded */
  AE_OCTETS   /* payload only: the octets themselves (binary mode) */
} ae_kind;

/* What the reader knows of a text already. */
typedef enum ae_seen {
  AE_UNSEEN,
  AE_CLEAN,  /* U+0020 to U+007E only */
  AE_SETTLED /* clean, and nothing about the attribute is left to judge */
} ae_seen;

/* One context attribute as it was received. */
typedef struct ae_attribute {
  uint32_t name, name_length;   /* span of the buffer */
  uint32_t value, value_length; /* span of the buffer */
  uint32_t position;            /* 1-based byte of the member in the input */
  uint32_t order;               /* scratch: indexes sorted by name */
  int32_t integer;              /* the value of AE_BOOLEAN and AE_INTEGER */
  uint8_t kind;                 /* ae_kind */
  uint8_t known;                /* ae_known, AE_EXTENSION for the others */
  uint8_t seen;                 /* ae_seen; AE_UNSEEN where an event is built
                                    by hand */
} ae_attribute;

typedef struct ae_event {
  const char *text;                  /* the caller's buffer */
  ae_attribute *attributes;          /* the caller's array, in order received */
  uint32_t count, capacity;          /* attributes; count may exceed capacity:
                                    see ae_event_parse */
  int32_t known[AE_KNOWN_COUNT + 1]; /* index into attributes, -1 = absent; the
                                    last is written for extensions, so that
                                    they need no branch, and never read */
  ae_kind data_kind;                 /* AE_NONE, AE_JSON, AE_BASE64, AE_OCTETS;
                                    AE_STRING: a JSON string that is text,
                                    because the media type is not JSON; the
                                    span holds the raw JSON string */
  uint32_t data, data_length;        /* span of the buffer */
  ae_timestamp time;                 /* of an event that was accepted, when
                                    known[AE_TIME] >= 0 */
} ae_event;

/* One thing wrong with an event. */
typedef struct ae_fault {
  ae_code code;                  /* AE_INVALID or AE_NOT_CLOUDEVENT */
  size_t position;               /* 1-based byte in the input, 0 = nowhere */
  char attribute[48];            /* its name, escaped and shortened */
  char message[AE_MESSAGE_SIZE]; /* never holds a value of the event */
} ae_fault;

#define AE_FAULTS_KEPT 16

typedef struct ae_faults {
  uint32_t count;                /* number of all faults found */
  ae_fault list[AE_FAULTS_KEPT]; /* the first faults */
} ae_faults;

#define AE_DEFAULT_MAX_BYTES (256u * 1024u)
#define AE_DEFAULT_MAX_DEPTH 512u

typedef struct ae_limits {
  size_t max_bytes; /* at most UINT32_MAX / 2 */
  uint32_t max_depth;
} ae_limits;

extern const ae_limits ae_default_limits;

/*
** Reads and judges one event in structured JSON mode.
** event->attributes and event->capacity are set by the caller, the rest is
** filled in. `text` is the caller's and must be writable: escapes in names
** and attribute values are decoded in place. It must outlive the event.
** Returns AE_OK; AE_SYNTAX (error->position says where); AE_TOO_LARGE;
** AE_NOT_CLOUDEVENT or AE_INVALID with the faults in *faults and the first
** of that code in *error. When the event has more attributes than the capacity
** the result is AE_MEMORY and event->count says how many there are: call
** again with a fresh copy of the text. limits may be NULL (the defaults),
** error may be NULL, faults may not.
*/
ae_code ae_event_parse (ae_event *event, char *text, size_t length, const ae_limits *limits,
                        ae_faults *faults, ae_error *error);

/*
** The same for a text that must not be written to. When names or values hold escapes,
** which would have to be decoded, the result is AE_MEMORY with event->count not above
** the capacity: call ae_event_parse with a copy of the text. After AE_MEMORY the event
** and the faults have no meaning, except event->count.
*/
ae_code ae_event_read (ae_event *event, const char *text, size_t length,
                       const ae_limits *limits, ae_faults *faults, ae_error *error);

/* A header field as an HTTP parser hands it on: name in any case, value
** without the white space around it. */
typedef struct ae_header {
  ae_slice name, value;
} ae_header;

typedef enum ae_mode { AE_STRUCTURED, AE_BATCH, AE_BINARY, AE_UNSUPPORTED_MEDIA } ae_mode;

/*
** The mode of a message (HTTP protocol binding §3.1). A Content-Type that begins with
** application/cloudevents decides alone: structured, batch, or unsupported. Any other
** message with a `ce-` header is binary. Without one, application/json is structured,
** as Altinn sends it, and everything else is unsupported.
*/
ae_mode ae_http_mode (const ae_header *headers, size_t count);

/*
** Reads and judges one event in binary mode (HTTP protocol binding §3.1).
** `buffer` is the caller's; it needs ae_binary_size bytes and receives the
** decoded header values and the body. Results as for ae_event_parse.
*/
size_t ae_binary_size (const ae_header *headers, size_t count, size_t body_length);
ae_code ae_event_from_binary (ae_event *event, char *buffer, size_t size,
                              const ae_header *headers, size_t count, ae_slice body,
                              const ae_limits *limits, ae_faults *faults, ae_error *error);

/*
** Walks the elements of a batch (JSON event format §4). ae_batch_open checks the whole
** text: AE_SYNTAX when it is not JSON, AE_NOT_CLOUDEVENT when it is not an array. Then
** each call of ae_batch_next gives the text of one element, until it returns false.
*/
typedef struct ae_batch {
  ae_slice text;
  size_t at;
  uint32_t index;
} ae_batch;
ae_code ae_batch_open (ae_batch *batch, ae_slice text, const ae_limits *limits,
                       ae_error *error);
bool ae_batch_next (ae_batch *batch, ae_slice *element);

/*
** Building an event by hand (a Lua table, HTTP headers): begin, then add
** each attribute, then judge. Spans must lie in the buffer `text`; `known`
** is found from the name by ae_event_add. Judging drops the attributes of
** kind AE_NONE (unset) and sorts what ae_event_find needs.
** ae_faults_add and ae_event_judge take faults whose count was set to 0 by
** whoever declared them, so that faults found outside count too.
*/
void ae_event_begin (ae_event *event, const char *text);
bool ae_event_add (ae_event *event, const ae_attribute *attribute); /* false: full */
ae_code ae_event_judge (ae_event *event, ae_faults *faults, ae_error *error);

/* Adds a fault found outside (for instance by a binding). */
#if defined(__GNUC__)
__attribute__((format(printf, 5, 6)))
#endif
void ae_faults_add (ae_faults *faults, ae_code code, size_t position,
                    ae_slice attribute, const char *format, ...);

/* The attribute of that name, or NULL. The event has been read or judged. */
const ae_attribute *ae_event_find (const ae_event *event, ae_slice name);

/* The text of a known attribute; absent when the event lacks it, or it is no string. */
ae_slice ae_event_text (const ae_event *event, ae_known known);
ae_slice ae_attribute_name (const ae_event *event, const ae_attribute *attribute);
ae_slice ae_attribute_text (const ae_event *event, const ae_attribute *attribute);

/* Whether a media type says JSON: application/json, text/json, …+json
** (JSON event format §3.1). */
bool ae_media_type_is_json (ae_slice media_type);

/*
** Base64 of RFC 4648 §4: strict alphabet, padding required, zero pad bits.
*/
bool ae_base64_valid (ae_slice text);
size_t ae_base64_decoded_size (ae_slice text);
void ae_base64_decode (ae_slice text, char *out);
size_t ae_base64_encoded_size (size_t length);
void ae_base64_encode (ae_slice octets, char *out);

/*
** Writes an event as structured JSON (JSON event format §3): the attributes
** in order, then the payload. Returns the number of bytes needed; nothing
** is written beyond `size`. Call once with size 0 to learn the size.
*/
size_t ae_event_encode (const ae_event *event, char *out, size_t size);

/* Writes `text` as a JSON string with its quotes; same contract. */
size_t ae_json_quote (ae_slice text, char *out, size_t size);

#endif
