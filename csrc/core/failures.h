/*
** failures.h: what may be done about a failure. One list for the statuses of HTTP, one for
** the failure codes, one for Altinn's error numbers. The judge of replies, the client,
** the rules' retries and `altinn-events explain retry` all read these lists. To change
** what happens to a failure, or to add one, edit its entry.
*/
#ifndef ALTINN_EVENTS_FAILURES_H
#define ALTINN_EVENTS_FAILURES_H

#include "core/slice.h"

/* The remedies: X(code, name). */
#define AE_REMEDIES(X) \
  X(AE_AGAIN, "again")     /* the same request may succeed later */ \
  X(AE_NEVER, "never")     /* the same request never succeeds */ \
  X(AE_REFRESH, "refresh") /* a new token, once; then as AE_AGAIN */

#define AE_REMEDY_ENUM(code, name) code,
typedef enum ae_remedy { AE_REMEDIES(AE_REMEDY_ENUM) AE_REMEDY_COUNT } ae_remedy;
#undef AE_REMEDY_ENUM

/*
** Statuses: X(first, last, code, remedy, soon, why). The first entry that holds a
** status counts.
** - code: the failure code, AE_##code
** - soon: the same request may succeed in a moment, so that the call itself repeats it
** - why: half a sentence for people
*/
#define AE_FAILURE_STATUSES(X) \
  X(300, 399, UNSUPPORTED, NEVER, false, \
    "redirects are not followed: give the address that answers") \
  X(400, 400, INVALID, NEVER, false, "the request is wrong, and stays so") \
  X(401, 401, AUTH, REFRESH, false, "the token is not accepted: it may have expired") \
  X(402, 402, INVALID, NEVER, false, "payment is wanted") \
  X(403, 403, FORBIDDEN, NEVER, false, "a right or a scope is missing") \
  X(404, 404, NOT_FOUND, NEVER, false, \
    "it is not there (a letter less than a minute after its event: once more, after 10 s)") \
  X(405, 405, UNSUPPORTED, NEVER, false, "the address does not take this method") \
  X(406, 406, UNSUPPORTED, NEVER, false, "the server has no answer in the form wanted") \
  X(407, 407, INVALID, NEVER, false, "a proxy wants credentials") \
  X(408, 408, TIMEOUT, AGAIN, true, "the server waited for the request in vain") \
  X(409, 409, CONFLICT, NEVER, false, "it contradicts what is there") \
  X(410, 410, NOT_FOUND, NEVER, false, "it is gone for good") \
  X(411, 411, INVALID, NEVER, false, "a length is wanted") \
  X(412, 412, CONFLICT, NEVER, false, "a condition of the request does not hold") \
  X(413, 413, TOO_LARGE, NEVER, false, "the request is too large") \
  X(414, 414, INVALID, NEVER, false, "the address is too long") \
  X(415, 415, UNSUPPORTED, NEVER, false, "the server does not take this media type") \
  X(416, 416, INVALID, NEVER, false, "no such range") \
  X(417, 417, INVALID, NEVER, false, "the server does not do what was expected of it") \
  X(418, 418, INVALID, NEVER, false, "the server refuses for good") \
  X(421, 421, INVALID, NEVER, false, "this server does not answer for the address") \
  X(422, 422, INVALID, NEVER, false, "the content is refused") \
  X(423, 423, INVALID, NEVER, false, "it is locked") \
  X(424, 424, INVALID, NEVER, false, "another request, which failed, was needed first") \
  X(425, 425, THROTTLED, AGAIN, true, "too early") \
  X(426, 426, UNSUPPORTED, NEVER, false, "another protocol is wanted") \
  X(428, 428, INVALID, NEVER, false, "a condition is wanted") \
  X(429, 429, THROTTLED, AGAIN, true, "too many requests") \
  X(431, 431, INVALID, NEVER, false, "the headers are too large") \
  X(451, 451, INVALID, NEVER, false, "the law forbids it") \
  X(400, 499, INVALID, NEVER, false, "the server refuses the request") \
  X(500, 500, SERVER, AGAIN, true, "the server failed") \
  X(501, 501, SERVER, AGAIN, false, "the server cannot do it yet") \
  X(502, 502, SERVER, AGAIN, true, "a gateway got no good answer") \
  X(503, 503, SERVER, AGAIN, true, "the server is overloaded, or being serviced") \
  X(504, 504, SERVER, AGAIN, true, "a gateway got no answer in time") \
  X(505, 505, SERVER, AGAIN, false, "the server cannot do this version of HTTP yet") \
  X(507, 507, SERVER, AGAIN, true, "the server's storage is full") \
  X(508, 508, SERVER, AGAIN, true, "the server went round in circles") \
  X(511, 511, SERVER, AGAIN, true, "the network wants somebody to log in") \
  X(500, 999, SERVER, AGAIN, true, "the server failed") \
  X(0, 299, UNSUPPORTED, NEVER, false, "the answer is no final one")

/* Failure codes: X(code, remedy, soon, why). */
#define AE_FAILURE_CODES(X) \
  X(SYNTAX, AGAIN, false, "the answer is not whole JSON") \
  X(NOT_CLOUDEVENT, AGAIN, false, "the answer holds something that is no event") \
  X(INVALID, NEVER, false, "the request is wrong, and stays so") \
  X(TOO_LARGE, NEVER, false, "request or answer is too large") \
  X(UNSUPPORTED, NEVER, false, "the server does not do it so") \
  X(AUTH, REFRESH, false, "there is no token, or it is not accepted") \
  X(FORBIDDEN, NEVER, false, "a right, a scope or a power is missing") \
  X(NOT_FOUND, NEVER, false, \
    "it is not there (a letter less than a minute after its event: once more, after 10 s)") \
  X(CONFLICT, NEVER, false, "it contradicts what is there") \
  X(THROTTLED, AGAIN, true, "too many requests") \
  X(SERVER, AGAIN, true, "the server failed") \
  X(NETWORK, AGAIN, true, "the name is not resolved, no connection, or a broken one") \
  X(TLS, AGAIN, false, "the certificate or the handshake is refused") \
  X(TIMEOUT, AGAIN, true, "no whole answer in time") \
  X(CANCELLED, AGAIN, false, "the receiver of the bytes ended it") \
  X(MEMORY, AGAIN, false, "there was no memory left") \
  X(STORAGE, AGAIN, false, "a file cannot be read or written")

/* The stages of AE_NETWORK, in the order of AE_STAGES: X(why). Each has the remedy of
** AE_NETWORK. */
#define AE_FAILURE_STAGES(X) \
  X("the host's name is not resolved") \
  X("no connection: refused, or no way there") \
  X("the connection broke off, or the answer is no HTTP")

/*
** Altinn's error numbers: X(number, status, treatment, meaning). Numbers and statuses
** are those of Altinn/altinn-correspondence
** src/Altinn.Correspondence.Application/Errors.cs. A number that is not in the list
** is judged by its status. Treatments:
** - NEVER, AGAIN: the remedies
** - FETCH: the overview has to be fetched first, then the same request succeeds; when it
**   was fetched: never
** - DENIED: never, and the code is "forbidden", also where the status is 401
*/
#define AE_ALTINN_ERRORS(X) \
  X(1001, 404, NEVER, \
    "the letter is not there: purged, never there, or hidden from this caller") \
  X(1002, 400, NEVER, "the title is no plain text") \
  X(1003, 400, NEVER, "the body is no Markdown") \
  X(1005, 400, NEVER, "the files do not match their description") \
  X(1006, 400, NEVER, "a recipient is named twice") \
  X(1007, 400, NEVER, "an attachment that the new letter names is unknown") \
  X(1008, 400, NEVER, "the due date is past") \
  X(1009, 400, NEVER, "the due date is before the time of publishing") \
  X(1013, 400, NEVER, "a sender cannot purge after publishing") \
  X(1014, 400, NEVER, "already purged") \
  X(1015, 400, AGAIN, "the letter has no status yet") \
  X(1016, 400, NEVER, "a letter that is to be confirmed needs a due date") \
  X(1017, 400, NEVER, "an attachment belongs to another sender") \
  X(1018, 400, AGAIN, "an attachment that the new letter names is not published yet") \
  X(1019, 400, NEVER, "the letter has no content") \
  X(1020, 400, NEVER, "the title is empty") \
  X(1021, 400, NEVER, "the body is empty") \
  X(1022, 400, NEVER, "the body is too long") \
  X(1023, 400, NEVER, "the language is none of nb, nn, en") \
  X(1024, 400, FETCH, "the overview has to be fetched before the letter is read") \
  X(1025, 400, FETCH, \
    "the overview has to be fetched before the letter is confirmed; with a token that holds " \
    "altinn:correspondence.write fetching does not count") \
  X(1026, 400, NEVER, "the letter has to be confirmed before it is purged") \
  X(1027, 400, NEVER, "from is later than to") \
  X(1029, 404, NEVER, "the recipient is unknown") \
  X(1030, 422, NEVER, "the recipient has reserved against digital mail") \
  X(1031, 400, NEVER, "the attachment is not available to the recipient") \
  X(1032, 500, AGAIN, "the register of reservations did not answer") \
  X(1034, 409, NEVER, "the idempotency key was used before") \
  X(1035, 400, NEVER, "a reply option is no https address") \
  X(1036, 400, NEVER, "the resource is unknown") \
  X(1037, 400, NEVER, "the title is too long") \
  X(1038, 400, NEVER, "more than 100 attachments") \
  X(1039, 400, NEVER, "the sender's name is no plain text") \
  X(1040, 400, NEVER, "already read") \
  X(1041, 400, NEVER, "already confirmed") \
  X(1042, 400, NEVER, "the summary is too long") \
  X(1043, 400, NEVER, "the letter is part of a transmission of Dialogporten") \
  X(1044, 400, NEVER, "nobody at the recipient can read it") \
  X(1045, 400, NEVER, "a transmission has one recipient only") \
  X(1046, 400, NEVER, "the dialog is another party's") \
  X(1047, 400, NEVER, "an idempotency key goes with one recipient only") \
  X(1048, 400, NEVER, "the dialog's id is none") \
  X(1050, 400, NEVER, "the dialog is another service owner's") \
  X(1051, 400, NEVER, "a transmission has no reply options and no confirmation") \
  X(1052, 400, NEVER, "the kind of transmission is named twice") \
  X(1053, 400, NEVER, "a kind of transmission needs a dialog") \
  X(1054, 404, NEVER, "the dialog is not there") \
  X(1055, 400, NEVER, "an attachment that the new letter names expires too soon") \
  X(1060, 400, NEVER, "the resource is confidential, and the letter is not") \
  X(1061, 400, NEVER, "the letter is confidential, and the resource is not") \
  X(1063, 400, NEVER, "the letter may not be forwarded") \
  X(1064, 400, NEVER, "the letter was forwarded to this address before") \
  X(1065, 400, NEVER, "the letter has to be read before it is forwarded") \
  X(1066, 400, NEVER, "the text of the forwarding is too long") \
  X(1067, 400, NEVER, "the text of the forwarding is no plain text") \
  X(1068, 400, NEVER, "a resource of this level allows no forwarding") \
  X(1069, 400, NEVER, "the attachments are too large to be forwarded") \
  X(2000, 500, AGAIN, "the register of resources did not answer") \
  X(2001, 404, NEVER, "the attachment is not there") \
  X(2002, 502, AGAIN, "the upload failed") \
  X(2003, 400, NEVER, \
    "a letter holds the attachment already: nothing more is uploaded to it") \
  X(2004, 400, NEVER, "the file is empty or too large") \
  X(2005, 400, NEVER, "the attachment was uploaded before") \
  X(2006, 400, NEVER, "the attachment was purged") \
  X(2007, 400, NEVER, "a letter holds the attachment") \
  X(2008, 400, NEVER, "the checksum is another one") \
  X(2009, 400, AGAIN, "the storage has given no address") \
  X(2010, 400, NEVER, "the file has no name") \
  X(2011, 400, NEVER, "the file's name is too long") \
  X(2012, 400, NEVER, "the file's name has characters that are not allowed") \
  X(2013, 400, NEVER, "files of this type are not allowed") \
  X(2016, 400, NEVER, "a sender may no longer download the attachment") \
  X(2017, 400, NEVER, "the attachment's life is too short") \
  X(2018, 400, NEVER, "the attachment has expired") \
  X(2019, 400, NEVER, "the attachment was purged") \
  X(2020, 400, NEVER, "the attachment has expired") \
  X(2021, 400, NEVER, "the file's name is reserved by Windows") \
  X(2022, 408, AGAIN, "the upload was too slow") \
  X(2023, 400, NEVER, "the zip would be larger than 25 MB") \
  X(3001, 404, NEVER, "there is no such template of a notice") \
  X(3002, 400, NEVER, "a notice by e-mail needs subject and text") \
  X(3003, 400, NEVER, "a reminder by e-mail needs subject and text") \
  X(3004, 400, NEVER, "a notice by SMS needs a text") \
  X(3005, 400, NEVER, "a reminder by SMS needs a text") \
  X(3006, 400, NEVER, "a notice by either way needs the texts of both") \
  X(3007, 400, NEVER, "a reminder by either way needs the texts of both") \
  X(3011, 400, NEVER, "an e-mail address of a notice is none") \
  X(3012, 400, NEVER, "a mobile number of a notice is none") \
  X(3015, 400, NEVER, "a notice with the recipient's name takes no address of its own") \
  X(3017, 400, NEVER, "own addresses go with one recipient only") \
  X(3018, 400, NEVER, "a recipient of the notice has several identifiers") \
  X(3019, 400, NEVER, "a recipient of the notice has no identifier") \
  X(3022, 400, NEVER, "addresses that replace the registered ones are missing") \
  X(3024, 400, NEVER, "a notice by both ways needs the texts of both") \
  X(3025, 400, NEVER, "a reminder by both ways needs the texts of both") \
  X(3027, 400, NEVER, "an e-mail address of a forwarding is too long") \
  X(3028, 500, AGAIN, "the e-mail of the forwarding could not be made") \
  X(4001, 401, DENIED, \
    "no access to the resource or the party; a new token does not help, a right does") \
  X(4002, 400, AGAIN, "the party could not be looked up") \
  X(4006, 401, DENIED, "Altinn cannot tell who is calling; a new token does not help") \
  X(4007, 401, DENIED, "Altinn cannot tell who is calling; a new token does not help") \
  X(4009, 400, NEVER, "the resource is of another type") \
  X(4010, 400, NEVER, "the resource is of another type")

/* What is known of a status, a code or a number. All texts are static. */
typedef struct ae_failure {
  int first, last; /* the statuses; of a number: its status, twice; of a code: 0 */
  int32_t number;  /* Altinn's; 0: none */
  ae_code code;
  ae_remedy remedy;
  bool soon;   /* the call itself repeats the request */
  bool fetch;  /* the overview has to be fetched first */
  bool denied; /* a new token does not help */
  const char *why;
} ae_failure;

/* In the order of the lists; each ends with an entry whose `why` is NULL. */
extern const ae_failure ae_failure_statuses[];
extern const ae_failure ae_failure_codes[];
extern const ae_failure ae_failure_numbers[];

/* The entry of a status; any number has one. */
const ae_failure *ae_failure_of_status (int status);
/* The entry of an error number of Altinn; NULL: it is not in the list. */
const ae_failure *ae_failure_of_number (int32_t number);

/* What a stage means, a static string; NULL for AE_NO_STAGE. */
const char *ae_stage_why (ae_stage stage);

/* The name of a remedy, a static string. */
const char *ae_remedy_name (ae_remedy remedy);

#endif
