// Sixteen floats at a time, loaded from and stored to float or bfloat16: AVX-512 with its bfloat16 instructions
// where the compiler's target has them, otherwise the vector extensions of GCC and Clang, for any machine.
// `-DPORTABLE` takes the second everywhere, for tests.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t b16;
#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512BF16__) && \
    !defined(PORTABLE)
#include <immintrin.h>

typedef __m512 vec;
typedef __mmask16 lanes;

// The lanes lo <= j < hi; both may lie outside 0..16.
INLINE lanes below(int n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (lanes)((1u << n) - 1); }
INLINE lanes between(int lo, int hi) { return below(hi) & ~below(lo); }
INLINE int any(lanes m) { return m != 0; }
INLINE vec all(float v) { return _mm512_set1_ps(v); }
INLINE vec load_f32(const float *p, lanes m) { return _mm512_maskz_loadu_ps(m, p); }
INLINE vec load_b16(const b16 *p, lanes m) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, p)), 16));
}
INLINE void store_f32(float *p, lanes m, vec v) { _mm512_mask_storeu_ps(p, m, v); }
INLINE void store_b16(b16 *p, lanes m, vec v) { _mm256_mask_storeu_epi16(p, m, (__m256i)_mm512_cvtneps_pbh(v)); }
INLINE vec add(vec a, vec b) { return _mm512_add_ps(a, b); }
INLINE vec madd(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vec larger(vec a, vec b) { return _mm512_max_ps(a, b); }
// d where y > 0, otherwise 0.
INLINE vec where_positive(vec d, vec y) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_GT_OQ), d);
}
// d in the lanes of `left` where a = b, otherwise 0; takes those lanes out of `left`.
INLINE vec where_equal(vec d, vec a, vec b, lanes *left) {
    lanes hit = *left & _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
    *left &= ~hit;
    return _mm512_maskz_mov_ps(hit, d);
}
typedef lanes flags;
INLINE flags flags_of(lanes m) { return m; }

#else

typedef float vec __attribute__((vector_size(64)));
typedef int32_t ivec __attribute__((vector_size(64)));
typedef uint32_t uvec __attribute__((vector_size(64)));
typedef uint16_t hvec __attribute__((vector_size(32)));
typedef struct {
    int lo, hi;
} lanes;
typedef ivec flags; // -1 or 0

INLINE lanes between(int lo, int hi) {
    lanes m = {lo < 0 ? 0 : lo > 16 ? 16 : lo, hi < 0 ? 0 : hi > 16 ? 16 : hi};
    return m;
}
INLINE lanes below(int n) { return between(0, n); }
INLINE int any(lanes m) { return m.lo < m.hi; }
INLINE int whole(lanes m) { return m.lo == 0 && m.hi == 16; }
INLINE vec all(float v) { return v - (vec){0}; }
INLINE vec load_f32(const float *p, lanes m) {
    vec v = {0};
    if (whole(m)) memcpy(&v, p, 64);
    else for (int j = m.lo; j < m.hi; j++) v[j] = p[j];
    return v;
}
INLINE vec load_b16(const b16 *p, lanes m) {
    hvec v = {0};
    if (whole(m)) memcpy(&v, p, 32);
    else for (int j = m.lo; j < m.hi; j++) v[j] = p[j];
    return (vec)(__builtin_convertvector(v, uvec) << 16);
}
INLINE void store_f32(float *p, lanes m, vec v) {
    if (whole(m)) memcpy(p, &v, 64);
    else for (int j = m.lo; j < m.hi; j++) p[j] = v[j];
}
// To nearest, ties to even; a NaN stays one.
INLINE void store_b16(b16 *p, lanes m, vec v) {
    uvec u = (uvec)v, nan = (uvec)(v != v);
    hvec h = __builtin_convertvector(((u + 0x7fff + ((u >> 16) & 1)) >> 16 & ~nan) | (0x7fc0 & nan), hvec);
    if (whole(m)) memcpy(p, &h, 32);
    else for (int j = m.lo; j < m.hi; j++) p[j] = h[j];
}
INLINE vec pick(ivec m, vec a, vec b) { return (vec)(((ivec)a & m) | ((ivec)b & ~m)); }
INLINE vec add(vec a, vec b) { return a + b; }
INLINE vec madd(vec a, vec b, vec c) { return a * b + c; }
INLINE vec larger(vec a, vec b) { return pick(a > b, a, b); }
INLINE vec where_positive(vec d, vec y) { return pick(y > 0, d, all(0)); }
INLINE vec where_equal(vec d, vec a, vec b, flags *left) {
    flags hit = (a == b) & *left;
    *left &= ~hit;
    return pick(hit, d, all(0));
}
INLINE flags flags_of(lanes m) {
    flags f = {0};
    for (int j = m.lo; j < m.hi; j++) f[j] = -1;
    return f;
}

#endif
