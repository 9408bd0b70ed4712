#pragma once

// What Sotto uses of OpenSSL's libcrypto: two AEADs and a block cipher through EVP, with a context that is kept for the life of a key. The
// sequences of calls are here, because two of them are variadic or macros, and because they stay together.

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define SOTTO_EVP_TAG_LENGTH 16

// A context for one key of 32 bytes and one direction, with nonces of 12 bytes; NULL when OpenSSL has no memory for it or
// refuses the key. EVP_CIPHER_CTX_free wipes it.
static inline EVP_CIPHER_CTX *sotto_evp_new(const EVP_CIPHER *cipher, const uint8_t *key, int seals) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL) return NULL;
    if (EVP_CIPHER_get_key_length(cipher) == 32 && EVP_CIPHER_get_iv_length(cipher) == 12 &&
        EVP_CipherInit_ex2(context, cipher, key, NULL, seals, NULL) == 1)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

// Writes `length` bytes of ciphertext and the tag to `output`, which may be `input`. Returns 1, or 0 on failure.
static inline int sotto_evp_seal(EVP_CIPHER_CTX *context, uint8_t *output, const uint8_t *input, size_t length,
                                 const uint8_t *nonce, const uint8_t *ad, size_t ad_length) {
    int written;
    if (length > INT_MAX - SOTTO_EVP_TAG_LENGTH || ad_length > INT_MAX) return 0;
    return EVP_EncryptInit_ex2(context, NULL, NULL, nonce, NULL) == 1 &&
           (ad_length == 0 || EVP_EncryptUpdate(context, NULL, &written, ad, (int)ad_length) == 1) &&
           (length == 0 || EVP_EncryptUpdate(context, output, &written, input, (int)length) == 1) &&
           EVP_EncryptFinal_ex(context, output + length, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, SOTTO_EVP_TAG_LENGTH, output + length) == 1;
}

// Opens `length` bytes with the tag at their end into `output`, which may be `input`. Returns 1, or 0 when the tag is
// wrong: then what was written to `output` is wiped.
static inline int sotto_evp_open(EVP_CIPHER_CTX *context, uint8_t *output, const uint8_t *input, size_t length,
                                 const uint8_t *nonce, const uint8_t *ad, size_t ad_length) {
    int written;
    if (length < SOTTO_EVP_TAG_LENGTH || length > INT_MAX || ad_length > INT_MAX) return 0;
    size_t size = length - SOTTO_EVP_TAG_LENGTH;
    if (EVP_DecryptInit_ex2(context, NULL, NULL, nonce, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, SOTTO_EVP_TAG_LENGTH, (void *)(input + size)) != 1 ||
        (ad_length != 0 && EVP_DecryptUpdate(context, NULL, &written, ad, (int)ad_length) != 1))
        return 0;
    if ((size == 0 || EVP_DecryptUpdate(context, output, &written, input, (int)size) == 1) &&
        EVP_DecryptFinal_ex(context, output + size, &written) == 1)
        return 1;
    OPENSSL_cleanse(output, size);
    return 0;
}

// A context for encrypting single blocks with AES-256 (ECB), key of 32 bytes; NULL when OpenSSL has no memory for it or refuses the key.
static inline EVP_CIPHER_CTX *sotto_evp_block_new(const EVP_CIPHER *cipher, const uint8_t *key) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL) return NULL;
    if (EVP_CIPHER_get_key_length(cipher) == 32 && EVP_CIPHER_get_block_size(cipher) == 16 &&
        EVP_EncryptInit_ex2(context, cipher, key, NULL, NULL) == 1 && EVP_CIPHER_CTX_set_padding(context, 0) == 1)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

// Encrypts one block of 16 bytes. Returns 1, or 0 on failure.
static inline int sotto_evp_block(EVP_CIPHER_CTX *context, uint8_t *output, const uint8_t *input) {
    int written;
    return EVP_EncryptUpdate(context, output, &written, input, 16) == 1 && written == 16;
}
