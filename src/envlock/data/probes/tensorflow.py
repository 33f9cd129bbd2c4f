# ruff: noqa
# mypy: ignore-errors
# The probes of TensorFlow 2.4 and up (Keras 2 and 3), a script for Python 3.6 and up; data/in_target/probe.py runs it
# and gives it `probe`. A probe whose operation a version lacks is not defined there. Names and lines are literals:
# docs/probes.md is made of them.
import functools
import os
import random

tf = np = keras = None  # load() imports them
CANONICAL = True
SEED = 20210514
GPU = "/GPU:0"


def load(threads, canonical, device):
    """Import TensorFlow, with so many threads if told and in the canonical pass deterministic; return its version."""
    global tf, np, keras, CANONICAL
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if canonical:  # 2.4 to 2.7; later versions have the function below, and this variable says the same there
        os.environ["TF_DETERMINISTIC_OPS"] = "1"
    import numpy
    import tensorflow

    tf, np, keras, CANONICAL = tensorflow, numpy, tensorflow.keras, canonical
    tf.get_logger().setLevel("ERROR")
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if canonical and hasattr(tf.config.experimental, "enable_op_determinism"):
        tf.random.set_seed(SEED)
        tf.config.experimental.enable_op_determinism()
    found = tf.config.list_physical_devices("GPU")
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif not found:
        raise RuntimeError("TensorFlow {} finds no GPU".format(tf.__version__))
    for each in found if device == "gpu" else ():
        tf.config.experimental.set_memory_growth(each, True)
    return tf.__version__


def plain(value):
    """Return TensorFlow's own values as (dtype, shape, little-endian bytes), NaNs of one kind; None for others."""
    if isinstance(value, tf.SparseTensor):
        value = tf.sparse.to_dense(tf.sparse.reorder(value))
    elif isinstance(value, tf.RaggedTensor):
        value = value.to_tensor()
    elif isinstance(value, tf.IndexedSlices):
        value = tf.convert_to_tensor(value)
    if not hasattr(value, "numpy"):
        return None
    value = tf.convert_to_tensor(value)
    if value.dtype == tf.string:
        value = tf.io.decode_raw(tf.strings.reduce_join(tf.reshape(value, [-1]), separator="\n"), tf.uint8)
    if value.dtype == tf.bfloat16:
        value = tf.where(tf.math.is_nan(value), tf.constant(float("nan"), tf.bfloat16), value)
        return "bfloat16", tuple(value.shape), tf.bitcast(value, tf.uint16).numpy().astype("<u2").tobytes()
    found = np.asarray(value.numpy())
    if found.dtype.kind in "fc":
        found = np.where(np.isnan(found), np.array(float("nan"), found.dtype), found)
    kind = found.dtype.newbyteorder("<")
    return kind.str, found.shape, found.astype(kind).tobytes()


# --- inputs: integer arithmetic, and what IEEE 754 decides


@functools.lru_cache(maxsize=16)  # a probe is called twice
def integers(shape, levels, salt):
    """Return scattered integers from 0 to levels - 1: the finaliser of MurmurHash3 over 0, 1, 2, ...."""
    count = 1
    for each in shape:
        count *= each
    bits = np.arange(count, dtype=np.uint64) + np.uint64(1 + salt * 1000003)
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        bits ^= bits >> np.uint64(33)
        bits *= np.uint64(multiplier)
    bits ^= bits >> np.uint64(33)
    return (bits >> np.uint64(11)).astype(np.int64).reshape(shape) % levels


def x(*shape, **how):
    """Return a tensor of multiples of 2**-16 of (high - low), of 2**-7 where the type holds no more."""
    low, high, dtype = how.get("low", -1.0), how.get("high", 1.0), tf.as_dtype(how.get("dtype", "float32"))
    levels = 128 if dtype in (tf.float16, tf.bfloat16) else 65536
    found = low + integers(shape, levels, how.get("salt", 0)) * ((high - low) / levels)
    return tf.cast(tf.constant(found.astype("float64")), dtype)


def whole(*shape, **how):
    """Return a tensor of integers from 0 to below - 1."""
    found = integers(shape, how.get("below", 10), how.get("salt", 0))
    return tf.cast(tf.constant(found), how.get("dtype", "int32"))


def positive(n, dtype="float32", salt=0):
    """Return a symmetric positive definite matrix: random in its symmetric part, dominated by its diagonal."""
    part = x(n, n, dtype=dtype, salt=salt)
    return (part + tf.transpose(part)) / 2 + tf.eye(n, dtype=part.dtype) * (n // 2)


def wide(dtype="float32", low=-8.0, high=8.0):
    """Return 20,011 elements: over the threads' threshold, and no multiple of any vector."""
    return x(20011, low=low, high=high, dtype=dtype)


def images(count=2, size=24, **how):
    """Return images as floats from 0 to below 1."""
    return x(count, size, size, 3, low=0.0, high=1.0, salt=5, **how)


def pixels(size=24):
    """Return an image as bytes."""
    return whole(size, size, 3, below=256, dtype="uint8", salt=6)


# --- ways to run


def seeded(function):
    """Let a function start from the same seeds each time that it is called."""

    def call():
        random.seed(SEED)
        np.random.seed(SEED)
        tf.random.set_seed(SEED)
        if hasattr(keras.utils, "set_random_seed"):
            keras.utils.set_random_seed(SEED)
        return function()

    return call


def on_gpu(function):
    """Let a function run on the first GPU, from the same seeds each time."""

    def call():
        with tf.device(GPU):
            return seeded(function)()

    return call


def gradient(function, *inputs):
    """Return the gradients of the sum of what a function returns, weighted so that no two elements count the same."""
    with tf.GradientTape() as tape:
        for each in inputs:
            tape.watch(each)
        found = function(*inputs)
        total = tf.reduce_sum(found * x(*found.shape, dtype=found.dtype, salt=9))
    return tape.gradient(total, inputs)


def preprocessing(name):
    """Return a layer's class, for older versions from where preprocessing layers were then; None if there is none."""
    older = getattr(getattr(keras.layers, "experimental", None), "preprocessing", None)
    return getattr(keras.layers, name, None) or getattr(older, name, None)


def weigh(model, *shape):
    """Build a model or layer for inputs of a shape, with weights from integers in place of an initialiser's."""
    model(tf.zeros(shape))
    model.set_weights(
        [x(*each.shape, low=-0.25, high=0.25, salt=20 + at).numpy() for at, each in enumerate(model.get_weights())]
    )
    return model


def steps(rate, variables, gradients, count=5):
    """Return variables after so many steps of an optimiser with the same gradients."""
    kept = [tf.Variable(each) for each in variables]
    for _ in range(count):
        rate.apply_gradients(list(zip(gradients, kept)))
    return kept


def trained(model, inputs, labels, loss, optimizer, count=20):
    """Return weights and the last loss after so many steps of a loop of one's own, one batch again and again."""

    def step():
        with tf.GradientTape() as tape:
            found = loss(labels, model(inputs, training=True))
        optimizer.apply_gradients(zip(tape.gradient(found, model.trainable_variables), model.trainable_variables))
        return found

    for _ in range(count):
        last = step()
    return model.get_weights() + [last]


def fitted(model, inputs, labels, loss, optimizer, shuffle=False, **compiling):
    """Return weights and losses after model.fit: 20 steps, 4 batches in each of 5 epochs."""
    model.compile(optimizer=optimizer, loss=loss, **compiling)
    history = model.fit(
        inputs.numpy(), labels.numpy(), batch_size=len(inputs) // 4, epochs=5, shuffle=shuffle, verbose=0
    )
    return model.get_weights() + [history.history["loss"]]


def without_xla():
    """Return how to compile a model without XLA, which Keras 3 takes where it can: seconds for every model."""
    return {"jit_compile": False} if keras.__version__.startswith("3") else {}


def cross_entropy(labels, found):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=found))


def log_likelihood(labels, found):
    """Return the same by operations that are deterministic on GPUs, which TensorFlow's own is not in all versions."""
    return -tf.reduce_mean(tf.reduce_sum(tf.one_hot(labels, 10) * tf.nn.log_softmax(tf.cast(found, tf.float32)), 1))


def dense_model(*extra):
    layers = keras.layers
    return keras.Sequential([layers.Dense(64, activation="tanh")] + list(extra) + [layers.Dense(10)])


def convolution_model():
    layers = keras.layers
    return keras.Sequential(
        [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10)]
    )


def augmented():
    """Return a weighed CNN behind layers that flip its images and change their contrast."""
    flip = preprocessing("RandomFlip")("horizontal", seed=SEED)
    contrast = preprocessing("RandomContrast")(0.3, seed=SEED)
    return keras.Sequential([flip, contrast, weigh(convolution_model(), 1, 14, 14, 3)])


def recurrent_model():
    return keras.Sequential([keras.layers.LSTM(16), keras.layers.Dense(10)])


def compiled(function):
    """Return a function that XLA compiles."""
    try:
        return tf.function(function, jit_compile=True)
    except TypeError:  # 2.4
        return tf.function(function, experimental_compile=True)


def has_xla():
    """Whether this TensorFlow was built with XLA."""
    try:
        return float(compiled(lambda a: a + 1.0)(tf.constant(1.0))) == 2.0
    except Exception:
        return False


def has(place, *names):
    """Whether a module of TensorFlow has all these names."""
    return all(hasattr(place, name) for name in names)


def define():
    """Define every probe that this version of TensorFlow can answer."""
    for part in (
        define_math,
        define_special,
        define_types,
        define_reductions,
        define_matrices,
        define_decompositions,
        define_convolutions,
        define_networks,
        define_gradients,
        define_selection,
        define_sparse,
        define_signals,
        define_images,
        define_random,
        define_initializers,
        define_random_layers,
        define_recurrent,
        define_losses,
        define_optimizers,
        define_training,
        define_text,
        define_gpu_operations,
        define_gpu_networks,
        define_gpu_training,
    ):
        part()


# --- on the CPU


def define_math():
    probe("tensorflow.math.exp", "Eigen's or MLIR's vectorised exp")(lambda: tf.exp(wide()))
    probe("tensorflow.math.expm1", "vectorised expm1, libm")(lambda: tf.math.expm1(wide()))
    probe("tensorflow.math.log", "vectorised log")(lambda: tf.math.log(wide(low=0.001)))
    probe("tensorflow.math.log1p", "vectorised log1p, libm")(lambda: tf.math.log1p(wide(low=-0.999)))
    probe("tensorflow.math.sin", "vectorised sin and its range reduction")(lambda: tf.sin(wide(low=-300.0, high=300.0)))
    probe("tensorflow.math.cos", "vectorised cos and its range reduction")(lambda: tf.cos(wide(low=-300.0, high=300.0)))
    probe("tensorflow.math.tan", "libm")(lambda: tf.tan(wide()))
    probe("tensorflow.math.asin", "libm")(lambda: tf.asin(wide(low=-1.0, high=1.0)))
    probe("tensorflow.math.acos", "libm")(lambda: tf.acos(wide(low=-1.0, high=1.0)))
    probe("tensorflow.math.atan", "libm")(lambda: tf.atan(wide()))
    probe("tensorflow.math.atan2", "libm")(lambda: tf.atan2(wide(), wide()[::-1]))
    probe("tensorflow.math.sinh", "libm")(lambda: tf.sinh(wide()))
    probe("tensorflow.math.cosh", "libm")(lambda: tf.cosh(wide()))
    probe("tensorflow.math.tanh", "vectorised rational tanh, fused multiply-add")(lambda: tf.tanh(wide()))
    probe("tensorflow.math.asinh", "libm")(lambda: tf.asinh(wide()))
    probe("tensorflow.math.acosh", "libm")(lambda: tf.acosh(wide(low=1.0)))
    probe("tensorflow.math.atanh", "libm")(lambda: tf.atanh(wide(low=-0.99, high=0.99)))
    probe("tensorflow.math.sigmoid", "vectorised logistic function")(lambda: tf.sigmoid(wide()))
    probe("tensorflow.math.softplus", "vectorised exp and log1p")(lambda: tf.nn.softplus(wide()))
    probe("tensorflow.math.elu", "vectorised expm1")(lambda: tf.nn.elu(wide()))
    probe("tensorflow.math.selu", "vectorised expm1")(lambda: tf.nn.selu(wide()))
    probe("tensorflow.math.swish", "vectorised logistic function")(lambda: tf.nn.swish(wide()))
    if has(tf.nn, "gelu"):
        probe("tensorflow.math.gelu", "erf")(lambda: tf.nn.gelu(wide()))
        probe("tensorflow.math.gelu_tanh", "tanh and powers")(lambda: tf.nn.gelu(wide(), approximate=True))
    probe("tensorflow.math.sqrt", "the instruction, or an approximate one and its Newton steps")(
        lambda: tf.sqrt(wide(low=0.0))
    )
    probe("tensorflow.math.rsqrt", "approximate instruction and its Newton steps")(
        lambda: tf.math.rsqrt(wide(low=0.01))
    )
    probe("tensorflow.math.reciprocal", "approximate instruction or division")(
        lambda: tf.math.reciprocal(wide(low=0.01))
    )
    probe("tensorflow.math.pow", "vectorised pow or libm")(lambda: tf.pow(wide(low=0.01), wide(low=-3.0, high=3.0)))
    probe("tensorflow.math.divide", "IEEE 754 says all of it: a control")(lambda: wide() / wide(low=0.5))
    probe("tensorflow.math.floormod", "libm's fmod")(lambda: tf.math.floormod(wide(), wide(low=0.5)[::-1]))
    probe("tensorflow.math.softmax", "vectorised exp, order of sums")(lambda: tf.nn.softmax(x(64, 1003, high=9.0)))
    probe("tensorflow.math.log_softmax", "vectorised exp and log, order of sums")(
        lambda: tf.nn.log_softmax(x(64, 1003, high=9.0))
    )
    probe("tensorflow.math.complex_abs", "hypot")(lambda: tf.abs(tf.complex(wide(), wide()[::-1])))
    probe("tensorflow.math.complex_exp", "libm's complex exp")(lambda: tf.exp(tf.complex(wide(), wide()[::-1])))
    probe("tensorflow.math.polyval", "fused multiply-add")(
        lambda: tf.math.polyval([tf.constant(c / 8.0) for c in (3, -5, 7, 1)], wide())
    )


def define_special():
    probe("tensorflow.special.erf", "vectorised erf")(lambda: tf.math.erf(wide(low=-4.0, high=4.0)))
    probe("tensorflow.special.erfc", "libm")(lambda: tf.math.erfc(wide(low=-4.0, high=4.0)))
    if has(tf.math, "erfinv", "ndtri"):
        probe("tensorflow.special.erfinv", "rational approximation, log")(
            lambda: tf.math.erfinv(wide(low=-0.999, high=0.999))
        )
        probe("tensorflow.special.ndtri", "rational approximation, log")(
            lambda: tf.math.ndtri(wide(low=0.001, high=0.999))
        )
    probe("tensorflow.special.lgamma", "libm's lgamma")(lambda: tf.math.lgamma(wide(low=0.1, high=40.0)))
    probe("tensorflow.special.digamma", "Eigen's series")(lambda: tf.math.digamma(wide(low=0.1, high=40.0)))
    probe("tensorflow.special.polygamma", "Eigen's series")(
        lambda: tf.math.polygamma(tf.constant(2.0), x(2003, low=0.5, high=9.0))
    )
    probe("tensorflow.special.zeta", "Eigen's series")(
        lambda: tf.math.zeta(x(2003, low=1.5, high=9.0), tf.constant(1.5))
    )
    probe("tensorflow.special.igamma", "Eigen's series and fractions")(
        lambda: tf.math.igamma(x(2003, low=0.5, high=9.0), x(2003, low=0.5, high=9.0, salt=1))
    )
    probe("tensorflow.special.betainc", "Eigen's continued fraction")(
        lambda: tf.math.betainc(x(503, low=0.5, high=9.0), x(503, low=0.5, high=9.0, salt=1), x(503, low=0.0, salt=2))
    )
    probe("tensorflow.special.bessel_i0e", "Eigen's Chebyshev series")(lambda: tf.math.bessel_i0e(wide()))
    if has(tf.math, "special") and has(tf.math.special, "bessel_j0", "dawsn", "fresnel_cos"):
        probe("tensorflow.special.bessel_j0", "Eigen's rational approximation")(
            lambda: tf.math.special.bessel_j0(wide(low=0.0))
        )
        probe("tensorflow.special.dawsn", "Eigen's or Cephes' approximation")(lambda: tf.math.special.dawsn(wide()))
        probe("tensorflow.special.fresnel_cos", "Cephes' approximation, cos")(
            lambda: tf.math.special.fresnel_cos(wide())
        )


def define_types():
    probe("tensorflow.types.exp_float64", "vectorised exp in doubles")(lambda: tf.exp(wide("float64")))
    probe("tensorflow.types.exp_float16", "exp through float32 or in halves")(lambda: tf.exp(wide("float16")))
    probe("tensorflow.types.exp_bfloat16", "exp through float32 and rounding")(lambda: tf.exp(wide("bfloat16")))
    probe("tensorflow.types.log_float64", "vectorised log in doubles")(lambda: tf.math.log(wide("float64", low=0.01)))
    probe("tensorflow.types.sin_float64", "vectorised or libm's sin in doubles")(lambda: tf.sin(wide("float64")))
    probe("tensorflow.types.tanh_float64", "vectorised or libm's tanh in doubles")(lambda: tf.tanh(wide("float64")))
    probe("tensorflow.types.tanh_float16", "tanh through float32 or in halves")(lambda: tf.tanh(wide("float16")))
    probe("tensorflow.types.tanh_bfloat16", "tanh through float32 and rounding")(lambda: tf.tanh(wide("bfloat16")))
    probe("tensorflow.types.erf_float64", "libm's erf in doubles")(lambda: tf.math.erf(wide("float64")))
    probe("tensorflow.types.lgamma_float64", "libm's lgamma in doubles")(
        lambda: tf.math.lgamma(wide("float64", low=0.1, high=40.0))
    )
    probe("tensorflow.types.pow_float64", "vectorised or libm's pow in doubles")(
        lambda: tf.pow(wide("float64", low=0.01), wide("float64", low=-3.0, high=3.0))
    )
    probe("tensorflow.types.rsqrt_float64", "division or Newton steps in doubles")(
        lambda: tf.math.rsqrt(wide("float64", low=0.01))
    )
    probe("tensorflow.types.softmax_float64", "vectorised exp in doubles, order of sums")(
        lambda: tf.nn.softmax(x(64, 301, dtype="float64"))
    )
    probe("tensorflow.types.softmax_float16", "where halves become floats")(
        lambda: tf.nn.softmax(x(64, 301, dtype="float16"))
    )
    probe("tensorflow.types.sum_float16", "where halves become floats, order of sums")(
        lambda: tf.reduce_sum(x(64, 301, dtype="float16"), 1)
    )
    probe("tensorflow.types.sum_bfloat16", "where bfloat16 becomes float, order of sums")(
        lambda: tf.reduce_sum(x(64, 301, dtype="bfloat16"), 1)
    )
    probe("tensorflow.types.cast_float16", "rounding to even: a control")(lambda: tf.cast(wide() / 3.0, tf.float16))
    probe("tensorflow.types.cast_bfloat16", "rounding or cutting")(lambda: tf.cast(wide() / 3.0, tf.bfloat16))
    if has(tf.quantization, "quantize_and_dequantize_v2"):
        probe("tensorflow.types.quantize_and_dequantize", "scale and rounding of 8 bits")(
            lambda: tf.quantization.quantize_and_dequantize_v2(wide(), -8.0, 8.0, range_given=True)
        )
    probe("tensorflow.types.fake_quantization", "scale and rounding of 8 bits")(
        lambda: tf.quantization.fake_quant_with_min_max_args(wide(), min=-6.0, max=6.0)
    )


def define_reductions():
    large = lambda salt=0: x(300, 1001, low=-1.0, high=3.0, salt=salt) / 3.0
    each = lambda reduction: [reduction(large(salt)) for salt in range(4)]
    probe("tensorflow.reduction.sum_all", "threads, order of sums")(lambda: each(tf.reduce_sum))
    probe("tensorflow.reduction.sum_rows", "vector width, order of sums")(lambda: tf.reduce_sum(large(), 1))
    probe("tensorflow.reduction.sum_columns", "threads, order of sums")(lambda: tf.reduce_sum(large(), 0))
    probe("tensorflow.reduction.sum_middle", "order of sums over an inner axis")(
        lambda: tf.reduce_sum(x(16, 301, 33, high=3.0), 1)
    )
    probe("tensorflow.reduction.sum_float64", "threads, order of sums")(
        lambda: tf.reduce_sum(x(300, 1001, high=3.0, dtype="float64") / 3.0)
    )
    probe("tensorflow.reduction.mean_all", "threads, order of sums")(lambda: each(tf.reduce_mean))
    probe("tensorflow.reduction.mean_rows", "vector width, order of sums")(lambda: tf.reduce_mean(large(), 1))
    probe("tensorflow.reduction.std", "order of sums, two passes")(lambda: tf.math.reduce_std(large(), 0))
    probe("tensorflow.reduction.variance", "order of sums, two passes")(lambda: each(tf.math.reduce_variance))
    probe("tensorflow.reduction.moments", "order of sums, two passes")(lambda: tf.nn.moments(large(), [0]))
    probe("tensorflow.reduction.product", "order of products")(
        lambda: tf.reduce_prod(x(300, 101, low=0.5, high=1.5), 1)
    )
    probe("tensorflow.reduction.maximum", "exact: a control")(lambda: tf.reduce_max(large(), 0))
    probe("tensorflow.reduction.logsumexp", "vectorised exp, order of sums")(lambda: tf.reduce_logsumexp(large(), 1))
    probe("tensorflow.reduction.norm", "order of sums of squares")(lambda: each(tf.norm))
    probe("tensorflow.reduction.l2_loss", "threads, order of sums of squares")(lambda: each(tf.nn.l2_loss))
    probe("tensorflow.reduction.l2_normalize", "sums of squares, rsqrt")(lambda: tf.math.l2_normalize(large(), 1))
    probe("tensorflow.reduction.cumsum", "threads, order of sums")(lambda: tf.cumsum(large(), 1))
    probe("tensorflow.reduction.cumprod", "order of products")(
        lambda: tf.math.cumprod(x(64, 301, low=0.5, high=1.5), 1)
    )
    probe("tensorflow.reduction.cumulative_logsumexp", "exp, log, order of sums")(
        lambda: tf.math.cumulative_logsumexp(x(16, 301), 1)
    )
    probe("tensorflow.reduction.add_n", "order of sums")(lambda: tf.add_n([x(5003, salt=at) / 3.0 for at in range(9)]))


def define_matrices():
    probe("tensorflow.matrix.matmul_small", "Eigen's or oneDNN's kernel, CPU dispatch")(
        lambda: x(16, 24) @ x(24, 8, salt=1)
    )
    probe("tensorflow.matrix.matmul", "kernel, CPU dispatch, threads")(lambda: x(256, 800) @ x(800, 256, salt=1))
    probe("tensorflow.matrix.matmul_long", "threads over the inner dimension")(
        lambda: x(64, 4096) @ x(4096, 64, salt=1)
    )
    probe("tensorflow.matrix.matmul_wide", "blocks of the kernel, threads")(lambda: x(33, 784) @ x(784, 513, salt=1))
    probe("tensorflow.matrix.matmul_transposed", "kernel, CPU dispatch, threads")(
        lambda: tf.matmul(x(900, 128), x(900, 200, salt=1), transpose_a=True)
    )
    probe("tensorflow.matrix.matmul_vector", "matrix by vector kernel, order of sums")(
        lambda: tf.linalg.matvec(x(700, 900), x(900))
    )
    probe("tensorflow.matrix.matmul_float64", "kernel in doubles, CPU dispatch, threads")(
        lambda: x(256, 512, dtype="float64") / 3.0 @ x(512, 256, salt=1, dtype="float64")
    )
    probe("tensorflow.matrix.matmul_float16", "where halves become floats")(
        lambda: x(64, 64, dtype="float16") @ x(64, 64, salt=1, dtype="float16")
    )
    probe("tensorflow.matrix.matmul_bfloat16", "where bfloat16 becomes float, CPU dispatch")(
        lambda: x(64, 64, dtype="bfloat16") @ x(64, 64, salt=1, dtype="bfloat16")
    )
    probe("tensorflow.matrix.matmul_complex", "complex kernel, CPU dispatch")(
        lambda: tf.complex(x(96, 96), x(96, 96, salt=1)) @ tf.complex(x(96, 96, salt=2), x(96, 96, salt=3))
    )
    probe("tensorflow.matrix.matmul_integer", "exact: a control")(
        lambda: whole(64, 64, below=99) @ whole(64, 64, below=99, salt=1)
    )
    probe("tensorflow.matrix.batch_matmul", "kernel, threads over batches")(
        lambda: x(12, 64, 48) @ x(12, 48, 32, salt=1)
    )
    probe("tensorflow.matrix.batch_matmul_float64", "kernel in doubles, threads over batches")(
        lambda: x(12, 64, 48, dtype="float64") / 3.0 @ x(12, 48, 32, salt=1, dtype="float64")
    )
    probe("tensorflow.matrix.einsum", "how a product is brought to matmul")(
        lambda: tf.einsum("bhqd,bhkd->bhqk", x(2, 4, 48, 32), x(2, 4, 48, 32, salt=1))
    )
    probe("tensorflow.matrix.einsum_trace", "order of sums")(
        lambda: tf.einsum("ij,jk,kl->il", x(20, 30), x(30, 40), x(40, 10))
    )
    probe("tensorflow.matrix.tensordot", "kernel, CPU dispatch, threads")(
        lambda: tf.tensordot(x(64, 40, 30), x(40, 30, 64, salt=1), [[1, 2], [0, 1]])
    )
    probe("tensorflow.matrix.outer", "IEEE 754 says all of it: a control")(
        lambda: tf.einsum("i,j->ij", x(99), x(101, salt=1))
    )
    probe("tensorflow.matrix.bias_add", "IEEE 754 says all of it: a control")(
        lambda: tf.nn.bias_add(x(300, 64), x(64, salt=1))
    )
    probe("tensorflow.matrix.band_part", "exact: a control")(lambda: tf.linalg.band_part(x(40, 40), 3, 5))
    probe("tensorflow.matrix.cross", "fused multiply-add")(lambda: tf.linalg.cross(x(999, 3), x(999, 3, salt=1)))
    probe("tensorflow.matrix.gram", "products of a matrix with itself")(
        lambda: tf.matmul(x(128, 1000), x(128, 1000), transpose_b=True)
    )
    if has_xla():
        probe("tensorflow.matrix.xla_matmul", "XLA's code for this CPU, threads")(
            lambda: compiled(lambda a, b: tf.tanh(a @ b) * 0.5)(x(128, 160), x(160, 96, salt=1))
        )
        probe("tensorflow.matrix.xla_reduction", "XLA's code for this CPU: fused exp and order of sums")(
            lambda: compiled(lambda a: tf.reduce_sum(tf.exp(a) * tf.sin(a), 1))(x(64, 1003))
        )


def define_decompositions():
    double = lambda n, salt=0: positive(n, "float64", salt)
    symmetric = lambda n, dtype="float32": (lambda a: (a + tf.transpose(a)) / 2)(x(n, n, dtype=dtype))
    probe("tensorflow.linalg.cholesky", "Eigen's blocks, CPU dispatch")(lambda: tf.linalg.cholesky(positive(96)))
    probe("tensorflow.linalg.cholesky_float64", "Eigen's blocks in doubles")(lambda: tf.linalg.cholesky(double(96)))
    probe("tensorflow.linalg.cholesky_solve", "triangular solves")(
        lambda: tf.linalg.cholesky_solve(tf.linalg.cholesky(positive(48)), x(48, 5, salt=1))
    )
    probe("tensorflow.linalg.solve", "LU with pivots, CPU dispatch")(
        lambda: tf.linalg.solve(positive(96), x(96, 7, salt=1))
    )
    probe("tensorflow.linalg.solve_float64", "LU with pivots in doubles")(
        lambda: tf.linalg.solve(double(64), x(64, 7, salt=1, dtype="float64"))
    )
    probe("tensorflow.linalg.triangular_solve", "order of sums")(
        lambda: tf.linalg.triangular_solve(positive(96), x(96, 7, salt=1))
    )
    probe("tensorflow.linalg.tridiagonal_solve", "Thomas or pivoting algorithm")(
        lambda: tf.linalg.tridiagonal_solve(x(3, 200, low=0.5, high=1.0) + [[0.0], [4.0], [0.0]], x(200, 1, salt=1))
    )
    probe("tensorflow.linalg.inv", "LU with pivots, CPU dispatch")(lambda: tf.linalg.inv(positive(64)))
    probe("tensorflow.linalg.det", "LU with pivots, order of products")(lambda: tf.linalg.det(positive(16) / 8.0))
    probe("tensorflow.linalg.logdet", "LU with pivots, log")(lambda: tf.linalg.slogdet(positive(64)))
    probe("tensorflow.linalg.lu", "LU with pivots")(lambda: tf.linalg.lu(x(48, 48)))
    probe("tensorflow.linalg.eigh", "Eigen's or LAPACK's eigensolver, signs of the vectors")(
        lambda: tf.linalg.eigh(symmetric(48))
    )
    probe("tensorflow.linalg.eigh_float64", "Eigen's or LAPACK's eigensolver in doubles")(
        lambda: tf.linalg.eigh(symmetric(32, "float64"))
    )
    probe("tensorflow.linalg.eigvalsh", "Eigen's eigensolver, values only")(lambda: tf.linalg.eigvalsh(symmetric(48)))
    if has(tf.linalg, "eig"):
        probe("tensorflow.linalg.eig", "Eigen's Schur decomposition")(lambda: tf.linalg.eig(x(16, 16)))
    probe("tensorflow.linalg.svd", "Eigen's divide and conquer, signs of the vectors")(lambda: tf.linalg.svd(x(48, 32)))
    probe("tensorflow.linalg.svd_float64", "Eigen's divide and conquer in doubles")(
        lambda: tf.linalg.svd(x(40, 24, dtype="float64"))
    )
    probe("tensorflow.linalg.qr", "Householder blocks, CPU dispatch")(lambda: tf.linalg.qr(x(96, 48)))
    probe("tensorflow.linalg.qr_float64", "Householder blocks in doubles")(
        lambda: tf.linalg.qr(x(64, 48, dtype="float64"))
    )
    probe("tensorflow.linalg.lstsq", "Cholesky of the normal equations")(
        lambda: tf.linalg.lstsq(x(90, 20), x(90, 3, salt=1))
    )
    probe("tensorflow.linalg.lstsq_orthogonal", "complete orthogonal decomposition")(
        lambda: tf.linalg.lstsq(x(60, 20), x(60, 3, salt=1), fast=False)
    )
    probe("tensorflow.linalg.pinv", "singular values, cut-off")(lambda: tf.linalg.pinv(x(24, 16)))
    probe("tensorflow.linalg.expm", "Padé approximation, solve")(lambda: tf.linalg.expm(x(16, 16)))
    probe("tensorflow.linalg.sqrtm", "Schur decomposition")(lambda: tf.linalg.sqrtm(positive(12)))
    probe("tensorflow.linalg.logm", "Schur decomposition, complex log")(
        lambda: tf.linalg.logm(tf.cast(positive(8), tf.complex64))
    )


def define_convolutions():
    image, filters = lambda: x(4, 28, 28, 16), lambda *shape: x(*shape, salt=1)
    probe("tensorflow.convolution.conv1d", "Eigen's or oneDNN's kernel, threads")(
        lambda: tf.nn.conv1d(x(4, 200, 16), filters(5, 16, 32), 1, "SAME")
    )
    probe("tensorflow.convolution.conv2d", "Eigen's or oneDNN's kernel, CPU dispatch, threads")(
        lambda: tf.nn.conv2d(image(), filters(3, 3, 16, 32), 1, "SAME")
    )
    probe("tensorflow.convolution.conv2d_stride", "kernel chosen for strides, threads")(
        lambda: tf.nn.conv2d(image(), filters(3, 3, 16, 32), 2, "VALID")
    )
    probe("tensorflow.convolution.conv2d_dilation", "kernel chosen for dilation, threads")(
        lambda: tf.nn.conv2d(image(), filters(3, 3, 16, 16), 1, "SAME", dilations=2)
    )
    probe("tensorflow.convolution.conv2d_pointwise", "the way to matmul for 1x1 filters")(
        lambda: tf.nn.conv2d(image(), filters(1, 1, 16, 64), 1, "SAME")
    )
    probe("tensorflow.convolution.conv2d_large", "kernel chosen for 7x7 filters, threads")(
        lambda: tf.nn.conv2d(x(2, 40, 40, 3), filters(7, 7, 3, 24), 2, "SAME")
    )
    probe("tensorflow.convolution.conv2d_deep", "kernel over many channels, threads over the inner dimension")(
        lambda: tf.nn.conv2d(x(2, 14, 14, 256), filters(3, 3, 256, 32), 1, "SAME")
    )
    probe("tensorflow.convolution.conv2d_float64", "kernel in doubles")(
        lambda: tf.nn.conv2d(x(2, 14, 14, 8, dtype="float64") / 3.0, x(3, 3, 8, 8, salt=1, dtype="float64"), 1, "SAME")
    )
    probe("tensorflow.convolution.conv2d_float16", "where halves become floats")(
        lambda: tf.nn.conv2d(x(1, 10, 10, 4, dtype="float16"), x(3, 3, 4, 4, salt=1, dtype="float16"), 1, "SAME")
    )
    probe("tensorflow.convolution.conv3d", "Eigen's or oneDNN's kernel, threads")(
        lambda: tf.nn.conv3d(x(2, 6, 10, 10, 32), filters(3, 3, 3, 32, 16), [1] * 5, "SAME")
    )
    probe("tensorflow.convolution.depthwise_conv2d", "depthwise kernel; SIGFPE in 2.5.0 with oneDNN")(
        lambda: tf.nn.depthwise_conv2d(x(2, 28, 28, 16), filters(3, 3, 16, 2), [1, 1, 1, 1], "SAME")
    )
    probe("tensorflow.convolution.separable_conv2d", "depthwise kernel and matmul")(
        lambda: tf.nn.separable_conv2d(x(2, 20, 20, 8), filters(3, 3, 8, 2), x(1, 1, 16, 8, salt=2), [1] * 4, "SAME")
    )
    probe("tensorflow.convolution.conv1d_transpose", "gradient kernel, threads")(
        lambda: tf.nn.conv1d_transpose(x(2, 50, 16), filters(5, 8, 16), [2, 100, 8], 2)
    )
    probe("tensorflow.convolution.conv2d_transpose", "gradient kernel, threads")(
        lambda: tf.nn.conv2d_transpose(x(2, 14, 14, 16), filters(3, 3, 8, 16), [2, 28, 28, 8], 2)
    )
    probe("tensorflow.convolution.conv3d_transpose", "gradient kernel, threads")(
        lambda: tf.nn.conv3d_transpose(x(1, 5, 7, 7, 8), filters(3, 3, 3, 4, 8), [1, 10, 14, 14, 4], 2)
    )
    probe("tensorflow.convolution.dilation2d", "order of maxima: a control")(
        lambda: tf.nn.dilation2d(x(1, 16, 16, 4), filters(3, 3, 4), [1] * 4, "SAME", "NHWC", [1] * 4)
    )
    probe("tensorflow.pooling.max", "exact: a control")(lambda: tf.nn.max_pool2d(image(), 2, 2, "SAME"))
    probe("tensorflow.pooling.average", "order of sums, division")(lambda: tf.nn.avg_pool2d(image(), 3, 2, "SAME"))
    probe("tensorflow.pooling.average_3d", "order of sums, division")(
        lambda: tf.nn.avg_pool3d(x(2, 9, 9, 9, 4), 3, 2, "SAME")
    )
    probe("tensorflow.pooling.global_average", "order of sums")(lambda: tf.reduce_mean(image(), [1, 2]))
    probe("tensorflow.pooling.fractional", "seeded regions of the pool")(
        seeded(lambda: tf.nn.fractional_max_pool(x(1, 20, 20, 4), [1.0, 1.44, 1.73, 1.0], seed=SEED))
    )


def define_networks():
    layers = keras.layers
    shifted = lambda: x(64, 300, low=-1.0, high=5.0)
    norm = lambda layer, value: layer(value, training=True)
    probe("tensorflow.network.batch_norm", "order of sums, rsqrt, threads")(
        lambda: tf.nn.batch_normalization(shifted(), *tf.nn.moments(shifted(), [0]), x(300), x(300, salt=1), 0.001)
    )
    probe("tensorflow.network.fused_batch_norm", "fused kernel, order of sums, threads")(
        lambda: tf.compat.v1.nn.fused_batch_norm(x(4, 20, 20, 16, high=5.0), x(16), x(16, salt=1))
    )
    probe("tensorflow.network.batch_norm_layer", "fused kernel, moving averages")(
        lambda: norm(layers.BatchNormalization(), x(4, 20, 20, 16, high=5.0))
    )
    probe("tensorflow.network.layer_norm", "the way Keras takes: fused or by moments")(
        lambda: norm(layers.LayerNormalization(), shifted())
    )
    if has(layers, "GroupNormalization"):
        probe("tensorflow.network.group_norm", "order of sums, rsqrt")(
            lambda: norm(layers.GroupNormalization(4), x(2, 12, 12, 16, high=5.0))
        )
    probe("tensorflow.network.local_response_norm", "powers, order of sums")(
        lambda: tf.nn.local_response_normalization(x(2, 14, 14, 16), 3, 1.0, 0.5, 0.75)
    )
    probe("tensorflow.network.dense", "matmul and bias, fused or not")(
        lambda: weigh(layers.Dense(96, activation="tanh"), 1, 800)(x(64, 800))
    )
    probe("tensorflow.network.convolution_layer", "convolution, bias and relu, fused or not")(
        lambda: weigh(layers.Conv2D(24, 3, activation="relu"), 1, 20, 20, 8)(x(2, 20, 20, 8))
    )
    probe("tensorflow.network.embedding", "exact: a control")(
        lambda: weigh(layers.Embedding(100, 16), 1, 4)(whole(32, 20, below=100))
    )
    probe("tensorflow.network.attention", "matmul and softmax")(
        lambda: layers.Attention()([x(2, 40, 32), x(2, 50, 32, salt=1)])
    )
    probe("tensorflow.network.additive_attention", "tanh, order of sums, softmax")(
        lambda: layers.AdditiveAttention(use_scale=False)([x(2, 20, 32), x(2, 30, 32, salt=1)])
    )
    if has(layers, "MultiHeadAttention"):
        probe("tensorflow.network.multi_head_attention", "einsum, softmax, order of sums")(multi_head_attention)
    probe("tensorflow.network.scaled_attention", "matmul, softmax, order of sums")(
        lambda: tf.nn.softmax(x(2, 4, 40, 32) @ tf.linalg.matrix_transpose(x(2, 4, 40, 32, salt=1)) / 32.0**0.5)
    )
    if preprocessing("Normalization"):
        probe("tensorflow.network.normalization_layer", "mean and variance of the data, their dtype")(
            normalization_layer
        )


def multi_head_attention():
    layer = keras.layers.MultiHeadAttention(num_heads=2, key_dim=8)
    layer(tf.zeros([1, 4, 16]), tf.zeros([1, 4, 16]))
    layer.set_weights([x(*w.shape, salt=20 + at).numpy() for at, w in enumerate(layer.get_weights())])
    return layer(x(2, 24, 16), x(2, 30, 16, salt=1))


def normalization_layer():
    layer = preprocessing("Normalization")()
    layer.adapt(x(200, 8, low=-1.0, high=5.0).numpy())
    return layer(x(50, 8))


def define_gradients():
    probe("tensorflow.gradient.matmul", "matmul of transposed operands, threads")(
        lambda: gradient(tf.matmul, x(900, 200), x(200, 96, salt=1))
    )
    probe("tensorflow.gradient.conv1d", "gradient kernels, threads")(
        lambda: gradient(lambda a, b: tf.nn.conv1d(a, b, 1, "SAME"), x(16, 200, 8), x(5, 8, 16, salt=1))
    )
    probe("tensorflow.gradient.conv2d", "gradient kernels, threads, order of sums")(
        lambda: gradient(lambda a, b: tf.nn.conv2d(a, b, 1, "SAME"), x(4, 20, 20, 8), x(3, 3, 8, 16, salt=1))
    )
    probe("tensorflow.gradient.conv2d_stride", "gradient kernels, threads, order of sums")(
        lambda: gradient(lambda a, b: tf.nn.conv2d(a, b, 2, "VALID"), x(4, 21, 21, 8), x(3, 3, 8, 16, salt=1))
    )
    probe("tensorflow.gradient.conv3d", "gradient kernels, threads, order of sums")(
        lambda: gradient(lambda a, b: tf.nn.conv3d(a, b, [1] * 5, "SAME"), x(2, 6, 10, 10, 4), x(3, 3, 3, 4, 8, salt=1))
    )
    probe("tensorflow.gradient.depthwise_conv2d", "depthwise gradient kernels")(
        lambda: gradient(
            lambda a, b: tf.nn.depthwise_conv2d(a, b, [1] * 4, "SAME"), x(2, 14, 14, 8), x(3, 3, 8, 1, salt=1)
        )
    )
    probe("tensorflow.gradient.bias", "threads, order of sums")(
        lambda: gradient(tf.nn.bias_add, x(2000, 33), x(33, salt=1))
    )
    probe("tensorflow.gradient.max_pool", "ties of maxima")(
        lambda: gradient(lambda a: tf.nn.max_pool2d(a, 3, 2, "SAME"), tf.round(x(2, 16, 16, 4) * 4.0))
    )
    probe("tensorflow.gradient.average_pool", "division, order of sums")(
        lambda: gradient(lambda a: tf.nn.avg_pool2d(a, 3, 2, "SAME"), x(2, 16, 16, 4))
    )
    probe("tensorflow.gradient.softmax", "exp, order of sums")(lambda: gradient(tf.nn.softmax, x(64, 301)))
    probe("tensorflow.gradient.cross_entropy", "exp, log, order of sums")(
        lambda: gradient(
            lambda a: tf.nn.sparse_softmax_cross_entropy_with_logits(whole(64, below=301), a), x(64, 301, high=5.0)
        )
    )
    probe("tensorflow.gradient.batch_norm", "fused gradient kernel, order of sums, threads")(
        lambda: gradient(
            lambda a, b, c: tf.compat.v1.nn.fused_batch_norm(a, b, c)[0], x(8, 40, 40, 8), x(8, salt=1), x(8, salt=2)
        )
    )
    probe("tensorflow.gradient.gather", "order of sums of repeated rows")(
        lambda: gradient(lambda a: tf.gather(a, whole(2000, below=50)), x(50, 16))
    )
    probe("tensorflow.gradient.tanh", "vectorised tanh")(lambda: gradient(tf.tanh, wide()))
    probe("tensorflow.gradient.lgamma", "digamma")(lambda: gradient(tf.math.lgamma, x(2003, low=0.5, high=20.0)))
    probe("tensorflow.gradient.cholesky", "triangular solves, matmul")(
        lambda: gradient(tf.linalg.cholesky, positive(24))
    )
    probe("tensorflow.gradient.solve", "adjoint solve, matmul")(
        lambda: gradient(tf.linalg.solve, positive(32), x(32, 4, salt=1))
    )
    probe("tensorflow.gradient.resize", "order of sums of pixels")(
        lambda: gradient(lambda a: tf.image.resize(a, [37, 31]), images())
    )
    probe("tensorflow.gradient.lstm", "recurrence backwards, matmul, sums")(
        lambda: gradient(weigh(keras.layers.LSTM(12), 1, 6, 8), x(4, 6, 8))
    )
    probe("tensorflow.gradient.gru", "recurrence backwards, matmul, sums")(
        lambda: gradient(weigh(keras.layers.GRU(12), 1, 6, 8), x(4, 6, 8))
    )


def define_selection():
    ties = lambda: tf.cast(whole(40, 301, below=20), tf.float32)
    probe("tensorflow.selection.sort", "exact: a control")(lambda: tf.sort(ties()))
    probe("tensorflow.selection.argsort", "order of ties")(lambda: tf.argsort(ties()))
    probe("tensorflow.selection.argsort_descending", "order of ties")(
        lambda: tf.argsort(ties(), direction="DESCENDING")
    )
    probe("tensorflow.selection.top_k", "order of ties")(lambda: tf.math.top_k(ties(), 40))
    probe("tensorflow.selection.argmax", "which tie is first")(lambda: tf.argmax(ties(), 1))
    probe("tensorflow.selection.in_top_k", "ties at the border")(
        lambda: tf.math.in_top_k(whole(40, below=301), ties(), 20)
    )
    probe("tensorflow.selection.unique", "order of values")(lambda: tf.unique_with_counts(whole(3000, below=200)))
    probe("tensorflow.selection.bincount", "weights summed per bin, threads")(
        lambda: tf.math.bincount(whole(5000, below=64), weights=x(5000) / 3.0, minlength=64)
    )
    probe("tensorflow.selection.histogram", "borders of bins")(
        lambda: tf.histogram_fixed_width(wide(), [-7.0, 7.0], nbins=33)
    )
    probe("tensorflow.selection.searchsorted", "exact: a control")(
        lambda: tf.searchsorted(tf.sort(x(500)), x(900, salt=1))
    )
    probe("tensorflow.selection.confusion_matrix", "exact: a control")(
        lambda: tf.math.confusion_matrix(whole(900, below=9), whole(900, below=9, salt=1))
    )
    probe("tensorflow.selection.non_max_suppression", "ties of scores, overlap")(
        lambda: tf.image.non_max_suppression(
            tf.concat([x(99, 2, low=0.0), 1.0 + x(99, 2, low=0.0, salt=1)], 1), tf.round(x(99) * 8.0), 30, 0.4
        )
    )


def define_sparse():
    segments = lambda: tf.sort(whole(4000, below=60))
    probe("tensorflow.sparse.segment_sum", "order of sums")(lambda: tf.math.segment_sum(x(4000, 8) / 3.0, segments()))
    probe("tensorflow.sparse.segment_mean", "order of sums, division")(
        lambda: tf.math.segment_mean(x(4000, 8), segments())
    )
    probe("tensorflow.sparse.unsorted_segment_sum", "order of sums, threads")(
        lambda: tf.math.unsorted_segment_sum(x(4000, 8) / 3.0, whole(4000, below=60), 60)
    )
    probe("tensorflow.sparse.scatter_add", "order of sums")(
        lambda: tf.tensor_scatter_nd_add(x(60, 8), whole(900, 1, below=60), x(900, 8, salt=1) / 3.0)
    )
    probe("tensorflow.sparse.scatter_nd", "order of sums")(
        lambda: tf.scatter_nd(whole(900, 1, below=60), x(900, 8, salt=1) / 3.0, [60, 8])
    )
    probe("tensorflow.sparse.matmul", "order of sums, threads")(
        lambda: tf.sparse.sparse_dense_matmul(tf.sparse.from_dense(tf.nn.relu(x(90, 120) - 0.7)), x(120, 40, salt=1))
    )
    probe("tensorflow.sparse.reduce_sum", "order of sums")(
        lambda: tf.sparse.reduce_sum(tf.sparse.from_dense(tf.nn.relu(x(90, 120))), 1)
    )
    probe("tensorflow.sparse.softmax", "exp, order of sums")(
        lambda: tf.sparse.softmax(tf.sparse.from_dense(tf.nn.relu(x(20, 50))))
    )
    probe("tensorflow.sparse.embedding_lookup", "weighted sums of rows")(
        lambda: tf.nn.embedding_lookup_sparse(x(50, 8), tf.sparse.from_dense(1 + whole(30, 6, below=49)), None, "mean")
    )


def define_signals():
    real, even = lambda: x(8, 1000), lambda n: tf.complex(x(8, n), x(8, n, salt=1))
    probe("tensorflow.signal.fft", "FFT library: Eigen's, later ducc")(lambda: tf.signal.fft(even(1024)))
    probe("tensorflow.signal.fft_odd", "FFT library for lengths that are no power of two")(
        lambda: tf.signal.fft(even(1005))
    )
    probe("tensorflow.signal.fft_complex128", "FFT library in doubles")(
        lambda: tf.signal.fft(tf.cast(even(500), tf.complex128))
    )
    probe("tensorflow.signal.ifft", "FFT library, scale")(lambda: tf.signal.ifft(even(1000)))
    probe("tensorflow.signal.fft2d", "FFT library, order of axes")(lambda: tf.signal.fft2d(even(60)))
    probe("tensorflow.signal.rfft", "FFT library, real input")(lambda: tf.signal.rfft(real()))
    probe("tensorflow.signal.irfft", "FFT library, real output")(lambda: tf.signal.irfft(even(257)))
    probe("tensorflow.signal.dct", "FFT library, sin and cos")(lambda: tf.signal.dct(real()))
    probe("tensorflow.signal.stft", "FFT library, window")(lambda: tf.signal.stft(real(), 128, 64))
    probe("tensorflow.signal.hann_window", "cos")(lambda: tf.signal.hann_window(501))
    probe("tensorflow.signal.mel_weights", "log and divisions")(
        lambda: tf.signal.linear_to_mel_weight_matrix(20, 129, 16000)
    )


def define_images():
    resized = lambda how, big=True, **more: tf.image.resize(images(), [37, 31] if big else [11, 13], how, **more)
    probe("tensorflow.image.resize_bilinear", "interpolation, threads")(lambda: resized("bilinear"))
    probe("tensorflow.image.resize_nearest", "rounding of positions")(lambda: resized("nearest"))
    probe("tensorflow.image.resize_bicubic", "interpolation")(lambda: resized("bicubic"))
    probe("tensorflow.image.resize_area", "order of sums")(lambda: resized("area", False))
    probe("tensorflow.image.resize_lanczos3", "sin in the kernel")(lambda: resized("lanczos3"))
    probe("tensorflow.image.resize_lanczos5", "sin in the kernel")(lambda: resized("lanczos5"))
    probe("tensorflow.image.resize_gaussian", "exp in the kernel")(lambda: resized("gaussian"))
    probe("tensorflow.image.resize_mitchell", "kernel weights")(lambda: resized("mitchellcubic"))
    probe("tensorflow.image.resize_antialias", "kernel weights when shrinking")(
        lambda: resized("bilinear", False, antialias=True)
    )
    probe("tensorflow.image.crop_and_resize", "interpolation of boxes")(
        lambda: tf.image.crop_and_resize(images(), x(5, 4, low=0.0), whole(5, below=2), [9, 9])
    )
    probe("tensorflow.image.central_crop", "rounding of positions: a control")(
        lambda: tf.image.central_crop(images(), 0.6)
    )
    probe("tensorflow.image.adjust_brightness", "addition: a control")(
        lambda: tf.image.adjust_brightness(images(), 0.1)
    )
    probe("tensorflow.image.adjust_contrast", "order of sums in the mean")(
        lambda: tf.image.adjust_contrast(images(), 1.7)
    )
    probe("tensorflow.image.adjust_saturation", "conversion to HSV and back")(
        lambda: tf.image.adjust_saturation(images(), 1.7)
    )
    probe("tensorflow.image.adjust_hue", "conversion to HSV and back")(lambda: tf.image.adjust_hue(images(), 0.13))
    probe("tensorflow.image.adjust_gamma", "pow")(lambda: tf.image.adjust_gamma(images(), 0.7))
    probe("tensorflow.image.standardize", "mean and variance")(lambda: tf.image.per_image_standardization(images()))
    probe("tensorflow.image.rgb_to_hsv", "divisions")(lambda: tf.image.rgb_to_hsv(images()))
    probe("tensorflow.image.hsv_to_rgb", "divisions")(lambda: tf.image.hsv_to_rgb(images()))
    probe("tensorflow.image.rgb_to_yuv", "fused multiply-add")(lambda: tf.image.rgb_to_yuv(images()))
    probe("tensorflow.image.rgb_to_grayscale", "fused multiply-add, rounding")(
        lambda: tf.image.rgb_to_grayscale(images())
    )
    probe("tensorflow.image.sobel_edges", "depthwise convolution")(lambda: tf.image.sobel_edges(images()))
    probe("tensorflow.image.ssim", "convolution, order of sums")(
        lambda: tf.image.ssim(images(), tf.image.rot90(images()), 1.0)
    )
    probe("tensorflow.image.total_variation", "order of sums")(lambda: tf.image.total_variation(images()))
    probe("tensorflow.image.jpeg", "libjpeg-turbo: cosine transform and chroma")(
        lambda: tf.io.decode_jpeg(tf.io.encode_jpeg(pixels(), quality=80))
    )
    probe("tensorflow.image.jpeg_accurate", "libjpeg-turbo, accurate cosine transform")(
        lambda: tf.io.decode_jpeg(tf.io.encode_jpeg(pixels(), quality=80), dct_method="INTEGER_ACCURATE")
    )
    probe("tensorflow.image.png", "lossless: a control")(lambda: tf.io.decode_png(tf.io.encode_png(pixels())))
    probe("tensorflow.image.random_flip", "stateful random numbers and how many are drawn")(
        seeded(lambda: tf.image.random_flip_left_right(images(8), seed=SEED))
    )
    probe("tensorflow.image.random_brightness", "stateful random numbers")(
        seeded(lambda: tf.image.random_brightness(images(), 0.3, seed=SEED))
    )
    probe("tensorflow.image.random_contrast", "stateful random numbers, mean")(
        seeded(lambda: tf.image.random_contrast(images(), 0.3, 1.7, seed=SEED))
    )
    probe("tensorflow.image.random_crop", "stateful random numbers")(
        seeded(lambda: tf.image.random_crop(images(), [2, 9, 9, 3], seed=SEED))
    )
    if has(tf.image, "stateless_random_flip_left_right", "stateless_random_hue"):
        probe("tensorflow.image.stateless_random_flip", "stateless random numbers")(
            lambda: tf.image.stateless_random_flip_left_right(images(8), [1, 2])
        )
        probe("tensorflow.image.stateless_random_hue", "stateless random numbers, HSV")(
            lambda: tf.image.stateless_random_hue(images(), 0.4, [1, 2])
        )


def define_random():
    stateful, stateless, seeds = tf.random, tf.random, [11, 29]
    probe("tensorflow.random.uniform", "Philox, operation and global seed")(seeded(lambda: stateful.uniform([50021])))
    probe("tensorflow.random.uniform_integers", "Philox, how bits become integers")(
        seeded(lambda: stateful.uniform([5003], maxval=1000, dtype=tf.int32))
    )
    probe("tensorflow.random.uniform_float64", "Philox, how bits become doubles")(
        seeded(lambda: stateful.uniform([5003], dtype=tf.float64))
    )
    probe("tensorflow.random.normal", "Philox, Box-Muller: log, sin, cos")(seeded(lambda: stateful.normal([50021])))
    probe("tensorflow.random.normal_float16", "Philox, Box-Muller, rounding")(
        seeded(lambda: stateful.normal([5003], dtype=tf.float16))
    )
    probe("tensorflow.random.truncated_normal", "Philox, rejected numbers")(
        seeded(lambda: stateful.truncated_normal([20011]))
    )
    probe("tensorflow.random.gamma", "Philox, rejected numbers, pow and log")(
        seeded(lambda: stateful.gamma([2003], [0.5, 2.5]))
    )
    probe("tensorflow.random.poisson", "Philox, rejected numbers, exp and lgamma")(
        seeded(lambda: stateful.poisson([2003], [0.7, 20.0]))
    )
    probe("tensorflow.random.categorical", "Philox, sums of exp")(seeded(lambda: stateful.categorical(x(20, 30), 100)))
    probe("tensorflow.random.shuffle", "Philox, algorithm of the shuffle")(
        seeded(lambda: stateful.shuffle(tf.range(2003)))
    )
    probe("tensorflow.random.two_in_a_row", "counter of operations under a global seed")(
        seeded(lambda: [stateful.normal([99]), stateful.uniform([99])])
    )
    probe("tensorflow.random.log_uniform_sampler", "sampler of candidates, exp")(
        seeded(
            lambda: stateful.log_uniform_candidate_sampler(whole(4, 2, dtype="int64"), 2, 20, True, 1000, seed=SEED)[0]
        )
    )
    probe("tensorflow.random.stateless_uniform", "Philox from a seed")(
        lambda: stateless.stateless_uniform([50021], seeds)
    )
    probe("tensorflow.random.stateless_integers", "Philox from a seed, how bits become integers")(
        lambda: stateless.stateless_uniform([5003], seeds, maxval=1000, dtype=tf.int32)
    )
    probe("tensorflow.random.stateless_normal", "Philox from a seed, Box-Muller")(
        lambda: stateless.stateless_normal([50021], seeds)
    )
    probe("tensorflow.random.stateless_truncated_normal", "Philox from a seed, rejected numbers")(
        lambda: stateless.stateless_truncated_normal([20011], seeds)
    )
    probe("tensorflow.random.stateless_categorical", "Philox from a seed, sums of exp")(
        lambda: stateless.stateless_categorical(x(20, 30), 100, seeds)
    )
    probe("tensorflow.random.stateless_gamma", "Philox from a seed, rejected numbers")(
        lambda: stateless.stateless_gamma([2003, 2], seeds, [0.5, 2.5])
    )
    probe("tensorflow.random.stateless_poisson", "Philox from a seed, rejected numbers")(
        lambda: stateless.stateless_poisson([2003, 2], seeds, [0.7, 20.0])
    )
    probe("tensorflow.random.stateless_binomial", "Philox from a seed, rejected numbers")(
        lambda: stateless.stateless_binomial([2003, 2], seeds, [10.0, 99.0], [0.4, 0.7])
    )
    if has(tf.random, "fold_in", "split"):
        probe("tensorflow.random.split", "how seeds become seeds")(
            lambda: [tf.random.split(seeds, 5), tf.random.fold_in(seeds, 3)]
        )
    if has(tf.random.experimental, "stateless_shuffle"):
        probe("tensorflow.random.stateless_shuffle", "sort by random keys")(
            lambda: tf.random.experimental.stateless_shuffle(tf.range(2003), seeds)
        )
    generator = lambda: tf.random.Generator.from_seed(SEED, alg="philox")
    probe("tensorflow.random.generator_philox", "Philox of a Generator")(lambda: generator().normal([20011]))
    probe("tensorflow.random.generator_truncated", "Philox of a Generator, rejected numbers")(
        lambda: generator().truncated_normal([2003])
    )
    probe("tensorflow.random.generator_binomial", "Philox of a Generator, rejected numbers")(
        lambda: generator().binomial([2003], 40.0, 0.3)
    )
    probe("tensorflow.random.generator_split", "how a Generator is split")(
        lambda: [each.normal([9]) for each in generator().split(3)]
    )
    probe("tensorflow.random.dropout", "stateful random numbers, scale")(
        seeded(lambda: tf.nn.dropout(x(99, 101), 0.4, seed=SEED))
    )
    probe("tensorflow.random.data_shuffle", "tf.data's shuffle with a seed")(
        seeded(lambda: [int(each) for each in tf.data.Dataset.range(300).shuffle(64, seed=SEED)])
    )
    probe("tensorflow.random.data_random", "tf.data's random numbers with a seed")(
        seeded(lambda: [int(each) for each in tf.data.experimental.RandomDataset(SEED).take(20)])
    )


def define_initializers():
    made = keras.initializers
    dense, filters = (301, 65), (3, 3, 16, 24)
    probe("tensorflow.initializer.glorot_uniform", "how the seed is used, scale")(
        seeded(lambda: made.GlorotUniform(seed=SEED)(dense))
    )
    probe("tensorflow.initializer.glorot_normal", "how the seed is used, truncated normal")(
        seeded(lambda: made.GlorotNormal(seed=SEED)(dense))
    )
    probe("tensorflow.initializer.he_uniform", "how the seed is used, scale")(
        seeded(lambda: made.HeUniform(seed=SEED)(filters))
    )
    probe("tensorflow.initializer.he_normal", "how the seed is used, truncated normal")(
        seeded(lambda: made.HeNormal(seed=SEED)(filters))
    )
    probe("tensorflow.initializer.lecun_uniform", "how the seed is used, scale")(
        seeded(lambda: made.LecunUniform(seed=SEED)(dense))
    )
    probe("tensorflow.initializer.lecun_normal", "how the seed is used, truncated normal")(
        seeded(lambda: made.LecunNormal(seed=SEED)(dense))
    )
    probe("tensorflow.initializer.orthogonal", "how the seed is used, QR")(
        seeded(lambda: made.Orthogonal(seed=SEED)((60, 40)))
    )
    probe("tensorflow.initializer.random_normal", "how the seed is used, Box-Muller")(
        seeded(lambda: made.RandomNormal(seed=SEED)(dense))
    )
    probe("tensorflow.initializer.random_uniform", "how the seed is used")(
        seeded(lambda: made.RandomUniform(seed=SEED)(dense))
    )
    probe("tensorflow.initializer.truncated_normal", "how the seed is used, rejected numbers")(
        seeded(lambda: made.TruncatedNormal(seed=SEED)(dense))
    )
    probe("tensorflow.initializer.variance_scaling", "how the seed is used, scale")(
        seeded(
            lambda: made.VarianceScaling(scale=2.0, mode="fan_out", distribution="untruncated_normal", seed=SEED)(dense)
        )
    )
    probe("tensorflow.initializer.identity", "exact: a control")(lambda: made.Identity()((9, 7)))
    probe("tensorflow.initializer.dense_layer", "seeds of layers without one, under the global seed")(
        seeded(lambda: build(keras.layers.Dense(40), 1, 30))
    )
    probe("tensorflow.initializer.convolution_layer", "seeds of layers without one, under the global seed")(
        seeded(lambda: build(keras.layers.Conv2D(8, 3), 1, 9, 9, 4))
    )
    probe("tensorflow.initializer.embedding_layer", "seeds of layers without one, under the global seed")(
        seeded(lambda: build(keras.layers.Embedding(50, 8), 1, 4))
    )
    probe("tensorflow.initializer.recurrent_layer", "seeds of layers without one, QR, under the global seed")(
        seeded(lambda: build(keras.layers.LSTM(12), 1, 4, 8))
    )
    probe("tensorflow.initializer.model", "seeds of layers without one, one after the other")(
        seeded(lambda: build(dense_model(), 1, 20))
    )


def build(layer, *shape):
    """Return the initial weights of a layer or model for inputs of a shape."""
    layer(tf.zeros(shape))
    return layer.get_weights()


def define_random_layers():
    layers = keras.layers
    run = lambda layer, *shape: seeded(lambda: layer()(x(*shape, low=0.0), training=True))
    picture = (2, 12, 12, 3)
    probe("tensorflow.random_layer.dropout", "how the layer uses its seed")(
        run(lambda: layers.Dropout(0.4, seed=SEED), 99, 101)
    )
    probe("tensorflow.random_layer.dropout_global_seed", "how a layer without a seed gets one")(
        run(lambda: layers.Dropout(0.4), 99, 101)
    )
    probe("tensorflow.random_layer.dropout_noise_shape", "how the layer uses its seed")(
        run(lambda: layers.Dropout(0.4, noise_shape=(20, 1, 8), seed=SEED), 20, 30, 8)
    )
    probe("tensorflow.random_layer.spatial_dropout", "how a layer without a seed gets one")(
        run(lambda: layers.SpatialDropout2D(0.4), 8, 9, 9, 16)
    )
    probe("tensorflow.random_layer.gaussian_noise", "how the layer draws its noise")(
        run(lambda: layers.GaussianNoise(0.3), 99, 101)
    )
    probe("tensorflow.random_layer.gaussian_dropout", "how the layer draws its noise")(
        run(lambda: layers.GaussianDropout(0.3), 99, 101)
    )
    probe("tensorflow.random_layer.alpha_dropout", "how the layer draws what it drops")(
        run(lambda: layers.AlphaDropout(0.3), 99, 101)
    )
    if preprocessing("RandomFlip"):
        probe("tensorflow.random_layer.random_flip", "stateful numbers in 2.5, stateless ones from 2.6 on")(
            run(lambda: preprocessing("RandomFlip")("horizontal_and_vertical", seed=SEED), 16, 5, 4, 3)
        )
    if preprocessing("RandomRotation"):
        probe("tensorflow.random_layer.random_rotation", "random numbers, sin and cos, interpolation")(
            run(lambda: preprocessing("RandomRotation")(0.3, seed=SEED), *picture)
        )
    if preprocessing("RandomZoom"):
        probe("tensorflow.random_layer.random_zoom", "random numbers, interpolation")(
            run(lambda: preprocessing("RandomZoom")(0.3, seed=SEED), *picture)
        )
    if preprocessing("RandomTranslation"):
        probe("tensorflow.random_layer.random_translation", "random numbers, interpolation")(
            run(lambda: preprocessing("RandomTranslation")(0.3, 0.3, seed=SEED), *picture)
        )
    if preprocessing("RandomCrop"):
        probe("tensorflow.random_layer.random_crop", "stateful numbers, later stateless ones")(
            run(lambda: preprocessing("RandomCrop")(9, 9, seed=SEED), *picture)
        )
    if preprocessing("RandomContrast"):
        probe("tensorflow.random_layer.random_contrast", "stateful numbers in 2.5, stateless ones from 2.6 on")(
            run(lambda: preprocessing("RandomContrast")(0.5, seed=SEED), *picture)
        )
    if preprocessing("RandomBrightness"):
        probe("tensorflow.random_layer.random_brightness", "random numbers")(
            run(lambda: preprocessing("RandomBrightness")(0.5, value_range=(0.0, 1.0), seed=SEED), *picture)
        )
    if preprocessing("RandomHeight"):
        probe("tensorflow.random_layer.random_height", "random numbers, interpolation")(
            run(lambda: preprocessing("RandomHeight")(0.3, seed=SEED), *picture)
        )
    if preprocessing("RandomWidth"):
        probe("tensorflow.random_layer.random_width", "random numbers, interpolation")(
            run(lambda: preprocessing("RandomWidth")(0.3, seed=SEED), *picture)
        )
    if preprocessing("Resizing"):
        probe("tensorflow.random_layer.resizing", "interpolation: no random numbers")(
            lambda: preprocessing("Resizing")(11, 13)(images())
        )


def define_recurrent():
    layers = keras.layers
    sequence = lambda: x(4, 10, 16)
    probe("tensorflow.recurrent.lstm", "matmul, sigmoid and tanh ten times over")(
        lambda: weigh(layers.LSTM(24), 1, 4, 16)(sequence())
    )
    probe("tensorflow.recurrent.lstm_sequences", "matmul, sigmoid and tanh ten times over, states")(
        lambda: weigh(layers.LSTM(24, return_sequences=True, return_state=True), 1, 4, 16)(sequence())
    )
    probe("tensorflow.recurrent.gru", "matmul, sigmoid and tanh ten times over")(
        lambda: weigh(layers.GRU(24), 1, 4, 16)(sequence())
    )
    probe("tensorflow.recurrent.simple", "matmul and tanh ten times over")(
        lambda: weigh(layers.SimpleRNN(24), 1, 4, 16)(sequence())
    )
    probe("tensorflow.recurrent.bidirectional", "matmul, sigmoid and tanh, both ways")(
        lambda: weigh(layers.Bidirectional(layers.LSTM(12)), 1, 4, 16)(sequence())
    )
    probe("tensorflow.recurrent.lstm_cell", "matmul, sigmoid and tanh once")(
        lambda: weigh(layers.RNN(layers.LSTMCell(24)), 1, 4, 16)(sequence()[:, :1])
    )
    probe("tensorflow.recurrent.lstm_dropout", "how a recurrent layer draws what it drops")(
        seeded(lambda: weigh(layers.LSTM(12, dropout=0.4), 1, 4, 16)(sequence(), training=True))
    )
    if has(layers, "ConvLSTM2D"):
        probe("tensorflow.recurrent.convolution_lstm", "convolutions, sigmoid and tanh")(
            lambda: weigh(layers.ConvLSTM2D(4, 3), 1, 2, 8, 8, 3)(x(1, 3, 8, 8, 3))
        )


def define_losses():
    losses = keras.losses
    labels, logits = lambda: whole(64, below=10), lambda: x(64, 10, low=-4.0, high=4.0)
    one_hot = lambda: tf.one_hot(labels(), 10)
    probe("tensorflow.loss.cross_entropy", "exp, log, order of sums")(
        lambda: tf.nn.softmax_cross_entropy_with_logits(one_hot(), logits())
    )
    probe("tensorflow.loss.sparse_cross_entropy", "exp, log, order of sums")(
        lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(labels(), logits())
    )
    probe("tensorflow.loss.sigmoid_cross_entropy", "exp, log1p")(
        lambda: tf.nn.sigmoid_cross_entropy_with_logits(one_hot(), logits())
    )
    probe("tensorflow.loss.categorical", "log, clipping, mean")(
        lambda: losses.CategoricalCrossentropy(label_smoothing=0.1)(one_hot(), tf.nn.softmax(logits()))
    )
    probe("tensorflow.loss.binary", "log, clipping, mean")(
        lambda: losses.BinaryCrossentropy()(one_hot(), tf.sigmoid(logits()))
    )
    probe("tensorflow.loss.kl_divergence", "log, clipping, order of sums")(
        lambda: losses.KLDivergence()(tf.nn.softmax(logits()[::-1]), tf.nn.softmax(logits()))
    )
    probe("tensorflow.loss.huber", "order of sums")(lambda: losses.Huber()(one_hot(), logits()))
    probe("tensorflow.loss.log_cosh", "softplus, log")(lambda: losses.LogCosh()(one_hot(), logits()))
    probe("tensorflow.loss.cosine", "rsqrt, order of sums")(lambda: losses.CosineSimilarity()(one_hot(), logits()))
    probe("tensorflow.loss.mean_square", "order of sums")(
        lambda: losses.MeanSquaredError()(x(300, 99), x(300, 99, salt=1))
    )
    probe("tensorflow.loss.ctc", "log-sum-exp over paths")(
        lambda: tf.compat.v1.nn.ctc_loss(
            tf.sparse.from_dense(1 + whole(4, 5, below=8)), x(20, 4, 12), tf.constant([20] * 4)
        )
    )
    probe("tensorflow.loss.ctc_greedy", "ties of maxima, order of sums")(
        lambda: tf.nn.ctc_greedy_decoder(x(20, 4, 12), tf.constant([20] * 4))[1]
    )
    probe("tensorflow.loss.ctc_beam", "log-sum-exp, ties of beams")(
        lambda: tf.nn.ctc_beam_search_decoder(x(20, 4, 12), tf.constant([20] * 4), beam_width=8)[1]
    )
    probe("tensorflow.loss.nce", "stateful sampler, order of sums")(
        seeded(lambda: tf.nn.nce_loss(x(50, 8), x(50), whole(9, 1, below=50, dtype="int64"), x(9, 8), 6, 50))
    )
    probe("tensorflow.metric.auc", "thresholds, sums of areas")(lambda: measured(keras.metrics.AUC(num_thresholds=50)))
    probe("tensorflow.metric.precision", "thresholds, division")(lambda: measured(keras.metrics.Precision()))
    probe("tensorflow.metric.mean_square", "order of sums")(lambda: measured(keras.metrics.MeanSquaredError()))


def measured(metric):
    """Return what a metric says after three updates."""
    for at in range(3):
        metric.update_state(tf.cast(whole(500, below=2, salt=at), tf.float32), x(500, low=0.0, salt=at + 5))
    return metric.result()


def define_optimizers():
    rates = keras.optimizers
    moved = lambda rate: steps(rate, [x(1003), x(40, 30)], [x(1003, salt=1), x(40, 30, salt=2)])
    probe("tensorflow.optimizer.sgd", "fused multiply-add")(lambda: moved(rates.SGD(0.03)))
    probe("tensorflow.optimizer.momentum", "fused multiply-add")(lambda: moved(rates.SGD(0.03, momentum=0.9)))
    probe("tensorflow.optimizer.nesterov", "fused multiply-add")(
        lambda: moved(rates.SGD(0.03, momentum=0.9, nesterov=True))
    )
    probe("tensorflow.optimizer.adam", "sqrt, powers of beta, fused kernel or not")(lambda: moved(rates.Adam(0.01)))
    probe("tensorflow.optimizer.amsgrad", "sqrt, powers of beta, maxima")(lambda: moved(rates.Adam(0.01, amsgrad=True)))
    probe("tensorflow.optimizer.adamax", "powers of beta, maxima")(lambda: moved(rates.Adamax(0.01)))
    probe("tensorflow.optimizer.nadam", "sqrt, powers of beta, its schedule")(lambda: moved(rates.Nadam(0.01)))
    probe("tensorflow.optimizer.rmsprop", "sqrt or rsqrt, where epsilon is added")(lambda: moved(rates.RMSprop(0.01)))
    probe("tensorflow.optimizer.rmsprop_centered", "sqrt or rsqrt, where epsilon is added")(
        lambda: moved(rates.RMSprop(0.01, momentum=0.5, centered=True))
    )
    probe("tensorflow.optimizer.adagrad", "sqrt or rsqrt")(lambda: moved(rates.Adagrad(0.01)))
    probe("tensorflow.optimizer.adadelta", "sqrt or rsqrt")(lambda: moved(rates.Adadelta(0.5)))
    probe("tensorflow.optimizer.ftrl", "sqrt, pow")(lambda: moved(rates.Ftrl(0.01)))
    if hasattr(rates, "AdamW"):
        probe("tensorflow.optimizer.adamw", "sqrt, powers of beta, decay of weights")(
            lambda: moved(rates.AdamW(0.01, weight_decay=0.01))
        )
    if hasattr(rates, "Lion"):
        probe("tensorflow.optimizer.lion", "signs, fused multiply-add")(lambda: moved(rates.Lion(0.01)))
    probe("tensorflow.optimizer.clipped", "norm of all gradients")(
        lambda: tf.clip_by_global_norm([x(1003), x(40, 30)], 1.5)
    )
    schedule = rates.schedules
    probe("tensorflow.optimizer.schedules", "cos and pow")(
        lambda: [
            each(tf.constant(at))
            for at in (0, 3, 17, 50)
            for each in (
                schedule.ExponentialDecay(0.1, 20, 0.9),
                schedule.PolynomialDecay(0.1, 60, power=0.7),
                schedule.InverseTimeDecay(0.1, 20, 0.5),
            )
        ]
    )
    if has(schedule, "CosineDecay"):
        probe("tensorflow.optimizer.cosine_decay", "cos")(
            lambda: [schedule.CosineDecay(0.1, 60)(tf.constant(at)) for at in (0, 3, 17, 50)]
        )
    if has(keras, "mixed_precision") and has(keras.mixed_precision, "LossScaleOptimizer"):
        probe("tensorflow.optimizer.loss_scale", "scale of the loss, gradients in halves")(loss_scale)


def loss_scale():
    rate, kept = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.SGD(0.03)), tf.Variable(x(64, 16))
    inputs = x(32, 64, dtype="float16")
    if not hasattr(rate, "get_scaled_loss"):
        rate.build([kept])
    for _ in range(5):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(inputs @ tf.cast(kept, tf.float16), tf.float32) ** 2) / 2048.0
            scaled = rate.get_scaled_loss(loss) if hasattr(rate, "get_scaled_loss") else rate.scale_loss(loss)
        gradients = tape.gradient(scaled, [kept])
        if hasattr(rate, "get_unscaled_gradients"):
            gradients = rate.get_unscaled_gradients(gradients)
        rate.apply_gradients(list(zip(gradients, [kept])))
    return kept


def define_training():
    crossed = lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    labels, picture = lambda count: whole(count, below=10, salt=8), lambda count: x(count, 14, 14, 3)
    rates = keras.optimizers
    probe("tensorflow.training.mlp", "matmul, tanh and Adam, 20 steps of a loop")(
        lambda: trained(weigh(dense_model(), 1, 800), x(64, 800), labels(64), cross_entropy, rates.Adam(0.01))
    )
    probe("tensorflow.training.cnn", "convolutions, their gradients and SGD, 20 steps of a loop")(
        lambda: trained(
            weigh(convolution_model(), 1, 14, 14, 3),
            picture(64),
            labels(64),
            cross_entropy,
            rates.SGD(0.05, momentum=0.9),
        )
    )
    probe("tensorflow.training.lstm", "recurrences, their gradients and RMSprop, 20 steps of a loop")(
        lambda: trained(
            weigh(recurrent_model(), 1, 2, 800), x(32, 2, 800), labels(32), cross_entropy, rates.RMSprop(0.01)
        )
    )
    probe("tensorflow.training.fit_mlp", "matmul, tanh and Adam, 20 steps of model.fit")(
        seeded(
            lambda: fitted(
                weigh(dense_model(), 1, 800), x(256, 800), labels(256), crossed(), rates.Adam(0.01), **without_xla()
            )
        )
    )
    probe("tensorflow.training.fit_seeded", "initialisers, dropout and shuffle from the seed, 20 steps of model.fit")(
        seeded(
            lambda: fitted(
                dense_model(keras.layers.Dropout(0.3)),
                x(256, 800),
                labels(256),
                crossed(),
                rates.Adam(0.01),
                shuffle=True,
            )
        )
    )
    # From 2.9 on these layers draw inside of a parallel map: with several threads it is chance which image gets which.
    if CANONICAL and preprocessing("RandomFlip") and preprocessing("RandomContrast"):
        probe("tensorflow.training.fit_augmented", "random flips and contrasts before a CNN, 20 steps of model.fit")(
            seeded(lambda: fitted(augmented(), picture(128), labels(128), crossed(), rates.SGD(0.05), **without_xla()))
        )


def define_text():
    words = lambda: tf.strings.as_string(whole(300, below=100000))
    probe("tensorflow.text.hash_fast", "FarmHash of strings")(lambda: tf.strings.to_hash_bucket_fast(words(), 1000))
    probe("tensorflow.text.hash_strong", "SipHash of strings")(
        lambda: tf.strings.to_hash_bucket_strong(words(), 1000, [7, 11])
    )
    probe("tensorflow.text.fingerprint", "FarmHash of rows")(lambda: tf.fingerprint(tf.reshape(words(), [30, 10])))
    probe("tensorflow.text.float_as_string", "printing of floats")(
        lambda: tf.strings.as_string(x(300) / 3.0, precision=7)
    )
    probe("tensorflow.text.string_as_float", "reading of floats")(
        lambda: tf.strings.to_number(tf.strings.as_string(x(300, dtype="float64") / 3.0, precision=17))
    )
    probe("tensorflow.text.edit_distance", "division: a control")(
        lambda: tf.edit_distance(
            tf.sparse.from_dense(1 + whole(20, 9, below=4, dtype="int64")),
            tf.sparse.from_dense(1 + whole(20, 7, below=4, dtype="int64", salt=1)),
        )
    )


# --- on the GPU: sizes that fill it


def define_gpu_operations():
    big = lambda n=2048, dtype="float32", salt=0: x(n, n, dtype=dtype, salt=salt)
    floats = lambda: x(1000003, low=-8.0, high=8.0)
    probe("tensorflow.gpu.math.exp", "GPU model, CUDA's or MLIR's exp", device="gpu")(on_gpu(lambda: tf.exp(floats())))
    probe("tensorflow.gpu.math.tanh", "GPU model, CUDA's or MLIR's tanh", device="gpu")(
        on_gpu(lambda: tf.tanh(floats()))
    )
    probe("tensorflow.gpu.math.sin", "GPU model, CUDA's sin", device="gpu")(on_gpu(lambda: tf.sin(floats())))
    probe("tensorflow.gpu.math.erf", "GPU model, CUDA's erf", device="gpu")(on_gpu(lambda: tf.math.erf(floats())))
    probe("tensorflow.gpu.math.lgamma", "GPU model, CUDA's lgamma", device="gpu")(
        on_gpu(lambda: tf.math.lgamma(x(1000003, low=0.1, high=40.0)))
    )
    probe("tensorflow.gpu.math.pow", "GPU model, CUDA's pow", device="gpu")(
        on_gpu(lambda: tf.pow(x(1000003, low=0.01, high=8.0), x(1000003, salt=1) * 3.0))
    )
    probe("tensorflow.gpu.math.rsqrt", "GPU model, approximate instruction", device="gpu")(
        on_gpu(lambda: tf.math.rsqrt(x(1000003, low=0.01)))
    )
    probe("tensorflow.gpu.math.softmax", "GPU model, order of sums in blocks", device="gpu")(
        on_gpu(lambda: tf.nn.softmax(x(512, 4099, high=9.0)))
    )
    probe("tensorflow.gpu.math.log_softmax_float16", "GPU model, order of sums in blocks, halves", device="gpu")(
        on_gpu(lambda: tf.nn.log_softmax(x(512, 4099, dtype="float16")))
    )
    probe("tensorflow.gpu.reduction.sum_all", "number of SMs, order of sums in blocks", device="gpu")(
        on_gpu(lambda: tf.reduce_sum(x(2003, 1009, high=3.0)))
    )
    probe("tensorflow.gpu.reduction.sum_rows", "GPU model, order of sums in blocks", device="gpu")(
        on_gpu(lambda: tf.reduce_sum(x(2003, 1009, high=3.0), 1))
    )
    probe("tensorflow.gpu.reduction.sum_columns", "GPU model, order of sums in blocks", device="gpu")(
        on_gpu(lambda: tf.reduce_sum(x(2003, 1009, high=3.0), 0))
    )
    probe("tensorflow.gpu.reduction.mean_float16", "GPU model, where halves become floats", device="gpu")(
        on_gpu(lambda: tf.reduce_mean(x(2003, 1009, dtype="float16"), 1))
    )
    probe("tensorflow.gpu.reduction.cumsum", "GPU model, scan in blocks", device="gpu")(
        on_gpu(lambda: tf.cumsum(x(64, 16381), 1))
    )
    probe("tensorflow.gpu.reduction.logsumexp", "GPU model, exp, order of sums", device="gpu")(
        on_gpu(lambda: tf.reduce_logsumexp(x(512, 4099), 1))
    )
    probe("tensorflow.gpu.matrix.matmul", "TF32, cuBLAS and its choice of kernel", device="gpu")(
        on_gpu(lambda: big() @ big(salt=1))
    )
    probe("tensorflow.gpu.matrix.matmul_long", "cuBLAS splitting the inner dimension, its workspace", device="gpu")(
        on_gpu(lambda: x(64, 32768) @ x(32768, 64, salt=1))
    )
    probe("tensorflow.gpu.matrix.matmul_float64", "cuBLAS in doubles", device="gpu")(
        on_gpu(lambda: big(1024, "float64") / 3.0 @ big(1024, "float64", 1))
    )
    probe("tensorflow.gpu.matrix.matmul_float16", "tensor cores, cuBLAS", device="gpu")(
        on_gpu(lambda: big(dtype="float16") @ big(dtype="float16", salt=1))
    )
    probe("tensorflow.gpu.matrix.matmul_bfloat16", "tensor cores, cuBLAS", device="gpu")(
        on_gpu(lambda: big(1024, "bfloat16") @ big(1024, "bfloat16", 1))
    )
    probe("tensorflow.gpu.matrix.batch_matmul", "TF32, cuBLAS and its choice of kernel", device="gpu")(
        on_gpu(lambda: x(32, 256, 128) @ x(32, 128, 256, salt=1))
    )
    probe("tensorflow.gpu.matrix.einsum", "TF32, how a product is brought to cuBLAS", device="gpu")(
        on_gpu(lambda: tf.einsum("bhqd,bhkd->bhqk", x(4, 8, 128, 64), x(4, 8, 128, 64, salt=1)))
    )
    probe("tensorflow.gpu.linalg.cholesky", "cuSOLVER", device="gpu")(on_gpu(lambda: tf.linalg.cholesky(positive(512))))
    probe("tensorflow.gpu.linalg.solve", "cuSOLVER, pivots", device="gpu")(
        on_gpu(lambda: tf.linalg.solve(positive(512), x(512, 9, salt=1)))
    )
    probe("tensorflow.gpu.linalg.qr", "cuSOLVER", device="gpu")(on_gpu(lambda: tf.linalg.qr(x(512, 256))))
    probe("tensorflow.gpu.linalg.svd", "cuSOLVER, signs of the vectors", device="gpu")(
        on_gpu(lambda: tf.linalg.svd(x(128, 64)))
    )
    probe("tensorflow.gpu.linalg.eigh", "cuSOLVER, signs of the vectors", device="gpu")(
        on_gpu(lambda: tf.linalg.eigh(positive(128)))
    )
    probe("tensorflow.gpu.signal.fft", "cuFFT", device="gpu")(
        on_gpu(lambda: tf.signal.fft(tf.complex(x(64, 4096), x(64, 4096, salt=1))))
    )
    probe("tensorflow.gpu.signal.rfft", "cuFFT for lengths that are no power of two", device="gpu")(
        on_gpu(lambda: tf.signal.rfft(x(64, 3000)))
    )
    probe("tensorflow.gpu.selection.top_k", "order of ties", device="gpu")(
        on_gpu(lambda: tf.math.top_k(tf.cast(whole(64, 4001, below=50), tf.float32), 100))
    )
    probe("tensorflow.gpu.selection.argsort", "order of ties", device="gpu")(
        on_gpu(lambda: tf.argsort(tf.cast(whole(64, 4001, below=50), tf.float32), stable=True))
    )
    probe("tensorflow.gpu.random.uniform", "number of SMs: which thread draws which number", device="gpu")(
        on_gpu(lambda: tf.random.uniform([1000003]))
    )
    probe("tensorflow.gpu.random.normal", "number of SMs, CUDA's log, sin and cos", device="gpu")(
        on_gpu(lambda: tf.random.normal([1000003]))
    )
    probe("tensorflow.gpu.random.truncated_normal", "number of SMs, rejected numbers", device="gpu")(
        on_gpu(lambda: tf.random.truncated_normal([1000003]))
    )
    probe("tensorflow.gpu.random.stateless_normal", "number of SMs, CUDA's log, sin and cos", device="gpu")(
        on_gpu(lambda: tf.random.stateless_normal([1000003], [11, 29]))
    )
    probe("tensorflow.gpu.random.generator", "number of SMs, skipped numbers of a Generator", device="gpu")(
        on_gpu(lambda: tf.random.Generator.from_seed(SEED, alg="philox").normal([1000003]))
    )
    probe("tensorflow.gpu.image.resize", "interpolation, fused multiply-add", device="gpu")(
        on_gpu(lambda: tf.image.resize(images(8, 128), [301, 299]))
    )


def define_gpu_networks():
    layers = keras.layers
    image, filters = lambda: x(16, 56, 56, 64), lambda *shape: x(*shape, salt=1)
    probe("tensorflow.gpu.convolution.depthwise", "TensorFlow's own kernel or cuDNN's", device="gpu")(
        on_gpu(lambda: tf.nn.depthwise_conv2d(image(), filters(3, 3, 64, 1), [1] * 4, "SAME"))
    )
    probe("tensorflow.gpu.pooling.average", "cuDNN, order of sums", device="gpu")(
        on_gpu(lambda: tf.nn.avg_pool2d(image(), 3, 2, "SAME"))
    )
    probe("tensorflow.gpu.network.batch_norm", "cuDNN, order of sums", device="gpu")(
        on_gpu(lambda: tf.compat.v1.nn.fused_batch_norm(x(16, 28, 28, 64, high=5.0), x(64), x(64, salt=1)))
    )
    probe("tensorflow.gpu.network.layer_norm", "order of sums in blocks", device="gpu")(
        on_gpu(lambda: layers.LayerNormalization()(x(512, 1024, high=5.0)))
    )
    probe("tensorflow.gpu.network.attention", "TF32, cuBLAS, softmax", device="gpu")(
        on_gpu(lambda: layers.Attention()([x(8, 200, 64), x(8, 256, 64, salt=1)]))
    )
    probe("tensorflow.gpu.network.lstm", "cuDNN's recurrence", device="gpu")(
        on_gpu(lambda: weigh(layers.LSTM(64), 1, 4, 32)(x(16, 20, 32)))
    )
    probe("tensorflow.gpu.network.gru", "cuDNN's recurrence", device="gpu")(
        on_gpu(lambda: weigh(layers.GRU(64), 1, 4, 32)(x(16, 20, 32)))
    )
    probe("tensorflow.gpu.network.dropout", "number of SMs, the layer's seed", device="gpu")(
        on_gpu(lambda: layers.Dropout(0.4, seed=SEED)(x(1000, 1001), training=True))
    )
    probe("tensorflow.gpu.network.embedding", "exact: a control", device="gpu")(
        on_gpu(lambda: tf.nn.embedding_lookup(x(1000, 64), whole(64, 100, below=1000)))
    )


def define_gpu_training():
    labels = lambda: whole(64, below=10, salt=8)
    image, filters = lambda: x(16, 56, 56, 64), lambda *shape: x(*shape, salt=1)
    square = lambda salt=0: x(512, 512, salt=salt)
    rates = keras.optimizers
    half = lambda: keras.mixed_precision.Policy("mixed_float16")
    probe("tensorflow.gpu.gradient.matmul", "TF32, cuBLAS", device="gpu")(
        on_gpu(lambda: gradient(tf.matmul, x(512, 700), x(700, 300, salt=1)))
    )
    probe("tensorflow.gpu.gradient.softmax", "order of sums in blocks", device="gpu")(
        on_gpu(lambda: gradient(tf.nn.softmax, x(256, 1001)))
    )
    probe("tensorflow.gpu.optimizer.adam", "fused multiply-add, powers of beta", device="gpu")(
        on_gpu(lambda: steps(rates.Adam(0.01), [x(100003)], [x(100003, salt=1)]))
    )
    if not CANONICAL:
        return  # unless told, what follows adds in any order, or takes the algorithm that was fastest: no two runs agree
    probe("tensorflow.gpu.convolution.conv2d", "TF32, cuDNN and the algorithm that it chooses", device="gpu")(
        on_gpu(lambda: tf.nn.conv2d(image(), filters(3, 3, 64, 64), 1, "SAME"))
    )
    probe("tensorflow.gpu.convolution.conv2d_stride", "TF32, cuDNN and the algorithm that it chooses", device="gpu")(
        on_gpu(lambda: tf.nn.conv2d(x(16, 64, 64, 3), filters(7, 7, 3, 64), 2, "SAME"))
    )
    probe("tensorflow.gpu.convolution.conv2d_float16", "tensor cores, cuDNN's algorithm", device="gpu")(
        on_gpu(lambda: tf.nn.conv2d(x(8, 28, 28, 64, dtype="float16"), x(3, 3, 64, 64, dtype="float16"), 1, "SAME"))
    )
    probe("tensorflow.gpu.convolution.conv3d", "TF32, cuDNN and the algorithm that it chooses", device="gpu")(
        on_gpu(lambda: tf.nn.conv3d(x(2, 16, 28, 28, 8), filters(3, 3, 3, 8, 16), [1] * 5, "SAME"))
    )
    if has_xla():
        probe("tensorflow.gpu.matrix.xla", "XLA's kernels for this GPU and what it tries out", device="gpu")(
            on_gpu(lambda: compiled(lambda a, b: tf.reduce_sum(tf.tanh(a @ b), 1))(square(), square(1)))
        )
    probe("tensorflow.gpu.training.mlp", "TF32, cuBLAS, 10 steps of a loop", device="gpu")(
        on_gpu(
            lambda: trained(weigh(dense_model(), 1, 300), x(64, 300), labels(), log_likelihood, rates.Adam(0.01), 10)
        )
    )
    probe("tensorflow.gpu.training.mixed_precision", "tensor cores, 10 steps of a loop", device="gpu")(
        on_gpu(
            lambda: trained(
                weigh(keras.Sequential([keras.layers.Dense(64, dtype=half()), keras.layers.Dense(10)]), 1, 300),
                x(64, 300),
                labels(),
                log_likelihood,
                rates.SGD(0.05),
                10,
            )
        )
    )
    probe("tensorflow.gpu.gradient.conv2d", "TF32, cuDNN's deterministic algorithms", device="gpu")(
        on_gpu(lambda: gradient(lambda a, b: tf.nn.conv2d(a, b, 1, "SAME"), x(8, 28, 28, 32), x(3, 3, 32, 32, salt=1)))
    )
    probe("tensorflow.gpu.gradient.conv3d", "TF32, cuDNN's deterministic algorithms", device="gpu")(
        on_gpu(
            lambda: gradient(
                lambda a, b: tf.nn.conv3d(a, b, [1] * 5, "SAME"), x(2, 8, 14, 14, 8), x(3, 3, 3, 8, 8, salt=1)
            )
        )
    )
    probe("tensorflow.gpu.gradient.bias", "order of sums in blocks", device="gpu")(
        on_gpu(lambda: gradient(tf.nn.bias_add, x(20000, 33), x(33, salt=1)))
    )
    probe("tensorflow.gpu.training.cnn", "TF32, cuDNN's deterministic algorithms, 10 steps of a loop", device="gpu")(
        on_gpu(
            lambda: trained(
                weigh(convolution_model(), 1, 28, 28, 3),
                x(64, 28, 28, 3),
                labels(),
                log_likelihood,
                rates.SGD(0.05),
                10,
            )
        )
    )
    probe("tensorflow.gpu.training.lstm", "cuDNN's recurrence backwards, 10 steps of a loop", device="gpu")(
        on_gpu(
            lambda: trained(
                weigh(recurrent_model(), 1, 12, 16), x(64, 12, 16), labels(), log_likelihood, rates.RMSprop(0.01), 10
            )
        )
    )
