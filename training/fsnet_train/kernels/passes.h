// The passes, for activations of type T; kernels.c includes this file once a type.

// A list of terms: Y[p, i] = sum over k of gain[k, i] * P[p + (dy[k], dx[k]), off[k] + i] for 0 <= i < O, zero outside
// the image; P has U values a pixel. A missing `gain` is 1. It is the second pass of a Filter Summary convolution:
// filter i reads base off[k] + i at tap k.

void PASS(mix)(const T *P, T *Y, const float *gain, int N, int H, int W, int U, int O, int K, const int *off,
               const int *dy, const int *dx) {
    const T *src[K];
    for (int n = 0; n < N; n++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                T *to = Y + ((size_t)(n * H + y) * W + x) * O;
                for (int k = 0; k < K; k++) {
                    int yy = y + dy[k], xx = x + dx[k];
                    int inside = yy >= 0 && yy < H && xx >= 0 && xx < W;
                    src[k] = inside ? P + ((size_t)(n * H + yy) * W + xx) * U + off[k] : 0;
                }
                for (int i = 0; i < O; i += 16) {
                    lanes m = below(O - i);
                    vec a = all(0);
                    if (gain)
                        for (int k = 0; k < K; k++) {
                            if (src[k]) a = madd(load_f32(gain + k * O + i, m), load(src[k] + i, m), a);
                        }
                    else
                        for (int k = 0; k < K; k++)
                            if (src[k]) a = add(a, load(src[k] + i, m));
                    store(to + i, m, a);
                }
            }
}

// dP[q, u] = sum over k of gain[k, u - off] * dY[q - (dy, dx), u - off]
void PASS(mix_dp)(const T *dY, T *dP, const float *gain, int N, int H, int W, int U, int O, int K, const int *off,
                  const int *dy, const int *dx) {
    const T *src[K];
    for (int n = 0; n < N; n++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                for (int k = 0; k < K; k++) {
                    int yy = y - dy[k], xx = x - dx[k];
                    int inside = yy >= 0 && yy < H && xx >= 0 && xx < W;
                    src[k] = inside ? dY + ((size_t)(n * H + yy) * W + xx) * O : 0;
                }
                T *to = dP + ((size_t)(n * H + y) * W + x) * U;
                for (int u = 0; u < U; u += 16) {
                    vec a = all(0);
                    for (int k = 0; k < K; k++) {
                        int i = u - off[k];
                        lanes m = between(-i, O - i);
                        if (!src[k] || !any(m)) continue;
                        vec v = load(src[k] + i, m);
                        a = gain ? madd(load_f32(gain + k * O + i, m), v, a) : add(a, v);
                    }
                    store(to + u, below(U - u), a);
                }
            }
}

// dgain[k, i] = sum over p of dY[p, i] * P[p + (dy[k], dx[k]), off[k] + i]
void PASS(mix_dgain)(const T *dY, const T *P, float *dg, int N, int H, int W, int U, int O, int K, const int *off,
                     const int *dy, const int *dx) {
    memset(dg, 0, sizeof(float) * K * O);
    for (int n = 0; n < N; n++)
        for (int i = 0; i < O; i += 16) {
            lanes m = below(O - i);
            for (int k = 0; k < K; k++) {
                vec a = load_f32(dg + k * O + i, m);
                for (int y = 0; y < H; y++) {
                    int yy = y + dy[k], from = dx[k] < 0 ? -dx[k] : 0, to = dx[k] > 0 ? W - dx[k] : W;
                    if (yy < 0 || yy >= H) continue;
                    const T *d = dY + (size_t)(n * H + y) * W * O + i;
                    const T *p = P + ((size_t)(n * H + yy) * W + dx[k]) * U + off[k] + i;
                    for (int x = from; x < to; x++) a = madd(load(d + x * O, m), load(p + x * U, m), a);
                }
                store_f32(dg + k * O + i, m, a);
            }
        }
}

// The same where all nine taps of a 3x3 kernel read one base, U = O = C, padding 1: a depthwise convolution with
// gain [9, C]. Three new values a pixel, the other six stay in registers. `back` turns the kernel round, which gives dP.
void PASS(depthwise)(const T *P, T *Y, const float *gain, int back, int N, int H, int W, int C) {
    static const T zero[16];
    for (int n = 0; n < N; n++)
        for (int y = 0; y < H; y++)
            for (int c = 0; c < C; c += 16) {
                lanes m = below(C - c);
                vec g[9], w[3][3];
                const T *row[3];
                size_t step[3];
                for (int k = 0; k < 9; k++) g[k] = load_f32(gain + (back ? 8 - k : k) * C + c, m);
                for (int r = 0; r < 3; r++) {
                    int yy = y + r - 1, inside = yy >= 0 && yy < H;
                    row[r] = inside ? P + (size_t)(n * H + yy) * W * C + c : zero;
                    step[r] = inside ? C : 0;
                    w[r][0] = all(0), w[r][1] = load(row[r], m);
                }
                T *to = Y + (size_t)(n * H + y) * W * C + c;
                for (int x = 0; x < W; x++) {
                    vec a[3];
                    for (int r = 0; r < 3; r++) {
                        w[r][2] = x + 1 < W ? load(row[r] + (x + 1) * step[r], m) : all(0);
                        a[r] = madd(g[3 * r + 1], w[r][1], madd(g[3 * r], w[r][0], all(0)));
                        a[r] = madd(g[3 * r + 2], w[r][2], a[r]);
                        w[r][0] = w[r][1], w[r][1] = w[r][2];
                    }
                    store(to + (size_t)x * C, m, add(add(a[0], a[1]), a[2]));
                }
            }
}

void PASS(depthwise_dgain)(const T *dY, const T *P, float *dg, int N, int H, int W, int C) {
    static const T zero[16];
    memset(dg, 0, sizeof(float) * 9 * C);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c += 16) {
            lanes m = below(C - c);
            vec a[9];
            for (int k = 0; k < 9; k++) a[k] = load_f32(dg + k * C + c, m);
            for (int y = 0; y < H; y++) {
                vec w[3][3];
                const T *row[3];
                size_t step[3];
                for (int r = 0; r < 3; r++) {
                    int yy = y + r - 1, inside = yy >= 0 && yy < H;
                    row[r] = inside ? P + (size_t)(n * H + yy) * W * C + c : zero;
                    step[r] = inside ? C : 0;
                    w[r][0] = all(0), w[r][1] = load(row[r], m);
                }
                const T *d = dY + (size_t)(n * H + y) * W * C + c;
                for (int x = 0; x < W; x++) {
                    vec v = load(d + (size_t)x * C, m);
                    for (int r = 0; r < 3; r++) {
                        w[r][2] = x + 1 < W ? load(row[r] + (x + 1) * step[r], m) : all(0);
                        for (int k = 0; k < 3; k++) a[3 * r + k] = madd(v, w[r][k], a[3 * r + k]);
                        w[r][0] = w[r][1], w[r][1] = w[r][2];
                    }
                }
            }
            for (int k = 0; k < 9; k++) store_f32(dg + k * C + c, m, a[k]);
        }
}

// Sums of x - origin and of its squares over n pixels of C channels.
void PASS(norm_sums)(const T *x, const float *origin, float *sum, float *square, long n, int C) {
    memset(sum, 0, sizeof(float) * C), memset(square, 0, sizeof(float) * C);
    for (long b = 0; b < n; b += 512)
        for (int c = 0; c < C; c += 16) {
            lanes m = below(C - c);
            vec s = all(0), q = s, o = madd(load_f32(origin + c, m), all(-1), all(0));
            for (long p = b; p < n && p < b + 512; p++) {
                vec v = add(load(x + p * C + c, m), o);
                s = add(s, v), q = madd(v, v, q);
            }
            store_f32(sum + c, m, add(load_f32(sum + c, m), s));
            store_f32(square + c, m, add(load_f32(square + c, m), q));
        }
}

// y = max(0, x * scale + shift + residual); the residual may be missing.
void PASS(norm_relu)(const T *x, const T *residual, T *y, const float *scale, const float *shift, long n, int C) {
    for (long p = 0; p < n; p++)
        for (int c = 0; c < C; c += 16) {
            lanes m = below(C - c);
            vec v = madd(load(x + p * C + c, m), load_f32(scale + c, m), load_f32(shift + c, m));
            if (residual) v = add(v, load(residual + p * C + c, m));
            store(y + p * C + c, m, larger(v, all(0)));
        }
}

// With dz = dy where y > 0: dzsum = sum of dz, dzx = sum of dz * (x - origin).
void PASS(norm_relu_sums)(const T *x, const float *origin, const T *y, const T *dy, float *dzsum, float *dzx, long n,
                          int C) {
    memset(dzsum, 0, sizeof(float) * C), memset(dzx, 0, sizeof(float) * C);
    for (long b = 0; b < n; b += 512)
        for (int c = 0; c < C; c += 16) {
            lanes m = below(C - c);
            vec a = all(0), q = a, o = madd(load_f32(origin + c, m), all(-1), all(0));
            for (long p = b; p < n && p < b + 512; p++) {
                vec d = where_positive(load(dy + p * C + c, m), load(y + p * C + c, m));
                a = add(a, d), q = madd(d, add(load(x + p * C + c, m), o), q);
            }
            store_f32(dzsum + c, m, add(load_f32(dzsum + c, m), a));
            store_f32(dzx + c, m, add(load_f32(dzx + c, m), q));
        }
}

// dx = A * dz + B * x + D, each a channel's; dz itself is stored where `dresidual` is given.
void PASS(norm_relu_back)(const T *x, const T *y, const T *dy, T *dx, T *dresidual, const float *A, const float *B,
                          const float *D, long n, int C) {
    for (long p = 0; p < n; p++)
        for (int c = 0; c < C; c += 16) {
            lanes m = below(C - c);
            vec d = where_positive(load(dy + p * C + c, m), load(y + p * C + c, m));
            if (dresidual) store(dresidual + p * C + c, m, d);
            vec v = madd(load(x + p * C + c, m), load_f32(B + c, m), load_f32(D + c, m));
            store(dx + p * C + c, m, madd(d, load_f32(A + c, m), v));
        }
}

// Largest of 2x2 pixels; a last odd row or column is left out.
void PASS(pool)(const T *x, T *y, int N, int H, int W, int C) {
    int h = H / 2, w = W / 2;
    for (int n = 0; n < N; n++)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) {
                const T *p = x + ((size_t)(n * H + 2 * i) * W + 2 * j) * C, *q = p + (size_t)W * C;
                T *to = y + ((size_t)(n * h + i) * w + j) * C;
                for (int c = 0; c < C; c += 16) {
                    lanes m = below(C - c);
                    vec upper = larger(load(p + c, m), load(p + C + c, m));
                    store(to + c, m, larger(upper, larger(load(q + c, m), load(q + C + c, m))));
                }
            }
}

// The gradient goes to the first of the four that is the largest. H and W are even.
void PASS(pool_back)(const T *x, const T *y, const T *dy, T *dx, int N, int H, int W, int C) {
    int h = H / 2, w = W / 2;
    for (int n = 0; n < N; n++)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) {
                size_t at = ((size_t)(n * H + 2 * i) * W + 2 * j) * C, o = ((size_t)(n * h + i) * w + j) * C;
                size_t place[4] = {at, at + C, at + (size_t)W * C, at + (size_t)W * C + C};
                for (int c = 0; c < C; c += 16) {
                    lanes m = below(C - c);
                    flags left = flags_of(m);
                    vec v = load(y + o + c, m), d = load(dy + o + c, m);
                    for (int k = 0; k < 4; k++)
                        store(dx + place[k] + c, m, where_equal(d, load(x + place[k] + c, m), v, &left));
                }
            }
}

// The first layer: y[p, o] = max(0, bias[o] + sum of w[c, ky, kx, o] * x[c, p + (ky - 1, kx - 1)]) of three float
// planes with the strides `sn, sc, sy, sx`; O <= 32.
void PASS(first)(const float *x, T *y, const float *w, const float *bias, int N, int H, int W, int O, long sn, long sc,
                 long sy, long sx) {
    lanes m0 = below(O), m1 = below(O - 16);
    vec b0 = load_f32(bias, m0), b1 = load_f32(bias + 16, m1);
    for (int n = 0; n < N; n++)
        for (int i = 0; i < H; i++)
            for (int j = 0; j < W; j++) {
                vec a0 = b0, a1 = b1;
                for (int c = 0; c < 3; c++)
                    for (int k = 0; k < 9; k++) {
                        int yy = i + k / 3 - 1, xx = j + k % 3 - 1;
                        if (yy < 0 || yy >= H || xx < 0 || xx >= W) continue;
                        vec v = all(x[n * sn + c * sc + yy * sy + xx * sx]);
                        const float *q = w + (c * 9 + k) * O;
                        a0 = madd(v, load_f32(q, m0), a0);
                        a1 = madd(v, load_f32(q + 16, m1), a1);
                    }
                T *to = y + ((size_t)(n * H + i) * W + j) * O;
                store(to, m0, larger(a0, all(0)));
                store(to + 16, m1, larger(a1, all(0)));
            }
}
