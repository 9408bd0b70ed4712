#include "multibuffer.h"

#if defined(__x86_64__)

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 16 };

// Written once, before anything is read of it. Of the manager only its table of functions is used, which keep no state in it.
static IMB_MGR *manager;
static int level;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void) {
    IMB_ARCH architecture = IMB_ARCH_NONE;
    IMB_MGR *made = alloc_mb_mgr(0);
    if (made == NULL) return;
    init_mb_mgr_auto(made, &architecture);
    const uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    if (imb_get_errno(made) != 0 || (made->features & needed) != needed || made->gcm256_enc == NULL ||
        made->chacha20_poly1305_init == NULL) {
        free_mb_mgr(made);
        return;
    }
    manager = made;
    level = architecture >= IMB_ARCH_AVX512 ? 2 : 1;
}

int sotto_mb_level(void) {
    pthread_once(&once, prepare);
    return level;
}

void *sotto_mb_gcm_new(const uint8_t *key) {
    struct gcm_key_data *made = aligned_alloc(64, (sizeof *made + 63) / 64 * 64);
    if (made != NULL) IMB_AES256_GCM_PRE(manager, key, made);
    return made;
}

void sotto_mb_gcm_free(void *key) {
    OPENSSL_cleanse(key, sizeof(struct gcm_key_data));
    free(key);
}

// Wipes what was opened unless the tag is right; compared in constant time.
static int judge(uint8_t *output, size_t length, const uint8_t *tag, const uint8_t *expected) {
    if (CRYPTO_memcmp(tag, expected, TAG) == 0) return 1;
    if (length > 0) OPENSSL_cleanse(output, length);
    return 0;
}

void sotto_mb_gcm_seal(const void *key, uint8_t *output, const uint8_t *input, size_t length, const uint8_t *nonce,
                       const uint8_t *ad, size_t ad_length) {
    struct gcm_context_data state;
    IMB_AES256_GCM_ENC(manager, key, &state, output, input, length, nonce, ad, ad_length, output + length, TAG);
    OPENSSL_cleanse(&state, sizeof state);
}

int sotto_mb_gcm_open(const void *key, uint8_t *output, const uint8_t *input, size_t length, const uint8_t *nonce,
                      const uint8_t *ad, size_t ad_length) {
    if (length < TAG) return 0;
    struct gcm_context_data state;
    uint8_t expected[TAG], tag[TAG];
    memcpy(tag, input + length - TAG, TAG);
    IMB_AES256_GCM_DEC(manager, key, &state, output, input, length - TAG, nonce, ad, ad_length, expected, TAG);
    OPENSSL_cleanse(&state, sizeof state);
    int is_right = judge(output, length - TAG, tag, expected);
    OPENSSL_cleanse(expected, TAG);
    return is_right;
}

void sotto_mb_chacha_seal(const uint8_t *key, uint8_t *output, const uint8_t *input, size_t length,
                          const uint8_t *nonce, const uint8_t *ad, size_t ad_length) {
    struct chacha20_poly1305_context_data state;
    IMB_CHACHA20_POLY1305_INIT(manager, key, &state, nonce, ad, ad_length);
    if (length > 0) IMB_CHACHA20_POLY1305_ENC_UPDATE(manager, key, &state, output, input, length);
    IMB_CHACHA20_POLY1305_ENC_FINALIZE(manager, &state, output + length, TAG);
    OPENSSL_cleanse(&state, sizeof state);
}

int sotto_mb_chacha_open(const uint8_t *key, uint8_t *output, const uint8_t *input, size_t length,
                         const uint8_t *nonce, const uint8_t *ad, size_t ad_length) {
    if (length < TAG) return 0;
    struct chacha20_poly1305_context_data state;
    uint8_t expected[TAG], tag[TAG];
    memcpy(tag, input + length - TAG, TAG);
    IMB_CHACHA20_POLY1305_INIT(manager, key, &state, nonce, ad, ad_length);
    if (length > TAG) IMB_CHACHA20_POLY1305_DEC_UPDATE(manager, key, &state, output, input, length - TAG);
    IMB_CHACHA20_POLY1305_DEC_FINALIZE(manager, &state, expected, TAG);
    OPENSSL_cleanse(&state, sizeof state);
    int is_right = judge(output, length - TAG, tag, expected);
    OPENSSL_cleanse(expected, TAG);
    return is_right;
}

#else

int sotto_mb_level(void) { return 0; }
void *sotto_mb_gcm_new(const uint8_t *key) {
    (void)key;
    return NULL;
}
void sotto_mb_gcm_free(void *key) { (void)key; }
void sotto_mb_gcm_seal(const void *key, uint8_t *output, const uint8_t *input, size_t length, const uint8_t *nonce,
                       const uint8_t *ad, size_t ad_length) {
    (void)key, (void)output, (void)input, (void)length, (void)nonce, (void)ad, (void)ad_length;
}
int sotto_mb_gcm_open(const void *key, uint8_t *output, const uint8_t *input, size_t length, const uint8_t *nonce,
                      const uint8_t *ad, size_t ad_length) {
    (void)key, (void)output, (void)input, (void)length, (void)nonce, (void)ad, (void)ad_length;
    return 0;
}
void sotto_mb_chacha_seal(const uint8_t *key, uint8_t *output, const uint8_t *input, size_t length,
                          const uint8_t *nonce, const uint8_t *ad, size_t ad_length) {
    (void)key, (void)output, (void)input, (void)length, (void)nonce, (void)ad, (void)ad_length;
}
int sotto_mb_chacha_open(const uint8_t *key, uint8_t *output, const uint8_t *input, size_t length,
                         const uint8_t *nonce, const uint8_t *ad, size_t ad_length) {
    (void)key, (void)output, (void)input, (void)length, (void)nonce, (void)ad, (void)ad_length;
    return 0;
}

#endif
