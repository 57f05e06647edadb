// 32 floats at a time, loaded from and stored to bfloat16 or float: AVX-512 with its bfloat16 instructions where the
// compiler's target has them, otherwise the vector extensions of GCC and Clang, for any machine. `-DPORTABLE` takes
// the second everywhere, for tests.
//
// The order of the lanes in a `vec` is a type's own affair. With AVX-512 that of bfloat16 is the even ones, then the
// odd ones, so that a load is one instruction for 32 values and two for their conversion: a bfloat16 is the upper half
// of a float. So the float parameters that belong to bfloat16 activations go through `param_b16` and `keep_b16`.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t b16;
#define INLINE static inline __attribute__((always_inline))
#define LANES 32

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512BF16__) && \
    !defined(PORTABLE)
#include <immintrin.h>

typedef struct {
    __m512 a, b;
} vec;
typedef __mmask32 lanes; // in memory order
typedef struct {
    __mmask16 a, b;
} flags; // in the order of a vec

// The lanes lo <= j < hi; both may lie outside 0..32.
INLINE lanes below(int n) { return n >= 32 ? 0xffffffff : n <= 0 ? 0 : (lanes)((1u << n) - 1); }
INLINE lanes between(int lo, int hi) { return below(hi) & ~below(lo); }
INLINE int any(lanes m) { return m != 0; }
INLINE vec all(float v) { return (vec){_mm512_set1_ps(v), _mm512_set1_ps(v)}; }
INLINE vec load_f32(const float *p, lanes m) {
    return (vec){_mm512_maskz_loadu_ps((__mmask16)m, p), _mm512_maskz_loadu_ps((__mmask16)(m >> 16), p + 16)};
}
INLINE void store_f32(float *p, lanes m, vec v) {
    _mm512_mask_storeu_ps(p, (__mmask16)m, v.a), _mm512_mask_storeu_ps(p + 16, (__mmask16)(m >> 16), v.b);
}
INLINE vec load_b16(const b16 *p, lanes m) {
    __m512i v = _mm512_maskz_loadu_epi16(m, p);
    return (vec){_mm512_castsi512_ps(_mm512_slli_epi32(v, 16)),
                 _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000)))};
}
INLINE void store_b16(b16 *p, lanes m, vec v) {
    __m512i even = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v.a));
    __m512i odd = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v.b));
    _mm512_mask_storeu_epi16(p, m, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
}
INLINE vec param_b16(const float *p, lanes m) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i one = _mm512_set1_epi32(1);
    vec v = load_f32(p, m);
    return (vec){_mm512_permutex2var_ps(v.a, even, v.b),
                 _mm512_permutex2var_ps(v.a, _mm512_add_epi32(even, one), v.b)};
}
INLINE void keep_b16(float *p, lanes m, vec v) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i eight = _mm512_set1_epi32(8);
    store_f32(p, m, (vec){_mm512_permutex2var_ps(v.a, low, v.b),
                          _mm512_permutex2var_ps(v.a, _mm512_add_epi32(low, eight), v.b)});
}
INLINE vec add(vec x, vec y) { return (vec){_mm512_add_ps(x.a, y.a), _mm512_add_ps(x.b, y.b)}; }
INLINE vec madd(vec x, vec y, vec z) {
    return (vec){_mm512_fmadd_ps(x.a, y.a, z.a), _mm512_fmadd_ps(x.b, y.b, z.b)};
}
INLINE vec larger(vec x, vec y) { return (vec){_mm512_max_ps(x.a, y.a), _mm512_max_ps(x.b, y.b)}; }
// d where y > 0, otherwise 0.
INLINE vec where_positive(vec d, vec y) {
    __m512 z = _mm512_setzero_ps();
    return (vec){_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y.a, z, _CMP_GT_OQ), d.a),
                 _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y.b, z, _CMP_GT_OQ), d.b)};
}
INLINE flags every(void) { return (flags){0xffff, 0xffff}; }
// d in the lanes of `left` where x = y, otherwise 0; takes those lanes out of `left`.
INLINE vec where_equal(vec d, vec x, vec y, flags *left) {
    flags hit = {left->a & _mm512_cmp_ps_mask(x.a, y.a, _CMP_EQ_OQ),
                 left->b & _mm512_cmp_ps_mask(x.b, y.b, _CMP_EQ_OQ)};
    left->a &= ~hit.a, left->b &= ~hit.b;
    return (vec){_mm512_maskz_mov_ps(hit.a, d.a), _mm512_maskz_mov_ps(hit.b, d.b)};
}

#else

typedef float vec __attribute__((vector_size(128)));
typedef int32_t flags __attribute__((vector_size(128))); // -1 or 0
typedef uint32_t uvec __attribute__((vector_size(128)));
typedef uint16_t hvec __attribute__((vector_size(64)));
typedef struct {
    int lo, hi;
} lanes;

INLINE int within(int n) { return n < 0 ? 0 : n > LANES ? LANES : n; }
INLINE lanes between(int lo, int hi) { return (lanes){within(lo), within(hi)}; }
INLINE lanes below(int n) { return between(0, n); }
INLINE int any(lanes m) { return m.lo < m.hi; }
INLINE int full(lanes m) { return m.lo == 0 && m.hi == LANES; }
INLINE vec all(float v) { return v - (vec){0}; }
INLINE vec load_f32(const float *p, lanes m) {
    vec v = {0};
    if (full(m)) memcpy(&v, p, sizeof v);
    else for (int j = m.lo; j < m.hi; j++) v[j] = p[j];
    return v;
}
INLINE vec load_b16(const b16 *p, lanes m) {
    hvec v = {0};
    if (full(m)) memcpy(&v, p, sizeof v);
    else for (int j = m.lo; j < m.hi; j++) v[j] = p[j];
    return (vec)(__builtin_convertvector(v, uvec) << 16);
}
INLINE void store_f32(float *p, lanes m, vec v) {
    if (full(m)) memcpy(p, &v, sizeof v);
    else for (int j = m.lo; j < m.hi; j++) p[j] = v[j];
}
// To nearest, ties to even; a NaN stays one.
INLINE void store_b16(b16 *p, lanes m, vec v) {
    uvec u = (uvec)v, nan = (uvec)(v != v);
    hvec h = __builtin_convertvector(((u + 0x7fff + ((u >> 16) & 1)) >> 16 & ~nan) | (0x7fc0 & nan), hvec);
    if (full(m)) memcpy(p, &h, sizeof h);
    else for (int j = m.lo; j < m.hi; j++) p[j] = h[j];
}
INLINE vec param_b16(const float *p, lanes m) { return load_f32(p, m); }
INLINE void keep_b16(float *p, lanes m, vec v) { store_f32(p, m, v); }
INLINE vec pick(flags m, vec x, vec y) { return (vec)(((flags)x & m) | ((flags)y & ~m)); }
INLINE vec add(vec x, vec y) { return x + y; }
INLINE vec madd(vec x, vec y, vec z) { return x * y + z; }
INLINE vec larger(vec x, vec y) { return pick(x > y, x, y); }
INLINE vec where_positive(vec d, vec y) { return pick(y > 0, d, all(0)); }
INLINE flags every(void) { return (flags){0} - 1; }
INLINE vec where_equal(vec d, vec x, vec y, flags *left) {
    flags hit = (x == y) & *left;
    *left &= ~hit;
    return pick(hit, d, all(0));
}

#endif

INLINE vec param_f32(const float *p, lanes m) { return load_f32(p, m); }
INLINE void keep_f32(float *p, lanes m, vec v) { store_f32(p, m, v); }
