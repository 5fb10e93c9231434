/*
** marks.c: sweeps a text for the bytes that are not plain, 64 bytes at a time.
*/
#include "core/marks.h"
#include "core/scan.h"

#if defined(AE_SSE2) && defined(__x86_64__)
#define AE_AVX 1
#include <immintrin.h>
#endif

/* Keeps GCC from collecting the stores of write_four in vector registers, which takes
** twice as long. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#define BLOCK 64u

/* A block, and the offset of its first byte in the text. */
typedef struct block {
  const char *bytes;
  uint32_t base;
} block;

/* The range of a sweep: `count` whole blocks in a row, then the bytes of the block
** `last` whose bits are set in `wanted`. */
typedef struct range {
  block first, last;
  uint32_t count;
  uint64_t wanted;
} range;

/* A sweep: writes offsets to `out`, and returns the end of them. It may overwrite the
** AE_MARKS_BEYOND entries behind the end. */
typedef uint32_t *sweep (const range *s, uint32_t *out);

/* The block that follows. */
AE_INLINE void step (block *b) {
  b->bytes += BLOCK;
  b->base += BLOCK;
}

/* --- from the bits of a block to offsets --- */

#ifdef __GNUC__
AE_INLINE unsigned lowest (uint64_t mask) {
  return (unsigned)__builtin_ctzll(mask);
}
#else
AE_INLINE unsigned lowest (uint64_t mask) {
  unsigned n = 0;
  while ((mask >> n & 1) == 0) n++;
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

/* Writes the offsets of all bits of `mask`; `count` is their number. Nearly all blocks
** of an event hold eight marks or fewer. */
AE_INLINE uint32_t *write_block (uint64_t mask, unsigned count, uint32_t base, uint32_t *out) {
  uint32_t *end = out + count;
  mask = write_four(mask, base, out);
  mask = write_four(mask, base, out + 4);
  for (out += 8; out < end; out += 4) mask = write_four(mask, base, out);
  return end;
}

/* --- from bytes to bits --- */

/* The number of bits set: summed in pairs, in fours, in bytes, in all. */
static inline unsigned bits_in (uint64_t mask) {
  mask -= mask >> 1 & UINT64_C(0x5555555555555555);
  mask = (mask & UINT64_C(0x3333333333333333)) + (mask >> 2 & UINT64_C(0x3333333333333333));
  mask = (mask + (mask >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
  return (unsigned)(mask * UINT64_C(0x0101010101010101) >> 56);
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* ae_special_mask for eight bytes in a word. The sums have seven bits each, so none
** carries into the next byte. The product brings the upper bits of the bytes together. */
static inline uint64_t special_mask_8 (const char *bytes) {
  uint64_t word, low, plain;
  memcpy(&word, bytes, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word); /* the first byte is the lowest */
#endif
  low = word & EACH(0x7F);
  plain = ((low ^ EACH('"')) + EACH(0x7F)) & ((low ^ EACH('\\')) + EACH(0x7F)) &
          (low + EACH(0x60)) & ~(low + EACH(1)) & ~word;
  return (~plain >> 7 & EACH(1)) * UINT64_C(0x0102040810204080) >> 56;
}

static inline uint64_t mask_words (const char *bytes) {
  uint64_t mask = 0;
  for (unsigned i = 0; i < 8; i++) mask |= special_mask_8(bytes + 8 * i) << 8 * i;
  return mask;
}

/* A sweep, with the functions that find and count the bits of a block. Both are inlined
** where the compiler inlines this function. */
AE_INLINE uint32_t *sweep_by (const range *s, uint32_t *out,
                              uint64_t (*mask_of)(const char *bytes),
                              unsigned (*count_of)(uint64_t mask)) {
  uint64_t mask;
  block at = s->first;
  for (uint32_t i = 0; i < s->count; i++, step(&at)) {
    mask = mask_of(at.bytes);
    out = write_block(mask, count_of(mask), at.base, out);
  }
  mask = mask_of(s->last.bytes) & s->wanted;
  return write_block(mask, count_of(mask), s->last.base, out);
}

/* Without vectors. */
static uint32_t *sweep_words (const range *s, uint32_t *out) {
  return sweep_by(s, out, mask_words, bits_in);
}

#ifdef AE_SSE2
static inline uint64_t mask_sse2 (const char *bytes) {
  uint64_t low = ae_special_mask(bytes) | ae_special_mask(bytes + 16) << 16;
  uint64_t high = ae_special_mask(bytes + 32) | ae_special_mask(bytes + 48) << 16;
  return low | high << 32;
}

static uint32_t *sweep_sse2 (const range *s, uint32_t *out) {
  return sweep_by(s, out, mask_sse2, bits_in);
}
#endif

#ifdef AE_AVX
#define AE_TARGET_2 __attribute__((target("avx2,bmi,popcnt")))
#define AE_TARGET_512 __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")))

/* ae_special_mask for 32 bytes. */
AE_TARGET_2 static inline uint64_t special_mask_32 (const char *bytes) {
  __m256i chunk = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
  __m256i above = _mm256_add_epi8(chunk, _mm256_set1_epi8(1));
  __m256i outside = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), above);
  __m256i quote = _mm256_cmpeq_epi8(chunk, _mm256_set1_epi8('"'));
  __m256i escape = _mm256_cmpeq_epi8(chunk, _mm256_set1_epi8('\\'));
  return (uint32_t)_mm256_movemask_epi8(
    _mm256_or_si256(outside, _mm256_or_si256(quote, escape)));
}

AE_TARGET_2 static inline uint64_t mask_avx2 (const char *bytes) {
  return special_mask_32(bytes) | special_mask_32(bytes + 32) << 32;
}

AE_TARGET_2 static inline unsigned bits_in_avx2 (uint64_t mask) {
  return (unsigned)_mm_popcnt_u64(mask);
}

AE_TARGET_2 static uint32_t *sweep_avx2 (const range *s, uint32_t *out) {
  return sweep_by(s, out, mask_avx2, bits_in_avx2);
}

/* Writes sixteen offsets, which `offsets` has as bytes. */
AE_TARGET_512 static inline void write_sixteen (__m128i offsets, __m512i base, uint32_t *out) {
  _mm512_storeu_si512(out, _mm512_add_epi32(_mm512_cvtepu8_epi32(offsets), base));
}

/* Writes the offsets of the bits of `mask`: one instruction compresses the offsets of
** the set bits. Nearly all blocks of an event hold sixteen marks or fewer. */
AE_TARGET_512 static inline uint32_t *write_pressed (uint64_t mask, __m512i order,
                                                     uint32_t base, uint32_t *out) {
  unsigned count = (unsigned)_mm_popcnt_u64(mask);
  __m512i from = _mm512_set1_epi32((int)base);
  __m512i offsets = _mm512_maskz_compress_epi8(mask, order);
  write_sixteen(_mm512_castsi512_si128(offsets), from, out);
  if (count > 16) {
    write_sixteen(_mm512_extracti32x4_epi32(offsets, 1), from, out + 16);
    write_sixteen(_mm512_extracti32x4_epi32(offsets, 2), from, out + 32);
    write_sixteen(_mm512_extracti32x4_epi32(offsets, 3), from, out + 48);
  }
  return out + count;
}

/* ae_special_mask for 64 bytes. A table of 128 entries, in two halves, tells which ASCII
** characters are marks; bytes beyond ASCII are marks by their upper bit. */
AE_TARGET_512 static inline uint64_t mask_avx512 (const char *bytes, __m512i below_64,
                                                  __m512i from_64) {
  __m512i chunk = _mm512_loadu_si512(bytes);
  __m512i special = _mm512_permutex2var_epi8(below_64, chunk, from_64);
  return _mm512_movepi8_mask(_mm512_or_si512(special, chunk));
}

AE_TARGET_512 static uint32_t *sweep_avx512 (const range *s, uint32_t *out) {
  static const unsigned char offsets[BLOCK] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
  __m512i numbers = _mm512_loadu_si512(offsets);
  __m512i below_64 = _mm512_movm_epi8(UINT64_C(0xFFFFFFFF) | UINT64_C(1) << '"');
  __m512i from_64 = _mm512_movm_epi8(UINT64_C(1) << ('\\' - 64) | UINT64_C(1) << (0x7F - 64));
  block at = s->first;
  for (uint32_t i = 0; i < s->count; i++, step(&at))
    out = write_pressed(mask_avx512(at.bytes, below_64, from_64), numbers, at.base, out);
  return write_pressed(mask_avx512(s->last.bytes, below_64, from_64) & s->wanted, numbers,
                       s->last.base, out);
}

static bool has_avx2 (void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("popcnt");
}

static bool has_avx512 (void) {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("popcnt");
}
#endif

static sweep *sweep_for (ae_sweep how) {
#ifdef AE_AVX
  if (how >= AE_SWEEP_AVX512 && has_avx512()) return sweep_avx512;
  if (how >= AE_SWEEP_AVX2 && has_avx2()) return sweep_avx2;
#endif
#ifdef AE_SSE2
  if (how >= AE_SWEEP_SSE2) return sweep_sse2;
#endif
  (void)how;
  return sweep_words;
}

void ae_marks_sweep (ae_marks *marks, ae_slice text, size_t from, ae_sweep how) {
  char padded[BLOCK];
  size_t left = text.length - from;
  size_t wanted = left < AE_MARKS_WINDOW ? left : AE_MARKS_WINDOW, end = from + wanted;
  size_t whole = wanted > 0 ? (wanted - 1) / BLOCK : 0;
  range s = {.count = (uint32_t)whole};
  uint32_t *out;
  if (whole > 0) s.first = (block){text.data + from, (uint32_t)from};
  if (text.length >= BLOCK) { /* the last block ends where the window ends */
    s.last = (block){text.data + end - BLOCK, (uint32_t)(end - BLOCK)};
    s.wanted = wanted > 0 ? UINT64_MAX << (whole * BLOCK + BLOCK - wanted) : 0;
  } else {
    memset(padded, ' ', sizeof padded);
    if (text.length > 0) memcpy(padded, text.data, text.length);
    s.last = (block){padded, 0};
    s.wanted = UINT64_MAX << from;
  }
  out = sweep_for(how)(&s, marks->at);
  marks->end = (uint32_t)end;
  for (unsigned i = 0; i < AE_MARKS_END; i++) out[i] = marks->end;
}
