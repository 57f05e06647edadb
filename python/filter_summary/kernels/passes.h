// Batch norm, pools and the first layer, for activations of type T; kernels.c includes this file once a type.

// Sums of x - origin and of its squares over n pixels of C channels.
void PASS(norm_sums)(const T *x, const float *origin, float *sum, float *square, long n, int C) {
    memset(sum, 0, sizeof(float) * C), memset(square, 0, sizeof(float) * C);
    for (long b = 0; b < n; b += 512)
        for (int c = 0; c < C; c += LANES) {
            lanes m = below(C - c);
            vec s = all(0), q = s, o = madd(param(origin + c, m), all(-1), all(0));
            for (long p = b; p < n && p < b + 512; p++) {
                vec v = add(load(x + p * C + c, m), o);
                s = add(s, v), q = madd(v, v, q);
            }
            keep(sum + c, m, add(param(sum + c, m), s));
            keep(square + c, m, add(param(square + c, m), q));
        }
}

// y = max(0, x * scale + shift + residual); the residual may be missing.
void PASS(norm_relu)(const T *x, const T *residual, T *y, const float *scale, const float *shift, long n, int C) {
    for (long p = 0; p < n; p++)
        for (int c = 0; c < C; c += LANES) {
            lanes m = below(C - c);
            vec v = madd(load(x + p * C + c, m), param(scale + c, m), param(shift + c, m));
            if (residual) v = add(v, load(residual + p * C + c, m));
            store(y + p * C + c, m, larger(v, all(0)));
        }
}

// With dz = dy where y > 0: dzsum = sum of dz, dzx = sum of dz * (x - origin).
void PASS(norm_relu_sums)(const T *x, const float *origin, const T *y, const T *dy, float *dzsum, float *dzx, long n,
                          int C) {
    memset(dzsum, 0, sizeof(float) * C), memset(dzx, 0, sizeof(float) * C);
    for (long b = 0; b < n; b += 512)
        for (int c = 0; c < C; c += LANES) {
            lanes m = below(C - c);
            vec a = all(0), q = a, o = madd(param(origin + c, m), all(-1), all(0));
            for (long p = b; p < n && p < b + 512; p++) {
                vec d = where_positive(load(dy + p * C + c, m), load(y + p * C + c, m));
                a = add(a, d), q = madd(d, add(load(x + p * C + c, m), o), q);
            }
            keep(dzsum + c, m, add(param(dzsum + c, m), a));
            keep(dzx + c, m, add(param(dzx + c, m), q));
        }
}

// dx = A * dz + B * x + D, each a channel's; dz itself is stored where `dresidual` is given.
void PASS(norm_relu_back)(const T *x, const T *y, const T *dy, T *dx, T *dresidual, const float *A, const float *B,
                          const float *D, long n, int C) {
    for (long p = 0; p < n; p++)
        for (int c = 0; c < C; c += LANES) {
            lanes m = below(C - c);
            vec d = where_positive(load(dy + p * C + c, m), load(y + p * C + c, m));
            if (dresidual) store(dresidual + p * C + c, m, d);
            vec v = madd(load(x + p * C + c, m), param(B + c, m), param(D + c, m));
            store(dx + p * C + c, m, madd(d, param(A + c, m), v));
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
                for (int c = 0; c < C; c += LANES) {
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
                for (int c = 0; c < C; c += LANES) {
                    lanes m = below(C - c);
                    flags left = every();
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
    lanes m = below(O);
    vec b = param(bias, m), taps[27];
    for (int k = 0; k < 27; k++) taps[k] = param(w + k * O, m);
    for (int n = 0; n < N; n++)
        for (int i = 0; i < H; i++)
            for (int j = 0; j < W; j++) {
                vec a = b;
                for (int c = 0; c < 3; c++)
                    for (int k = 0; k < 9; k++) {
                        int yy = i + k / 3 - 1, xx = j + k % 3 - 1;
                        if (yy < 0 || yy >= H || xx < 0 || xx >= W) continue;
                        a = madd(all(x[n * sn + c * sc + yy * sy + xx * sx]), taps[c * 9 + k], a);
                    }
                store(y + ((size_t)(n * H + i) * W + j) * O, m, larger(a, all(0)));
            }
}
