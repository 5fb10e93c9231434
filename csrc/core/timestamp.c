/*
** timestamp.c: RFC 3339 §5.6, date-time. All fields except the fraction and the offset
** have fixed places.
*/
#include "core/timestamp.h"
#include "core/scan.h"

#define SHORTEST 20u /* 2018-04-05T17:31:00Z */

typedef struct fields {
  uint32_t year, month, day, hour, minute, second;
  int32_t nanoseconds, offset; /* offset in minutes */
} fields;

/* Two digits, known to be such, as a number. */
static inline uint32_t two (const char *at) {
  return (uint32_t)((at[0] - '0') * 10 + (at[1] - '0'));
}

static inline uint64_t load8 (const char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

/*
** Compares eight bytes with a form; 0: they fit it. `form` has a '0' where a digit is
** required; any other byte of it is required as it is. The difference of each byte from
** the form plus the byte of `add` has its upper bit set when the difference is too
** great: `add` is 0x76 for a digit, which may differ from '0' by up to 9, and 0x7F for
** a byte that may not differ.
*/
static inline uint64_t misfit (uint64_t word, const char *form, const char *add) {
  uint64_t difference = word ^ load8(form);
  return (difference | (difference + load8(add))) & UINT64_C(0x8080808080808080);
}

/* RFC 3339 appendix C. */
static bool is_leap (uint32_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint32_t days_in (uint32_t year, uint32_t month) {
  static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : days[month];
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar; the year is
** counted from March, so that the leap day comes last. 400 years, which are
** 146097 days, are added and taken off: no year is below 0. */
static int64_t day_number (uint32_t year, uint32_t month, uint32_t day) {
  uint32_t y = year + 400 - (month <= 2);
  uint32_t m = month > 2 ? month - 3 : month + 9;
  return (int64_t)(y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1) -
         719468 - 146097;
}

/* The date and the time of day up to the seconds: 19 bytes. */
static inline bool read_fixed (const char *t, fields *f) {
  uint64_t letter = load8("\0\0\0\0\0\x20\0\0"); /* T in lower case */
  uint64_t bad = misfit(load8(t), "0000-00-", "vvvv\x7Fvv\x7F") |
                 misfit(load8(t + 5) | letter, "00-00t00", "vv\x7Fvv\x7Fvv") |
                 misfit(load8(t + 11), "00:00:00", "vv\x7Fvv\x7Fvv");
  f->year = two(t) * 100 + two(t + 2);
  f->month = two(t + 5);
  f->day = two(t + 8);
  f->hour = two(t + 11);
  f->minute = two(t + 14);
  f->second = two(t + 17);
  return bad == 0;
}

/* Reads the last `count` (1 to 8) of eight bytes as a number; the other bytes are
** ignored. False: they are not all digits. Neighbours are joined to numbers of two,
** four and eight digits. */
static inline bool read_last (const char *bytes, unsigned count, uint32_t *value) {
  uint64_t word = load8(bytes), zeros = load8("00000000"), difference;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word); /* the first byte is the lowest */
#endif
  difference = (word ^ zeros) >> (64 - 8 * count) << (64 - 8 * count);
  word = (difference * 10 + (difference >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
  word = (word * 100 + (word >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
  *value = (uint32_t)(word * 10000 + (word >> 32));
  return ((difference | (difference + load8("vvvvvvvv"))) & UINT64_C(0x8080808080808080)) == 0;
}

/* The weight, in nanoseconds, of the last digit of a fraction of n digits. */
static const uint32_t weight[] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                  10000,      1000,      100,      10,      1};

/* Reads the usual end of a time: a point, one to eight digits, Z. False: the end has
** another form, which may still be valid. */
static inline bool read_usual_end (ae_slice text, fields *f) {
  size_t count = text.length - 21;
  uint32_t value;
  if (count - 1 > 7 || text.data[19] != '.' || text.data[text.length - 1] != 'Z' ||
      !read_last(text.data + text.length - 9, (unsigned)count, &value))
    return false;
  f->nanoseconds = (int32_t)(value * weight[count]);
  f->offset = 0;
  return true;
}

/* time-secfrac: a point and at least one digit. False: a bare point. */
static bool read_fraction (ae_slice text, size_t *at, fields *f) {
  size_t from = *at + 1, end = from, kept;
  uint32_t value = 0;
  f->nanoseconds = 0;
  if (text.data[*at] != '.') return true;
  while (end < text.length && ae_is_digit(text.data[end])) {
    if (end - from < 9) value = value * 10 + (uint32_t)(text.data[end] - '0');
    end++;
  }
  kept = end - from < 9 ? end - from : 9;
  f->nanoseconds = (int32_t)(value * weight[kept]);
  *at = end;
  return end > from;
}

/* time-offset: Z or a sign, hours and minutes; nothing after it. */
static bool read_offset (ae_slice text, size_t at, fields *f) {
  const char *t = text.data + at;
  size_t left = text.length - at;
  uint32_t hours, minutes;
  f->offset = 0;
  if (left == 1) return (*t | 0x20) == 'z';
  if (left != 6 || (*t != '+' && *t != '-') || t[3] != ':' || !ae_is_digit(t[1]) ||
      !ae_is_digit(t[2]) || !ae_is_digit(t[4]) || !ae_is_digit(t[5]))
    return false;
  hours = two(t + 1);
  minutes = two(t + 4);
  f->offset = (int32_t)(hours * 60 + minutes) * (*t == '-' ? -1 : 1);
  return hours <= 23 && minutes <= 59;
}

/* Whether the minute that begins at `seconds` (UTC) is the last of a month. Only such a
** minute can have a leap second (RFC 3339 §5.7 and appendix D). */
static bool ends_month (int64_t seconds, const fields *f) {
  uint32_t year = f->year, month = f->month;
  int64_t next = seconds + 60;
  for (int i = 0; i < 2; i++) { /* an offset moves the date by a day at most */
    if (next == day_number(year, month, 1) * 86400) return true;
    if (++month > 12) {
      month = 1;
      year++;
    }
  }
  return false;
}

static bool fail (const char **reason, const char *sentence) {
  *reason = sentence;
  return false;
}

/* Reads the rest after the seconds: an optional fraction, then the offset. */
static bool read_end (ae_slice text, fields *f, const char **reason) {
  size_t at = 19;
  if (!read_fraction(text, &at, f)) return fail(reason, "has a decimal point without digits");
  if (at >= text.length || !read_offset(text, at, f))
    return fail(reason, "must end with Z or an offset such as +01:00");
  return true;
}

bool ae_timestamp_parse (ae_slice text, ae_timestamp *out, const char **reason) {
  fields f;
  if (text.length < SHORTEST || !read_fixed(text.data, &f))
    return fail(reason, "is no date and time of RFC 3339");
  if (!read_usual_end(text, &f) && !read_end(text, &f, reason)) return false;
  if (f.month < 1 || f.month > 12 || f.day < 1 ||
      (f.day > 28 && f.day > days_in(f.year, f.month)))
    return fail(reason, "names a day that does not exist");
  if (f.hour > 23 || f.minute > 59 || f.second > 60)
    return fail(reason, "names a time of day that does not exist");
  out->seconds = day_number(f.year, f.month, f.day) * 86400 +
                 (int64_t)(f.hour * 3600 + f.minute * 60) - (int64_t)f.offset * 60;
  out->nanoseconds = f.nanoseconds;
  if (f.second == 60) { /* a leap second is the last instant of its minute */
    if (!ends_month(out->seconds, &f))
      return fail(reason, "has a leap second where none can be");
    f.second = 59;
    out->nanoseconds = 999999999;
  }
  out->seconds += f.second;
  return true;
}
