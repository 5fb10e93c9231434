/*
** sha256.c: see sha256.h. The names are those of FIPS 180-4, sections 4.1.2, 5 and 6.2.
*/
#include "core/sha256.h"

static const uint32_t K[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
  0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
  0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
  0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
  0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
  0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
  0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
  0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2};

static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

AE_INLINE uint32_t rotate (uint32_t x, int bits) {
  return x >> bits | x << (32 - bits);
}

static uint32_t read_word (const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write_word (unsigned char *p, uint32_t word) {
  for (int i = 3; i >= 0; i--, word >>= 8) p[i] = (unsigned char)word;
}

/* The message schedule. */
static void expand (uint32_t W[64], const unsigned char *block) {
  for (int t = 0; t < 16; t++) W[t] = read_word(block + 4 * t);
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotate(W[t - 15], 7) ^ rotate(W[t - 15], 18) ^ W[t - 15] >> 3;
    uint32_t s1 = rotate(W[t - 2], 17) ^ rotate(W[t - 2], 19) ^ W[t - 2] >> 10;
    W[t] = s1 + W[t - 7] + s0 + W[t - 16];
  }
}

static void compress (uint32_t state[8], const unsigned char *block) {
  uint32_t W[64], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4],
                  f = state[5], g = state[6], h = state[7];
  expand(W, block);
  for (int t = 0; t < 64; t++) {
    uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25), choice = (e & f) ^ (~e & g);
    uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    uint32_t T1 = h + s1 + choice + K[t] + W[t], T2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + T1;
    d = c, c = b, b = a, a = T1 + T2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void ae_sha256_begin (ae_sha256 *sum) {
  memcpy(sum->state, start, sizeof sum->state);
  sum->length = 0;
}

void ae_sha256_add (ae_sha256 *sum, const void *bytes, size_t length) {
  const unsigned char *p = bytes;
  while (length > 0) {
    size_t used = sum->length % AE_SHA256_BLOCK, part = AE_SHA256_BLOCK - used;
    if (part > length) part = length;
    memcpy(sum->block + used, p, part);
    sum->length += part;
    p += part;
    length -= part;
    if (used + part == AE_SHA256_BLOCK) compress(sum->state, sum->block);
  }
}

/* Pads: a one, zeros, and the length in bits, which ends a block. */
void ae_sha256_end (ae_sha256 *sum, unsigned char digest[AE_SHA256_BYTES]) {
  static const unsigned char padding[AE_SHA256_BLOCK] = {0x80};
  const uint64_t bits = sum->length * 8;
  const size_t used = sum->length % AE_SHA256_BLOCK;
  unsigned char count[8];
  write_word(count, (uint32_t)(bits >> 32));
  write_word(count + 4, (uint32_t)bits);
  ae_sha256_add(sum, padding, (used < 56 ? 56 : 56 + AE_SHA256_BLOCK) - used);
  ae_sha256_add(sum, count, sizeof count);
  for (size_t i = 0; i < 8; i++) write_word(digest + 4 * i, sum->state[i]);
}

bool ae_same_secret (const char *a, const char *b, size_t length) {
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < length; i++) difference = (unsigned char)(difference | (a[i] ^ b[i]));
  return difference == 0;
}
