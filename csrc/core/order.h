/*
** order.h: an event's attributes sorted by name, for events with so many attributes that
** comparing each with each would be slow.
*/
#ifndef ALTINN_EVENTS_ORDER_H
#define ALTINN_EVENTS_ORDER_H

#include "core/event.h"

/* Up to this many attributes are searched one by one, unsorted. */
#define AE_UNSORTED 16u

/* Fills attributes[0 .. count - 1].order with the indexes of the attributes, sorted by
** name; equal names stay in the order received. Heapsort: needs no memory, and takes
** n log n steps for any input. */
void ae_order_sort (ae_event *event);

/* The attribute at a place of that order. */
static inline const ae_attribute *ae_order_at (const ae_event *event, uint32_t place) {
  return &event->attributes[event->attributes[place].order];
}

#endif
