/*
** grant_wrap.c: restores the text of a key or certificate that was changed on its way.
** Settings, vaults, environment variables and editors add a byte order mark, write line
** breaks as "\n" or blanks, indent, or encode the whole text in base64.
*/
#include "net/grant_private.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define LINE 64 /* characters of base64, RFC 7468 §2 */

static bool is_blank (char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static ae_slice from (ae_slice text, size_t count) {
  return (ae_slice){text.data + count, text.length - count};
}

ae_slice ae_grant_trim (ae_slice text) {
  if (ae_slice_starts(text, AE_LITERAL("\xEF\xBB\xBF"))) text = from(text, 3);
  while (text.length > 0 && is_blank(text.data[0])) text = from(text, 1);
  while (text.length > 0 && is_blank(text.data[text.length - 1])) text.length--;
  return text;
}

static const char *find (ae_slice text, const char *what) {
  return text.length > 0 ? memmem(text.data, text.length, what, strlen(what)) : NULL;
}

/* {====================================================================
** PEM blocks
** ===================================================================== */

/* The next word of a block's inside. A written \n or \r separates words: PEM itself has
** no backslash. False: there is no more. */
static bool next_word (ae_slice *inside, ae_slice *word) {
  while (inside->length > 0) {
    char c = inside->data[0];
    bool escape = c == '\\' && inside->length > 1 &&
                  (inside->data[1] == 'n' || inside->data[1] == 'r' || inside->data[1] == 't');
    if (!escape && !is_blank(c)) break;
    *inside = from(*inside, escape ? 2 : 1);
  }
  *word = (ae_slice){inside->data, 0};
  while (word->length < inside->length && !is_blank(inside->data[word->length]) &&
         inside->data[word->length] != '\\')
    word->length++;
  if (word->length == 0 && inside->length > 0) word->length = 1; /* a stray backslash */
  *inside = from(*inside, word->length);
  return word->length > 0;
}

/* Writes the headers of old PEM ("DEK-Info: …"), and the base64 in lines. */
static void add_inside (ae_bytes *out, ae_slice inside) {
  size_t column = 0;
  bool headers = false;
  ae_slice word;
  while (next_word(&inside, &word)) {
    if (word.data[word.length - 1] == ':') {
      ae_bytes_add(out, word);
      ae_bytes_add(out, AE_LITERAL(" "));
      if (next_word(&inside, &word)) ae_bytes_add(out, word);
      ae_bytes_add(out, AE_LITERAL("\n"));
      headers = true;
      continue;
    }
    if (headers) ae_bytes_add(out, AE_LITERAL("\n")); /* an empty line ends the headers */
    headers = false;
    while (word.length > 0) {
      size_t count = word.length < LINE - column ? word.length : LINE - column;
      ae_bytes_add(out, (ae_slice){word.data, count});
      word = from(word, count);
      column += count;
      if (column == LINE) ae_bytes_add(out, AE_LITERAL("\n"));
      if (column == LINE) column = 0;
    }
  }
  if (column > 0) ae_bytes_add(out, AE_LITERAL("\n"));
}

/* Writes one block, from its BEGIN on; *rest: the text behind it. False: the block has
** no end. */
static bool add_block (ae_bytes *out, ae_slice text, ae_slice *rest) {
  ae_slice label = from(text, sizeof BEGIN - 1);
  const char *stop = find(label, DASHES);
  if (stop == NULL) return false;
  ae_slice inside = {stop + 5, (size_t)(text.data + text.length - stop) - 5};
  label.length = (size_t)(stop - label.data);
  const char *end = find(inside, END);
  if (end == NULL) return false;
  *rest = (ae_slice){end, (size_t)(text.data + text.length - end)};
  inside.length = (size_t)(end - inside.data);
  ae_slice tail = from(*rest, sizeof END - 1);
  const char *last = find(tail, DASHES);
  if (last == NULL) return false;
  ae_bytes_add(out, (ae_slice){text.data, (size_t)(stop + 5 - text.data)});
  ae_bytes_add(out, AE_LITERAL("\n"));
  add_inside(out, inside);
  ae_bytes_add(out, (ae_slice){end, (size_t)(last + 5 - end)});
  ae_bytes_add(out, AE_LITERAL("\n"));
  *rest = from(tail, (size_t)(last + 5 - tail.data));
  return true;
}

/* }==================================================================== */

ae_slice ae_grant_lines (ae_slice text, ae_bytes *copy) {
  ae_slice rest = text;
  const char *at;
  while ((at = find(rest, BEGIN)) != NULL) {
    rest = from(rest, (size_t)(at - rest.data));
    if (!add_block(copy, rest, &rest))
      return text; /* the reader of the text will report the fault */
  }
  return copy->failed || copy->length == 0 ? text : ae_bytes_slice(copy);
}

ae_slice ae_grant_unwrap (ae_slice text, ae_bytes *copy) {
  if (text.length > 0 && text.data[0] == 0x30) return text; /* DER, to its last byte */
  text = ae_grant_trim(text);
  if (text.length == 0 || text.data[0] == '{' || text.data[0] == 0x30 || find(text, BEGIN))
    return text;
  if (!ae_bytes_unbase64(copy, text)) return text;
  return ae_grant_trim(ae_bytes_slice(copy));
}
