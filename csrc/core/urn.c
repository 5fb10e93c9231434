/*
** urn.c: reads URIs (RFC 3986), and the parties in Altinn's URNs and paths.
*/
#include "core/urn.h"

#include "core/scan.h"

/* {====================================================================
** Character classes of RFC 3986 §2 and appendix A
** ===================================================================== */

enum {
  CHAR_SCHEME = 1,  /* ALPHA / DIGIT / "+" / "-" / "." */
  CHAR_REGNAME = 2, /* unreserved / sub-delims */
  CHAR_PATH = 4,    /* pchar / "/", without "%" */
  CHAR_QUERY = 8,   /* pchar / "/" / "?", without "%" */
  CHAR_USER = 16,   /* unreserved / sub-delims / ":" */
  CHAR_HEX = 32
};

#define PLAIN (CHAR_REGNAME | CHAR_PATH | CHAR_QUERY | CHAR_USER)
#define DIGIT (PLAIN | CHAR_SCHEME | CHAR_HEX)
#define ALPHA (PLAIN | CHAR_SCHEME)
#define HEXAL (ALPHA | CHAR_HEX)

static const uint8_t class_of[256] = {['0'] = DIGIT,
                                      ['1'] = DIGIT,
                                      ['2'] = DIGIT,
                                      ['3'] = DIGIT,
                                      ['4'] = DIGIT,
                                      ['5'] = DIGIT,
                                      ['6'] = DIGIT,
                                      ['7'] = DIGIT,
                                      ['8'] = DIGIT,
                                      ['9'] = DIGIT,
                                      ['A'] = HEXAL,
                                      ['B'] = HEXAL,
                                      ['C'] = HEXAL,
                                      ['D'] = HEXAL,
                                      ['E'] = HEXAL,
                                      ['F'] = HEXAL,
                                      ['G'] = ALPHA,
                                      ['H'] = ALPHA,
                                      ['I'] = ALPHA,
                                      ['J'] = ALPHA,
                                      ['K'] = ALPHA,
                                      ['L'] = ALPHA,
                                      ['M'] = ALPHA,
                                      ['N'] = ALPHA,
                                      ['O'] = ALPHA,
                                      ['P'] = ALPHA,
                                      ['Q'] = ALPHA,
                                      ['R'] = ALPHA,
                                      ['S'] = ALPHA,
                                      ['T'] = ALPHA,
                                      ['U'] = ALPHA,
                                      ['V'] = ALPHA,
                                      ['W'] = ALPHA,
                                      ['X'] = ALPHA,
                                      ['Y'] = ALPHA,
                                      ['Z'] = ALPHA,
                                      ['a'] = HEXAL,
                                      ['b'] = HEXAL,
                                      ['c'] = HEXAL,
                                      ['d'] = HEXAL,
                                      ['e'] = HEXAL,
                                      ['f'] = HEXAL,
                                      ['g'] = ALPHA,
                                      ['h'] = ALPHA,
                                      ['i'] = ALPHA,
                                      ['j'] = ALPHA,
                                      ['k'] = ALPHA,
                                      ['l'] = ALPHA,
                                      ['m'] = ALPHA,
                                      ['n'] = ALPHA,
                                      ['o'] = ALPHA,
                                      ['p'] = ALPHA,
                                      ['q'] = ALPHA,
                                      ['r'] = ALPHA,
                                      ['s'] = ALPHA,
                                      ['t'] = ALPHA,
                                      ['u'] = ALPHA,
                                      ['v'] = ALPHA,
                                      ['w'] = ALPHA,
                                      ['x'] = ALPHA,
                                      ['y'] = ALPHA,
                                      ['z'] = ALPHA,
                                      ['-'] = ALPHA,
                                      ['.'] = ALPHA,
                                      ['+'] = ALPHA,
                                      ['_'] = PLAIN,
                                      ['~'] = PLAIN,
                                      ['!'] = PLAIN,
                                      ['$'] = PLAIN,
                                      ['&'] = PLAIN,
                                      ['\''] = PLAIN,
                                      ['('] = PLAIN,
                                      [')'] = PLAIN,
                                      ['*'] = PLAIN,
                                      [','] = PLAIN,
                                      [';'] = PLAIN,
                                      ['='] = PLAIN,
                                      [':'] = CHAR_PATH | CHAR_QUERY | CHAR_USER,
                                      ['@'] = CHAR_PATH | CHAR_QUERY,
                                      ['/'] = CHAR_PATH | CHAR_QUERY,
                                      ['?'] = CHAR_QUERY};

static bool is_class (char c, unsigned wanted) {
  return (class_of[(unsigned char)c] & wanted) != 0;
}

static bool is_letter (char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* }==================================================================== */

/* {====================================================================
** Reading: each `read_…` moves *at to the end of the text of its grammar rule
** ===================================================================== */

static const char BAD_ESCAPE[] = "has a percent sign without two hexadecimal digits";

/* Passes over characters of a class and percent-encoded octets. */
static bool read_run (const char **at, const char *end, unsigned wanted) {
  const char *p = *at;
  for (;;) {
    while (p < end && is_class(*p, wanted)) p++;
    if (p == end || *p != '%') break;
    if (end - p < 3 || !is_class(p[1], CHAR_HEX) || !is_class(p[2], CHAR_HEX)) {
      *at = p;
      return false;
    }
    p += 3;
  }
  *at = p;
  return true;
}

/* dec-octet: 0-255 without a leading zero. */
static bool read_octet (const char **at, const char *end) {
  const char *p = *at;
  unsigned value = 0;
  while (p < end && p - *at < 3 && *p >= '0' && *p <= '9')
    value = value * 10 + (unsigned)(*p++ - '0');
  if (p == *at || value > 255 || (**at == '0' && p - *at > 1)) return false;
  *at = p;
  return true;
}

/* Whether the text is exactly an IPv4address. */
static bool is_ipv4 (const char *p, const char *end) {
  for (int i = 0; i < 4; i++) {
    if (i > 0 && (p == end || *p++ != '.')) return false;
    if (!read_octet(&p, end)) return false;
  }
  return p == end;
}

/* The length of a run of one to four hexadecimal digits; 0: there is none, or it is
** longer. */
static ptrdiff_t hex_group (const char *p, const char *end) {
  ptrdiff_t n = 0;
  while (p + n < end && is_class(p[n], CHAR_HEX)) n++;
  return n > 4 ? 0 : n;
}

/* Whether the text is exactly an IPv6address (RFC 3986 §3.2.2). */
static bool is_ipv6 (const char *p, const char *end) {
  int groups = 0;
  bool elided = false;
  if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
    elided = true;
    p += 2;
  }
  while (p < end) {
    if (is_ipv4(p, end)) {
      groups += 2;
      break;
    }
    ptrdiff_t digits = hex_group(p, end);
    if (digits == 0 || ++groups > 8) return false;
    p += digits;
    if (p == end) break;
    if (*p++ != ':' || p == end) return false;
    if (*p == ':') {
      if (elided) return false;
      elided = true;
      p++;
    }
  }
  return elided ? groups <= 7 : groups == 8;
}

/* IPvFuture: "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool is_ip_future (const char *p, const char *end) {
  if (p == end || (*p != 'v' && *p != 'V')) return false;
  const char *digits = ++p;
  while (p < end && is_class(*p, CHAR_HEX)) p++;
  if (p == digits || p == end || *p++ != '.' || p == end) return false;
  while (p < end && is_class(*p, CHAR_USER)) p++;
  return p == end;
}

static bool read_port (const char **at, const char *end) {
  const char *p = *at;
  if (p < end && *p == ':') {
    p++;
    while (p < end && *p >= '0' && *p <= '9') p++;
  }
  *at = p;
  return p == end || *p == '/' || *p == '?' || *p == '#';
}

static bool read_ip_literal (const char **at, const char *end, const char **reason) {
  const char *open = *at + 1;
  const char *close = memchr(open, ']', (size_t)(end - open));
  if (!close || (!is_ipv6(open, close) && !is_ip_future(open, close))) {
    *reason = "has no IP address between the brackets";
    return false;
  }
  *at = close + 1;
  return true;
}

/* authority = [ userinfo "@" ] host [ ":" port ], after the two slashes. */
static bool read_authority (const char **at, const char *end, const char **reason) {
  const char *p = *at;
  *reason = BAD_ESCAPE;
  if (!read_run(&p, end, CHAR_USER)) return false;
  if (p < end && *p == '@') *at = ++p;
  else p = *at;
  *reason = "has a malformed authority";
  if (p < end && *p == '[') {
    if (!read_ip_literal(&p, end, reason)) return false;
    *reason = "has a malformed authority";
  } else if (!read_run(&p, end, CHAR_REGNAME)) {
    *reason = BAD_ESCAPE;
    return false;
  }
  if (!read_port(&p, end)) return false;
  *at = p;
  return true;
}

/* [ "?" query ] [ "#" fragment ] to the end. */
static bool read_rest (const char *p, const char *end, const char **reason) {
  *reason = BAD_ESCAPE;
  if (p < end && *p == '?') {
    p++;
    if (!read_run(&p, end, CHAR_QUERY)) return false;
  }
  if (p < end && *p == '#') {
    p++;
    if (!read_run(&p, end, CHAR_QUERY)) return false;
  }
  *reason = "holds a character that no URI may hold";
  return p == end;
}

/* Length of `scheme ":"` at the start, 0 when there is none. */
static size_t scheme_length (const char *p, const char *end) {
  const char *start = p;
  if (p == end || !is_letter(*p)) return 0;
  while (p < end && is_class(*p, CHAR_SCHEME)) p++;
  return p < end && *p == ':' ? (size_t)(p - start) + 1 : 0;
}

static bool read_hierarchy (const char *p, const char *end, bool relative,
                            const char **reason) {
  if (end - p >= 2 && p[0] == '/' && p[1] == '/') {
    p += 2;
    if (!read_authority(&p, end, reason)) return false;
    relative = false;
  }
  const char *path = p;
  *reason = BAD_ESCAPE;
  if (!read_run(&p, end, CHAR_PATH)) return false;
  if (relative) { /* path-noscheme: no colon in the first segment */
    const char *slash = memchr(path, '/', (size_t)(p - path));
    const char *stop = slash ? slash : p;
    if (memchr(path, ':', (size_t)(stop - path))) {
      *reason = "has something before the colon that is no scheme";
      return false;
    }
  }
  return read_rest(p, end, reason);
}

/* }==================================================================== */

/* Whether a character is common: nearly all addresses have only letters, digits, "-",
** "." and "/". '-' to '9' are in a row in ASCII. */
static inline bool is_common (char c) {
  return (c >= '-' && c <= '9') || is_letter(c);
}

#ifdef AE_SSE2
/* is_common for all of 16 bytes. Each range is moved to the top of the signed numbers,
** where one comparison tests it. Setting the bit of lower case in '-' to '9' gives no
** letter. */
static inline bool are_common (const char *bytes) {
  __m128i chunk = _mm_loadu_si128((const __m128i *)(const void *)bytes);
  __m128i lower = _mm_or_si128(chunk, _mm_set1_epi8(0x20));
  __m128i letter = _mm_cmpgt_epi8(_mm_add_epi8(lower, _mm_set1_epi8(127 - 'z')),
                                  _mm_set1_epi8(127 - 26));
  __m128i digit = _mm_cmpgt_epi8(_mm_add_epi8(chunk, _mm_set1_epi8(127 - '9')),
                                 _mm_set1_epi8(127 - ('9' - '-' + 1)));
  return _mm_movemask_epi8(_mm_or_si128(letter, digit)) == 0xFFFF;
}
#endif

/* Whether an address has the usual form: "https://", then common characters only. In any
** order these are a valid host name and a path (RFC 3986 §3). False: another form, which
** may still be valid. */
static bool is_common_address (ae_slice text) {
  size_t at = 8;
  if (!ae_slice_starts(text, AE_LITERAL("https://"))) return false;
#ifdef AE_SSE2
  for (; text.length - at >= 16; at += 16)
    if (!are_common(text.data + at)) return false;
  if (at < text.length && text.length >= 24) return are_common(text.data + text.length - 16);
#endif
  while (at < text.length && is_common(text.data[at])) at++;
  return at == text.length;
}

bool ae_uri_reference (ae_slice text, const char **reason) {
  const char *p = text.data, *end = p + text.length;
  if (text.length == 0) return true; /* an empty relative-part */
  if (is_common_address(text)) return true;
  size_t scheme = scheme_length(p, end);
  return read_hierarchy(p + scheme, end, scheme == 0, reason);
}

bool ae_uri_absolute (ae_slice text, const char **reason) {
  const char *p = text.data, *end = p + text.length;
  size_t scheme = text.length > 0 ? scheme_length(p, end) : 0;
  if (scheme == 0) {
    *reason = "has no scheme";
    return false;
  }
  return read_hierarchy(p + scheme, end, false, reason);
}

/* {====================================================================
** Parties: subjects and alternative subjects
** ===================================================================== */

#define AE_PARTY_FORMS(X) \
  X("urn:altinn:organization:identifier-no:", AE_PARTY_ORGANISATION) \
  X("urn:altinn:person:identifier-no:", AE_PARTY_PERSON) \
  X("urn:altinn:person:idporten-email:", AE_PARTY_EMAIL) \
  X("urn:altinn:person:legacy-selfidentified:", AE_PARTY_SELF_IDENTIFIED) \
  X("urn:altinn:partyid:", AE_PARTY_ID) \
  X("urn:altinn:party:uuid:", AE_PARTY_UUID) \
  X("/organisation/", AE_PARTY_ORGANISATION) \
  X("/organization/", AE_PARTY_ORGANISATION) \
  X("/org/", AE_PARTY_ORGANISATION) \
  X("/person/", AE_PARTY_PERSON) \
  X("/party/", AE_PARTY_ID)

typedef struct party_form {
  ae_slice prefix;
  ae_party_kind kind;
} party_form;

#define PARTY_FORM(prefix, kind) {{prefix, sizeof(prefix) - 1}, kind},
static const party_form party_forms[] = {AE_PARTY_FORMS(PARTY_FORM)};

/* Drops the prefix from a text that has it. */
static ae_slice without (ae_slice text, ae_slice prefix) {
  if (!ae_slice_starts(text, prefix)) return text;
  return (ae_slice){text.data + prefix.length, text.length - prefix.length};
}

/* The number without its decoration: old numbers may have the register's code, 0192
** (ISO 6523), and Dialogporten's documentation has a second colon:
** identifier-no::987654321. */
static ae_slice organisation_number (ae_slice number) {
  return without(without(number, AE_LITERAL(":")), AE_LITERAL("0192:"));
}

ae_party ae_party_parse (ae_slice text) {
  ae_party party = {AE_PARTY_NONE, {NULL, 0}};
  if (!text.data || text.length == 0) return party;
  party.kind = AE_PARTY_OTHER;
  for (size_t i = 0; i < sizeof(party_forms) / sizeof(*party_forms); i++) {
    const party_form *form = &party_forms[i];
    if (!ae_slice_starts(text, form->prefix)) continue;
    party.kind = form->kind;
    party.number.data = text.data + form->prefix.length;
    party.number.length = text.length - form->prefix.length;
    if (party.kind == AE_PARTY_ORGANISATION) party.number = organisation_number(party.number);
    break;
  }
  return party;
}

size_t ae_percent_decode (ae_slice text, char *out) {
  size_t to = 0;
  for (size_t at = 0; at < text.length; at++) {
    char c = text.data[at];
    int high = c == '%' && at + 2 < text.length ? ae_hex(text.data[at + 1]) : -1;
    int low = high >= 0 ? ae_hex(text.data[at + 2]) : -1;
    if (low >= 0) {
      c = (char)(high * 16 + low);
      at += 2;
    }
    out[to++] = c;
  }
  return to;
}

const char *ae_party_kind_name (ae_party_kind kind) {
#define KIND_NAME(code, name) name,
  static const char *const names[] = {AE_PARTY_KINDS(KIND_NAME)};
#undef KIND_NAME
  return names[kind];
}

bool ae_is_uuid (ae_slice text) {
  if (text.length != 36) return false;
  for (size_t i = 0; i < 36; i++) {
    bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen ? text.data[i] != '-' : ae_hex(text.data[i]) < 0) return false;
  }
  return true;
}

/* }==================================================================== */
