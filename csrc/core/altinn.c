/*
** altinn.c: the table of calls, and the lists of words that calls take.
*/
#include "core/altinn_private.h"
#include "core/catalogue.h"
#include "core/scan.h"

#define CALL_ENTRY(code, name, method, path, shape) {name, method, path, AE_SHAPE_##shape},
const ae_call_entry ae_call_entries[] = {AE_CALLS(CALL_ENTRY)};
#undef CALL_ENTRY

#define LIST_ENTRY(name) name,
const char *const ae_statuses[] = {AE_STATUSES(LIST_ENTRY) NULL};
const char *const ae_roles[] = {AE_ROLES(LIST_ENTRY) NULL};
#undef LIST_ENTRY

ae_call ae_call_named (ae_slice name) {
  unsigned call = 0;
  while (call < AE_CALL_COUNT &&
         (strlen(ae_call_entries[call].name) != name.length ||
          memcmp(ae_call_entries[call].name, name.data, name.length) != 0))
    call++;
  return (ae_call)call;
}

const char *ae_listed (const char *const *list, ae_slice word) {
  for (; *list; list++) {
    size_t i = 0;
    while (i < word.length && (*list)[i] != '\0' &&
           ae_lower((*list)[i]) == ae_lower(word.data[i]))
      i++;
    if (i == word.length && (*list)[i] == '\0') return *list;
  }
  return NULL;
}

ae_slice ae_resource_id (ae_slice resource) {
  ae_slice prefix = AE_LITERAL(AE_RESOURCE_PREFIX);
  if (!ae_slice_starts(resource, prefix)) return resource;
  return (ae_slice){resource.data + prefix.length, resource.length - prefix.length};
}

bool ae_resource_is_app (ae_slice resource) {
  return ae_slice_starts(ae_resource_id(resource), AE_LITERAL("app_"));
}

ae_slice ae_type_full (ae_slice type) {
  const ae_event_type *known = ae_catalogue_name(type);
  return known ? (ae_slice){known->type, strlen(known->type)} : type;
}
