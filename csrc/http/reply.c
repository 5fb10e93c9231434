/*
** reply.c: responses of libmicrohttpd, made from answers.
*/
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/private.h"

#define BLOCK_BYTES ((size_t)64 << 10)

/* A body that repeats a pattern and is made while it is sent. */
typedef struct pattern {
  uint64_t cut;
  size_t length;
  char bytes[];
} pattern;

static ssize_t read_pattern (void *context, uint64_t at, char *buffer, size_t size) {
  const pattern *p = context;
  size_t from = (size_t)(at % p->length), done = 0;
  if (p->cut > 0 && at >= p->cut) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (p->cut > 0 && size > p->cut - at) size = (size_t)(p->cut - at);
  while (done < size) {
    size_t part = p->length - from;
    if (part > size - done) part = size - done;
    memcpy(buffer + done, p->bytes + from, part);
    done += part;
    from = 0;
  }
  return (ssize_t)done;
}

static struct MHD_Response *bytes_response (ae_slice body) {
  return MHD_create_response_from_buffer(body.length, (void *)(uintptr_t)body.data,
                                         body.length > 0 ? MHD_RESPMEM_MUST_COPY
                                                         : MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *repeat_response (const ae_http_reply *reply) {
  struct MHD_Response *response;
  pattern *p;
  if (reply->body.length == 0 || reply->size == 0) return bytes_response(AE_LITERAL(""));
  p = malloc(sizeof *p + reply->body.length);
  if (p == NULL) return NULL;
  p->cut = reply->cut;
  p->length = reply->body.length;
  memcpy(p->bytes, reply->body.data, reply->body.length);
  response = MHD_create_response_from_callback(reply->size, BLOCK_BYTES, read_pattern, p,
                                               free);
  if (response == NULL) free(p);
  return response;
}

static struct MHD_Response *file_response (const char *path) {
  struct MHD_Response *response = NULL;
  struct stat status;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return NULL;
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode))
    response = MHD_create_response_from_fd64((uint64_t)status.st_size, file);
  if (response == NULL) close(file);
  return response;
}

static ae_code add_headers (struct MHD_Response *response, const ae_http_reply *reply,
                            ae_error *error) {
  for (size_t i = 0; i < reply->header_count; i++) {
    const ae_header *field = &reply->headers[i];
    if (MHD_add_response_header(response, field->name.data, field->value.data) == MHD_NO)
      return ae_fail(error, AE_INVALID, 0, "HTTP cannot carry the header '%.60s'",
                     field->name.data);
  }
  if (reply->close && MHD_add_response_header(response, "Connection", "close") == MHD_NO)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for a reply");
  return AE_OK;
}

ae_code ae_http_response (const ae_http_reply *reply, struct MHD_Response **response,
                          ae_error *error) {
  ae_code code;
  *response = NULL;
  if (reply->status == 0) return AE_OK;
  if (reply->file != NULL) *response = file_response(reply->file);
  else if (reply->repeat) *response = repeat_response(reply);
  else *response = bytes_response(reply->body);
  if (*response == NULL && reply->file != NULL)
    return ae_fail(error, AE_STORAGE, 0, "the file of the body cannot be read");
  if (*response == NULL) return ae_fail(error, AE_MEMORY, 0, "not enough memory for a reply");
  code = add_headers(*response, reply, error);
  if (code == AE_OK) return AE_OK;
  MHD_destroy_response(*response);
  *response = NULL;
  return code;
}
