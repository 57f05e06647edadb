// CPU kernels of training: everything but the matrix products. Activations are NHWC, bfloat16 or float, parameters
// and sums float; one thread. `native.py` builds this file and calls it, `passes.h` has the functions.
#include "vector.h"

#define T b16
#define PASS(name) name##_b16
#define load load_b16
#define store store_b16
#include "passes.h"
#undef T
#undef PASS
#undef load
#undef store

#define T float
#define PASS(name) name##_f32
#define load load_f32
#define store store_f32
#include "passes.h"
