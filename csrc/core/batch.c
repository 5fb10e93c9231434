/*
** batch.c: the elements of a batch (JSON event format §4).
*/
#include "core/event.h"
#include "core/scan.h"

ae_code ae_batch_open (ae_batch *batch, ae_slice text, const ae_limits *limits,
                       ae_error *error) {
  size_t at = ae_scan_blank(text.data, text.length, 0);
  uint32_t depth;
  ae_code code;
  if (limits == NULL) limits = &ae_default_limits;
  if (text.length > limits->max_bytes || text.length > UINT32_MAX / 2)
    return ae_fail(error, AE_TOO_LARGE, 0, "the batch has %zu bytes; the limit is %zu",
                   text.length, limits->max_bytes);
  depth = limits->max_depth < UINT32_MAX ? limits->max_depth + 1 : UINT32_MAX;
  code = ae_json_check(text, depth, error);
  if (code != AE_OK) return code;
  if (text.data[at] != '[')
    return ae_fail(error, AE_NOT_CLOUDEVENT, at + 1, "a batch must be a JSON array");
  batch->text = text;
  batch->at = at + 1;
  batch->index = 0;
  return AE_OK;
}

bool ae_batch_next (ae_batch *batch, ae_slice *element) {
  ae_json json = {batch->text.data, batch->text.length, batch->at, 0, UINT32_MAX};
  ae_json_value value;
  ae_json_blank(&json);
  if (json.at >= json.length || json.text[json.at] == ']') return false;
  if (json.text[json.at] == ',') json.at++;
  if (ae_json_skip(&json, &value, NULL) != AE_OK) return false;
  *element = (ae_slice){json.text + value.at, value.length};
  batch->at = json.at;
  batch->index++;
  return true;
}
