/*
** event.c: builds an event from attributes, and reads its attributes.
*/
#include "core/event.h"
#include "core/names.h"

void ae_event_begin (ae_event *event, const char *text) {
  event->text = text;
  event->count = 0;
  event->data_kind = AE_NONE;
  event->data = event->data_length = 0;
  memset(event->known, -1, sizeof event->known);
}

bool ae_event_add (ae_event *event, const ae_attribute *attribute) {
  unsigned known = ae_name_known(event->text + attribute->name, attribute->name_length);
  ae_attribute *to;
  if (known > AE_EXTENSION) known = AE_EXTENSION;
  to = ae_event_place(event, known);
  if (to == NULL) return false;
  *to = *attribute;
  to->known = (uint8_t)known;
  return true;
}

ae_slice ae_attribute_name (const ae_event *event, const ae_attribute *attribute) {
  return (ae_slice){event->text + attribute->name, attribute->name_length};
}

ae_slice ae_attribute_text (const ae_event *event, const ae_attribute *attribute) {
  if (attribute->kind != AE_STRING) return (ae_slice){NULL, 0};
  return (ae_slice){event->text + attribute->value, attribute->value_length};
}

ae_slice ae_event_text (const ae_event *event, ae_known known) {
  int32_t index = event->known[known];
  if (index < 0) return (ae_slice){NULL, 0};
  return ae_attribute_text(event, &event->attributes[index]);
}
