# ruff: noqa
# mypy: ignore-errors
# The probes of JAX 0.2.12 and up, a script for Python 3.6 and up; data/in_target/probe.py runs it and gives it `probe`.
# A probe whose operation a version lacks is not defined there. Names and lines are literals: docs/probes.md is made of
# them. Each probe is compiled once, whole: operations one by one would take as long to compile each. Inputs are
# arguments, since XLA computes what it finds constant by itself, not with the kernels that programs get.
import inspect
import os

jax = jnp = np = lax = nn = None  # load() imports them
DEVICE = "cpu"
SEED = 20210514
GPUS = ("gpu", "cuda", "rocm")


def load(threads, canonical, device):
    """Import JAX, with so many threads if told and in the canonical pass deterministic; return its version."""
    global jax, jnp, np, lax, nn, DEVICE
    flags = []
    if threads is not None:
        os.environ["NPROC"] = str(threads)  # the size of XLA's pools, which has no flag
        flags.append("--xla_cpu_multi_thread_eigen={}".format("true" if threads > 1 else "false"))
    if canonical and device == "gpu":
        flags += ["--xla_gpu_deterministic_ops=true", "--xla_gpu_autotune_level=0"]
    if flags:
        os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", "")] + flags).strip()
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # what another run compiled is no evidence
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
    if device == "cpu":
        os.environ["JAX_PLATFORMS"] = os.environ["JAX_PLATFORM_NAME"] = "cpu"
    import jax as found
    import numpy

    jax, jnp, np, lax, nn, DEVICE = found, found.numpy, numpy, found.lax, found.nn, device
    import jax.scipy.linalg
    import jax.scipy.special

    if device == "gpu" and jax.devices()[0].platform not in GPUS:
        raise RuntimeError("JAX {} finds no GPU".format(jax.__version__))
    return jax.__version__


def plain(value):
    """Return JAX's arrays and keys as (dtype, shape, little-endian bytes), NaNs of one kind; None for others."""
    if not isinstance(value, (jnp.ndarray, np.ndarray)):
        return None
    if "key<" in str(value.dtype):
        value = jax.random.key_data(value)
    found = np.asarray(value)
    if found.dtype.name == "bfloat16":
        found = np.where(np.isnan(found), np.array(float("nan"), found.dtype), found)
        return "bfloat16", found.shape, np.ascontiguousarray(found).view(np.uint16).astype("<u2").tobytes()
    if found.dtype.kind in "fc":
        found = np.where(np.isnan(found), np.array(float("nan"), found.dtype), found)
    kind = found.dtype.newbyteorder("<")
    return kind.str, found.shape, found.astype(kind).tobytes()


# --- what a version has


def has(place, *names):
    """Whether a module has all these names."""
    return all(hasattr(place, name) for name in names)


def takes(function, *names):
    """Whether a function has all these parameters."""
    return all(name in inspect.signature(function).parameters for name in names)


# --- inputs: integer arithmetic, exact in every type


def integers(shape, levels, salt):
    """Return scattered integers from 0 to levels - 1: 0, 1, 2, ... with their 32 bits mixed."""
    count = 1
    for each in shape:
        count *= each
    bits = (np.arange(count, dtype=np.int64) + (1 + salt * 1000003)) & 0xFFFFFFFF
    for _ in range(2):
        bits = (((bits >> 16) ^ bits) * 0x45D9F3B) & 0xFFFFFFFF
    return (((bits >> 16) ^ bits) % levels).reshape(shape)


def x(*shape, low=-1.0, high=1.0, dtype="float32", salt=0):
    """Return an array of multiples of 2**-16 of (high - low), of 2**-7 where the type holds no more."""
    levels = 128 if dtype in ("float16", "bfloat16") else 65536
    found = integers(shape, levels, salt) * ((high - low) / levels) + low
    return found.astype(jnp.bfloat16 if dtype == "bfloat16" else dtype)


def thirds(*shape, **how):
    """Return an array whose sums are rounded: thirds of the above."""
    found = x(*shape, **how)
    return (found / found.dtype.type(3)).astype(found.dtype)


def whole(*shape, below=10, salt=0):
    """Return an array of integers from 0 to below - 1."""
    return integers(shape, below, salt).astype("int32")


def tangled(*shape, salt=0):
    """Return a complex array."""
    return (x(*shape, salt=salt) + 1j * x(*shape, salt=salt + 1)).astype("complex64")


def positive(n, dtype="float32", salt=0):
    """Return a symmetric positive definite matrix: scattered in its symmetric part, dominated by its diagonal."""
    part = x(n, n, dtype=dtype, salt=salt)
    return ((part + part.T) / 2 + np.eye(n) * (n // 2)).astype(dtype)


def wide(dtype="float32", low=-8.0, high=8.0, salt=0):
    """Return 70,003 elements: enough to be split over threads, and no multiple of any vector."""
    return x(70003, low=low, high=high, dtype=dtype, salt=salt)


# --- ways to run


def compiled(function, inputs):
    """Let a function be compiled once and called with the inputs that another function makes."""
    program = jax.jit(function)
    return lambda: program(*inputs())


def doubled(function, inputs):
    """Let a function be compiled once with 64-bit types allowed."""
    import jax.experimental

    allow = jax.experimental.enable_x64 if has(jax.experimental, "enable_x64") else jax.enable_x64
    program = jax.jit(function)

    def call():
        with allow(True):
            return [np.asarray(each) for each in jax.tree_util.tree_leaves(program(*inputs()))]

    return call


def unary(function, **how):
    """Let a function be called with many floats."""
    return compiled(function, lambda: (wide(**how),))


def drawn(function, *inputs):
    """Let random numbers be drawn with the usual key, and the inputs."""
    return compiled(function, lambda: (jax.random.PRNGKey(SEED),) + tuple(each() for each in inputs))


def gradient(function):
    """Return the function that gives the gradients of a weighted sum of what a function returns."""

    def weighted(inputs, weights):
        return (function(*inputs) * weights).sum()

    def call(weights, *inputs):
        return jax.grad(weighted)(inputs, weights)

    return call


def define():
    """Define every probe that this version of JAX can answer on the device."""
    on_cpu = (
        define_random,
        define_initializers,
        define_math,
        define_types,
        define_reductions,
        define_matrices,
        define_linalg,
        define_convolutions,
        define_networks,
        define_selection,
        define_transforms,
        define_training,
    )
    for part in on_cpu if DEVICE == "cpu" else (define_gpu_random, define_gpu_operations, define_gpu_networks):
        part()


def define_random():
    random = jax.random
    probe("jax.random.key", "the kind of keys and how a seed becomes one")(lambda: random.PRNGKey(SEED))
    probe("jax.random.split", "threefry, jax_threefry_partitionable")(drawn(lambda key: random.split(key, 7)))
    probe("jax.random.fold_in", "threefry")(drawn(lambda key: random.fold_in(key, 12345)))
    if has(random, "bits"):
        probe("jax.random.bits", "threefry, jax_threefry_partitionable")(drawn(lambda key: random.bits(key, (1003,))))
    probe("jax.random.uniform", "threefry, jax_threefry_partitionable")(drawn(lambda key: random.uniform(key, (1003,))))
    probe("jax.random.normal", "threefry, erfinv")(drawn(lambda key: random.normal(key, (1003,))))
    probe("jax.random.normal_bfloat16", "threefry, erfinv, rounding")(
        drawn(lambda key: random.normal(key, (1003,), jnp.bfloat16))
    )
    probe("jax.random.truncated_normal", "threefry, erf, erfinv")(
        drawn(lambda key: random.truncated_normal(key, -2.0, 1.5, (1003,)))
    )
    probe("jax.random.integers", "threefry, how ranges are drawn")(
        drawn(lambda key: random.randint(key, (1003,), -5, 70))
    )
    probe("jax.random.bernoulli", "threefry")(drawn(lambda key: random.bernoulli(key, 0.3, (1003,))))
    probe("jax.random.permutation", "threefry, sorting, how often")(
        drawn(lambda key: random.permutation(key, jnp.arange(1003)))
    )
    probe("jax.random.categorical", "threefry, log, argmax")(
        drawn(lambda key, scores: random.categorical(key, scores), lambda: x(65, 33))
    )
    probe("jax.random.gumbel", "threefry, log")(drawn(lambda key: random.gumbel(key, (1003,))))
    if implements("rbg"):
        probe("jax.random.rbg", "XLA's RngBitGenerator for draws, threefry for keys")(draws("rbg", 1003))
    if implements("unsafe_rbg"):
        probe("jax.random.unsafe_rbg", "XLA's RngBitGenerator for everything")(draws("unsafe_rbg", 1003))
        shapes = jax.jit(lambda key, each: random.gamma(key, each))  # with threefry four times as long to compile
        probe("jax.random.gamma", "XLA's RngBitGenerator, rejection")(
            lambda: shapes(random.key(SEED, impl="unsafe_rbg"), x(203, low=0.5, high=4.0))
        )


def implements(kind):
    """Whether there are keys of this kind, with their type (0.4.16 and up)."""
    try:
        return has(jax.random, "key") and jax.random.key(SEED, impl=kind) is not None
    except (TypeError, ValueError):
        return False


def draws(kind, count):
    """Let numbers be drawn and a key be split, with a key of this kind."""
    program = jax.jit(lambda key: [jax.random.uniform(key, (count,)), jax.random.split(key, 5)])
    return lambda: program(jax.random.key(SEED, impl=kind))


def define_initializers():
    init = nn.initializers
    probe("jax.init.glorot_uniform", "threefry, how fans are counted")(
        drawn(lambda key: init.glorot_uniform()(key, (48, 33)))
    )
    probe("jax.init.lecun_normal", "threefry, how it is cut")(drawn(lambda key: init.lecun_normal()(key, (48, 33))))
    if has(init, "orthogonal"):
        probe("jax.init.orthogonal", "threefry, QR")(drawn(lambda key: init.orthogonal()(key, (33, 21))))


def define_math():
    probe("jax.math.exp", "XLA's approximation, CPU dispatch")(unary(lambda each: jnp.exp(each)))
    probe("jax.math.expm1", "XLA's approximation, CPU dispatch")(unary(lambda each: jnp.expm1(each)))
    probe("jax.math.log", "XLA's approximation, CPU dispatch")(unary(lambda each: jnp.log(each), low=0.0625))
    probe("jax.math.log1p", "XLA's approximation, CPU dispatch")(unary(lambda each: jnp.log1p(each), low=0.0))
    probe("jax.math.sin_cos", "XLA's approximation, reduction of large arguments")(
        unary(lambda each: [jnp.sin(each), jnp.cos(each)], low=-64.0, high=64.0)
    )
    probe("jax.math.tan", "XLA's approximation")(unary(lambda each: jnp.tan(each)))
    probe("jax.math.tanh", "XLA's approximation, CPU dispatch")(unary(lambda each: jnp.tanh(each)))
    probe("jax.math.power", "XLA's approximation of exp and log")(
        compiled(lambda base, exponent: base**exponent, lambda: (wide(low=0.0625), wide(low=-3.0, high=3.0, salt=1)))
    )
    probe("jax.math.arctan2", "XLA's approximation")(
        compiled(lambda first, second: jnp.arctan2(first, second), lambda: (wide(), wide(salt=1)))
    )
    probe("jax.math.sqrt_rsqrt", "division or Newton steps")(
        unary(lambda each: [jnp.sqrt(each), lax.rsqrt(each)], low=0.0625)
    )
    probe("jax.math.erf", "rational approximation")(unary(lambda each: lax.erf(each), low=-4.0, high=4.0))
    probe("jax.math.erfinv", "rational approximation, log, sqrt")(
        unary(lambda each: lax.erf_inv(each), low=-0.96875, high=0.96875)
    )
    probe("jax.math.lgamma", "Lanczos' approximation, log")(unary(lambda each: lax.lgamma(each), low=0.0625, high=40.0))
    probe("jax.math.polynomial", "whether products and sums are fused")(
        unary(lambda each: ((each * each - each / 3) * each + 0.1) / (each * each + 1))
    )
    probe("jax.math.complex", "exp, division of complex numbers")(
        compiled(
            lambda first, second: [jnp.exp(first), first / (second + 2)], lambda: (tangled(5003), tangled(5003, salt=2))
        )
    )


def define_types():
    probe("jax.types.float64", "XLA's approximations in doubles, order of sums")(
        doubled(lambda each: [jnp.exp(each), jnp.sin(each), jnp.tanh(each), each.sum()], lambda: (wide("float64") / 3,))
    )
    probe("jax.types.matmul_float64", "Eigen or oneDNN in doubles, threads")(
        doubled(
            lambda first, second: first @ second,
            lambda: (x(129, 257, dtype="float64"), x(257, 65, dtype="float64", salt=1)),
        )
    )
    probe("jax.types.exp_bfloat16", "where bfloat16 becomes float, rounding")(
        compiled(lambda each: [jnp.exp(each), jnp.tanh(each)], lambda: (wide("bfloat16"),))
    )
    probe("jax.types.sum_bfloat16", "where bfloat16 becomes float, order of sums")(
        compiled(lambda each: each.sum(1), lambda: (x(64, 301, dtype="bfloat16"),))
    )
    probe("jax.types.rounding", "rounding to even: a control")(
        compiled(lambda each: [each.astype(jnp.bfloat16), each.astype(jnp.float16)], lambda: (wide() / 3,))
    )


def define_reductions():
    large = lambda: (thirds(300, 1001, low=-1.0, high=3.0),)
    probe("jax.reduction.sum_all", "threads, vector width, order of sums")(compiled(lambda each: each.sum(), large))
    probe("jax.reduction.sum_rows", "vector width, order of sums")(compiled(lambda each: each.sum(1), large))
    probe("jax.reduction.sum_columns", "vector width, order of sums")(compiled(lambda each: each.sum(0), large))
    probe("jax.reduction.mean_variance", "how variance is computed, order of sums")(
        compiled(lambda each: [each.mean(), each.var(1), each.std(0)], large)
    )
    probe("jax.reduction.product", "order of products")(
        compiled(lambda each: each.prod(1), lambda: (x(300, 101, low=0.5, high=1.5),))
    )
    probe("jax.reduction.norm", "order of sums of squares")(compiled(lambda each: jnp.linalg.norm(each), large))
    probe("jax.reduction.logsumexp", "exp, log, order of sums")(
        compiled(lambda each: jax.scipy.special.logsumexp(each, 1), large)
    )
    probe("jax.reduction.cumsum", "how a scan is split, order of sums")(
        compiled(lambda each: jnp.cumsum(each, 1), lambda: (thirds(30, 1001),))
    )
    probe("jax.reduction.maximum", "exact: a control")(compiled(lambda each: [each.max(0), each.argmax(1)], large))


def define_matrices():
    pair = lambda: (x(256, 256), x(256, 256, salt=1))
    product = lambda first, second: first @ second
    probe("jax.matrix.matmul_small", "XLA's own loop or Eigen")(
        compiled(product, lambda: (x(16, 24), x(24, 8, salt=1)))
    )
    probe("jax.matrix.matmul", "Eigen or oneDNN, CPU dispatch, threads")(compiled(product, pair))
    probe("jax.matrix.matmul_highest", "the same with all of its precision")(
        compiled(lambda first, second: jnp.matmul(first, second, precision=lax.Precision.HIGHEST), pair)
    )
    probe("jax.matrix.matmul_long", "threads over the inner dimension")(
        compiled(product, lambda: (x(24, 8192), x(8192, 24, salt=1)))
    )
    probe("jax.matrix.matmul_bfloat16", "oneDNN, Eigen or float32")(
        compiled(product, lambda: (x(128, 257, dtype="bfloat16"), x(257, 96, dtype="bfloat16", salt=1)))
    )
    probe("jax.matrix.matmul_vector", "XLA's tiles, vector width")(
        compiled(product, lambda: (x(513, 1025), x(1025, salt=1)))
    )
    probe("jax.matrix.batched", "Eigen or a loop, threads")(
        compiled(product, lambda: (x(9, 65, 129), x(9, 129, 33, salt=1)))
    )
    probe("jax.matrix.einsum", "order of contractions, matmul")(
        compiled(
            lambda first, second, third: jnp.einsum("bij,bjk,kl->bil", first, second, third),
            lambda: (x(5, 17, 33), x(5, 33, 21, salt=1), x(21, 13, salt=2)),
        )
    )
    probe("jax.matrix.complex64", "Eigen, complex numbers")(
        compiled(product, lambda: (tangled(96, 129), tangled(129, 65, salt=2)))
    )


def define_linalg():
    linalg = jnp.linalg
    square = lambda: (x(65, 65) + 4 * np.eye(65, dtype="float32"), x(65, 9, salt=1))
    symmetric = lambda: (positive(65),)
    probe("jax.linalg.cholesky", "LAPACK of SciPy")(compiled(lambda each: linalg.cholesky(each), symmetric))
    probe("jax.linalg.qr", "LAPACK of SciPy")(compiled(lambda each: linalg.qr(each), lambda: (x(65, 33),)))
    probe("jax.linalg.svd", "LAPACK of SciPy, signs of vectors")(
        compiled(lambda each: linalg.svd(each, full_matrices=False), lambda: (x(65, 33),))
    )
    probe("jax.linalg.eigh", "LAPACK of SciPy, signs of vectors")(compiled(lambda each: linalg.eigh(each), symmetric))
    probe("jax.linalg.eig", "LAPACK of SciPy, order and phase of vectors")(
        compiled(lambda each: linalg.eig(each), lambda: (x(21, 21),))
    )
    probe("jax.linalg.solve", "LAPACK of SciPy, LU")(
        compiled(lambda first, second: linalg.solve(first, second), square)
    )


def define_convolutions():
    convolve = lambda images, weights: lax.conv(images, weights, (1, 1), "SAME")
    probe("jax.convolution.conv2d", "Eigen or oneDNN, CPU dispatch, threads")(
        compiled(convolve, lambda: (x(4, 16, 33, 33), x(24, 16, 3, 3, salt=1)))
    )
    probe("jax.convolution.conv2d_strided", "Eigen or oneDNN, CPU dispatch")(
        compiled(
            lambda images, weights: lax.conv(images, weights, (2, 2), "VALID"),
            lambda: (x(2, 3, 65, 65), x(16, 3, 7, 7, salt=1)),
        )
    )
    probe("jax.convolution.depthwise", "XLA's own loop for groups")(
        compiled(
            lambda images, weights: lax.conv_general_dilated(images, weights, (1, 1), "SAME", feature_group_count=16),
            lambda: (x(2, 16, 17, 17), x(16, 1, 3, 3, salt=1)),
        )
    )
    probe("jax.convolution.conv1d", "Eigen or XLA's own loop")(
        compiled(
            lambda rows, weights: lax.conv(rows, weights, (1,), "SAME"), lambda: (x(4, 16, 301), x(24, 16, 5, salt=1))
        )
    )
    probe("jax.convolution.conv3d", "Eigen or XLA's own loop")(
        compiled(
            lambda rows, weights: lax.conv(rows, weights, (1, 1, 1), "SAME"),
            lambda: (x(1, 4, 7, 9, 9), x(8, 4, 3, 3, 3, salt=1)),
        )
    )
    probe("jax.convolution.transposed", "XLA's own loop for dilation")(
        compiled(
            lambda images, weights: lax.conv_transpose(images, weights, (2, 2), "SAME"),
            lambda: (x(2, 9, 9, 16), x(3, 3, 16, 8, salt=1)),
        )
    )
    probe("jax.convolution.pool", "order of sums")(
        compiled(
            lambda images: lax.reduce_window(images, 0.0, lax.add, (1, 1, 3, 3), (1, 1, 2, 2), "VALID"),
            lambda: (thirds(2, 16, 33, 33),),
        )
    )
    probe("jax.convolution.gradient", "Eigen or oneDNN backwards, threads")(
        compiled(gradient(convolve), lambda: (x(4, 24, 17, 17, salt=9), x(4, 16, 17, 17), x(24, 16, 3, 3, salt=1)))
    )


def define_networks():
    probe("jax.network.softmax", "exp, order of sums, fusion")(
        compiled(lambda each: [nn.softmax(each), nn.log_softmax(each)], lambda: (x(96, 513, high=9.0),))
    )
    probe("jax.network.activations", "exp, tanh, erf, fusion")(
        compiled(
            lambda each: [nn.gelu(each), nn.gelu(each, approximate=False), nn.silu(each), nn.softplus(each)],
            lambda: (wide(),),
        )
    )
    probe("jax.network.layer_norm", "order of sums, rsqrt, fusion")(
        compiled(normalized, lambda: (thirds(96, 513), x(513, salt=1)))
    )
    probe("jax.network.attention", "matmul, softmax, fusion")(
        compiled(attended, lambda: (x(2, 33, 4, 16), x(2, 33, 4, 16, salt=1), x(2, 33, 4, 16, salt=2)))
    )


def normalized(inputs, weights):
    """Return inputs normalized over their last axis."""
    centred = inputs - inputs.mean(-1, keepdims=True)
    return centred * lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * weights


def attended(query, key, value):
    """Return scaled dot-product attention, of batch, place, head and feature."""
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1] ** 0.5
    return jnp.einsum("bhqk,bkhd->bqhd", nn.softmax(scores), value)


def define_selection():
    ties = lambda: (whole(3, 2003, below=50),)
    probe("jax.selection.sort", "the order of equal ones")(
        compiled(lambda each: [jnp.sort(each, 1), jnp.argsort(each, 1)], ties)
    )
    probe("jax.selection.top_k", "which of equal ones")(compiled(lambda each: lax.top_k(each, 33), ties))
    probe("jax.selection.median", "how two elements are interpolated")(
        compiled(lambda each: jnp.quantile(each, jnp.array([0.1, 0.5, 0.77]), axis=0), lambda: (x(101, 33),))
    )
    probe("jax.selection.scatter_add", "order of sums")(
        compiled(
            lambda rows, values: jnp.zeros((64, 8)).at[rows].add(values),
            lambda: (whole(2003, below=64), thirds(2003, 8, salt=1)),
        )
    )
    probe("jax.selection.segment_sum", "order of sums")(
        compiled(
            lambda rows, values: jax.ops.segment_sum(values, rows, 64),
            lambda: (whole(2003, below=64), thirds(2003, salt=1)),
        )
    )
    probe("jax.selection.gather", "exact: a control")(
        compiled(lambda rows, values: values[rows], lambda: (whole(2003, below=64), thirds(64, 8)))
    )
    probe("jax.selection.resize", "weights, order of sums")(
        compiled(
            lambda images: jax.image.resize(images, (2, 53, 29, 3), "bilinear"),
            lambda: (thirds(2, 37, 41, 3),),
        )
    )


def define_transforms():
    probe("jax.fourier.fft", "DUCC or PocketFFT, CPU dispatch")(
        compiled(lambda each: jnp.fft.fft(each), lambda: (tangled(4, 1009),))
    )
    probe("jax.fourier.rfft", "DUCC or PocketFFT, CPU dispatch")(
        compiled(lambda each: [jnp.fft.rfft(each), jnp.fft.fft2(each)], lambda: (x(48, 60),))
    )
    probe("jax.transform.grad", "what XLA fuses of a gradient")(
        compiled(
            gradient(lambda each, weights: nn.gelu(each @ weights)),
            lambda: (x(65, 17, salt=9), x(65, 33), x(33, 17, salt=1)),
        )
    )
    probe("jax.transform.hessian", "forward over reverse")(
        compiled(lambda each: jax.hessian(lambda row: jnp.tanh(row).sum() ** 3)(each), lambda: (x(17),))
    )
    probe("jax.transform.vmap", "how a batch changes a matmul")(
        compiled(
            lambda rows, weights: jax.vmap(lambda row: jnp.tanh(weights @ row))(rows),
            lambda: (x(33, 65), x(17, 65, salt=1)),
        )
    )
    probe("jax.transform.scan", "order of steps, fusion in a loop")(
        compiled(
            lambda rows, weights: lax.scan(recurrent_step(weights), jnp.zeros(32), rows),
            lambda: (x(65, 32), x(32, 32, low=-0.25, high=0.25, salt=1)),
        )
    )
    probe("jax.transform.scan_gradient", "gradients through steps")(
        compiled(
            gradient(lambda rows, weights: lax.scan(recurrent_step(weights), jnp.zeros(32), rows)[1]),
            lambda: (x(33, 32, salt=9), x(33, 32), x(32, 32, low=-0.25, high=0.25, salt=1)),
        )
    )


def recurrent_step(weights):
    """Return a step of a recurrent network."""

    def step(state, row):
        state = jnp.tanh(state @ weights + row)
        return state, state

    return step


def define_training():
    probe("jax.training.dense", "everything of 20 steps of a dense network")(
        trained(dense_loss, dense_weights, lambda: (x(96, 48), whole(96, salt=1)), momentum_step)
    )
    probe("jax.training.dense_adam", "everything of 20 steps with Adam")(
        trained(dense_loss, dense_weights, lambda: (x(96, 48), whole(96, salt=1)), adam_step)
    )
    probe("jax.training.convolution", "everything of 20 steps of a convolutional network")(
        trained(convolution_loss, convolution_weights, lambda: (x(16, 3, 16, 16), whole(16, salt=1)), momentum_step)
    )


def dense_weights():
    return [x(48, 96, low=-0.25, high=0.25), x(96, 10, low=-0.25, high=0.25, salt=1)]


def convolution_weights():
    return [x(8, 3, 3, 3, low=-0.25, high=0.25), x(8 * 64, 10, low=-0.25, high=0.25, salt=1)]


def cross_entropy(scores, labels):
    return -(nn.log_softmax(scores) * nn.one_hot(labels, 10)).sum(1).mean()


def dense_loss(weights, inputs, labels):
    return cross_entropy(jnp.tanh(inputs @ weights[0]) @ weights[1], labels)


def convolution_loss(weights, inputs, labels):
    found = nn.relu(lax.conv(inputs, weights[0], (2, 2), "SAME"))
    return cross_entropy(found.reshape((found.shape[0], -1)) @ weights[1], labels)


def momentum_step(weight, slope, state, at):
    speed = 0.9 * state[0] + slope
    return weight - 0.1 * speed, (speed, state[1])


def adam_step(weight, slope, state, at):
    mean, square = 0.9 * state[0] + 0.1 * slope, 0.999 * state[1] + 0.001 * slope * slope
    rate = 0.01 * jnp.sqrt(1 - 0.999**at) / (1 - 0.9**at)
    return weight - rate * mean / (jnp.sqrt(square) + 1e-8), (mean, square)


def trained(loss, weights, batch, rule):
    """Let a step be compiled, and taken 20 times with one batch: weights and the last loss."""

    def step(kept, states, at, *inputs):
        value, slopes = jax.value_and_grad(loss)(kept, *inputs)
        pairs = [rule(*each, at=at) for each in zip(kept, slopes, states)]
        return [each[0] for each in pairs], [each[1] for each in pairs], value

    program = jax.jit(step)

    def call():
        kept, inputs = weights(), batch()
        states = [(np.zeros_like(each), np.zeros_like(each)) for each in kept]
        for at in range(20):
            kept, states, value = program(kept, states, np.float32(at + 1), *inputs)
        return kept + [value]

    return call


def define_gpu_random():
    random = jax.random
    probe("jax.gpu.random.uniform", "threefry, jax_threefry_partitionable", device="gpu")(
        drawn(lambda key: random.uniform(key, (70003,)))
    )
    probe("jax.gpu.random.normal", "threefry, erfinv", device="gpu")(drawn(lambda key: random.normal(key, (70003,))))
    probe("jax.gpu.random.permutation", "threefry, sorting", device="gpu")(
        drawn(lambda key: random.permutation(key, jnp.arange(5003)))
    )
    probe("jax.gpu.random.categorical", "threefry, log, argmax", device="gpu")(
        drawn(lambda key, scores: random.categorical(key, scores), lambda: x(65, 33))
    )
    if implements("rbg"):
        probe("jax.gpu.random.rbg", "XLA's RngBitGenerator: Philox", device="gpu")(draws("rbg", 70003))


def define_gpu_operations():
    product = lambda first, second: first @ second
    pair = lambda **how: lambda: (x(256, 512, **how), x(512, 128, salt=1, **how))
    probe("jax.gpu.matmul.float32", "cuBLAS or Triton, TF32 unless precision is asked for", device="gpu")(
        compiled(product, pair())
    )
    probe("jax.gpu.matmul.highest", "cuBLAS or Triton with all of its precision", device="gpu")(
        compiled(lambda first, second: jnp.matmul(first, second, precision=lax.Precision.HIGHEST), pair())
    )
    probe("jax.gpu.matmul.bfloat16", "cuBLAS or Triton, tensor cores", device="gpu")(
        compiled(product, pair(dtype="bfloat16"))
    )
    probe("jax.gpu.matmul.float16", "cuBLAS or Triton, tensor cores", device="gpu")(
        compiled(product, pair(dtype="float16"))
    )
    probe("jax.gpu.math.functions", "XLA's exp, log, sin, tanh, pow, erf on GPUs", device="gpu")(
        compiled(
            lambda each: [jnp.exp(each), jnp.log(each), jnp.sin(each), jnp.tanh(each), each**1.7, lax.erf(each)],
            lambda: (wide(low=0.0625),),
        )
    )
    probe("jax.gpu.reduction.sums", "how XLA splits a reduction, GPU model", device="gpu")(
        compiled(lambda each: [each.sum(), each.sum(0), each.var(1)], lambda: (thirds(300, 1001),))
    )
    probe("jax.gpu.reduction.cumsum", "how a scan is split, order of sums", device="gpu")(
        compiled(lambda each: jnp.cumsum(each, 1), lambda: (thirds(30, 1001),))
    )
    probe("jax.gpu.selection.sort", "the order of equal ones", device="gpu")(
        compiled(lambda each: [jnp.sort(each, 1), jnp.argsort(each, 1)], lambda: (whole(3, 2003, below=50),))
    )
    probe("jax.gpu.fourier.fft", "cuFFT, GPU model", device="gpu")(
        compiled(lambda each: jnp.fft.fft(each), lambda: (tangled(4, 1009),))
    )
    probe("jax.gpu.linalg.factorize", "cuSOLVER: Cholesky, QR, LU", device="gpu")(
        compiled(
            lambda each: [jnp.linalg.cholesky(each), jnp.linalg.qr(each), jnp.linalg.inv(each)], lambda: (positive(65),)
        )
    )
    probe("jax.gpu.linalg.eigh", "cuSOLVER, signs of vectors", device="gpu")(
        compiled(lambda each: jnp.linalg.eigh(each), lambda: (positive(65),))
    )


def define_gpu_networks():
    convolve = lambda images, weights: lax.conv(images, weights, (1, 1), "SAME")
    probe("jax.gpu.convolution.conv2d", "cuDNN's algorithm, TF32, GPU model", device="gpu")(
        compiled(convolve, lambda: (x(4, 16, 33, 33), x(24, 16, 3, 3, salt=1)))
    )
    probe("jax.gpu.convolution.gradient", "cuDNN's algorithms backwards, GPU model", device="gpu")(
        compiled(gradient(convolve), lambda: (x(4, 24, 17, 17, salt=9), x(4, 16, 17, 17), x(24, 16, 3, 3, salt=1)))
    )
    probe("jax.gpu.network.softmax", "exp, order of sums, fusion", device="gpu")(
        compiled(lambda each: nn.softmax(each), lambda: (x(96, 513, high=9.0),))
    )
    probe("jax.gpu.network.attention", "matmul, softmax, fusion", device="gpu")(
        compiled(attended, lambda: (x(2, 33, 4, 16), x(2, 33, 4, 16, salt=1), x(2, 33, 4, 16, salt=2)))
    )
    probe("jax.gpu.training.dense", "everything of 20 steps of a dense network", device="gpu")(
        trained(dense_loss, dense_weights, lambda: (x(96, 48), whole(96, salt=1)), momentum_step)
    )
    probe("jax.gpu.training.convolution", "everything of 20 steps of a convolutional network", device="gpu")(
        trained(convolution_loss, convolution_weights, lambda: (x(16, 3, 16, 16), whole(16, salt=1)), momentum_step)
    )
