/*
** altinn.h: the calls to Altinn, without I/O: builds requests (method, target, body)
** and judges replies. A wish that the server would refuse, or whose filter could
** never match, is refused before a request exists.
**
** Sources, on GitHub: Altinn/altinn-events src/Events/Controllers
** (subscriptions, pulled events), Altinn/altinn-correspondence
** src/Altinn.Correspondence.API/Controllers (letters, attachments) and
** src/Altinn.Correspondence.Application/Errors.cs. The same as documents:
** https://platform.altinn.no/correspondence/api/v1/swagger/v1/swagger.json and
** https://docs.altinn.studio/api/events/.
*/
#ifndef ALTINN_EVENTS_ALTINN_H
#define ALTINN_EVENTS_ALTINN_H

#include "core/slice.h"

#define AE_EVENTS_BASE "/events/api/v1"
#define AE_LETTER_BASE "/correspondence/api/v1/correspondence"
#define AE_ATTACHMENT_BASE "/correspondence/api/v1/attachment"

/*
** The calls: X(code, name, method, path, shape of the reply).
** {id} and {attachment} are filled in from the wish.
*/
#define AE_CALLS(X) \
  X(AE_CALL_SUBSCRIBE, "subscribe", "POST", AE_EVENTS_BASE "/subscriptions", SUBSCRIPTION) \
  X(AE_CALL_SUBSCRIPTIONS, "subscriptions", "GET", AE_EVENTS_BASE "/subscriptions", \
    SUBSCRIPTIONS) \
  X(AE_CALL_SUBSCRIPTION, "subscription", "GET", AE_EVENTS_BASE "/subscriptions/{id}", \
    SUBSCRIPTION) \
  X(AE_CALL_UNSUBSCRIBE, "unsubscribe", "DELETE", AE_EVENTS_BASE "/subscriptions/{id}", \
    NOTHING) \
  X(AE_CALL_EVENTS, "events", "GET", AE_EVENTS_BASE "/events", EVENTS) \
  X(AE_CALL_LETTERS, "letters", "GET", AE_LETTER_BASE, LETTERS) \
  X(AE_CALL_OVERVIEW, "overview", "GET", AE_LETTER_BASE "/{id}", OVERVIEW) \
  X(AE_CALL_DETAILS, "details", "GET", AE_LETTER_BASE "/{id}/details", DETAILS) \
  X(AE_CALL_CONTENT, "content", "GET", AE_LETTER_BASE "/{id}/content", TEXT) \
  X(AE_CALL_MARK_READ, "mark_read", "POST", AE_LETTER_BASE "/{id}/markasread", IDENTIFIER) \
  X(AE_CALL_CONFIRM, "confirm", "POST", AE_LETTER_BASE "/{id}/confirm", IDENTIFIER) \
  X(AE_CALL_PURGE, "purge", "DELETE", AE_LETTER_BASE "/{id}/purge", IDENTIFIER) \
  X(AE_CALL_DOWNLOAD, "download", "GET", \
    AE_LETTER_BASE "/{id}/attachment/{attachment}/download", OCTETS) \
  X(AE_CALL_ATTACHMENT, "attachment", "GET", AE_ATTACHMENT_BASE "/{id}", ATTACHMENT) \
  X(AE_CALL_ATTACHMENT_DETAILS, "attachment_details", "GET", \
    AE_ATTACHMENT_BASE "/{id}/details", ATTACHMENT_DETAILS)

#define AE_CALL_ENUM(code, name, method, path, shape) code,
typedef enum ae_call { AE_CALLS(AE_CALL_ENUM) AE_CALL_COUNT } ae_call;
#undef AE_CALL_ENUM

/* The statuses of a letter, in the server's order
** (src/Altinn.Correspondence.API/Models/Enums/CorrespondenceStatusExt.cs). */
// clang-format off
#define AE_STATUSES(X) \
  X("Initialized") X("ReadyForPublish") X("Published") X("Fetched") X("Read") \
  X("Replied") X("Confirmed") X("PurgedByRecipient") X("PurgedByAltinn") \
  X("Archived") X("Reserved") X("Failed") X("AttachmentsDownloaded") X("Forwarded")
// clang-format on

/* The caller's role for the letters of a list. */
#define AE_ROLES(X) X("Recipient") X("Sender") X("RecipientAndSender")

extern const char *const ae_statuses[]; /* ends with NULL */
extern const char *const ae_roles[];    /* ends with NULL */

/* The call of that name, AE_CALL_COUNT when there is none. */
ae_call ae_call_named (ae_slice name);

/* The arguments of a call; an absent text is not sent. The texts are the caller's and
** must outlive the request. */
typedef struct ae_wish {
  ae_call call;
  ae_slice id;           /* a UUID; for a subscription a number */
  ae_slice attachment;   /* a UUID */
  ae_slice endpoint;     /* https; http only when `loopback` */
  bool loopback;         /* the server is on a loopback host: an emulator */
  ae_slice resource;     /* acme-letters or urn:altinn:resource:acme-letters */
  ae_slice subject;      /* a party's URN; /party/N for apps */
  const ae_slice *types; /* short names, full types; for AE_CALL_EVENTS patterns too */
  size_t type_count;
  bool include_subunits;
  ae_slice source, alternative_subject; /* known only to be refused */
  ae_slice after;                       /* the id of the last event seen; absent: "0" */
  uint32_t size;                        /* of a page, 1 to 1000; 0: not sent */
  ae_slice role, status;                /* of ae_roles, ae_statuses, in any case */
  ae_slice from, to;                    /* RFC 3339 in UTC, both exclusive */
  ae_slice senders_reference;
  ae_slice on_behalf_of;   /* a party's URN, 0192:N, nine or eleven digits */
  ae_slice idempotent_key; /* a UUID; finds one letter, whatever the other filters */
  ae_slice altinn2_id;     /* digits; finds one letter likewise */
} ae_wish;

/* Most events in a page, most ids in a list: the server's limits. */
#define AE_PAGE_MOST 1000

typedef struct ae_altinn_request {
  const char *method;       /* static */
  const char *accept;       /* static */
  const char *content_type; /* static; NULL: there is no body */
  ae_slice target;          /* path and query, percent-encoded */
  ae_slice body;            /* empty but not absent: Content-Length: 0 */
  size_t needed;            /* bytes of target and body together */
} ae_altinn_request;

/*
** Judges a wish: AE_OK, or AE_INVALID with the reason in plain words, which begins
** with the name of the wrong field and a colon.
*/
ae_code ae_wish_check (const ae_wish *wish, ae_error *error);

/*
** Why no event from Altinn has this text as its resource or subject: a static
** sentence without its grammatical subject; NULL: an event may have it. A
** subscription or a rule that filters by such a text would never match. `resource`
** may be the short form.
*/
const char *ae_resource_fault (ae_slice resource);
const char *ae_subject_fault (ae_slice subject);

/* A warning about a wish that is allowed but probably not meant; NULL: none. */
const char *ae_wish_warning (const ae_wish *wish);

/*
** Checks a wish and writes its request into `out`, which has `size` bytes. When
** request->needed is greater than `size`, target and body are not valid: call again
** with that much room.
*/
ae_code ae_request_build (const ae_wish *wish, char *out, size_t size,
                          ae_altinn_request *request, ae_error *error);

/* Whether a base address is http or https at a loopback host. */
bool ae_url_is_loopback (ae_slice url);
/* Whether an address can be a base: https, or http at a loopback host, without user,
** query and fragment. False: *reason says why not. */
bool ae_url_is_base (ae_slice url, const char **reason);

/* What a reply means. */
typedef struct ae_answer {
  ae_code code;                  /* AE_OK: success, also when it had been done before */
  int status;                    /* HTTP */
  int32_t number;                /* the server's error number, 0: none */
  size_t position;               /* 1-based byte of the body, 0: nowhere */
  bool already;                  /* AE_OK, because it had been done before */
  bool renew;                    /* a new token may help */
  bool retry;                    /* the same request may succeed in a moment */
  bool temporary;                /* the same request may succeed later */
  bool fetch;                    /* the overview has to be fetched first */
  char message[AE_MESSAGE_SIZE]; /* for people, identity numbers masked */
  char text[AE_MESSAGE_SIZE];    /* the server's own sentence, cleaned; "": none */
  char trace[64];                /* the server's trace id; "": none */
} ae_answer;

/*
** Judges a reply by its status and body. The body of a failure may be empty, a JSON
** string, a problem object or a validation problem. The body of a 2xx must have the
** call's shape; a body of AE_CALL_DOWNLOAD may be any octets.
*/
void ae_reply_judge (ae_call call, int status, ae_slice body, ae_answer *answer);

/* The bytes that a successful reply of this call may have at most. */
size_t ae_reply_most (ae_call call);

#endif
