# ruff: noqa
# mypy: ignore-errors
# The probes of PyTorch 1.8 and up, a script for Python 3.6 and up; data/in_target/probe.py runs it and gives it
# `probe`. A probe whose operation a version lacks is not defined there. Names and lines are literals: docs/probes.md
# is made of them. NumPy is not needed, PyTorch may be installed without it.
import ctypes
import inspect
import os
import random
import warnings

torch = nn = F = None  # load() imports them
DEVICE = "cpu"
SEED = 20210514
GPU = "cuda"  # of ROCm's builds too
BFLOAT16 = "bfloat16"  # NumPy has no name for it


def load(threads, canonical, device):
    """Import PyTorch, with so many threads if told and in the canonical pass deterministic; return its version."""
    global torch, nn, F, DEVICE
    warnings.simplefilter("ignore")  # PyTorch without NumPy warns, and so do its deterministic algorithms
    if canonical:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    import torch as found

    torch, nn, F, DEVICE = found, found.nn, found.nn.functional, device
    if threads is not None:
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(threads)
    if canonical:
        deterministic(True)
        torch.backends.cudnn.benchmark = False
        tensor_float(False)
        for name in ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction"):
            try:
                setattr(torch.backends.cuda.matmul, name, False)
            except AssertionError:  # an older version, which has none such
                pass
    if device == "gpu":
        torch.zeros(1, device=GPU)  # raises where there is none
    return torch.__version__


def plain(value):
    """Return a tensor as (dtype, shape, little-endian bytes), NaNs of one kind; None for others."""
    if not isinstance(value, torch.Tensor):
        return None
    value = value.detach()
    if value.layout != torch.strided:
        value = value.to_dense()
    for lazy in ("resolve_conj", "resolve_neg"):
        if hasattr(value, lazy):
            value = getattr(value, lazy)()
    value = value.cpu().contiguous()
    if value.is_floating_point() or value.is_complex():
        missing = torch.isnan(value)
        if missing.any():
            value = value.masked_fill(missing, float("nan"))
    raw = ctypes.string_at(value.data_ptr(), value.numel() * value.element_size()) if value.numel() else b""
    return kind(value.dtype), tuple(value.shape), raw


def kind(dtype):
    """Return a dtype as NumPy writes it, little-endian."""
    if dtype == torch.bfloat16:
        return BFLOAT16
    if dtype == torch.bool:
        return "|b1"
    letter = "c" if dtype.is_complex else "f" if dtype.is_floating_point else "u" if "uint" in str(dtype) else "i"
    width = torch.empty((), dtype=dtype).element_size()
    return "{}{}{}".format("<" if width > 1 else "|", letter, width)


# --- settings


def deterministic(on):
    """Take deterministic algorithms or not; where there are none, warn. Before 1.11 only cuDNN's: others raised."""
    torch.backends.cudnn.deterministic = on
    if takes(torch.use_deterministic_algorithms, "warn_only"):
        torch.use_deterministic_algorithms(on, warn_only=True)


def tensor_float(on):
    """Let GPUs compute float32 with 10 bits of mantissa, or not."""
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on


def repeatable(function):
    """Let a function run with deterministic algorithms in both passes: atomic additions give noise, no evidence."""

    def call():
        cudnn = torch.backends.cudnn.deterministic
        before = torch.are_deterministic_algorithms_enabled()
        deterministic(True)
        try:
            return function()
        finally:
            deterministic(before)
            torch.backends.cudnn.deterministic = cudnn

    return call


def with_tensor_float(function):
    """Let a function run with TF32 allowed."""

    def call():
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        tensor_float(True)
        try:
            return function()
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before

    return call


# --- what a version has


def has(place, *names):
    """Whether a module or type has all these names."""
    return all(hasattr(place, name) for name in names)


def takes(function, *names):
    """Whether a function written in Python has all these parameters."""
    return all(name in inspect.signature(function).parameters for name in names)


def able(function):
    """Whether this version, on this device, implements what a function does."""
    try:
        function()
    except (NotImplementedError, TypeError, ValueError, AttributeError):
        return False
    except RuntimeError as error:
        words = ("implement", "support", "available", "viable", "requires", "expected", "must")
        return not any(word in str(error).lower() for word in words)
    return True


# --- inputs: integer arithmetic, exact in every type


def integers(shape, levels, salt):
    """Return scattered integers from 0 to levels - 1: 0, 1, 2, ... with their 32 bits mixed."""
    count = 1
    for each in shape:
        count *= each
    bits = (torch.arange(count, dtype=torch.int64) + (1 + salt * 1000003)) & 0xFFFFFFFF
    for _ in range(2):
        bits = (((bits >> 16) ^ bits) * 0x45D9F3B) & 0xFFFFFFFF
    return (((bits >> 16) ^ bits) % levels).reshape(shape)


def x(*shape, low=-1.0, high=1.0, dtype="float32", salt=0, device="cpu"):
    """Return a tensor of multiples of 2**-16 of (high - low), of 2**-7 where the type holds no more."""
    levels = 128 if dtype in ("float16", "bfloat16") else 65536
    found = integers(shape, levels, salt).to(torch.float64) * ((high - low) / levels) + low
    return found.to(getattr(torch, dtype)).to(device)


def thirds(*shape, **how):
    """Return a tensor whose sums are rounded: thirds of the above."""
    return x(*shape, **how) / 3


def whole(*shape, below=10, salt=0, dtype="int64", device="cpu"):
    """Return a tensor of integers from 0 to below - 1."""
    return integers(shape, below, salt).to(getattr(torch, dtype)).to(device)


def tangled(*shape, dtype="complex64", salt=0, device="cpu"):
    """Return a complex tensor."""
    part = "float64" if dtype == "complex128" else "float32"
    return torch.complex(x(*shape, dtype=part, salt=salt), x(*shape, dtype=part, salt=salt + 1)).to(device)


def positive(n, dtype="float32", salt=0):
    """Return a symmetric positive definite matrix: scattered in its symmetric part, dominated by its diagonal."""
    part = x(n, n, dtype=dtype, salt=salt)
    return (part + part.t()) / 2 + torch.eye(n, dtype=part.dtype) * (n // 2)


def wide(dtype="float32", low=-8.0, high=8.0, salt=0):
    """Return 70,003 elements: over the threads' threshold of 32,768, and no multiple of any vector."""
    return x(70003, low=low, high=high, dtype=dtype, salt=salt)


def both(function, low=-8.0, high=8.0):
    """Return what a function gives for many elements in floats and in doubles."""
    return [function(wide(dtype, low, high)) for dtype in ("float32", "float64")]


# --- ways to run


def seeded(function):
    """Let a function start from the same seeds each time that it is called."""

    def call():
        random.seed(SEED)
        torch.manual_seed(SEED)
        return function()

    return call


def filled(module, device="cpu"):
    """Return a module with weights from integers in place of an initialiser's."""
    with torch.no_grad():
        for at, each in enumerate(module.parameters()):
            each.copy_(x(*each.shape, low=-0.25, high=0.25, salt=20 + at))
    return module.to(device)


def parameters(module):
    """Return a module's parameters and buffers."""
    return list(module.state_dict().values())


def gradient(function, *inputs):
    """Return the gradients of the sum of what a function returns, weighted so that no two elements count the same."""
    inputs = [each.detach().requires_grad_() for each in inputs]
    found = function(*inputs)
    total = (found * x(*found.shape, salt=9).to(found.device, found.dtype)).sum()
    return list(torch.autograd.grad(total, inputs))


def weight_gradient(module, *inputs):
    """Return the gradients of a module's parameters."""
    found = module(*inputs)
    found = found[0] if isinstance(found, tuple) else found
    total = (found * x(*found.shape, salt=9).to(found.device, found.dtype)).sum()
    return list(torch.autograd.grad(total, list(module.parameters())))


def stepped(make, count=5):
    """Return two tensors after so many steps of an optimiser, their gradients half of themselves and something fixed."""
    kept = [x(33, 17, salt=1).requires_grad_(), x(301, salt=2).requires_grad_()]
    optimizer = make(kept)
    for _ in range(count):
        for at, each in enumerate(kept):
            each.grad = each.detach() / 2 + thirds(*each.shape, salt=3 + at)
        optimizer.step()
    return kept


def optimizers(name, line, make):
    """Define a probe of an optimiser, if the version takes its arguments."""
    if able(lambda: stepped(make, 1)):
        probe(name, line)(lambda: stepped(make))


def trained(model, inputs, labels, loss, make, count=20, autocast=None):
    """Return weights and the last loss after so many steps, one batch again and again."""
    optimizer = make(model.parameters())
    model.train()
    for _ in range(count):
        optimizer.zero_grad()
        if autocast is None:
            last = loss(model(inputs), labels)
        else:
            with torch.autocast(inputs.device.type, dtype=autocast):
                found = model(inputs)
            last = loss(found.float(), labels)
        last.backward()
        optimizer.step()
    return parameters(model) + [last]


def dense_model(*extra):
    return nn.Sequential(nn.Linear(48, 96), nn.Tanh(), *(extra + (nn.Linear(96, 10),)))


def convolution_model():
    first = nn.Conv2d(3, 8, 3, padding=1)
    return nn.Sequential(first, nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 64, 10))


def recurrent_model():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.out = nn.LSTM(12, 16, batch_first=True), nn.Linear(16, 10)

        def forward(self, inputs):
            return self.out(self.layer(inputs)[0][:, -1])

    return Last()


def define():
    """Define every probe that this version of PyTorch can answer on the device."""
    on_cpu = (
        define_math,
        define_types,
        define_reductions,
        define_matrices,
        define_linalg,
        define_convolutions,
        define_pooling,
        define_normalization,
        define_activations,
        define_attention,
        define_recurrent,
        define_embeddings,
        define_fourier,
        define_selection,
        define_scatter,
        define_images,
        define_random,
        define_initializers,
        define_dropout,
        define_losses,
        define_gradients,
        define_optimizers,
        define_training,
        define_loading,
    )
    for part in (
        on_cpu
        if DEVICE == "cpu"
        else (define_gpu_random, define_gpu_operations, define_gpu_networks, define_gpu_training)
    ):
        part()


def define_math():
    probe("torch.math.exp", "vectorised exp, CPU dispatch")(lambda: both(torch.exp))
    probe("torch.math.expm1", "vectorised expm1, CPU dispatch")(lambda: both(torch.expm1))
    probe("torch.math.log", "vectorised log, CPU dispatch")(lambda: both(torch.log, 0.0625))
    probe("torch.math.log1p", "vectorised log1p, CPU dispatch")(lambda: both(torch.log1p, 0.0))
    probe("torch.math.sin", "vectorised sin, CPU dispatch")(lambda: both(torch.sin, -64.0, 64.0))
    probe("torch.math.cos", "vectorised cos, CPU dispatch")(lambda: both(torch.cos, -64.0, 64.0))
    probe("torch.math.tan", "vectorised tan, CPU dispatch")(lambda: both(torch.tan))
    probe("torch.math.asin", "vectorised asin, CPU dispatch")(lambda: both(torch.asin, -1.0, 1.0))
    probe("torch.math.sinh", "vectorised sinh, CPU dispatch")(lambda: both(torch.sinh))
    probe("torch.math.tanh", "vectorised tanh, CPU dispatch")(lambda: both(torch.tanh))
    probe("torch.math.sigmoid", "vectorised exp, division")(lambda: both(torch.sigmoid))
    probe("torch.math.sqrt", "correctly rounded: a control")(lambda: both(torch.sqrt, 0.0))
    probe("torch.math.rsqrt", "division or Newton steps")(lambda: both(torch.rsqrt, 0.0625))
    probe("torch.math.pow", "vectorised pow, CPU dispatch")(
        lambda: [torch.pow(wide(dtype, 0.0625), wide(dtype, -3.0, 3.0, salt=1)) for dtype in ("float32", "float64")]
    )
    probe("torch.math.atan2", "vectorised atan2, CPU dispatch")(
        lambda: [torch.atan2(wide(dtype), wide(dtype, salt=1)) for dtype in ("float32", "float64")]
    )
    probe("torch.math.erf", "vectorised erf, CPU dispatch")(lambda: both(torch.erf, -4.0, 4.0))
    probe("torch.math.erfinv", "rational approximation and Newton steps")(lambda: both(torch.erfinv, -0.96875, 0.96875))
    probe("torch.math.lgamma", "vectorised or libm's lgamma")(lambda: both(torch.lgamma, 0.0625, 40.0))
    probe("torch.math.digamma", "Cephes' series, vectorised or not")(lambda: both(torch.digamma, 0.0625, 40.0))
    probe("torch.math.polynomial", "whether products and sums are fused")(
        lambda: both(lambda each: ((each * each - each / 3) * each + 0.1) / (each * each + 1))
    )
    probe("torch.math.addcmul", "whether products and sums are fused")(
        lambda: torch.addcmul(wide(), wide(salt=1), wide(salt=2), value=0.3)
    )
    probe("torch.math.lerp", "whether products and sums are fused")(lambda: torch.lerp(wide(), wide(salt=1), 0.3))
    probe("torch.math.complex_exp", "vectorised exp, sin, cos of complex numbers")(lambda: torch.exp(tangled(5003)))
    probe("torch.math.complex_divide", "how complex numbers are divided")(
        lambda: tangled(5003) / (tangled(5003, salt=2) + 2)
    )
    if has(torch, "special") and has(torch.special, "i0e", "ndtri", "zeta"):
        probe("torch.special.i0e", "Chebyshev series")(lambda: both(torch.special.i0e))
        probe("torch.special.ndtri", "rational approximation, log, sqrt")(
            lambda: both(torch.special.ndtri, 0.015625, 0.984375)
        )
        probe("torch.special.zeta", "series of powers")(
            lambda: torch.special.zeta(x(2003, low=1.5, high=9.0), x(2003, low=1.0, high=4.0, salt=1))
        )
    if has(torch, "special") and has(torch.special, "gammainc", "bessel_j0"):
        probe("torch.special.gammainc", "series and continued fractions")(
            lambda: torch.special.gammainc(x(2003, low=0.5, high=9.0), x(2003, low=0.5, high=9.0, salt=1))
        )
        probe("torch.special.bessel_j0", "rational approximation, sin, cos")(
            lambda: torch.special.bessel_j0(x(2003, low=0.0, high=32.0))
        )


def define_types():
    probe("torch.types.exp_bfloat16", "exp through float32 and rounding")(lambda: torch.exp(wide(BFLOAT16)))
    probe("torch.types.to_bfloat16", "rounding to even: a control")(lambda: (wide() / 3).to(torch.bfloat16))
    probe("torch.types.to_float16", "rounding to even: a control")(lambda: (wide() / 3).to(torch.float16))
    if able(lambda: torch.exp(x(8, dtype="float16"))):
        probe("torch.types.exp_float16", "exp through float32 and rounding")(lambda: torch.exp(wide("float16")))
    if able(lambda: torch.sum(x(8, 8, dtype="float16"), 1)):
        probe("torch.types.sum_float16", "where halves become floats, order of sums")(
            lambda: torch.sum(x(64, 301, dtype="float16"), 1)
        )
    probe("torch.types.sum_bfloat16", "where bfloat16 becomes float, order of sums")(
        lambda: torch.sum(x(64, 301, dtype=BFLOAT16), 1)
    )
    if able(lambda: torch.softmax(x(8, 8, dtype="float16"), 1)):
        probe("torch.types.softmax_float16", "where halves become floats")(
            lambda: torch.softmax(x(64, 301, dtype="float16"), 1)
        )
    probe("torch.types.quantize", "scale and rounding of 8 bits")(
        lambda: torch.quantize_per_tensor(wide(), 0.07, 3, torch.qint8).int_repr()
    )
    probe("torch.types.fake_quantize", "scale and rounding of 8 bits")(
        lambda: torch.fake_quantize_per_tensor_affine(wide(), 0.07, 3, -128, 127)
    )


def define_reductions():
    large = lambda dtype="float32": thirds(300, 1001, low=-1.0, high=3.0, dtype=dtype)
    probe("torch.reduction.sum_all", "threads, vector width, order of sums")(lambda: large().sum())
    probe("torch.reduction.sum_rows", "vector width, order of sums")(lambda: large().sum(1))
    probe("torch.reduction.sum_columns", "order of sums")(lambda: large().sum(0))
    probe("torch.reduction.sum_float64", "threads, vector width, order of sums")(lambda: large("float64").sum())
    probe("torch.reduction.mean", "threads, order of sums")(lambda: [large().mean(), large().mean(1)])
    probe("torch.reduction.variance", "Welford's steps, threads")(lambda: [large().var(), large().var(1)])
    probe("torch.reduction.std", "Welford's steps, threads")(lambda: [large().std(), large().std(0)])
    probe("torch.reduction.product", "order of products")(lambda: x(300, 101, low=0.5, high=1.5).prod(1))
    probe("torch.reduction.maximum", "exact: a control")(lambda: large().max(0))
    probe("torch.reduction.logsumexp", "vectorised exp, order of sums")(lambda: torch.logsumexp(large(), 1))
    probe("torch.reduction.norm", "threads, order of sums of squares")(lambda: [large().norm(), large().norm(dim=1)])
    probe("torch.reduction.norm_3", "pow, order of sums")(lambda: large().norm(p=3))
    probe("torch.reduction.cumsum", "order of sums")(lambda: torch.cumsum(large(), 1))
    probe("torch.reduction.cumprod", "order of products")(lambda: torch.cumprod(x(64, 301, low=0.5, high=1.5), 1))
    probe("torch.reduction.logcumsumexp", "exp, log, order of sums")(lambda: torch.logcumsumexp(x(16, 301), 1))
    probe("torch.reduction.dot", "BLAS, threads, order of sums")(
        lambda: torch.dot(thirds(100003), thirds(100003, salt=1))
    )
    probe("torch.reduction.distance", "matmul or differences, order of sums")(
        lambda: torch.cdist(x(65, 33), x(41, 33, salt=1))
    )
    probe("torch.reduction.cosine", "order of sums, division")(
        lambda: F.cosine_similarity(x(65, 333), x(65, 333, salt=1))
    )
    probe("torch.reduction.histogram", "where bins begin")(lambda: torch.histc(wide(), 37, -7.0, 7.0))
    if has(torch, "quantile"):
        probe("torch.reduction.quantile", "how two elements are interpolated")(
            lambda: torch.quantile(x(101, 33), torch.tensor([0.1, 0.5, 0.77]), dim=0)
        )


def define_matrices():
    probe("torch.matrix.matmul_small", "BLAS kernel, CPU dispatch")(lambda: x(16, 24) @ x(24, 8, salt=1))
    probe("torch.matrix.matmul", "BLAS kernel, CPU dispatch, threads")(lambda: x(256, 256) @ x(256, 256, salt=1))
    probe("torch.matrix.matmul_long", "threads over the inner dimension")(lambda: x(24, 8192) @ x(8192, 24, salt=1))
    probe("torch.matrix.matmul_wide", "blocks of the kernel, threads")(lambda: x(33, 65) @ x(65, 2049, salt=1))
    probe("torch.matrix.matmul_transposed", "packing, kernel")(lambda: x(129, 65).t() @ x(257, 129, salt=1).t())
    probe("torch.matrix.matmul_vector", "kernel for vectors, threads")(lambda: x(513, 1025) @ x(1025, salt=1))
    probe("torch.matrix.matmul_float64", "BLAS kernel in doubles, threads")(
        lambda: x(192, 257, dtype="float64") @ x(257, 129, dtype="float64", salt=1)
    )
    probe("torch.matrix.matmul_complex64", "BLAS kernel of complex numbers")(
        lambda: tangled(96, 129) @ tangled(129, 65, salt=2)
    )
    if able(lambda: x(8, 8, dtype=BFLOAT16) @ x(8, 8, dtype=BFLOAT16)):
        probe("torch.matrix.matmul_bfloat16", "oneDNN's kernel: AMX, AVX512_BF16 or float32")(
            lambda: x(128, 257, dtype=BFLOAT16) @ x(257, 96, dtype=BFLOAT16, salt=1)
        )
    if able(lambda: x(8, 8, dtype="float16") @ x(8, 8, dtype="float16")):
        probe("torch.matrix.matmul_float16", "oneDNN's kernel: AMX, AVX512_FP16 or float32")(
            lambda: x(128, 257, dtype="float16") @ x(257, 96, dtype="float16", salt=1)
        )
    probe("torch.matrix.batched", "batched BLAS or a loop, threads")(
        lambda: torch.bmm(x(9, 65, 129), x(9, 129, 33, salt=1))
    )
    probe("torch.matrix.addmm", "how the sum joins the product")(
        lambda: torch.addmm(x(96, 65, salt=2), x(96, 257), x(257, 65, salt=1), beta=0.3, alpha=0.7)
    )
    probe("torch.matrix.baddbmm", "how the sum joins the products")(
        lambda: torch.baddbmm(x(5, 33, 17, salt=2), x(5, 33, 65), x(5, 65, 17, salt=1), beta=0.3, alpha=0.7)
    )
    probe("torch.matrix.linear", "BLAS or oneDNN, threads")(
        lambda: F.linear(x(64, 513), x(257, 513, salt=1), x(257, salt=2))
    )
    probe("torch.matrix.einsum", "order of contractions, matmul")(
        lambda: torch.einsum("bij,bjk,kl->bil", x(5, 17, 33), x(5, 33, 21, salt=1), x(21, 13, salt=2))
    )
    probe("torch.matrix.tensordot", "matmul of reshaped axes")(
        lambda: torch.tensordot(x(7, 33, 17), x(17, 33, 9, salt=1), ([1, 2], [1, 0]))
    )
    probe("torch.matrix.outer", "one product an element: a control")(
        lambda: torch.ger(thirds(301), thirds(203, salt=1))
    )
    probe("torch.matrix.int8", "exact: a control")(
        lambda: whole(33, 65, below=200, dtype="int32") @ whole(65, 17, below=200, salt=1, dtype="int32")
    )


def define_linalg():
    linalg = torch.linalg
    for_lu = lambda dtype="float32": x(65, 65, dtype=dtype) + 4 * torch.eye(65, dtype=getattr(torch, dtype))
    probe("torch.linalg.cholesky", "LAPACK, kernel, threads")(lambda: linalg.cholesky(positive(129)))
    probe("torch.linalg.cholesky_float64", "LAPACK, kernel, threads")(lambda: linalg.cholesky(positive(129, "float64")))
    probe("torch.linalg.qr", "LAPACK, blocks of reflections")(lambda: linalg.qr(x(129, 65)))
    probe("torch.linalg.svd", "LAPACK, signs of vectors, threads")(lambda: linalg.svd(x(65, 33), full_matrices=False))
    probe("torch.linalg.eigh", "LAPACK, signs of vectors, threads")(lambda: linalg.eigh(positive(65)))
    probe("torch.linalg.eigh_float64", "LAPACK, signs of vectors, threads")(
        lambda: linalg.eigh(positive(65, "float64"))
    )
    probe("torch.linalg.eigvalsh", "LAPACK, another algorithm without vectors")(lambda: linalg.eigvalsh(positive(65)))
    probe("torch.linalg.solve", "LAPACK, LU, threads")(lambda: linalg.solve(for_lu(), x(65, 9, salt=1)))
    probe("torch.linalg.solve_batched", "batched LU, threads")(
        lambda: linalg.solve(x(7, 17, 17) + 4 * torch.eye(17), x(7, 17, 3, salt=1))
    )
    probe("torch.linalg.inv", "LAPACK, LU, threads")(lambda: linalg.inv(for_lu()))
    probe("torch.linalg.det", "LU, order of products")(lambda: [linalg.det(for_lu()), linalg.slogdet(for_lu())])
    probe("torch.linalg.pinv", "SVD, matmul")(lambda: linalg.pinv(x(65, 33)))
    probe("torch.linalg.norm_2", "singular values")(lambda: linalg.norm(x(65, 33), 2))
    probe("torch.linalg.matrix_exp", "Taylor polynomials, matmul")(lambda: torch.matrix_exp(x(33, 33) / 4))
    probe("torch.linalg.triangular_solve", "BLAS, blocks, threads")(
        lambda: (
            linalg.solve_triangular(for_lu().tril(), x(65, 9, salt=1), upper=False)
            if has(linalg, "solve_triangular")
            else torch.triangular_solve(x(65, 9, salt=1), for_lu().tril(), upper=False)[0]
        )
    )
    probe("torch.linalg.matrix_power", "order of products")(lambda: torch.matrix_power(x(33, 33) / 4, 7))
    if has(linalg, "eig"):
        probe("torch.linalg.eig", "LAPACK, order and phase of vectors")(lambda: linalg.eig(x(33, 33, dtype="float64")))
    if has(linalg, "lstsq"):
        # gelsy, the default, gives another result with another address of its workspace
        probe("torch.linalg.lstsq", "LAPACK's gels: QR")(
            lambda: linalg.lstsq(x(129, 33), x(129, 5, salt=1), driver="gels")[0]
        )


def define_convolutions():
    probe("torch.convolution.conv1d", "oneDNN's kernel, CPU dispatch, threads")(
        lambda: F.conv1d(x(4, 16, 301), x(24, 16, 5, salt=1), x(24, salt=2), padding=2)
    )
    probe("torch.convolution.conv2d", "oneDNN's kernel, CPU dispatch, threads")(
        lambda: F.conv2d(x(4, 16, 33, 33), x(24, 16, 3, 3, salt=1), x(24, salt=2), padding=1)
    )
    probe("torch.convolution.conv2d_first", "kernel for three channels")(
        lambda: F.conv2d(x(2, 3, 64, 64), x(16, 3, 7, 7, salt=1), stride=2, padding=3)
    )
    probe("torch.convolution.conv2d_1x1", "kernel of 1x1 or a matmul")(
        lambda: F.conv2d(x(2, 64, 17, 17), x(96, 64, 1, 1, salt=1))
    )
    probe("torch.convolution.conv2d_dilated", "kernel for dilation")(
        lambda: F.conv2d(x(2, 8, 33, 33), x(8, 8, 3, 3, salt=1), dilation=2)
    )
    probe("torch.convolution.conv2d_grouped", "kernel for groups")(
        lambda: F.conv2d(x(2, 16, 33, 33), x(32, 4, 3, 3, salt=1), groups=4)
    )
    probe("torch.convolution.conv2d_depthwise", "kernel for one channel a group")(
        lambda: F.conv2d(x(2, 32, 33, 33), x(32, 1, 3, 3, salt=1), groups=32, padding=1)
    )
    probe("torch.convolution.conv2d_channels_last", "kernel of another memory format")(
        lambda: F.conv2d(
            x(2, 16, 33, 33).contiguous(memory_format=torch.channels_last), x(24, 16, 3, 3, salt=1), padding=1
        )
    )
    probe("torch.convolution.conv2d_float64", "matmul over unfolded images, threads")(
        lambda: F.conv2d(x(2, 8, 17, 17, dtype="float64"), x(12, 8, 3, 3, dtype="float64", salt=1))
    )
    if able(lambda: F.conv2d(x(1, 2, 5, 5, dtype=BFLOAT16), x(2, 2, 3, 3, dtype=BFLOAT16))):
        probe("torch.convolution.conv2d_bfloat16", "oneDNN's kernel: AMX, AVX512_BF16 or float32")(
            lambda: F.conv2d(x(2, 16, 17, 17, dtype=BFLOAT16), x(24, 16, 3, 3, dtype=BFLOAT16, salt=1))
        )
    probe("torch.convolution.conv3d", "oneDNN's kernel, CPU dispatch, threads")(
        lambda: F.conv3d(x(2, 8, 9, 17, 17), x(12, 8, 3, 3, 3, salt=1), padding=1)
    )
    probe("torch.convolution.transposed_1d", "oneDNN's or the own kernel")(
        lambda: F.conv_transpose1d(x(2, 16, 65), x(16, 8, 4, salt=1), stride=2)
    )
    probe("torch.convolution.transposed_2d", "oneDNN's or the own kernel")(
        lambda: F.conv_transpose2d(x(2, 16, 17, 17), x(16, 8, 3, 3, salt=1), x(8, salt=2), stride=2)
    )
    probe("torch.convolution.unfold", "exact: a control")(lambda: F.unfold(x(2, 3, 17, 17), 3))
    probe("torch.convolution.fold", "order of sums")(lambda: F.fold(thirds(2, 27, 225), (17, 17), 3))


def define_pooling():
    images = lambda: thirds(2, 16, 33, 33)
    probe("torch.pooling.max_2d", "exact, and which of equal ones: a control")(
        lambda: F.max_pool2d(whole(2, 16, 33, 33, below=5).float(), 3, 2, return_indices=True)
    )
    probe("torch.pooling.average_2d", "order of sums, division")(lambda: F.avg_pool2d(images(), 3, 2, padding=1))
    probe("torch.pooling.adaptive_average_2d", "where windows begin, order of sums")(
        lambda: F.adaptive_avg_pool2d(images(), (5, 7))
    )
    probe("torch.pooling.adaptive_max_1d", "where windows begin")(lambda: F.adaptive_max_pool1d(x(4, 16, 301), 13))
    probe("torch.pooling.average_3d", "order of sums")(lambda: F.avg_pool3d(thirds(2, 4, 9, 9, 9), 3))
    probe("torch.pooling.power_2d", "pow, order of sums")(lambda: F.lp_pool2d(images(), 3.0, 3))
    probe("torch.pooling.fractional_2d", "random numbers, where windows begin")(
        seeded(lambda: F.fractional_max_pool2d(images(), 3, output_size=(11, 13)))
    )


def define_normalization():
    probe("torch.normalization.layer", "order of sums, threads, rsqrt")(
        lambda: F.layer_norm(thirds(96, 513), (513,), x(513, salt=1), x(513, salt=2))
    )
    probe("torch.normalization.batch_training", "order of sums, threads")(
        lambda: F.batch_norm(thirds(8, 16, 17, 17), torch.zeros(16), torch.ones(16), x(16, salt=1), x(16, salt=2), True)
    )
    probe("torch.normalization.batch_inference", "whether products and sums are fused")(
        lambda: F.batch_norm(thirds(8, 16, 17, 17), x(16), x(16, low=0.5, salt=3), x(16, salt=1), x(16, salt=2))
    )
    probe("torch.normalization.group", "order of sums")(
        lambda: F.group_norm(thirds(4, 16, 17, 17), 4, x(16, salt=1), x(16, salt=2))
    )
    probe("torch.normalization.instance", "order of sums")(lambda: F.instance_norm(thirds(4, 16, 17, 17)))
    probe("torch.normalization.local_response", "pow, order of sums")(
        lambda: F.local_response_norm(thirds(2, 16, 17, 17), 5)
    )
    probe("torch.normalization.unit", "order of sums of squares, division")(lambda: F.normalize(thirds(96, 513)))
    if has(F, "rms_norm"):
        probe("torch.normalization.root_mean_square", "order of sums of squares, rsqrt")(
            lambda: F.rms_norm(thirds(96, 513), (513,), x(513, salt=1))
        )


def define_activations():
    probe("torch.activation.softmax", "vectorised exp, order of sums")(lambda: torch.softmax(x(96, 513, high=9.0), 1))
    probe("torch.activation.softmax_columns", "vectorised exp, order of sums")(
        lambda: torch.softmax(x(96, 513, high=9.0), 0)
    )
    probe("torch.activation.log_softmax", "vectorised exp and log, order of sums")(
        lambda: torch.log_softmax(x(96, 513, high=9.0), 1)
    )
    probe("torch.activation.gelu", "vectorised erf, CPU dispatch")(lambda: both(F.gelu))
    if able(lambda: F.gelu(x(8), approximate="tanh")):
        probe("torch.activation.gelu_tanh", "vectorised tanh, CPU dispatch")(lambda: F.gelu(wide(), approximate="tanh"))
    probe("torch.activation.silu", "vectorised exp, division")(lambda: both(F.silu))
    probe("torch.activation.elu", "vectorised exp or expm1")(lambda: both(F.elu))
    probe("torch.activation.selu", "vectorised exp or expm1")(lambda: F.selu(wide()))
    probe("torch.activation.softplus", "vectorised exp and log1p")(lambda: both(F.softplus))
    if has(F, "mish"):
        probe("torch.activation.mish", "exp, log1p, tanh")(lambda: F.mish(wide()))
    probe("torch.activation.hardswish", "products and division: a control")(lambda: F.hardswish(wide()))
    probe("torch.activation.logsigmoid", "vectorised exp and log1p")(lambda: F.logsigmoid(wide()))
    probe("torch.activation.glu", "sigmoid, product")(lambda: F.glu(x(96, 514)))


def define_attention():
    heads = lambda salt: x(2, 4, 65, 32, salt=salt)
    if has(F, "scaled_dot_product_attention"):
        attention = F.scaled_dot_product_attention
        probe("torch.attention.default", "the backend that is chosen, CPU dispatch, threads")(
            lambda: attention(heads(0), heads(1), heads(2))
        )
        probe("torch.attention.causal", "the backend that is chosen, CPU dispatch")(
            lambda: attention(heads(0), heads(1), heads(2), is_causal=True)
        )
        probe("torch.attention.masked", "how a mask is added")(
            lambda: attention(heads(0), heads(1), heads(2), attn_mask=x(65, 65, salt=3))
        )
        probe("torch.attention.dropout", "random numbers, mask of attention")(
            seeded(lambda: attention(heads(0), heads(1), heads(2), dropout_p=0.25))
        )
    if attends("MATH", heads):
        probe("torch.attention.math", "matmul and softmax")(lambda: attended("MATH", heads))
    if attends("FLASH_ATTENTION", heads):
        probe("torch.attention.flash", "the CPU's kernel of flash attention, CPU dispatch, threads")(
            lambda: attended("FLASH_ATTENTION", heads)
        )
    layer = lambda **how: filled(nn.MultiheadAttention(64, 4, **how))
    sequence = lambda salt=0: x(33, 3, 64, salt=salt)
    probe("torch.attention.multihead", "projections, softmax, matmul")(
        lambda: layer()(sequence(), sequence(1), sequence(2))
    )
    encoder = lambda **how: filled(nn.TransformerEncoderLayer(64, 4, 128, **how))
    probe("torch.attention.encoder_training", "attention, layer norm, dropout's random numbers")(
        seeded(lambda: encoder().train()(sequence()))
    )
    probe("torch.attention.encoder_inference", "the fast path since 1.12, attention, layer norm")(
        lambda: inferred(encoder(), sequence())
    )
    probe("torch.attention.decoder", "attention, layer norm")(
        lambda: inferred(filled(nn.TransformerDecoderLayer(64, 4, 128)), sequence(), sequence(1))
    )


def attended(backend, heads):
    """Return scaled dot-product attention computed by one backend and no other."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(getattr(SDPBackend, backend)):
        return F.scaled_dot_product_attention(heads(0), heads(1), heads(2))


def attends(backend, heads):
    """Whether this backend is there, can be asked for (2.3 and up), and computes on this device."""
    try:
        return able(lambda: attended(backend, heads))
    except ImportError:
        return False


def inferred(module, *inputs):
    """Return what a module gives outside training, without gradients."""
    with torch.no_grad():
        return module.eval()(*inputs)


def define_recurrent():
    sequence = lambda: x(3, 33, 24)
    probe("torch.recurrent.rnn", "BLAS, tanh, order of steps")(
        lambda: filled(nn.RNN(24, 32, batch_first=True))(sequence())
    )
    probe("torch.recurrent.lstm", "BLAS or oneDNN, sigmoid and tanh")(
        lambda: filled(nn.LSTM(24, 32, batch_first=True))(sequence())
    )
    probe("torch.recurrent.lstm_inference", "oneDNN's fused kernel where there is one")(
        lambda: inferred(filled(nn.LSTM(24, 32, 2, batch_first=True)), sequence())
    )
    probe("torch.recurrent.lstm_bidirectional", "BLAS or oneDNN, both directions")(
        lambda: filled(nn.LSTM(24, 32, 2, batch_first=True, bidirectional=True))(sequence())
    )
    probe("torch.recurrent.gru", "BLAS, sigmoid and tanh")(lambda: filled(nn.GRU(24, 32, batch_first=True))(sequence()))
    probe("torch.recurrent.lstm_cell", "BLAS, fused gates")(lambda: filled(nn.LSTMCell(24, 32))(x(9, 24)))


def define_embeddings():
    table, rows = (lambda: thirds(301, 65)), (lambda: whole(40, 17, below=301, salt=1))
    probe("torch.embedding.lookup", "exact: a control")(lambda: F.embedding(rows(), table()))
    probe("torch.embedding.bag_sum", "vectorised sums of rows")(lambda: F.embedding_bag(rows(), table(), mode="sum"))
    probe("torch.embedding.bag_mean", "vectorised sums of rows, division")(
        lambda: F.embedding_bag(rows(), table(), mode="mean")
    )
    probe("torch.embedding.max_norm", "order of sums of squares")(lambda: F.embedding(rows(), table(), max_norm=1.0))
    probe("torch.embedding.gradient", "order of sums over equal rows")(
        lambda: gradient(lambda each: F.embedding(rows(), each), table())
    )


def define_fourier():
    fft = torch.fft
    probe("torch.fourier.fft", "MKL or PocketFFT, CPU dispatch")(lambda: fft.fft(tangled(4, 1009)))
    probe("torch.fourier.fft_power_of_2", "MKL or PocketFFT, CPU dispatch")(lambda: fft.fft(tangled(4, 4096)))
    probe("torch.fourier.rfft", "MKL or PocketFFT, CPU dispatch")(lambda: fft.rfft(x(4, 1500, dtype="float64")))
    probe("torch.fourier.irfft", "MKL or PocketFFT, CPU dispatch")(lambda: fft.irfft(tangled(4, 751)))
    probe("torch.fourier.fft2", "order of the axes")(lambda: fft.fft2(tangled(2, 48, 60)))
    probe("torch.fourier.short_time", "windows, FFT")(
        lambda: torch.stft(x(2, 4000), 256, 64, window=torch.hann_window(256), return_complex=True)
    )
    probe("torch.fourier.windows", "cos, how a window is made")(
        lambda: [torch.hann_window(301), torch.blackman_window(301), torch.kaiser_window(301)]
    )


def define_selection():
    ties = lambda: whole(3, 5003, below=50)
    probe("torch.selection.sort", "exact, the order of equal ones")(lambda: torch.sort(ties()))
    probe("torch.selection.argsort", "the order of equal ones")(lambda: torch.argsort(ties(), descending=True))
    if able(lambda: torch.sort(ties(), stable=True, dim=1)):
        probe("torch.selection.sort_stable", "exact: a control")(lambda: torch.sort(ties(), stable=True, dim=1))
    probe("torch.selection.topk", "which of equal ones")(lambda: torch.topk(ties(), 33))
    probe("torch.selection.kthvalue", "which of equal ones")(lambda: torch.kthvalue(ties(), 333))
    probe("torch.selection.median", "which of equal ones")(lambda: [torch.median(ties(), 1), torch.median(x(1001))])
    probe("torch.selection.mode", "which of equal ones")(lambda: torch.mode(ties(), 1))
    probe("torch.selection.argmax", "which of equal ones")(lambda: ties().argmax(1))
    probe("torch.selection.unique", "exact: a control")(
        lambda: torch.unique(ties(), return_inverse=True, return_counts=True)
    )
    probe("torch.selection.searchsorted", "exact: a control")(
        lambda: torch.searchsorted(torch.sort(ties(), 1)[0], ties())
    )


def define_scatter():
    # Below the threads' threshold: atomic additions of floats would give noise
    rows, values = (lambda: whole(2003, below=64)), (lambda: thirds(2003, 8, salt=1))
    probe("torch.scatter.index_add", "order of sums")(lambda: torch.zeros(64, 8).index_add_(0, rows(), values()))
    probe("torch.scatter.scatter_add", "order of sums")(
        lambda: torch.zeros(64, 8).scatter_add_(0, rows()[:, None].expand(2003, 8), values())
    )
    probe("torch.scatter.index_put", "order of sums")(
        lambda: torch.zeros(64, 8).index_put_((rows(),), values(), accumulate=True)
    )
    if has(torch.Tensor, "scatter_reduce_"):
        probe("torch.scatter.scatter_reduce", "order of products")(
            lambda: torch.ones(64, 8).scatter_reduce_(
                0, rows()[:, None].expand(2003, 8), values() / 64 + 1, "prod", include_self=True
            )
        )
    probe("torch.scatter.bincount", "order of sums")(lambda: torch.bincount(rows(), thirds(2003, salt=1)))
    probe("torch.scatter.gather", "exact: a control")(
        lambda: torch.gather(thirds(64, 8), 0, rows()[:, None].expand(2003, 8))
    )


def define_images():
    images = lambda: thirds(2, 3, 37, 41, low=0.0)
    grid = lambda: x(2, 19, 23, 2, low=-1.125, high=1.125, salt=3)
    probe("torch.image.nearest", "how a position is rounded")(lambda: F.interpolate(images(), size=(53, 29)))
    probe("torch.image.bilinear", "weights, vectorised or not")(
        lambda: F.interpolate(images(), size=(53, 29), mode="bilinear", align_corners=False)
    )
    probe("torch.image.bicubic", "weights, vectorised or not")(
        lambda: F.interpolate(images(), scale_factor=1.7, mode="bicubic", align_corners=False)
    )
    probe("torch.image.area", "order of sums")(lambda: F.interpolate(images(), size=(13, 11), mode="area"))
    if takes(F.interpolate, "antialias"):
        probe("torch.image.antialiased", "weights, order of sums, vectorised or not")(
            lambda: F.interpolate(images(), size=(17, 19), mode="bilinear", align_corners=False, antialias=True)
        )
        probe("torch.image.antialiased_bytes", "weights in integers, vectorised or not")(
            lambda: F.interpolate(
                whole(2, 3, 37, 41, below=256).to(torch.float32), size=(17, 19), mode="bicubic", antialias=True
            )
        )
    probe("torch.image.grid_sample", "weights, vectorised or not")(
        lambda: F.grid_sample(images(), grid(), align_corners=False)
    )
    probe("torch.image.grid_sample_reflected", "weights, how borders are reflected")(
        lambda: F.grid_sample(images(), grid(), mode="bicubic", padding_mode="reflection", align_corners=True)
    )
    probe("torch.image.affine_grid", "linspace, matmul")(
        lambda: F.affine_grid(x(2, 2, 3), [2, 3, 19, 23], align_corners=False)
    )


def define_random():
    generator = lambda: torch.Generator().manual_seed(SEED)
    probe("torch.random.uniform_few", "generator, path of less than 16 elements")(
        seeded(lambda: [torch.rand(7), torch.rand(7, dtype=torch.float64)])
    )
    probe("torch.random.uniform", "generator")(
        seeded(lambda: [torch.rand(1003), torch.rand(1003, dtype=torch.float64)])
    )
    probe("torch.random.normal_few", "generator, path of less than 16 elements")(
        seeded(lambda: [torch.randn(7), torch.randn(7, dtype=torch.float64)])
    )
    probe("torch.random.normal", "generator, vectorised Box-Muller, CPU dispatch")(
        seeded(lambda: [torch.randn(1003), torch.randn(1003, dtype=torch.float64)])
    )
    probe("torch.random.normal_strided", "generator, path of what is not contiguous")(
        seeded(lambda: torch.zeros(40, 33).t().normal_(1.0, 2.0))
    )
    probe("torch.random.normal_bfloat16", "generator, rounding")(
        seeded(lambda: torch.zeros(1003, dtype=torch.bfloat16).normal_())
    )
    probe("torch.random.normal_of_means", "generator, path of tensors of means")(
        seeded(lambda: torch.normal(x(1003), x(1003, low=0.5, salt=1)))
    )
    probe("torch.random.integers", "generator, how ranges are drawn")(
        seeded(lambda: [torch.randint(0, 10, (1003,)), torch.randint(0, 2**40, (1003,))])
    )
    probe("torch.random.any_integers", "generator, bits of a type")(
        seeded(lambda: [torch.zeros(1003, dtype=each).random_() for each in (torch.int16, torch.int64, torch.float32)])
    )
    probe("torch.random.permutation", "generator, shuffling")(seeded(lambda: [torch.randperm(7), torch.randperm(5003)]))
    probe("torch.random.bernoulli", "generator, MKL's stream or the own")(
        seeded(lambda: [torch.zeros(5003).bernoulli_(0.3), torch.bernoulli(x(5003, low=0.0))])
    )
    probe("torch.random.multinomial", "generator, sums, with and without replacement")(
        seeded(
            lambda: [
                torch.multinomial(x(5, 33, low=0.0), 20),
                torch.multinomial(x(5, 33, low=0.0), 101, replacement=True),
            ]
        )
    )
    probe("torch.random.exponential", "generator, MKL's stream or the own, log")(
        seeded(lambda: [torch.zeros(7).exponential_(1.5), torch.zeros(5003).exponential_(1.5)])
    )
    probe("torch.random.poisson", "generator, rejection")(seeded(lambda: torch.poisson(x(1003, low=0.0, high=20.0))))
    probe("torch.random.geometric", "generator, log")(seeded(lambda: torch.zeros(1003).geometric_(0.3)))
    probe("torch.random.cauchy", "generator, tan")(seeded(lambda: torch.zeros(1003).cauchy_()))
    probe("torch.random.log_normal", "generator, exp")(seeded(lambda: torch.zeros(1003).log_normal_()))
    probe("torch.random.gamma", "generator, rejection")(
        seeded(lambda: torch.distributions.Gamma(x(1003, low=0.5, high=4.0), 1.5, validate_args=False).sample())
    )
    probe("torch.random.dirichlet", "generator, rejection, division")(
        seeded(lambda: torch.distributions.Dirichlet(x(65, 7, low=0.5, high=4.0), validate_args=False).sample())
    )
    probe("torch.random.generator", "a generator of one's own")(
        lambda: [torch.randn(1003, generator=generator()), torch.randperm(101, generator=generator())]
    )
    probe("torch.random.state", "what a generator keeps")(seeded(lambda: torch.get_rng_state()))
    probe("torch.random.sequence", "how draws of several kinds follow one another")(
        seeded(lambda: [torch.rand(3), torch.randn(3), torch.randint(9, (3,)), torch.randn(17), torch.rand(3)])
    )


def define_initializers():
    init = nn.init
    empty = lambda *shape: torch.zeros(shape or (48, 33))
    probe("torch.init.xavier_uniform", "generator, gain")(seeded(lambda: init.xavier_uniform_(empty())))
    probe("torch.init.xavier_normal", "generator, gain")(seeded(lambda: init.xavier_normal_(empty())))
    probe("torch.init.kaiming_uniform", "generator, gain")(seeded(lambda: init.kaiming_uniform_(empty(8, 3, 5, 5))))
    probe("torch.init.kaiming_normal", "generator, gain, fan")(
        seeded(lambda: init.kaiming_normal_(empty(8, 3, 5, 5), mode="fan_out", nonlinearity="relu"))
    )
    probe("torch.init.orthogonal", "generator, QR")(seeded(lambda: init.orthogonal_(empty())))
    probe("torch.init.truncated_normal", "generator, how it is cut, erfinv")(
        seeded(lambda: init.trunc_normal_(empty(), std=0.02))
    )
    probe("torch.init.sparse", "generator, permutation")(seeded(lambda: init.sparse_(empty(), 0.3)))
    probe("torch.init.dirac", "exact: a control")(lambda: init.dirac_(empty(8, 8, 3, 3)))
    probe("torch.init.linear", "a layer's own initialiser")(seeded(lambda: parameters(nn.Linear(33, 48))))
    probe("torch.init.convolution", "a layer's own initialiser")(
        seeded(lambda: [parameters(nn.Conv2d(3, 8, 3)), parameters(nn.ConvTranspose2d(3, 8, 3))])
    )
    probe("torch.init.recurrent", "a layer's own initialiser")(
        seeded(lambda: [parameters(nn.LSTM(12, 16, 2)), parameters(nn.GRU(12, 16))])
    )
    probe("torch.init.embedding", "a layer's own initialiser")(seeded(lambda: parameters(nn.Embedding(33, 16))))
    probe("torch.init.attention", "a layer's own initialiser")(
        seeded(lambda: parameters(nn.TransformerEncoderLayer(32, 4, 64)))
    )
    probe("torch.init.bilinear", "a layer's own initialiser")(seeded(lambda: parameters(nn.Bilinear(9, 7, 5))))


def define_dropout():
    probe("torch.dropout.elements", "random numbers of a mask, scale")(seeded(lambda: F.dropout(wide(), 0.3)))
    probe("torch.dropout.few", "random numbers of a mask, path of few elements")(seeded(lambda: F.dropout(x(7), 0.3)))
    probe("torch.dropout.channels", "random numbers of a mask of channels")(
        seeded(lambda: F.dropout2d(x(4, 16, 5, 5), 0.3))
    )
    probe("torch.dropout.alpha", "random numbers of a mask, scale and shift")(
        seeded(lambda: F.alpha_dropout(wide(), 0.3, training=True))
    )
    probe("torch.dropout.feature_alpha", "random numbers of a mask of channels")(
        seeded(lambda: F.feature_alpha_dropout(x(4, 16, 5, 5), 0.3, training=True))
    )
    probe("torch.dropout.leaky", "random slopes")(seeded(lambda: F.rrelu(wide(), training=True)))
    probe("torch.dropout.gumbel", "random numbers, log, softmax")(seeded(lambda: F.gumbel_softmax(x(65, 33))))
    probe("torch.dropout.recurrent", "random numbers between layers")(
        seeded(lambda: filled(nn.LSTM(12, 16, 2, dropout=0.3)).train()(x(9, 3, 12)))
    )


def define_losses():
    scores, labels = (lambda: x(65, 33, high=9.0)), (lambda: whole(65, below=33, salt=1))
    target = lambda: x(65, 33, low=0.0, salt=2)
    probe("torch.loss.cross_entropy", "log_softmax, order of sums")(lambda: F.cross_entropy(scores(), labels()))
    if takes(F.cross_entropy, "label_smoothing"):
        probe("torch.loss.cross_entropy_smoothed", "log_softmax, order of sums")(
            lambda: F.cross_entropy(scores(), labels(), label_smoothing=0.1)
        )
    probe("torch.loss.binary_cross_entropy", "log, order of sums")(
        lambda: F.binary_cross_entropy(torch.sigmoid(scores()), target())
    )
    probe("torch.loss.binary_cross_entropy_scores", "exp, log1p, order of sums")(
        lambda: F.binary_cross_entropy_with_logits(scores(), target())
    )
    probe("torch.loss.mean_square", "order of sums")(lambda: F.mse_loss(scores(), target()))
    probe("torch.loss.smooth_absolute", "order of sums")(lambda: F.smooth_l1_loss(scores(), target()))
    probe("torch.loss.divergence", "log, order of sums")(
        lambda: F.kl_div(torch.log_softmax(scores(), 1), torch.softmax(target(), 1), reduction="batchmean")
    )
    probe("torch.loss.poisson", "exp, lgamma or Stirling's formula")(
        lambda: F.poisson_nll_loss(x(65, 33), target() * 9, full=True)
    )
    probe("torch.loss.triplet", "norms")(lambda: F.triplet_margin_loss(scores(), scores() + target(), target()))
    probe("torch.loss.cosine", "order of sums, division")(
        lambda: F.cosine_embedding_loss(scores(), target(), whole(65, below=2, salt=3) * 2 - 1)
    )
    probe("torch.loss.connectionist", "logarithms of sums of exp, order")(
        lambda: F.ctc_loss(
            torch.log_softmax(x(40, 3, 12), 2), whole(3, 9, below=11, salt=1) + 1, (40, 33, 30), (9, 7, 5)
        )
    )


def define_gradients():
    probe("torch.gradient.matmul", "BLAS kernel, threads")(
        lambda: gradient(torch.matmul, x(96, 129), x(129, 65, salt=1))
    )
    probe("torch.gradient.conv2d", "oneDNN's kernels backwards, threads")(
        lambda: gradient(F.conv2d, x(4, 16, 17, 17), x(24, 16, 3, 3, salt=1), x(24, salt=2))
    )
    probe("torch.gradient.conv2d_depthwise", "kernel for one channel a group, backwards")(
        lambda: gradient(
            lambda images, weights: F.conv2d(images, weights, groups=16), x(2, 16, 17, 17), x(16, 1, 3, 3, salt=1)
        )
    )
    probe("torch.gradient.conv3d", "oneDNN's kernels backwards, threads")(
        lambda: gradient(F.conv3d, x(2, 4, 7, 9, 9), x(8, 4, 3, 3, 3, salt=1))
    )
    probe("torch.gradient.layer_norm", "order of sums, threads")(
        lambda: gradient(
            lambda each, weight, bias: F.layer_norm(each, (257,), weight, bias),
            thirds(96, 257),
            x(257, salt=1),
            x(257, salt=2),
        )
    )
    probe("torch.gradient.batch_norm", "order of sums, threads")(
        lambda: gradient(
            lambda each, weight: F.batch_norm(each, None, None, weight, training=True),
            thirds(8, 16, 9, 9),
            x(16, salt=1),
        )
    )
    probe("torch.gradient.softmax", "vectorised exp, order of sums")(
        lambda: gradient(lambda each: torch.softmax(each, 1), x(96, 257, high=9.0))
    )
    probe("torch.gradient.lstm", "BLAS, order of sums over steps")(
        lambda: weight_gradient(filled(nn.LSTM(12, 16)), x(33, 3, 12))
    )
    probe("torch.gradient.attention", "BLAS, softmax backwards")(
        lambda: weight_gradient(filled(nn.MultiheadAttention(32, 4)), x(17, 3, 32), x(17, 3, 32, salt=1), x(17, 3, 32))
    )
    probe("torch.gradient.gelu", "vectorised erf and exp")(lambda: gradient(F.gelu, wide()))
    probe("torch.gradient.average_pool", "order of sums")(
        lambda: gradient(lambda each: F.avg_pool2d(each, 3, 1), x(2, 8, 17, 17))
    )
    probe("torch.gradient.bilinear", "order of sums")(
        lambda: gradient(
            lambda each: F.interpolate(each, size=(53, 29), mode="bilinear", align_corners=False), x(2, 3, 37, 41)
        )
    )
    probe("torch.gradient.svd", "LAPACK, matmul")(
        lambda: gradient(lambda each: torch.linalg.svd(each, full_matrices=False)[1], x(33, 17))
    )
    probe("torch.gradient.second", "gradients of gradients")(lambda: second_gradient(x(65, 33)))


def second_gradient(inputs):
    """Return the gradient of the sum of squares of a gradient."""
    inputs = inputs.requires_grad_()
    (first,) = torch.autograd.grad(torch.tanh(inputs @ inputs.t()).sum(), inputs, create_graph=True)
    return torch.autograd.grad((first * first).sum(), inputs)


def define_optimizers():
    optim = torch.optim
    optimizers("torch.optimizer.sgd", "rounding of a step", lambda each: optim.SGD(each, lr=0.1))
    optimizers(
        "torch.optimizer.sgd_nesterov",
        "rounding of momentum",
        lambda each: optim.SGD(each, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    )
    optimizers("torch.optimizer.adam", "order of operations, sqrt", lambda each: optim.Adam(each, lr=0.01))
    optimizers(
        "torch.optimizer.adam_amsgrad", "order of operations", lambda each: optim.Adam(each, lr=0.01, amsgrad=True)
    )
    optimizers("torch.optimizer.adamw", "order of operations, decay", lambda each: optim.AdamW(each, lr=0.01))
    optimizers("torch.optimizer.adamax", "order of operations, pow", lambda each: optim.Adamax(each, lr=0.01))
    optimizers(
        "torch.optimizer.rmsprop",
        "order of operations, sqrt",
        lambda each: optim.RMSprop(each, lr=0.01, momentum=0.9, centered=True),
    )
    optimizers("torch.optimizer.adagrad", "order of operations, sqrt", lambda each: optim.Adagrad(each, lr=0.1))
    optimizers("torch.optimizer.adadelta", "order of operations, sqrt", lambda each: optim.Adadelta(each, lr=1.0))
    optimizers("torch.optimizer.asgd", "order of operations, pow", lambda each: optim.ASGD(each, lr=0.1))
    optimizers("torch.optimizer.rprop", "signs, order of operations", lambda each: optim.Rprop(each, lr=0.01))
    if has(optim, "NAdam"):
        optimizers("torch.optimizer.nadam", "order of operations, pow", lambda each: optim.NAdam(each, lr=0.01))
    if has(optim, "RAdam"):
        optimizers("torch.optimizer.radam", "order of operations, sqrt", lambda each: optim.RAdam(each, lr=0.01))
    if has(optim, "Adafactor"):
        optimizers("torch.optimizer.adafactor", "order of sums, rsqrt", lambda each: optim.Adafactor(each, lr=0.01))
    if has(optim, "Muon"):
        optimizers("torch.optimizer.muon", "matmul in bfloat16", lambda each: optim.Muon(each[:1], lr=0.01))
    optimizers(
        "torch.optimizer.sgd_foreach",
        "order of operations over lists",
        lambda each: optim.SGD(each, lr=0.1, momentum=0.9, foreach=True),
    )
    optimizers(
        "torch.optimizer.adam_foreach",
        "order of operations over lists",
        lambda each: optim.Adam(each, lr=0.01, foreach=True),
    )
    optimizers(
        "torch.optimizer.adam_fused", "one kernel, CPU dispatch", lambda each: optim.Adam(each, lr=0.01, fused=True)
    )
    optimizers(
        "torch.optimizer.adamw_fused", "one kernel, CPU dispatch", lambda each: optim.AdamW(each, lr=0.01, fused=True)
    )
    optimizers(
        "torch.optimizer.sgd_fused",
        "one kernel, CPU dispatch",
        lambda each: optim.SGD(each, lr=0.1, momentum=0.9, fused=True),
    )
    probe("torch.optimizer.lbfgs", "order of sums, line search")(lambda: minimized())
    probe("torch.optimizer.schedules", "pow, cos of Python")(lambda: schedules())
    probe("torch.optimizer.clipping", "order of sums of squares over parameters")(lambda: clipped())


def minimized():
    """Return a vector after steps of LBFGS."""
    kept, matrix = x(33).requires_grad_(), positive(33) / 16

    def closure():
        optimizer.zero_grad()
        loss = (torch.tanh(kept) @ matrix @ torch.tanh(kept)) + (kept * x(33, salt=1)).sum()
        loss.backward()
        return loss

    optimizer = torch.optim.LBFGS([kept], lr=0.5, max_iter=12, line_search_fn="strong_wolfe")
    return [optimizer.step(closure), kept]


def schedules():
    """Return the rates that schedules give over 20 steps."""
    rates, plans = [], torch.optim.lr_scheduler
    for make in (
        lambda each: plans.CosineAnnealingLR(each, 13),
        lambda each: plans.OneCycleLR(each, 0.3, total_steps=25),
        lambda each: plans.ExponentialLR(each, 0.9),
        lambda each: plans.CosineAnnealingWarmRestarts(each, 7),
        lambda each: plans.CyclicLR(each, 0.01, 0.3, step_size_up=5),
    ):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
        plan = make(optimizer)
        for _ in range(20):
            optimizer.step()
            plan.step()
            rates.append(optimizer.param_groups[0]["lr"])
    return rates


def clipped():
    """Return gradients clipped to a norm."""
    kept = [x(33, 17, salt=at).requires_grad_() for at in range(5)]
    for at, each in enumerate(kept):
        each.grad = thirds(33, 17, salt=9 + at)
    return [nn.utils.clip_grad_norm_(kept, 1.0)] + [each.grad for each in kept]


def define_training():
    make = lambda each: torch.optim.SGD(each, lr=0.1, momentum=0.9)
    adam = lambda each: torch.optim.Adam(each, lr=0.01)
    rows, labels = (lambda: x(96, 48)), (lambda count=96: whole(count, below=10, salt=1))
    images = lambda: x(16, 3, 16, 16, salt=5)
    probe("torch.training.dense", "everything of 20 steps of a dense network")(
        seeded(lambda: trained(filled(dense_model()), rows(), labels(), F.cross_entropy, make))
    )
    probe("torch.training.dense_adam", "everything of 20 steps with Adam")(
        seeded(lambda: trained(filled(dense_model()), rows(), labels(), F.cross_entropy, adam))
    )
    probe("torch.training.dense_initialized", "the same, weights of the layers' own initialisers")(
        seeded(lambda: trained(dense_model(), rows(), labels(), F.cross_entropy, make))
    )
    probe("torch.training.dense_dropout", "the same, with dropout's random numbers")(
        seeded(lambda: trained(filled(dense_model(nn.Dropout(0.3))), rows(), labels(), F.cross_entropy, make))
    )
    probe("torch.training.convolution", "everything of 20 steps of a convolutional network")(
        seeded(lambda: trained(filled(convolution_model()), images(), labels(16), F.cross_entropy, make))
    )
    probe("torch.training.recurrent", "everything of 20 steps of an LSTM")(
        seeded(lambda: trained(filled(recurrent_model()), x(8, 17, 12), labels(8), F.cross_entropy, adam))
    )
    if has(torch, "autocast") and able(lambda: torch.autocast("cpu", dtype=torch.bfloat16)):
        probe("torch.autocast.dense", "what becomes bfloat16, its kernels")(
            seeded(
                lambda: trained(filled(dense_model()), rows(), labels(), F.cross_entropy, make, autocast=torch.bfloat16)
            )
        )
        probe("torch.autocast.convolution", "what becomes bfloat16, its kernels")(
            seeded(
                lambda: trained(
                    filled(convolution_model()), images(), labels(16), F.cross_entropy, make, 5, torch.bfloat16
                )
            )
        )
    if has(torch.optim, "swa_utils"):
        probe("torch.training.averaged", "a mean of weights")(lambda: averaged())


def averaged():
    """Return a moving mean of weights."""
    model = filled(nn.Linear(17, 9))
    mean = torch.optim.swa_utils.AveragedModel(model)
    for at in range(5):
        with torch.no_grad():
            model.weight.add_(thirds(9, 17, salt=at))
        mean.update_parameters(model)
    return parameters(mean)


def define_loading():
    loading = torch.utils.data
    probe("torch.loading.shuffle", "generator, the order of batches")(
        seeded(lambda: [list(each) for each in loading.DataLoader(range(101), batch_size=8, shuffle=True)])
    )
    probe("torch.loading.split", "generator, permutation")(
        lambda: [
            list(each)
            for each in loading.random_split(range(101), [80, 21], generator=torch.Generator().manual_seed(SEED))
        ]
    )
    probe("torch.loading.weighted", "generator, multinomial")(
        seeded(lambda: list(loading.WeightedRandomSampler(x(33, low=0.0).tolist(), 101)))
    )
    probe("torch.loading.distributed", "generator, permutation, padding")(
        lambda: list(loading.distributed.DistributedSampler(range(101), num_replicas=3, rank=1, seed=SEED))
    )


# --- GPUs: sizes over the threshold of 40,961 elements from which random numbers depend on the GPU (pytorch#143086)


def g(*shape, **how):
    return x(*shape, device=GPU, **how)


def g_thirds(*shape, **how):
    return thirds(*shape, device=GPU, **how)


def on_gpu(function):
    """Let a function run from the same seeds, with deterministic algorithms."""
    return repeatable(seeded(function))


def define_gpu_random():
    place = {"device": GPU}
    probe("torch.gpu.random.uniform", "Philox, GPU model from 40,961 elements on", device="gpu")(
        on_gpu(lambda: [torch.rand(1003, **place), torch.rand(300007, **place)])
    )
    probe("torch.gpu.random.normal", "Philox, Box-Muller, GPU model", device="gpu")(
        on_gpu(lambda: [torch.randn(1003, **place), torch.randn(300007, **place)])
    )
    probe("torch.gpu.random.normal_float64", "Philox, Box-Muller in doubles, GPU model", device="gpu")(
        on_gpu(lambda: torch.randn(300007, dtype=torch.float64, **place))
    )
    probe("torch.gpu.random.integers", "Philox, GPU model", device="gpu")(
        on_gpu(lambda: [torch.randint(0, 10, (300007,), **place), torch.randint(0, 2**40, (1003,), **place)])
    )
    probe("torch.gpu.random.permutation", "Philox, sorting", device="gpu")(
        on_gpu(lambda: [torch.randperm(101, **place), torch.randperm(100003, **place)])
    )
    probe("torch.gpu.random.bernoulli", "Philox, GPU model", device="gpu")(
        on_gpu(lambda: torch.zeros(300007, **place).bernoulli_(0.3))
    )
    probe("torch.gpu.random.exponential", "Philox, log, GPU model", device="gpu")(
        on_gpu(lambda: torch.zeros(300007, **place).exponential_(1.5))
    )
    probe("torch.gpu.random.poisson", "Philox, rejection", device="gpu")(
        on_gpu(lambda: torch.poisson(g(5003, low=0.0, high=20.0)))
    )
    probe("torch.gpu.random.multinomial", "Philox, sums", device="gpu")(
        on_gpu(lambda: torch.multinomial(g(5, 333, low=0.0), 101, replacement=True))
    )
    probe("torch.gpu.random.dropout", "Philox, vector width, GPU model", device="gpu")(
        on_gpu(lambda: F.dropout(g(300007), 0.3))
    )
    probe("torch.gpu.random.generator", "a generator of one's own", device="gpu")(
        lambda: torch.randn(300007, generator=torch.Generator(GPU).manual_seed(SEED), **place)
    )
    probe("torch.gpu.init.kaiming_uniform", "Philox, GPU model", device="gpu")(
        on_gpu(lambda: nn.init.kaiming_uniform_(torch.zeros(512, 257, **place)))
    )
    probe("torch.gpu.init.truncated_normal", "Philox, how it is cut, erfinv", device="gpu")(
        on_gpu(lambda: nn.init.trunc_normal_(torch.zeros(512, 257, **place), std=0.02))
    )
    probe("torch.gpu.init.orthogonal", "Philox, cuSOLVER's QR", device="gpu")(
        on_gpu(lambda: nn.init.orthogonal_(torch.zeros(96, 65, **place)))
    )


def define_gpu_operations():
    probe("torch.gpu.matmul.float32", "cuBLAS, GPU model, TF32 where it is allowed", device="gpu")(
        on_gpu(lambda: [g(257, 513) @ g(513, 129, salt=1), g(24, 8192) @ g(8192, 24, salt=1)])
    )
    probe("torch.gpu.matmul.tf32", "cuBLAS, tensor cores of Ampere and up", device="gpu")(
        on_gpu(with_tensor_float(lambda: g(256, 512) @ g(512, 128, salt=1)))
    )
    probe("torch.gpu.matmul.float64", "cuBLAS in doubles, GPU model", device="gpu")(
        on_gpu(lambda: g(257, 513, dtype="float64") @ g(513, 129, dtype="float64", salt=1))
    )
    probe("torch.gpu.matmul.float16", "cuBLAS, tensor cores, split sums", device="gpu")(
        on_gpu(lambda: g(256, 2048, dtype="float16") @ g(2048, 128, dtype="float16", salt=1))
    )
    if able(lambda: g(8, 8, dtype=BFLOAT16) @ g(8, 8, dtype=BFLOAT16)):
        probe("torch.gpu.matmul.bfloat16", "cuBLAS, tensor cores, split sums", device="gpu")(
            on_gpu(lambda: g(256, 2048, dtype=BFLOAT16) @ g(2048, 128, dtype=BFLOAT16, salt=1))
        )
    probe("torch.gpu.matmul.complex64", "cuBLAS, GPU model", device="gpu")(
        on_gpu(lambda: tangled(96, 129, device=GPU) @ tangled(129, 65, salt=2, device=GPU))
    )
    probe("torch.gpu.matmul.batched", "cuBLAS, batched kernels", device="gpu")(
        on_gpu(lambda: torch.bmm(g(9, 65, 129), g(9, 129, 33, salt=1)))
    )
    probe("torch.gpu.matmul.linear", "cuBLAS or cuBLASLt, how the sum joins", device="gpu")(
        on_gpu(lambda: F.linear(g(64, 512), g(256, 512, salt=1), g(256, salt=2)))
    )
    probe("torch.gpu.math.functions", "CUDA's exp, log, sin, tanh, pow, erf", device="gpu")(
        lambda: [
            [
                function(wide(dtype, 0.0625).to(GPU))
                for function in (torch.exp, torch.log, torch.sin, torch.tanh, torch.erf)
            ]
            + [torch.pow(wide(dtype, 0.0625).to(GPU), 1.7)]
            for dtype in ("float32", "float64")
        ]
    )
    probe("torch.gpu.reduction.sum", "blocks of the GPU, order of sums", device="gpu")(
        on_gpu(lambda: [g_thirds(300, 3001).sum(), g_thirds(300, 3001).sum(0), g_thirds(300, 3001).sum(1)])
    )
    probe("torch.gpu.reduction.mean_variance", "Welford's steps, order", device="gpu")(
        on_gpu(lambda: [g_thirds(300, 3001).mean(), g_thirds(300, 3001).var(1), g_thirds(300, 3001).std()])
    )
    probe("torch.gpu.reduction.norm", "order of sums of squares", device="gpu")(
        on_gpu(lambda: g_thirds(300, 3001).norm())
    )
    probe("torch.gpu.reduction.logsumexp", "exp, log, order of sums", device="gpu")(
        on_gpu(lambda: torch.logsumexp(g_thirds(300, 3001), 1))
    )
    probe("torch.gpu.reduction.cumsum", "scan of blocks, order of sums", device="gpu")(
        on_gpu(lambda: torch.cumsum(g_thirds(30, 3001), 1))
    )
    probe("torch.gpu.selection.sort", "the order of equal ones", device="gpu")(
        lambda: [torch.sort(whole(3, 5003, below=50, device=GPU)), torch.topk(g(3, 5003), 33)]
    )
    probe("torch.gpu.scatter.scatter_add", "sorting before sums, where atomics are avoided", device="gpu")(
        on_gpu(
            lambda: torch.zeros(64, device=GPU).scatter_add_(
                0, whole(2003, below=64, device=GPU), g_thirds(2003, salt=1)
            )
        )
    )
    probe("torch.gpu.scatter.index_put", "sorting before sums", device="gpu")(
        on_gpu(
            lambda: torch.zeros(64, 8, device=GPU).index_put_(
                (whole(2003, below=64, device=GPU),), g_thirds(2003, 8, salt=1), accumulate=True
            )
        )
    )
    probe("torch.gpu.fourier.fft", "cuFFT, GPU model", device="gpu")(
        lambda: [torch.fft.fft(tangled(4, 1009, device=GPU)), torch.fft.rfft2(g(2, 48, 60))]
    )
    probe("torch.gpu.linalg.factorize", "cuSOLVER or MAGMA: Cholesky, QR, LU", device="gpu")(
        on_gpu(
            lambda: [
                torch.linalg.cholesky(positive(129).to(GPU)),
                torch.linalg.qr(g(129, 65)),
                torch.linalg.inv(positive(65).to(GPU)),
            ]
        )
    )
    probe("torch.gpu.linalg.eigh", "cuSOLVER or MAGMA, signs of vectors", device="gpu")(
        on_gpu(lambda: torch.linalg.eigh(positive(65).to(GPU)))
    )
    probe("torch.gpu.linalg.svd", "cuSOLVER or MAGMA, signs of vectors", device="gpu")(
        on_gpu(lambda: torch.linalg.svd(g(65, 33), full_matrices=False))
    )


def define_gpu_networks():
    probe("torch.gpu.convolution.conv2d", "cuDNN's algorithm, GPU model, TF32 where it is allowed", device="gpu")(
        on_gpu(lambda: F.conv2d(g(4, 16, 33, 33), g(24, 16, 3, 3, salt=1), g(24, salt=2), padding=1))
    )
    probe("torch.gpu.convolution.conv2d_tf32", "cuDNN's algorithm, tensor cores of Ampere and up", device="gpu")(
        on_gpu(with_tensor_float(lambda: F.conv2d(g(4, 16, 33, 33), g(24, 16, 3, 3, salt=1), padding=1)))
    )
    if able(lambda: F.conv2d(g(1, 2, 5, 5, dtype="float16"), g(2, 2, 3, 3, dtype="float16"))):
        probe("torch.gpu.convolution.conv2d_float16", "cuDNN's algorithm, tensor cores", device="gpu")(
            on_gpu(lambda: F.conv2d(g(4, 16, 33, 33, dtype="float16"), g(24, 16, 3, 3, dtype="float16", salt=1)))
        )
    probe("torch.gpu.convolution.conv2d_depthwise", "the own kernel for one channel a group", device="gpu")(
        on_gpu(lambda: F.conv2d(g(2, 32, 33, 33), g(32, 1, 3, 3, salt=1), groups=32, padding=1))
    )
    probe("torch.gpu.convolution.conv1d_3d", "cuDNN's algorithm, GPU model", device="gpu")(
        on_gpu(
            lambda: [
                F.conv1d(g(4, 16, 301), g(24, 16, 5, salt=1)),
                F.conv3d(g(2, 8, 9, 17, 17), g(12, 8, 3, 3, 3, salt=1)),
            ]
        )
    )
    probe("torch.gpu.convolution.transposed_2d", "cuDNN's algorithm, GPU model", device="gpu")(
        on_gpu(lambda: F.conv_transpose2d(g(2, 16, 17, 17), g(16, 8, 3, 3, salt=1), stride=2))
    )
    probe("torch.gpu.gradient.conv2d", "cuDNN's algorithms backwards, GPU model", device="gpu")(
        on_gpu(lambda: gradient(F.conv2d, g(4, 16, 17, 17), g(24, 16, 3, 3, salt=1), g(24, salt=2)))
    )
    probe("torch.gpu.gradient.matmul", "cuBLAS, GPU model", device="gpu")(
        on_gpu(lambda: gradient(torch.matmul, g(96, 129), g(129, 65, salt=1)))
    )
    probe("torch.gpu.gradient.layer_norm", "blocks of the GPU, order of sums", device="gpu")(
        on_gpu(
            lambda: gradient(lambda each, weight: F.layer_norm(each, (513,), weight), g_thirds(96, 513), g(513, salt=1))
        )
    )
    probe("torch.gpu.gradient.embedding", "sorting before sums", device="gpu")(
        on_gpu(
            lambda: gradient(
                lambda each: F.embedding(whole(40, 17, below=301, salt=1, device=GPU), each), g_thirds(301, 65)
            )
        )
    )
    probe("torch.gpu.normalization.layer", "blocks of the GPU, order of sums", device="gpu")(
        on_gpu(lambda: F.layer_norm(g_thirds(96, 513), (513,), g(513, salt=1), g(513, salt=2)))
    )
    probe("torch.gpu.normalization.batch", "cuDNN's or the own kernel, order of sums", device="gpu")(
        on_gpu(lambda: F.batch_norm(g_thirds(8, 16, 17, 17), None, None, g(16, salt=1), g(16, salt=2), training=True))
    )
    probe("torch.gpu.normalization.group", "order of sums", device="gpu")(
        on_gpu(lambda: F.group_norm(g_thirds(4, 16, 17, 17), 4, g(16, salt=1), g(16, salt=2)))
    )
    probe("torch.gpu.activation.softmax", "exp, order of sums", device="gpu")(
        on_gpu(lambda: [torch.softmax(g(96, 513, high=9.0), 1), torch.log_softmax(g(96, 3001, high=9.0), 1)])
    )
    probe("torch.gpu.activation.gelu", "CUDA's erf and exp", device="gpu")(
        lambda: [F.gelu(wide().to(GPU)), F.silu(wide().to(GPU)), F.softplus(wide().to(GPU))]
    )
    probe("torch.gpu.recurrent.lstm", "cuDNN's kernels, GPU model", device="gpu")(
        on_gpu(lambda: filled(nn.LSTM(24, 32, 2), GPU)(g(33, 3, 24)))
    )
    probe("torch.gpu.attention.multihead", "projections, softmax, cuBLAS", device="gpu")(
        on_gpu(lambda: filled(nn.MultiheadAttention(64, 4), GPU)(g(33, 3, 64), g(33, 3, 64, salt=1), g(33, 3, 64)))
    )
    probe("torch.gpu.attention.encoder", "attention, layer norm, dropout's random numbers", device="gpu")(
        on_gpu(lambda: filled(nn.TransformerEncoderLayer(64, 4, 128), GPU).train()(g(33, 3, 64)))
    )
    probe("torch.gpu.loss.cross_entropy", "log_softmax, order of sums", device="gpu")(
        on_gpu(lambda: F.cross_entropy(g(65, 33, high=9.0), whole(65, below=33, salt=1, device=GPU)))
    )
    heads = lambda salt: g(2, 4, 128, 64, dtype="float16", salt=salt)
    if has(F, "scaled_dot_product_attention"):
        probe("torch.gpu.attention.default", "the backend that is chosen, GPU model", device="gpu")(
            on_gpu(lambda: F.scaled_dot_product_attention(heads(0), heads(1), heads(2)))
        )
    if attends("MATH", heads):
        probe("torch.gpu.attention.math", "matmul and softmax, in float16", device="gpu")(
            on_gpu(lambda: attended("MATH", heads))
        )
    if attends("EFFICIENT_ATTENTION", heads):
        probe("torch.gpu.attention.efficient", "kernel of memory-efficient attention, GPU model", device="gpu")(
            on_gpu(lambda: attended("EFFICIENT_ATTENTION", heads))
        )
    if attends("FLASH_ATTENTION", heads):
        probe("torch.gpu.attention.flash", "kernel of flash attention, GPU model", device="gpu")(
            on_gpu(lambda: attended("FLASH_ATTENTION", heads))
        )
    if attends("CUDNN_ATTENTION", heads):
        probe("torch.gpu.attention.cudnn", "cuDNN's attention, GPU model", device="gpu")(
            on_gpu(lambda: attended("CUDNN_ATTENTION", heads))
        )


def define_gpu_training():
    make = lambda each: torch.optim.SGD(each, lr=0.1, momentum=0.9)
    adam = lambda each: torch.optim.Adam(each, lr=0.01)
    labels = lambda count: whole(count, below=10, salt=1, device=GPU)
    probe("torch.gpu.training.dense", "everything of 10 steps of a dense network", device="gpu")(
        on_gpu(lambda: trained(filled(dense_model(), GPU), g(96, 48), labels(96), F.cross_entropy, make, 10))
    )
    probe("torch.gpu.training.dense_dropout", "the same with Adam and dropout's random numbers", device="gpu")(
        on_gpu(
            lambda: trained(filled(dense_model(nn.Dropout(0.3)), GPU), g(96, 48), labels(96), F.cross_entropy, adam, 10)
        )
    )
    probe("torch.gpu.training.convolution", "everything of 10 steps of a convolutional network", device="gpu")(
        on_gpu(
            lambda: trained(filled(convolution_model(), GPU), g(16, 3, 16, 16), labels(16), F.cross_entropy, make, 10)
        )
    )
    if has(torch, "autocast") and able(lambda: torch.autocast(GPU, dtype=torch.float16)):
        probe("torch.gpu.autocast.float16", "what becomes float16, tensor cores", device="gpu")(
            on_gpu(
                lambda: trained(
                    filled(dense_model(), GPU), g(96, 48), labels(96), F.cross_entropy, make, 10, torch.float16
                )
            )
        )
        probe("torch.gpu.autocast.bfloat16", "what becomes bfloat16, tensor cores of Ampere and up", device="gpu")(
            on_gpu(
                lambda: trained(
                    filled(convolution_model(), GPU),
                    g(16, 3, 16, 16),
                    labels(16),
                    F.cross_entropy,
                    make,
                    10,
                    torch.bfloat16,
                )
            )
        )
