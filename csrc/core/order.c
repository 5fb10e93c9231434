/*
** order.c: sorts the attributes of an event by name, and finds one.
*/
#include "core/order.h"
#include "core/names.h"

static int compare_names (ae_slice a, ae_slice b) {
  size_t shorter = a.length < b.length ? a.length : b.length;
  int sign = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
  if (sign != 0) return sign;
  return a.length < b.length ? -1 : a.length > b.length;
}

/* Whether attribute `a` comes before attribute `b` in the order by name. */
static bool before (const ae_event *event, uint32_t a, uint32_t b) {
  int sign = compare_names(ae_attribute_name(event, &event->attributes[a]),
                           ae_attribute_name(event, &event->attributes[b]));
  return sign < 0 || (sign == 0 && a < b);
}

/* Sifts the item at `root` down within the first `count` items of the heap. */
static void sink (ae_event *event, uint32_t root, uint32_t count) {
  ae_attribute *slots = event->attributes;
  uint32_t moved = slots[root].order;
  for (;;) {
    uint32_t child = 2 * root + 1;
    if (child >= count) break;
    if (child + 1 < count && before(event, slots[child].order, slots[child + 1].order))
      child++;
    if (!before(event, moved, slots[child].order)) break;
    slots[root].order = slots[child].order;
    root = child;
  }
  slots[root].order = moved;
}

void ae_order_sort (ae_event *event) {
  ae_attribute *slots = event->attributes;
  for (uint32_t i = 0; i < event->count; i++) slots[i].order = i;
  for (uint32_t i = event->count / 2; i > 0; i--) sink(event, i - 1, event->count);
  for (uint32_t i = event->count; i > 1; i--) {
    uint32_t greatest = slots[0].order;
    slots[0].order = slots[i - 1].order;
    slots[i - 1].order = greatest;
    sink(event, 0, i - 1);
  }
}

static const ae_attribute *find_sorted (const ae_event *event, ae_slice name) {
  uint32_t low = 0, high = event->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const ae_attribute *attribute = ae_order_at(event, middle);
    int sign = compare_names(ae_attribute_name(event, attribute), name);
    if (sign == 0) return attribute;
    if (sign < 0) low = middle + 1;
    else high = middle;
  }
  return NULL;
}

const ae_attribute *ae_event_find (const ae_event *event, ae_slice name) {
  unsigned known = ae_name_known(name.data, name.length);
  if (known < AE_EXTENSION)
    return event->known[known] < 0 ? NULL : &event->attributes[event->known[known]];
  if (event->count > AE_UNSORTED) return find_sorted(event, name);
  for (uint32_t i = 0; i < event->count; i++) {
    const ae_attribute *attribute = &event->attributes[i];
    if (attribute->known == AE_EXTENSION &&
        ae_slice_equal(ae_attribute_name(event, attribute), name))
      return attribute;
  }
  return NULL;
}
