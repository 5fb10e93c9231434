/*
** order.h: an event's attributes sorted by name, for events that have so
** many that comparing each with each would cost.
*/
#ifndef ALTINN_EVENTS_ORDER_H
#define ALTINN_EVENTS_ORDER_H

#include "core/event.h"

/* Up to so many attributes are searched one by one, unsorted. */
#define AE_UNSORTED 16u

/* Fills `order` of every slot: attributes[0..count-1].order are indexes by
** name, equal names in the order received. Heapsort: no memory, n log n
** for any input. */
void ae_order_sort (ae_event *event);

/* The attribute at a place of that order. */
static inline const ae_attribute *ae_order_at (const ae_event *event, uint32_t place) {
  return &event->attributes[event->attributes[place].order];
}

#endif
