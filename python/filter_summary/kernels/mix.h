// The second pass of a Filter Summary convolution and its backward, for activations of type T; kernels.c includes this
// file once a type. With K taps (or terms), filter i reads base off[k] + i of the pixel (dy[k], dx[k]) away:
//
//     Y[p, i] = sum over k of gain[k, i] * P[p + (dy[k], dx[k]), off[k] + i]          0 <= i < O
//
// P has U values a pixel, and is zero outside the image. A missing `gain` is 1.

#define PIXELS 4 // a tile; its factors are loaded once

// to[x] = sum over k of g[k] * src[k][(x + dx[k]) * step + at + shift[k]] for `pixels` pixels, from the lanes m[k];
// `src[k]` is missing where the row is outside the image. In an `inner` tile no column is outside.
// Constants: pixels, inner, K, gains.
INLINE void PASS(tile)(const T *const *src, ptrdiff_t at, const int *shift, const vec *g, const lanes *m, T *to,
                       size_t tostep, lanes tom, const int *dx, ptrdiff_t step, int x0, int W, int pixels, int inner,
                       int K, int gains) {
    vec a[PIXELS];
    for (int j = 0; j < pixels; j++) a[j] = all(0);
    for (int k = 0; k < K; k++) {
        if (!src[k]) continue;
        const T *p = src[k] + at + shift[k];
        for (int j = 0; j < pixels; j++) {
            int x = x0 + j + dx[k];
            if (!inner && (x < 0 || x >= W)) continue;
            vec v = load(p + (ptrdiff_t)x * step, m[k]);
            a[j] = gains ? madd(g[k], v, a[j]) : add(a[j], v);
        }
    }
    for (int j = 0; j < pixels; j++) store(to + (x0 + j) * tostep, tom, a[j]);
}

// D[q, u] = sum over k of g[k] * S[q + (dy[k], dx[k]), u + shift[k]], where u + shift[k] < CS is a value of the pixel;
// S has CS values a pixel, D has CD. The factors are gain[k, u + gain_shift[k]], of which there are O a term.
static void PASS(apply)(const T *S, T *D, const float *gain, int N, int H, int W, int CS, int CD, int O, int K,
                        const int *shift, const int *gain_shift, const int *dy, const int *dx) {
    int blocks = (CD + LANES - 1) / LANES, edge = 0;
    vec g[blocks][K];
    lanes m[blocks][K];
    const T *src[K];
    for (int k = 0; k < K; k++) {
        edge = edge > dx[k] ? edge : dx[k];
        edge = edge > -dx[k] ? edge : -dx[k];
        for (int b = 0; b < blocks; b++) {
            int i = b * LANES + gain_shift[k];
            m[b][k] = between(-i, O - i);
            g[b][k] = gain && any(m[b][k]) ? param(gain + k * O + i, m[b][k]) : all(gain ? 0 : 1);
        }
    }
    for (int n = 0; n < N; n++)
        for (int y = 0; y < H; y++) {
            T *to = D + (size_t)(n * H + y) * W * CD;
            for (int k = 0; k < K; k++) {
                int yy = y + dy[k];
                src[k] = yy < 0 || yy >= H ? 0 : S + (size_t)(n * H + yy) * W * CS;
            }
            for (int x = 0; x < W;) {
                int inner = x >= edge && x + PIXELS + edge <= W;
                for (int b = 0; b < blocks; b++) {
                    int at = b * LANES;
                    lanes tom = below(CD - at);
#define TILE(pixels, inner, K, gains) \
    PASS(tile)(src, at, shift, g[b], m[b], to + at, CD, tom, dx, CS, x, W, pixels, inner, K, gains)
                    if (!inner) TILE(1, 0, K, 1);
                    else if (K == 9 && gain) TILE(PIXELS, 1, 9, 1);
                    else if (K == 9) TILE(PIXELS, 1, 9, 0);
                    else TILE(PIXELS, 1, K, 1);
#undef TILE
                }
                x += inner ? PIXELS : 1;
            }
        }
}

void PASS(mix)(const T *P, T *Y, const float *gain, int N, int H, int W, int U, int O, int K, const int *off,
               const int *dy, const int *dx) {
    int none[K];
    memset(none, 0, sizeof none);
    PASS(apply)(P, Y, gain, N, H, W, U, O, O, K, off, none, dy, dx);
}

// dP[q, u] = sum over k of gain[k, u - off[k]] * dY[q - (dy[k], dx[k]), u - off[k]]
void PASS(mix_dp)(const T *dY, T *dP, const float *gain, int N, int H, int W, int U, int O, int K, const int *off,
                  const int *dy, const int *dx) {
    int back[K], up[K], left[K];
    for (int k = 0; k < K; k++) back[k] = -off[k], up[k] = -dy[k], left[k] = -dx[k];
    PASS(apply)(dY, dP, gain, N, H, W, O, U, O, K, back, back, up, left);
}

// dgain[k, i] = sum over p of dY[p, i] * P[p + (dy[k], dx[k]), off[k] + i]
INLINE void PASS(dgain_row)(const T *d, const T *const *src, const int *dx, vec *a, lanes m, int from, int to,
                            int inner, int W, int U, int O, int K) {
    const T *at[K];
    for (int k = 0; k < K; k++) at[k] = src[k] ? src[k] + (ptrdiff_t)dx[k] * U : 0;
    for (int x = from; x < to; x++) {
        vec v = load(d + (size_t)x * O, m);
        for (int k = 0; k < K; k++) {
            if (!inner && (!src[k] || x + dx[k] < 0 || x + dx[k] >= W)) continue;
            a[k] = madd(v, load(at[k] + (size_t)x * U, m), a[k]);
        }
    }
}
void PASS(mix_dgain)(const T *dY, const T *P, float *dg, int N, int H, int W, int U, int O, int K, const int *off,
                     const int *dy, const int *dx) {
    const T *src[K];
    vec a[K];
    int edge = 0;
    for (int k = 0; k < K; k++) {
        edge = edge > dx[k] ? edge : dx[k];
        edge = edge > -dx[k] ? edge : -dx[k];
    }
    memset(dg, 0, sizeof(float) * K * O);
    for (int n = 0; n < N; n++)
        for (int i = 0; i < O; i += LANES) {
            lanes m = below(O - i);
            for (int k = 0; k < K; k++) a[k] = param(dg + k * O + i, m);
            for (int y = 0; y < H; y++) {
                int inside = K == 9 && W > 2 * edge;
                for (int k = 0; k < K; k++) {
                    int yy = y + dy[k];
                    src[k] = yy < 0 || yy >= H ? 0 : P + (size_t)(n * H + yy) * W * U + off[k] + i;
                    inside = inside && src[k];
                }
                const T *d = dY + (size_t)(n * H + y) * W * O + i;
                if (inside) {
                    PASS(dgain_row)(d, src, dx, a, m, 0, edge, 0, W, U, O, K);
                    vec s[9];
                    for (int k = 0; k < 9; k++) s[k] = a[k];
                    PASS(dgain_row)(d, src, dx, s, m, edge, W - edge, 1, W, U, O, 9);
                    for (int k = 0; k < 9; k++) a[k] = s[k];
                    PASS(dgain_row)(d, src, dx, a, m, W - edge, W, 0, W, U, O, K);
                } else PASS(dgain_row)(d, src, dx, a, m, 0, W, 0, W, U, O, K);
            }
            for (int k = 0; k < K; k++) keep(dg + k * O + i, m, a[k]);
        }
}

// The same where all nine taps of a 3x3 kernel read one base, U = O = C, padding 1: a depthwise convolution with
// gain [9, C]. A value is loaded once for the three pixels of a tile's row that read it. `back` turns the kernel round,
// which gives dP.
INLINE void PASS(depthwise_tile)(const T *const *row, const size_t *step, const vec *g, T *to, lanes m, int x0, int W,
                                 int C, int pixels, int inner) {
    vec a[PIXELS];
    for (int j = 0; j < pixels; j++) a[j] = all(0);
    for (int r = 0; r < 3; r++)
        for (int column = -1; column <= pixels; column++) {
            int x = x0 + column;
            if (!inner && (x < 0 || x >= W)) continue;
            vec v = load(row[r] + x * step[r], m);
            for (int j = 0; j < pixels; j++) {
                int k = column - j + 1;
                if (k >= 0 && k < 3) a[j] = madd(g[3 * r + k], v, a[j]);
            }
        }
    for (int j = 0; j < pixels; j++) store(to + (size_t)(x0 + j) * C, m, a[j]);
}
void PASS(depthwise)(const T *P, T *Y, const float *gain, int back, int N, int H, int W, int C) {
    static const T zero[LANES];
    int blocks = (C + LANES - 1) / LANES;
    vec g[blocks][9];
    for (int b = 0; b < blocks; b++)
        for (int k = 0; k < 9; k++)
            g[b][k] = param(gain + (back ? 8 - k : k) * C + b * LANES, below(C - b * LANES));
    for (int n = 0; n < N; n++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W;) {
                int inner = x >= 1 && x + PIXELS + 1 <= W;
                for (int b = 0; b < blocks; b++) {
                    int c = b * LANES;
                    lanes m = below(C - c);
                    const T *row[3];
                    size_t step[3];
                    for (int r = 0; r < 3; r++) {
                        int yy = y + r - 1, inside = yy >= 0 && yy < H;
                        row[r] = inside ? P + (size_t)(n * H + yy) * W * C + c : zero;
                        step[r] = inside ? C : 0;
                    }
                    T *to = Y + (size_t)(n * H + y) * W * C + c;
                    if (inner) PASS(depthwise_tile)(row, step, g[b], to, m, x, W, C, PIXELS, 1);
                    else PASS(depthwise_tile)(row, step, g[b], to, m, x, W, C, 1, 0);
                }
                x += inner ? PIXELS : 1;
            }
}

void PASS(depthwise_dgain)(const T *dY, const T *P, float *dg, int N, int H, int W, int C) {
    static const T zero[LANES];
    memset(dg, 0, sizeof(float) * 9 * C);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c += LANES) {
            lanes m = below(C - c);
            vec a[9];
            for (int k = 0; k < 9; k++) a[k] = param(dg + k * C + c, m);
            for (int y = 0; y < H; y++) {
                const T *row[3];
                size_t step[3];
                for (int r = 0; r < 3; r++) {
                    int yy = y + r - 1, inside = yy >= 0 && yy < H;
                    row[r] = inside ? P + (size_t)(n * H + yy) * W * C + c : zero;
                    step[r] = inside ? C : 0;
                }
                const T *d = dY + (size_t)(n * H + y) * W * C + c;
                vec v[3] = {all(0), load(d, m), all(0)};
                for (int x = 0; x < W; x++) { // P at x meets dY at x + 1, x and x - 1
                    v[2] = x + 1 < W ? load(d + (size_t)(x + 1) * C, m) : all(0);
                    for (int r = 0; r < 3; r++) {
                        vec p = load(row[r] + x * step[r], m);
                        for (int k = 0; k < 3; k++) a[3 * r + k] = madd(v[2 - k], p, a[3 * r + k]);
                    }
                    v[0] = v[1], v[1] = v[2];
                }
            }
            for (int k = 0; k < 9; k++) keep(dg + k * C + c, m, a[k]);
        }
}
