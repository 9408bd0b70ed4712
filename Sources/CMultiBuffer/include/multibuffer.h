#pragma once

// What Sotto uses of Intel's Multi-Buffer Crypto library (libipsec-mb): two AEADs for one packet at a time. It exists for x86-64 only; elsewhere, and where the
// processor lacks the instructions, nothing is offered.
//
// The functions may be called from any thread. None of them fails; lengths are the caller's business.

#include <stddef.h>
#include <stdint.h>

// What this processor is offered: 0 nothing, 1 AES-256-GCM and ChaCha20-Poly1305, 2 the same with instructions for whole vectors (AVX-512), which make
// ChaCha20-Poly1305 faster than OpenSSL's.
int sotto_mb_level(void);

// A key of 32 bytes, made ready for AES-256-GCM; NULL when there is no memory. Only where the level is not 0.
void *sotto_mb_gcm_new(const uint8_t *key);
// Wipes and frees it.
void sotto_mb_gcm_free(void *key);

// Writes `length` bytes of ciphertext and a tag of 16 to `output`, which may be `input`. Nonces have 12 bytes.
void sotto_mb_gcm_seal(const void *key, uint8_t *output, const uint8_t *input, size_t length, const uint8_t *nonce,
                       const uint8_t *ad, size_t ad_length);
// Opens `length` bytes, the tag of 16 at their end included, into `output`, which may be `input`. Returns 1, or 0 when the tag is wrong or missing: then what
// was written to `output` is wiped.
int sotto_mb_gcm_open(const void *key, uint8_t *output, const uint8_t *input, size_t length, const uint8_t *nonce,
                      const uint8_t *ad, size_t ad_length);

// The same for ChaCha20-Poly1305, with the plain key of 32 bytes.
void sotto_mb_chacha_seal(const uint8_t *key, uint8_t *output, const uint8_t *input, size_t length,
                          const uint8_t *nonce, const uint8_t *ad, size_t ad_length);
int sotto_mb_chacha_open(const uint8_t *key, uint8_t *output, const uint8_t *input, size_t length,
                         const uint8_t *nonce, const uint8_t *ad, size_t ad_length);
