// CPU kernels of training: everything but the matrix products. Activations are NHWC, bfloat16 or float, parameters
// and sums float; one thread. `native.py` builds this file and calls it, `passes.h` and `mix.h` have the functions.
#include "vector.h"

#define T b16
#define PASS(name) name##_b16
#define load load_b16
#define store store_b16
#define param param_b16
#define keep keep_b16
#include "mix.h"
#include "passes.h"
#undef T
#undef PASS
#undef load
#undef store
#undef param
#undef keep

#define T float
#define PASS(name) name##_f32
#define load load_f32
#define store store_f32
#define param param_f32
#define keep keep_f32
#include "mix.h"
#include "passes.h"
