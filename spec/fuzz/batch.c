/*
** batch.c: any bytes as a batch (libFuzzer). Every element of an accepted
** batch lies inside the input.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/core/event.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  ae_batch batch;
  ae_error error;
  ae_slice text, element;
  char *copy = malloc(size ? size : 1);
  if (copy == NULL) abort();
  if (size) memcpy(copy, data, size);
  text.data = copy;
  text.length = size;
  if (ae_batch_open(&batch, text, &ae_default_limits, &error) == AE_OK) {
    while (ae_batch_next(&batch, &element)) {
      if (element.data < copy || element.data + element.length > copy + size)
        abort();
    }
  }
  free(copy);
  return 0;
}
