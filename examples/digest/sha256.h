/* SHA-256 (FIPS 180-4), fed piece by piece. */

#ifndef PLASM_EXAMPLES_SHA256_H
#define PLASM_EXAMPLES_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BLOCK = 64, SHA256_DIGEST = 32 };

struct sha256 {
    uint32_t state[8];
    uint64_t size;               /* bytes taken so far */
    uint8_t block[SHA256_BLOCK]; /* its first size % 64 bytes wait for the block to fill */
};

void sha256_start(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const uint8_t *data, size_t size);
void sha256_finish(struct sha256 *hash, uint8_t digest[SHA256_DIGEST]);

#endif
