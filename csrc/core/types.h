/*
** types.h: the event types that Altinn raises, as two lists. To add one, add
** its entry; events.types in Lua, short names in rules, suggestions,
** events.describe, `altinn-events types` and the table in the README follow
** (`make definitions` writes those for editors).
**
** Sources, on GitHub: Altinn/altinn-correspondence (its enumeration
** src/Altinn.Correspondence.Core/Services/Enums/AltinnEventType.cs and the
** handlers below src/Altinn.Correspondence.Application), Altinn/dialogporten
** (CloudEventTypes.cs), Altinn/altinn-broker (AltinnEventType.cs),
** Altinn/app-lib-dotnet (src/Altinn.App.Core/Internal/Events); and the page
** https://docs.altinn.studio/correspondence/getting-started/developer-guides/events/,
** the "documentation" of the notes.
*/
#ifndef ALTINN_EVENTS_TYPES_H
#define ALTINN_EVENTS_TYPES_H

#define AE_CORRESPONDENCE_PREFIX "no.altinn.correspondence."
#define AE_BROKER_PREFIX "no.altinn.broker."
#define AE_APP_PREFIX "app."
#define AE_DIALOG_PREFIX "dialogporten."

/*
** Types of Correspondence:
** X(name, about, to, raised, once, summary, advice, note).
** - name: what follows AE_CORRESPONDENCE_PREFIX
** - about: the kind of thing whose id stands in resourceinstance
** - to: whose number stands in the subject
** - raised: false when the name is in Altinn's enumeration but no code raises it
** - once: a second event of the type about the same thing and subject is the
**   first one, published again under a new id
** - summary: when it comes
** - advice: what a receiver does with it
** - note: what the documentation does not say, or says otherwise; NULL
*/
#define AE_CORRESPONDENCE_TYPES(X) \
  X("attachmentinitialized", ATTACHMENT, "sender", true, true, \
    "attachment registered, its bytes not yet uploaded", \
    "nothing; attachmentpublished says when the file can be used", \
    "not for files that are uploaded together with their letter") \
  X("attachmentpublished", ATTACHMENT, "sender", true, true, \
    "attachment passed the malware scan", "put the attachment into a letter", \
    "not for resources that Altinn excepts from the scan") \
  X("attachmentuploadfailed", ATTACHMENT, "sender", true, true, \
    "malware was found in the attachment, or the scan failed", \
    "raise the alarm; attachment:details().correspondenceIds names the letters that fail with it", \
    "not for broken uploads; the letters that hold the file fail without an event") \
  X("attachmentexpired", ATTACHMENT, "sender", true, true, \
    "the attachment's latest time of expiry, over all its letters, has passed", \
    "nothing; it cannot be downloaded any more", NULL) \
  X("attachmentuploadprocessing", ATTACHMENT, "sender", false, true, \
    "attachment is being processed", "never wait for it", "listed, and raised by no code") \
  X("attachmentpurged", ATTACHMENT, "sender", false, true, "attachment was deleted", \
    "never wait for it", "listed, and raised by no code") \
  X("attachmentdownloaded", ATTACHMENT, "sender", false, false, "attachment was downloaded", \
    "never wait for it; the letter's history has the status AttachmentsDownloaded", \
    "listed, and raised by no code") \
  X("correspondenceinitialized", LETTER, "sender", true, true, "letter created", \
    "note the letter's id", "not for a recipient who has reserved against digital mail") \
  X("correspondencepublished", LETTER, "recipient", true, true, \
    "letter published to its recipient", "as the recipient: fetch, archive, mark as read", \
    "carries the recipient alone; as sender leave the subject out of when; with files a minute " \
    "or more after the letter was created") \
  X("correspondencepublishfailed", LETTER, "sender", true, true, \
    "letter could not be published", "send it another way; the details' statusText says why", \
    "not when an attachment was infected") \
  X("correspondencearchived", LETTER, "sender", false, true, \
    "letter archived by its recipient", "never wait for it", "listed, and raised by no code") \
  X("correspondencepurged", LETTER, "sender", true, true, "letter deleted, by either side", \
    "note it; the details' status says who deleted it", \
    "goes to the sender also when the recipient deleted the letter; the overview is 404 from then on") \
  X("correspondencereceiverread", LETTER, "sender", true, true, \
    "recipient marked the letter as read, or fetched its content", "stop reminders", \
    "listed for recipients, and never addressed to them") \
  X("correspondencereceiverconfirmed", LETTER, "sender", true, true, \
    "recipient confirmed the letter", "stop reminders; note the receipt", \
    "listed for recipients, and never addressed to them") \
  X("correspondencereceiverneverread", LETTER, "recipient", true, true, \
    "letter not read by its due date", "ask the details, then send it on paper", \
    "comes also for a letter that was deleted unread; not without a due date") \
  X("correspondencereceiverneverconfirmed", LETTER, "recipient", true, true, \
    "letter not confirmed by its due date", \
    "ask the details, then remind or send it on paper", \
    "comes also for a letter that was deleted; not without a due date") \
  X("correspondencereceiverreplied", LETTER, "sender", false, false, "recipient replied", \
    "never wait for it", "listed, and raised by no code") \
  X("correspondencereceiverreserved", LETTER, "sender", false, true, \
    "recipient has reserved against digital mail", \
    "never wait for it; creating the letter is refused, with error 1030", \
    "listed, and raised by no code") \
  X("notificationcreated", ORDER, "sender", true, true, "notification order accepted", \
    "nothing", "one for each order; resourceinstance is the order's id, not the letter's") \
  X("correspondencenotificationcreationfailed", LETTER, "sender", true, false, \
    "a notification order of the letter was not accepted", "tell the recipient another way", \
    NULL) \
  X("correspondencenotificationfailed", LETTER, "sender", true, false, \
    "at least one address of a notification order failed, first notice or reminder", \
    "ask the details: notifications names each address and its outcome", \
    "comes for each order; a delivered one may follow") \
  X("correspondencenotificationallfailed", LETTER, "sender", true, false, \
    "all addresses of an order to the letter's own recipient failed, first notice or reminder", \
    "ask the details for a notice that did arrive, then send it on paper", \
    "comes also for a reminder, after a first notice that arrived; may never come") \
  X("correspondencenotificationdelivered", LETTER, "sender", true, false, \
    "a notification order reached at least one address", "note it", \
    "comes for each order, so several times for a letter; may never come") \
  X("correspondencenotificationreminderdelivered", LETTER, "sender", true, false, \
    "the reminder of a notification order reached at least one address", "note it", \
    "comes for each order")

/*
** The types of other publishers: X(name, type, about, once, summary, advice). Altinn
** raises all of them. Their subject is the party that the event is about.
*/
#define AE_OTHER_TYPES(X) \
  X("validatesubscription", "platform.events.validatesubscription", SUBSCRIPTION, false, \
    "Altinn tries the endpoint of a subscription", "answer 2xx; the host does") \
  AE_DIALOG_TYPES(X) AE_DIALOG_ACTIVITIES(X) AE_BROKER_TYPES(X) AE_APP_TYPES(X)

/* Dialogporten raises these for a letter's dialog, under the letter's
** resource: a subscription without a type filter brings them too. */
#define AE_DIALOG_TYPES(X) \
  X("dialogcreated", AE_DIALOG_PREFIX "dialog.created.v1", DIALOG, true, "dialog created", \
    AE_DIALOG_ADVICE) \
  X("dialogupdated", AE_DIALOG_PREFIX "dialog.updated.v1", DIALOG, false, "dialog changed", \
    AE_DIALOG_ADVICE) \
  X("dialogdeleted", AE_DIALOG_PREFIX "dialog.deleted.v1", DIALOG, false, "dialog deleted", \
    AE_DIALOG_ADVICE) \
  X("dialogrestored", AE_DIALOG_PREFIX "dialog.restored.v1", DIALOG, false, \
    "dialog restored", AE_DIALOG_ADVICE) \
  X("dialogseen", AE_DIALOG_PREFIX "dialog.seen.v1", DIALOG, false, "dialog seen", \
    AE_DIALOG_ADVICE) \
  X("dialogtransmissioncreated", AE_DIALOG_PREFIX "dialog.transmission.created.v1", DIALOG, \
    false, "transmission added to a dialog", AE_DIALOG_ADVICE)

#define AE_DIALOG_ADVICE "ask Dialogporten about the dialog"

#define AE_DIALOG_ACTIVITY(X, name, word, summary) \
  X("dialogactivity" name, AE_DIALOG_PREFIX "dialog.activity." word ".v1", DIALOG, false, \
    "activity of a dialog: " summary, AE_DIALOG_ADVICE)
#define AE_DIALOG_ACTIVITIES(X) \
  AE_DIALOG_ACTIVITY(X, "created", "created", "created") \
  AE_DIALOG_ACTIVITY(X, "closed", "closed", "closed") \
  AE_DIALOG_ACTIVITY(X, "information", "information", "information") \
  AE_DIALOG_ACTIVITY(X, "transmissionopened", "transmission-opened", "transmission opened") \
  AE_DIALOG_ACTIVITY(X, "paymentmade", "payment-made", "payment made") \
  AE_DIALOG_ACTIVITY(X, "signatureprovided", "signature-provided", "signature provided") \
  AE_DIALOG_ACTIVITY(X, "dialogopened", "dialog-opened", "dialog opened") \
  AE_DIALOG_ACTIVITY(X, "dialogdeleted", "dialog-deleted", "dialog deleted") \
  AE_DIALOG_ACTIVITY(X, "dialogrestored", "dialog-restored", "dialog restored") \
  AE_DIALOG_ACTIVITY(X, "senttosigning", "sent-to-signing", "sent to signing") \
  AE_DIALOG_ACTIVITY(X, "senttoformfill", "sent-to-form-fill", "sent to form filling") \
  AE_DIALOG_ACTIVITY(X, "senttosendin", "sent-to-send-in", "sent to sending in") \
  AE_DIALOG_ACTIVITY(X, "senttopayment", "sent-to-payment", "sent to payment") \
  AE_DIALOG_ACTIVITY(X, "formsubmitted", "form-submitted", "form submitted") \
  AE_DIALOG_ACTIVITY(X, "formsaved", "form-saved", "form saved") \
  AE_DIALOG_ACTIVITY(X, "correspondenceopened", "correspondence-opened", "letter opened") \
  AE_DIALOG_ACTIVITY(X, "correspondenceconfirmed", "correspondence-confirmed", \
                     "letter confirmed")

#define AE_BROKER_TYPES(X) \
  X("filetransferinitialized", AE_BROKER_PREFIX "filetransferinitialized", TRANSFER, true, \
    "file transfer registered", AE_BROKER_ADVICE) \
  X("uploadprocessing", AE_BROKER_PREFIX "uploadprocessing", TRANSFER, true, \
    "uploaded file is being scanned", AE_BROKER_ADVICE) \
  X("filepublished", AE_BROKER_PREFIX "published", TRANSFER, true, \
    "file ready for its recipients", "download it from Broker") \
  X("uploadfailed", AE_BROKER_PREFIX "uploadfailed", TRANSFER, true, \
    "malware was found in the file, or the upload failed", "upload it again") \
  X("downloadconfirmed", AE_BROKER_PREFIX "downloadconfirmed", TRANSFER, false, \
    "one recipient confirmed the download", AE_BROKER_ADVICE) \
  X("allconfirmeddownloaded", AE_BROKER_PREFIX "allconfirmeddownloaded", TRANSFER, true, \
    "all recipients confirmed the download", AE_BROKER_ADVICE) \
  X("filepurged", AE_BROKER_PREFIX "filepurged", TRANSFER, true, "file deleted", \
    AE_BROKER_ADVICE) \
  X("fileneverconfirmeddownloaded", AE_BROKER_PREFIX "fileneverconfirmeddownloaded", \
    TRANSFER, true, "file expired before all had confirmed the download", \
    "send it another way")

#define AE_BROKER_ADVICE "note it"

#define AE_APP_TYPES(X) \
  X("instancecreated", AE_APP_PREFIX "instance.created", INSTANCE, true, \
    "instance of an app created", AE_APP_ADVICE) \
  X("processcompleted", AE_APP_PREFIX "instance.process.completed", INSTANCE, true, \
    "process of an app instance completed", AE_APP_ADVICE) \
  X("substatuschanged", AE_APP_PREFIX "instance.substatus.changed", INSTANCE, false, \
    "sub-status of an app instance changed", AE_APP_ADVICE)

#define AE_APP_ADVICE "fetch the instance from its source"

#endif
