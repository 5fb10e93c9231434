/*
** marks.c: sweeping a text for the bytes that are not plain, 64 at a time.
*/
#include "marks.h"
#include "scan.h"

#if defined(AE_SSE2) && defined(__x86_64__)
#define AE_AVX2 1
#include <immintrin.h>
#endif

#define BLOCK 64u

/* A sweep over `blocks` whole blocks. Marks become `base` plus their
** offset in `bytes`; those among the first `skip` bytes (less than a block)
** are left out. Returns the end of what it wrote; it may scribble on the
** eight entries after that. */
typedef uint32_t *sweep (const char *bytes, size_t blocks, uint32_t base,
                         unsigned skip, uint32_t *out);

#ifdef __GNUC__
#define AE_INLINE static inline __attribute__((always_inline))
#else
#define AE_INLINE static inline
#endif

/* --- from the bits of a block to offsets --- */

#ifdef __GNUC__
AE_INLINE unsigned lowest (uint64_t mask) { return (unsigned)__builtin_ctzll(mask); }
AE_INLINE unsigned bits_in (uint64_t mask) { return (unsigned)__builtin_popcountll(mask); }
#else
AE_INLINE unsigned lowest (uint64_t mask) {
  unsigned n = 0;
  while ((mask >> n & 1) == 0) n++;
  return n;
}
AE_INLINE unsigned bits_in (uint64_t mask) {
  unsigned n = 0;
  for (; mask != 0; mask &= mask - 1) n++;
  return n;
}
#endif

/* Writes the offsets of four bits and clears them. Without bits left it
** writes nonsense instead of branching. */
AE_INLINE uint64_t write_four (uint64_t mask, uint32_t base, uint32_t *out) {
  const uint64_t stop = UINT64_C(1) << 63;
  out[0] = base + lowest(mask | stop);
  mask &= mask - 1;
  out[1] = base + lowest(mask | stop);
  mask &= mask - 1;
  out[2] = base + lowest(mask | stop);
  mask &= mask - 1;
  out[3] = base + lowest(mask | stop);
  return mask & (mask - 1);
}

/* Nearly all blocks of an event hold eight marks or fewer. */
AE_INLINE uint32_t *write_block (uint64_t mask, uint32_t base, uint32_t *out) {
  uint32_t *end = out + bits_in(mask);
  mask = write_four(mask, base, out);
  mask = write_four(mask, base, out + 4);
  for (out += 8; out < end; out += 4) mask = write_four(mask, base, out);
  return end;
}

/* --- from bytes to bits --- */

static uint32_t *sweep_bytes (const char *bytes, size_t blocks, uint32_t base,
                              unsigned skip, uint32_t *out) {
  for (size_t i = skip; i < blocks * BLOCK; i++)
    if (!ae_byte_plain(bytes[i])) *out++ = base + (uint32_t)i;
  return out;
}

#ifdef AE_SSE2
static uint32_t *sweep_sse2 (const char *bytes, size_t blocks, uint32_t base,
                             unsigned skip, uint32_t *out) {
  uint64_t wanted = UINT64_MAX << skip;
  for (; blocks > 0; blocks--, bytes += BLOCK, base += BLOCK) {
    uint64_t low = ae_special_mask(bytes) | ae_special_mask(bytes + 16) << 16;
    uint64_t high = ae_special_mask(bytes + 32) | ae_special_mask(bytes + 48) << 16;
    out = write_block((low | high << 32) & wanted, base, out);
    wanted = UINT64_MAX;
  }
  return out;
}
#endif

#ifdef AE_AVX2
#define AE_TARGET __attribute__((target("avx2,bmi,popcnt")))

/* What ae_special_mask does, for 32 bytes. */
AE_TARGET static inline uint64_t special_mask_32 (const char *bytes) {
  __m256i chunk = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
  __m256i above = _mm256_add_epi8(chunk, _mm256_set1_epi8(1));
  __m256i outside = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), above);
  __m256i quote = _mm256_cmpeq_epi8(chunk, _mm256_set1_epi8('"'));
  __m256i escape = _mm256_cmpeq_epi8(chunk, _mm256_set1_epi8('\\'));
  return (uint32_t)_mm256_movemask_epi8(
      _mm256_or_si256(outside, _mm256_or_si256(quote, escape)));
}

AE_TARGET static uint32_t *sweep_avx2 (const char *bytes, size_t blocks, uint32_t base,
                                       unsigned skip, uint32_t *out) {
  uint64_t wanted = UINT64_MAX << skip;
  for (; blocks > 0; blocks--, bytes += BLOCK, base += BLOCK) {
    uint64_t mask = special_mask_32(bytes) | special_mask_32(bytes + 32) << 32;
    out = write_block(mask & wanted, base, out);
    wanted = UINT64_MAX;
  }
  return out;
}

static bool has_avx2 (void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("popcnt");
}
#endif

static sweep *sweep_for (ae_sweep how) {
#ifdef AE_AVX2
  if ((how == AE_SWEEP_BEST || how == AE_SWEEP_AVX2) && has_avx2()) return sweep_avx2;
#endif
#ifdef AE_SSE2
  if (how != AE_SWEEP_BYTES) return sweep_sse2;
#endif
  (void)how;
  return sweep_bytes;
}

/* The last bytes of a text, less than a block: seen through a block that
** ends where the text ends, or through a padded copy of a short text. */
static uint32_t *sweep_rest (sweep *run, ae_slice text, size_t at, uint32_t *out) {
  char padded[BLOCK];
  size_t from = text.length - BLOCK;
  if (text.length >= BLOCK)
    return run(text.data + from, 1, (uint32_t)from, (unsigned)(at - from), out);
  memset(padded, ' ', sizeof padded);
  memcpy(padded, text.data, text.length);
  return run(padded, 1, 0, (unsigned)at, out);
}

void ae_marks_sweep (ae_marks *marks, ae_slice text, size_t from, ae_sweep how) {
  sweep *run = sweep_for(how);
  size_t left = text.length - from;
  size_t wanted = left < AE_MARKS_WINDOW ? left : AE_MARKS_WINDOW;
  size_t whole = wanted / BLOCK;
  uint32_t *out = run(text.data + from, whole, (uint32_t)from, 0, marks->at);
  if (wanted % BLOCK != 0) out = sweep_rest(run, text, from + whole * BLOCK, out);
  marks->end = (uint32_t)(from + wanted);
  for (unsigned i = 0; i < AE_MARKS_BEYOND; i++) out[i] = marks->end;
}
