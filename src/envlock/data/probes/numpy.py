# ruff: noqa
# mypy: ignore-errors
# The probes of NumPy 1.17 and up, a script for Python 3.6 and up; data/in_target/probe.py runs it and gives it `probe`.
# A probe whose operation a version lacks is not defined there. Names and lines are literals: docs/probes.md is made of
# them. All of them together take a tenth of a second, so sizes are just above what makes OpenBLAS take threads, and no
# multiples of a vector's or a block's: what threads are given then ends elsewhere, and is computed by other kernels.
import os
import warnings

np = None  # load() imports it
SEED = 20210514


def load(threads, canonical, device):
    """Import NumPy, whose BLAS reads the number of threads from the environment as it is loaded; return its version."""
    global np
    if threads is not None:
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ[name] = str(threads)
    import numpy
    import numpy.fft, numpy.linalg, numpy.polynomial, numpy.random  # which versions from 2.0 on import when first used

    np = numpy
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    return np.__version__


# --- inputs: integer arithmetic, exact in every type


def whole(*shape, **how):
    """Return scattered integers from 0 to below - 1: the finaliser of MurmurHash3 over 0, 1, 2, ...."""
    bits = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(1 + how.get("salt", 0) * 1000003)
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        bits ^= bits >> np.uint64(33)
        bits *= np.uint64(multiplier)
    bits ^= bits >> np.uint64(33)
    return (bits >> np.uint64(11)).astype(np.int64).reshape(shape) % how.get("below", 1000)


def x(*shape, **how):
    """Return multiples of 2**-52 of (high - low), in a type: no product or sum of two of them is exact."""
    low, high, dtype = how.get("low", -1.0), how.get("high", 1.0), how.get("dtype", "f8")
    found = low + whole(*shape, below=1 << 52, salt=how.get("salt", 0)) * ((high - low) / (1 << 52))
    if dtype == "c16":
        return found + 1j * x(*shape, low=low, high=high, salt=7)
    return found.astype(dtype)


def positive(n, dtype="f8", salt=0):
    """Return a symmetric positive definite matrix, random in its symmetric part and dominated by its diagonal."""
    part = x(n, n, dtype=dtype, salt=salt)
    return (part + part.T.conj()) / 2 + np.eye(n, dtype=dtype) * (n // 2)


def legacy(draw):
    """Return what a function draws from a RandomState of a fixed seed."""
    return lambda: draw(np.random.RandomState(SEED))


def generator(draw, name="PCG64"):
    """Return what a function draws from a Generator of a fixed seed."""
    return lambda: draw(np.random.Generator(getattr(np.random, name)(SEED)))


def lines(texts):
    """Return texts as the bytes of their lines."""
    return "\n".join(texts).encode("ascii")


def define():
    """Define every probe that this version of NumPy can answer."""
    for part in (
        products,
        decompositions,
        functions,
        reductions,
        transforms,
        orders,
        old_streams,
        new_streams,
        curves,
        statistics,
        conversions,
    ):
        part()


def products():
    a4, a8, b4, b8 = x(131, 131, dtype="f4"), x(131, 131), x(131, 131, dtype="f4", salt=1), x(131, 131, salt=1)
    c16, d16 = x(67, 67, dtype="c16"), x(67, 67, dtype="c16", salt=1)
    v8, w8, v4, w4 = x(20011), x(20011, salt=2), x(20011, dtype="f4"), x(20011, dtype="f4", salt=2)
    stacked, thin, broad = x(9, 32, 31), x(7, 401, salt=3), x(401, 401, salt=4)
    probe("numpy.matmul.f4", "BLAS: version, kernels by CPU, threads")(lambda: a4 @ b4)
    probe("numpy.matmul.f8", "BLAS: version, kernels by CPU, threads")(lambda: a8 @ b8)
    probe("numpy.matmul.f8_small", "BLAS: kernels for small matrices, by CPU")(lambda: a8[:24, :24] @ b8[:24, :24])
    probe("numpy.matmul.f8_thin", "BLAS: version, how threads share a thin matrix")(lambda: thin @ broad)
    probe("numpy.matmul.f8_symmetric", "BLAS: the rank-k update that a product with its own transpose becomes")(
        lambda: a8 @ a8.T
    )
    probe("numpy.matmul.f8_stacked", "BLAS: kernels for small matrices, by CPU")(
        lambda: stacked @ stacked.transpose(0, 2, 1)
    )
    probe("numpy.matmul.c16", "BLAS: complex kernels by CPU, threads")(lambda: c16 @ d16)
    probe("numpy.matmul.vector_f4", "BLAS: matrix times vector, kernels by CPU, threads")(lambda: a4.T @ v4[:131])
    probe("numpy.matmul.vector_f8", "BLAS: matrix times vector, kernels by CPU, threads")(lambda: a8 @ v8[:131])
    probe("numpy.matmul.integers", "nothing but a mistake: integers wrap around")(
        lambda: whole(24, 24) @ whole(24, 24, salt=1)
    )
    probe("numpy.product.dot_f4", "BLAS: in which order a sum over 20,011 is taken, by CPU and threads")(
        lambda: np.dot(v4, w4)
    )
    probe("numpy.product.dot_f8", "BLAS: in which order a sum over 20,011 is taken, by CPU and threads")(
        lambda: np.dot(v8, w8)
    )
    probe("numpy.product.vdot_c16", "BLAS: complex dot product, by version and CPU")(lambda: np.vdot(c16, d16))
    probe("numpy.product.inner_strided", "BLAS: dot products along strides, by version and threads")(
        lambda: np.inner(v8[::2], w8[::2])
    )
    probe("numpy.product.einsum_f4", "NumPy's own loops, by CPU and version")(
        lambda: np.einsum("ij,kj->ik", a4[:32], b4[:32])
    )
    probe("numpy.product.einsum_f8", "NumPy's own loops, by CPU and version")(
        lambda: np.einsum("ij,ij,j->i", a8, b8, v8[:131])
    )
    probe("numpy.product.einsum_optimised", "which products a path of contractions is made of, then BLAS")(
        lambda: np.einsum("ij,jk,kl->il", a8[:48], b8, a8[:, :40], optimize=True)
    )
    probe("numpy.product.tensordot", "BLAS, with dimensions reshaped: version, CPU, threads")(
        lambda: np.tensordot(x(8, 12, 93), x(12, 8, 93), axes=([0, 1], [1, 0]))
    )
    probe("numpy.product.multi_dot", "BLAS: in which order a chain is multiplied")(
        lambda: np.linalg.multi_dot([thin, broad[:, :53], broad[:53, :60], broad[:60]])
    )
    probe("numpy.product.matrix_power", "BLAS: repeated squaring")(lambda: np.linalg.matrix_power(a8[:40, :40] / 4, 7))


def decompositions():
    a4, a8, a16 = x(83, 83, dtype="f4", salt=5), x(131, 131, salt=5), x(24, 24, dtype="c16", salt=5)
    s4, s8, s16 = positive(83, "f4", salt=6), positive(131, salt=6), positive(32, "c16", salt=6)
    tall, right = x(90, 24, salt=7), x(131, 3, salt=8)
    probe("numpy.linalg.svd_f4", "LAPACK's gesdd: BLAS version, CPU, threads")(lambda: np.linalg.svd(a4[:72, :72]))
    probe("numpy.linalg.svd_f8", "LAPACK's gesdd: BLAS version, CPU, threads")(lambda: np.linalg.svd(a8[:72, :72]))
    probe("numpy.linalg.svd_tall", "LAPACK's gesdd after a QR decomposition: BLAS version, CPU")(
        lambda: np.linalg.svd(tall, full_matrices=False)
    )
    probe("numpy.linalg.eigh_f4", "LAPACK's syevd: BLAS version, CPU, threads")(lambda: np.linalg.eigh(s4))
    probe("numpy.linalg.eigh_f8", "LAPACK's syevd: BLAS version, CPU, threads")(lambda: np.linalg.eigh(s8[:101, :101]))
    probe("numpy.linalg.eigh_c16", "LAPACK's heevd: BLAS version, CPU")(lambda: np.linalg.eigh(s16))
    probe(
        "numpy.linalg.eigvalsh", "LAPACK's syevd without vectors, another algorithm than eigh's: version, CPU, threads"
    )(lambda: np.linalg.eigvalsh(s8))
    probe("numpy.linalg.eig_f8", "LAPACK's geev: BLAS version, CPU; an iteration, so that small changes grow")(
        lambda: np.linalg.eig(a8[:32, :32])
    )
    probe("numpy.linalg.eig_c16", "LAPACK's zgeev: BLAS version, CPU")(lambda: np.linalg.eig(a16))
    probe("numpy.linalg.cholesky_f4", "LAPACK's potrf in OpenBLAS' own blocks: version, CPU, threads")(
        lambda: np.linalg.cholesky(s4)
    )
    probe("numpy.linalg.cholesky_f8", "LAPACK's potrf in OpenBLAS' own blocks: version, CPU, threads")(
        lambda: np.linalg.cholesky(s8)
    )
    probe("numpy.linalg.cholesky_c16", "LAPACK's zpotrf in OpenBLAS' own blocks: version, CPU")(
        lambda: np.linalg.cholesky(s16)
    )
    probe("numpy.linalg.qr", "LAPACK's geqrf: BLAS version, CPU, threads")(lambda: np.linalg.qr(a8))
    probe("numpy.linalg.solve_f4", "LAPACK's gesv: BLAS version, CPU, threads")(lambda: np.linalg.solve(s4, a4[:, :2]))
    probe("numpy.linalg.solve_f8", "LAPACK's gesv: BLAS version, CPU, threads")(lambda: np.linalg.solve(a8, right))
    probe("numpy.linalg.inv", "LAPACK's gesv: BLAS version, CPU, threads")(lambda: np.linalg.inv(a8))
    probe("numpy.linalg.det", "LAPACK's getrf: BLAS version, CPU, threads")(
        lambda: [np.linalg.det(a8[:20, :20]), np.linalg.slogdet(x(197, 197, salt=9))[1]]
    )
    probe("numpy.linalg.lstsq", "LAPACK's gelsd: BLAS version, CPU")(
        lambda: np.linalg.lstsq(tall, x(90, 2, salt=9), rcond=None)[0]
    )
    probe("numpy.linalg.pinv", "LAPACK's gesdd, then BLAS: version, CPU, threads")(lambda: np.linalg.pinv(tall))
    probe("numpy.linalg.norm", "sums and singular values")(
        lambda: [np.linalg.norm(a8[:72, :72], kind) for kind in ("fro", "nuc", 1, 2)] + [np.linalg.norm(tall, axis=1)]
    )


def functions():
    f4, f8 = x(4099, low=-20.0, high=20.0, dtype="f4"), x(4099, low=-20.0, high=20.0)
    unit4, unit8 = x(4099, dtype="f4", salt=1), x(4099, salt=1)
    above4, above8 = x(4099, low=2.0**-10, high=64.0, dtype="f4"), x(4099, low=2.0**-10, high=64.0)
    turns4, turns8 = x(4099, low=-300.0, high=300.0, dtype="f4"), x(4099, low=-300.0, high=300.0)
    complexes = x(1031, low=-4.0, high=4.0, dtype="c16")
    probe("numpy.ufunc.exp_f4", "SIMD exp by CPU (AVX2, AVX512) and version")(lambda: np.exp(f4))
    probe("numpy.ufunc.exp_f8", "SIMD exp by CPU (AVX512), else libm")(lambda: np.exp(f8))
    probe("numpy.ufunc.log_f4", "SIMD log by CPU (AVX2, AVX512) and version")(lambda: np.log(above4))
    probe("numpy.ufunc.log_f8", "SIMD log by CPU (AVX512), else libm")(lambda: np.log(above8))
    probe("numpy.ufunc.sin_f4", "SIMD sin by CPU and version")(lambda: np.sin(turns4))
    probe("numpy.ufunc.sin_f8", "SIMD sin by CPU and version, else libm")(lambda: np.sin(turns8))
    probe("numpy.ufunc.cos_f4", "SIMD cos by CPU and version")(lambda: np.cos(turns4))
    probe("numpy.ufunc.cos_f8", "SIMD cos by CPU and version, else libm")(lambda: np.cos(turns8))
    probe("numpy.ufunc.tan_f4", "SVML by CPU (AVX512), else libm")(lambda: np.tan(turns4))
    probe("numpy.ufunc.tan_f8", "SVML by CPU (AVX512), else libm")(lambda: np.tan(turns8))
    probe("numpy.ufunc.arcsin_f4", "SVML by CPU (AVX512), else libm")(lambda: np.arcsin(unit4))
    probe("numpy.ufunc.arcsin_f8", "SVML by CPU (AVX512), else libm")(lambda: np.arcsin(unit8))
    probe("numpy.ufunc.arctan", "SVML by CPU (AVX512), else libm")(lambda: [np.arctan(f4), np.arctan(f8)])
    probe("numpy.ufunc.arctan2", "SVML by CPU (AVX512), else libm")(
        lambda: [np.arctan2(f4, unit4), np.arctan2(f8, unit8)]
    )
    probe("numpy.ufunc.sinh", "SVML by CPU (AVX512), else libm")(lambda: [np.sinh(f4), np.sinh(f8), np.cosh(f8)])
    probe("numpy.ufunc.arcsinh", "SVML by CPU (AVX512), else libm")(lambda: [np.arcsinh(f8), np.arctanh(unit8)])
    probe("numpy.ufunc.tanh_f4", "SIMD tanh by CPU (FMA3) and version, else libm")(lambda: np.tanh(f4))
    probe("numpy.ufunc.tanh_f8", "SIMD tanh by CPU (FMA3) and version, else libm")(lambda: np.tanh(f8))
    probe("numpy.ufunc.power_f4", "SVML by CPU (AVX512), else libm")(lambda: np.power(above4, unit4))
    probe("numpy.ufunc.power_f8", "SVML by CPU (AVX512), else libm")(lambda: np.power(above8, unit8))
    probe("numpy.ufunc.power_scalar", "which powers are squares and roots, by version; else libm")(
        lambda: [above8**power for power in (-1, 0.5, 1.5, 2, 3)]
    )
    probe("numpy.ufunc.exp2", "SVML by CPU (AVX512), else libm")(lambda: [np.exp2(f4), np.exp2(f8)])
    probe("numpy.ufunc.expm1", "SVML by CPU (AVX512), else libm")(lambda: [np.expm1(f4), np.expm1(f8)])
    probe("numpy.ufunc.log1p", "SVML by CPU (AVX512), else libm")(lambda: [np.log1p(above4), np.log1p(above8)])
    probe("numpy.ufunc.log2", "SVML by CPU (AVX512), else libm")(lambda: [np.log2(above4), np.log2(above8)])
    probe("numpy.ufunc.log10", "SVML by CPU (AVX512), else libm")(lambda: [np.log10(above4), np.log10(above8)])
    probe("numpy.ufunc.cbrt", "SVML by CPU (AVX512), else libm")(lambda: [np.cbrt(f4), np.cbrt(f8)])
    probe("numpy.ufunc.logaddexp", "libm, and the form it is computed in")(lambda: np.logaddexp(f8, unit8))
    probe("numpy.ufunc.hypot", "libm")(lambda: np.hypot(f8, unit8))
    probe("numpy.ufunc.sqrt", "nothing but a mistake: IEEE 754 says every bit")(
        lambda: [np.sqrt(above4), np.sqrt(above8)]
    )
    probe("numpy.ufunc.divide", "nothing but a mistake, denormal numbers flushed to zero among them")(
        lambda: [f8 / above8, f4 / above4, f8 * 2.0**-1060 / above8]
    )
    probe("numpy.ufunc.remainder", "how the sign of a remainder is made, by version")(
        lambda: [np.mod(f8, unit8), np.fmod(f4, unit4), np.floor_divide(f8, unit8)]
    )
    probe("numpy.ufunc.extremes", "which of -0.0, 0.0 and NaN wins, by CPU and version")(
        lambda: [
            function(
                np.array([0.0, -0.0, 1.0, float("nan"), -0.0] * 7), np.array([-0.0, 0.0, float("nan"), 1.0, 0.0] * 7)
            )
            for function in (np.maximum, np.minimum, np.fmax, np.fmin)
        ]
    )
    probe("numpy.ufunc.absolute_c16", "SIMD absolute of complex numbers by CPU (FMA3, AVX512), else libm's hypot")(
        lambda: np.abs(complexes)
    )
    probe("numpy.ufunc.multiply_c16", "whether a product of complex numbers is fused, by CPU and version")(
        lambda: [complexes * complexes[::-1], np.square(complexes), complexes / complexes[::-1]]
    )
    probe("numpy.ufunc.exp_c16", "libm's complex functions")(
        lambda: [np.exp(complexes), np.log(complexes), np.sqrt(complexes)]
    )
    probe("numpy.ufunc.float16", "the C compiler's and the CPU's way to half precision, by version")(
        lambda: np.exp(unit4.astype("f2")) * unit4.astype("f2")
    )
    probe("numpy.ufunc.round", "whether decimals are multiplied or divided, by version")(
        lambda: [np.round(f8, 3), np.round(f4, 2), np.round(f8 * 1000, -1), np.rint(f8)]
    )
    if np.finfo(np.longdouble).nmant == 63:
        long = f8[:1031].astype(np.longdouble)
        probe("numpy.ufunc.longdouble", "libm's functions of 80 bits")(
            lambda: [np.exp(long), np.sin(long), np.tanh(long), np.log1p(np.abs(long))]
        )


def reductions():
    f4, f8 = x(20011, dtype="f4"), x(20011)
    grid4, grid8 = x(37, 541, dtype="f4"), x(37, 541)
    holes = np.where(whole(37, 541, below=9) == 0, float("nan"), grid8)
    probe("numpy.reduce.sum_f4", "in which order pairs are added, by CPU and version")(lambda: np.sum(f4))
    probe("numpy.reduce.sum_f8", "in which order pairs are added, by CPU and version")(lambda: np.sum(f8))
    probe("numpy.reduce.sum_strided", "in which order pairs are added along strides")(lambda: np.sum(f4[::3]))
    probe("numpy.reduce.sum_axes", "which axis is reduced first, by memory order")(
        lambda: [
            np.sum(grid4, axis=0),
            np.sum(grid4, axis=1),
            np.sum(grid4.T),
            np.sum(grid4.reshape(37, -1, 1), (0, 2)),
        ]
    )
    probe("numpy.reduce.sum_c16", "in which order pairs of complex numbers are added")(
        lambda: np.sum(f8 + 1j * f8[::-1])
    )
    probe("numpy.reduce.sum_f2", "in which precision halves are added")(lambda: np.sum(f4.astype("f2")))
    probe("numpy.reduce.mean", "in which precision, and order")(
        lambda: [np.mean(f4), np.mean(grid4, axis=0), np.mean(grid8)]
    )
    probe("numpy.reduce.var", "sums of squares around the mean")(lambda: [np.var(f4), np.var(grid8, axis=1, ddof=1)])
    probe("numpy.reduce.std", "sums of squares around the mean")(lambda: [np.std(f8), np.std(grid4, axis=0)])
    probe("numpy.reduce.average", "products, then a sum")(lambda: np.average(grid8, axis=1, weights=np.abs(grid8[0])))
    probe("numpy.reduce.cumsum", "nothing but a mistake: one addition after the other")(
        lambda: [np.cumsum(f4), np.cumsum(grid8, axis=0)]
    )
    probe("numpy.reduce.prod", "in which order elements are multiplied, by CPU and version")(
        lambda: [np.prod(f4[:300] + 1.25), np.prod(grid8[:, :9] + 1.0, axis=0), np.cumprod(f8[:300] + 1.25)]
    )
    probe("numpy.reduce.nansum", "sums after NaNs are replaced")(lambda: [np.nansum(holes), np.nanmean(holes, axis=0)])
    probe("numpy.reduce.nanstd", "sums of squares around the mean, NaNs left out")(lambda: np.nanstd(holes, axis=1))
    probe("numpy.reduce.logaddexp", "libm, one after the other")(lambda: np.logaddexp.reduce(f8[:2003]))
    probe("numpy.reduce.argmax_ties", "which of equal ones is first, by CPU and version")(
        lambda: [np.argmax(whole(4099, below=40)), np.argmin(grid4 // 0.125, axis=0), np.argmax(holes, axis=1)]
    )
    probe("numpy.reduce.reduceat", "in which order pieces are added")(
        lambda: np.add.reduceat(f4, [0, 7, 130, 4099, 9000])
    )


def transforms():
    f4, f8, prime = x(4096, dtype="f4"), x(4096), x(1009, salt=1)
    grid, spectrum = x(48, 60), x(1200, dtype="c16")
    probe("numpy.fft.fft", "the library of Fourier transforms: C from 1.17 on, C++ from 2.0 on")(lambda: np.fft.fft(f8))
    probe("numpy.fft.fft_f4", "whether single precision stays: from 2.0 on it does")(lambda: np.fft.fft(f4))
    probe("numpy.fft.fft_prime", "Bluestein's algorithm, whose angles libm or the library computes")(
        lambda: np.fft.fft(prime)
    )
    probe("numpy.fft.fft_c16", "the library of Fourier transforms")(lambda: np.fft.fft(spectrum))
    probe("numpy.fft.ifft", "the library of Fourier transforms, and how it scales")(lambda: np.fft.ifft(spectrum))
    probe("numpy.fft.rfft", "the library of Fourier transforms, real numbers")(lambda: np.fft.rfft(f8))
    probe("numpy.fft.rfft_f4", "whether single precision stays: from 2.0 on it does")(lambda: np.fft.rfft(f4))
    probe("numpy.fft.irfft", "the library of Fourier transforms, and how it scales")(lambda: np.fft.irfft(spectrum))
    probe("numpy.fft.fft2", "the library of Fourier transforms, and in which order axes are taken")(
        lambda: np.fft.fft2(grid, norm="ortho")
    )
    probe("numpy.fft.rfftn", "the library of Fourier transforms, and in which order axes are taken")(
        lambda: np.fft.rfftn(grid.reshape(12, 16, 15))
    )


def orders():
    few, many = whole(5003, below=60), whole(5003, below=1 << 30)
    f4, f8, tied = x(5003, dtype="f4"), x(5003), x(5003, dtype="f4") // 0.0625
    probe("numpy.sort.sort", "nothing but a mistake: there is one sorted order")(
        lambda: [
            np.sort(each) for each in (few, many.astype("i4"), few.astype("i2"), f4, f8, np.append(f8, float("nan")))
        ]
    )
    probe("numpy.sort.argsort", "nothing but a mistake where no two are equal")(
        lambda: [np.argsort(f8), np.argsort(many)]
    )
    probe("numpy.sort.argsort_ties_i8", "in which order equal ones come: SIMD sort by CPU (AVX512, AVX2) and version")(
        lambda: np.argsort(few)
    )
    probe("numpy.sort.argsort_ties_f4", "in which order equal ones come: SIMD sort by CPU (AVX512, AVX2) and version")(
        lambda: np.argsort(tied)
    )
    probe("numpy.sort.argsort_ties_rows", "in which order equal ones come, in rows too short for a pivot")(
        lambda: np.argsort(tied[:5000].reshape(250, 20), axis=1)
    )
    probe("numpy.sort.argsort_stable", "nothing but a mistake: equal ones keep their order")(
        lambda: [
            np.argsort(few, kind="stable"),
            np.argsort(few.astype("i2"), kind="stable"),
            np.argsort(tied, kind="stable"),
        ]
    )
    probe("numpy.sort.argsort_heap", "in which order heapsort leaves equal ones, by version")(
        lambda: np.argsort(few, kind="heapsort")
    )
    probe("numpy.sort.partition", "what is on either side of a pivot: SIMD select by CPU (AVX512, AVX2) and version")(
        lambda: [np.partition(f8, 1200), np.partition(few, [300, 2500])]
    )
    probe("numpy.sort.argpartition", "what is on either side of a pivot: SIMD select by CPU and version")(
        lambda: [np.argpartition(f8, 1200), np.argpartition(few, 2500)]
    )
    probe("numpy.sort.lexsort", "nothing but a mistake: equal ones keep their order")(lambda: np.lexsort((few, tied)))
    probe("numpy.sort.searchsorted", "nothing but a mistake")(
        lambda: [np.searchsorted(np.sort(few), np.arange(-1, 62), side) for side in ("left", "right")]
    )
    probe("numpy.sort.unique", "which of equal ones is first, and how the inverse is shaped, by version")(
        lambda: np.unique(few.reshape(-1, 1), return_index=True, return_inverse=True, return_counts=True)
    )
    probe("numpy.sort.unique_rows", "in which order rows come, and how the inverse is shaped, by version")(
        lambda: np.unique(few[:4998].reshape(-1, 2) // 20, axis=0, return_inverse=True)
    )
    probe("numpy.sort.sets", "nothing but a mistake")(
        lambda: [np.intersect1d(few, np.arange(0, 99, 7)), np.setdiff1d(few, few[:40]), np.isin(few[:99], few[99:120])]
    )
    probe("numpy.sort.sort_c16", "in which order complex numbers come")(
        lambda: np.sort_complex(tied[:999] + 1j * few[:999])
    )


def old_streams():
    probe("numpy.random.randint", "the stream of RandomState: how bounds are reached")(
        legacy(lambda source: [source.randint(0, 1000, 999), source.randint(0, 250, 99, dtype="u1")])
    )
    probe("numpy.random.uniform", "the stream of RandomState")(legacy(lambda source: source.uniform(-2.0, 3.0, 999)))
    probe("numpy.random.randn", "the stream of RandomState: polar method, libm's log")(
        legacy(lambda source: source.randn(999))
    )
    probe("numpy.random.permutation", "the stream of RandomState: how it shuffles")(
        legacy(lambda source: [source.permutation(500), source.permutation(x(40, 3))])
    )
    probe("numpy.random.choice", "the stream of RandomState: draws, with and without putting back")(
        legacy(
            lambda source: [
                source.choice(500, 99),
                source.choice(500, 99, replace=False),
                source.choice(50, 99, p=np.arange(50) / 1225.0),
            ]
        )
    )
    probe("numpy.random.gamma", "the stream of RandomState: rejection, libm's log and pow")(
        legacy(
            lambda source: [source.standard_gamma(2.5, 500), source.standard_gamma(0.5, 500), source.beta(2.0, 0.5, 99)]
        )
    )
    probe("numpy.random.poisson", "the stream of RandomState: rejection, libm's log")(
        legacy(lambda source: [source.poisson(3.5, 500), source.poisson(120.0, 500)])
    )
    probe("numpy.random.binomial", "the stream of RandomState: inversion or rejection")(
        legacy(
            lambda source: [
                source.binomial(9, 0.25, 500),
                source.binomial(900, 0.375, 500),
                source.multinomial(60, [0.25] * 4),
            ]
        )
    )
    probe("numpy.random.exponential", "the stream of RandomState: libm's log")(
        legacy(lambda source: [source.exponential(2.0, 500), source.weibull(1.5, 99), source.gumbel(0.0, 1.0, 99)])
    )
    probe(
        "numpy.random.multivariate_normal", "the stream of RandomState, then a singular value decomposition by LAPACK"
    )(legacy(lambda source: source.multivariate_normal(np.zeros(5), positive(5), 99)))
    probe("numpy.random.dirichlet", "the stream of RandomState: gammas, then a sum")(
        legacy(lambda source: source.dirichlet([0.5, 1.5, 4.0], 200))
    )


def new_streams():
    if not hasattr(np.random, "Generator"):
        return
    probe("numpy.generator.random", "the bits of PCG64, and how they become floats, by version")(
        generator(lambda source: [source.random(999), source.random(99, "f4")])
    )
    probe("numpy.generator.mt19937", "the bits of MT19937, and its seeding")(
        generator(lambda source: source.random(999), "MT19937")
    )
    probe("numpy.generator.philox", "the bits of Philox, and its seeding")(
        generator(lambda source: source.random(999), "Philox")
    )
    probe("numpy.generator.sfc64", "the bits of SFC64, and its seeding")(
        generator(lambda source: source.random(999), "SFC64")
    )
    if hasattr(np.random, "PCG64DXSM"):
        probe("numpy.generator.pcg64dxsm", "the bits of PCG64DXSM, and its seeding")(
            generator(lambda source: source.random(999), "PCG64DXSM")
        )
    probe("numpy.generator.spawn", "how a seed sequence makes further seeds")(
        lambda: [each.generate_state(8) for each in np.random.SeedSequence(SEED).spawn(3)]
    )
    probe("numpy.generator.integers", "how bounds are reached, by version")(
        generator(lambda source: [source.integers(0, 1000, 999), source.integers(0, 9, 99, dtype="u1", endpoint=True)])
    )
    probe("numpy.generator.normal", "the ziggurat, libm's exp and log1p in its tail")(
        generator(
            lambda source: [
                source.standard_normal(4000),
                source.normal(3.0, 0.5, 99),
                source.standard_normal(999, "f4"),
            ]
        )
    )
    probe("numpy.generator.exponential", "the ziggurat")(generator(lambda source: source.standard_exponential(2000)))
    probe("numpy.generator.gamma", "rejection, libm's log and pow")(
        generator(lambda source: [source.standard_gamma(2.5, 500), source.standard_gamma(0.5, 500)])
    )
    probe("numpy.generator.beta", "rejection, libm's pow and log, by version")(
        generator(lambda source: [source.beta(2.0, 3.0, 500), source.beta(0.25, 0.5, 500)])
    )
    probe("numpy.generator.poisson", "rejection, libm's log")(
        generator(lambda source: [source.poisson(3.5, 500), source.poisson(120.0, 500)])
    )
    probe("numpy.generator.binomial", "inversion or rejection, by version")(
        generator(lambda source: [source.binomial(9, 0.25, 500), source.binomial(900, 0.375, 500)])
    )
    probe("numpy.generator.hypergeometric", "rejection, by version")(
        generator(lambda source: [source.hypergeometric(30, 40, 25, 300), source.negative_binomial(4, 0.25, 300)])
    )
    probe("numpy.generator.permutation", "how it shuffles, by version")(
        generator(lambda source: [source.permutation(500), source.permutation(x(40, 3))])
    )
    probe("numpy.generator.choice", "draws, with and without putting back, by version")(
        generator(
            lambda source: [
                source.choice(500, 99),
                source.choice(500, 99, replace=False),
                source.choice(50, 99, p=np.arange(50) / 1225.0),
            ]
        )
    )
    probe("numpy.generator.multivariate_normal", "the ziggurat, then a singular value decomposition by LAPACK")(
        generator(lambda source: source.multivariate_normal(np.zeros(5), positive(5), 99))
    )


def curves():
    f8, g8 = x(2003), x(61, salt=1)
    grid = np.arange(200) / 8.0
    values = x(200, salt=2)
    probe("numpy.curve.polyfit", "LAPACK's least squares: BLAS version, CPU")(lambda: np.polyfit(grid, values, 5))
    probe("numpy.curve.polyval", "nothing but a mistake: Horner's rule")(lambda: np.polyval(g8[:9], f8))
    probe("numpy.curve.roots", "LAPACK's eigenvalues: BLAS version, CPU")(lambda: np.roots(g8[:15]))
    probe("numpy.curve.chebyshev", "Clenshaw's recursion, LAPACK's least squares")(
        lambda: [
            np.polynomial.chebyshev.chebval(f8, g8[:9]),
            np.polynomial.chebyshev.chebfit(values, values[::-1], 4),
            np.polynomial.legendre.leggauss(20)[1],
        ]
    )
    probe("numpy.curve.interp", "in which form a line between two points is computed, by version")(
        lambda: np.interp(f8 * 30, grid, values)
    )
    probe("numpy.curve.convolve", "BLAS: dot products along the longer one, by CPU")(
        lambda: [np.convolve(f8, g8, "same"), np.correlate(f8.astype("f4"), g8.astype("f4"), "full")]
    )
    probe("numpy.curve.gradient", "differences and their weights")(
        lambda: [np.gradient(values, grid), np.gradient(x(20, 20), 0.5), np.diff(values, 3)]
    )
    probe("numpy.curve.trapezoid", "products, then a sum")(
        lambda: (getattr(np, "trapezoid", None) or np.trapz)(values, grid)
    )
    probe("numpy.curve.linspace", "in which form points are computed, by version; powers by CPU")(
        lambda: [
            np.linspace(-1.0, 2.0, 999),
            np.linspace(-7, 8, 50, dtype=int),
            np.geomspace(1, 1000, 99),
            np.logspace(0, 2, 99),
        ]
    )
    probe("numpy.curve.arange", "how many points there are, and where")(lambda: np.arange(-1.0, 3.0, 0.1))
    probe("numpy.curve.windows", "NumPy's cos, exp and sin, by CPU and version")(
        lambda: [np.hamming(99), np.blackman(99), np.kaiser(99, 8.6), np.sinc(f8)]
    )
    probe("numpy.curve.unwrap", "remainders of angles, by version")(lambda: np.unwrap(f8 * 30))


def statistics():
    f4, f8, grid = x(5003, dtype="f4"), x(5003), x(40, 60)
    levels = np.arange(0, 101, 5)
    probe("numpy.statistics.percentile", "in which form a value between two is computed, by version")(
        lambda: [np.percentile(f8, levels), np.percentile(f4, levels), np.percentile(grid, [10, 33], axis=0)]
    )
    probe("numpy.statistics.quantile", "in which form a value between two is computed, by version")(
        lambda: np.quantile(f8, levels / 100.0)
    )
    probe("numpy.statistics.median", "the middle, or the mean of two")(lambda: [np.median(f4), np.median(grid, axis=0)])
    probe("numpy.statistics.histogram", "on which side of an edge values fall, by version")(
        lambda: [np.histogram(f4, 37), np.histogram(f8, 50, (-0.5, 0.7)), np.histogram(f8, 21, density=True)]
    )
    probe("numpy.statistics.histogram_auto", "how wide bins are made, by version")(
        lambda: [np.histogram_bin_edges(f8, bins) for bins in ("auto", "fd", "sturges", "scott")]
    )
    probe("numpy.statistics.histogram2d", "on which side of an edge values fall")(
        lambda: np.histogram2d(f8, f8[::-1], bins=(7, 9), weights=np.abs(f8))
    )
    probe("numpy.statistics.bincount", "nothing but a mistake: weights are added one after the other")(
        lambda: np.bincount(whole(5003, below=40), weights=f8, minlength=45)
    )
    probe("numpy.statistics.add_at", "nothing but a mistake: one addition after the other")(lambda: added_at(f4))
    probe("numpy.statistics.cov", "BLAS: version, CPU, threads")(lambda: [np.cov(grid), np.corrcoef(grid.T)])
    probe("numpy.statistics.digitize", "nothing but a mistake")(lambda: np.digitize(f8, np.arange(-8, 9) / 8.0))


def added_at(values):
    """Return sums of values by scattered places."""
    found = np.zeros(33, "f4")
    np.add.at(found, whole(len(values), below=33), values)
    return found


def conversions():
    f8 = x(2003, low=-3e5, high=3e5) * 2.0**13
    odd = np.array([float("nan"), float("inf"), -float("inf"), 3e9, -3e9, 1e20, -1.5, 300.5, 70000.0] * 9)
    probe("numpy.cast.integers", "nothing but a mistake: fractions are cut off")(
        lambda: [f8.astype("i8"), (f8 / 2.0**13).astype("i4"), f8.astype("i8").astype("f4")]
    )
    probe("numpy.cast.out_of_range", "what NaN and numbers too large become, by CPU, compiler and version")(
        lambda: [odd.astype(kind) for kind in ("i8", "i4", "i2", "u1", "u4", "u8")]
    )
    probe("numpy.cast.halves", "nothing but a mistake: rounding to half precision")(
        lambda: [
            (f8 / 2.0**15).astype("f2"),
            f8.astype("f4").astype("f2"),
            np.arange(65536).astype("u2").view("f2").astype("f4"),
        ]
    )
    probe("numpy.cast.promotion", "which type a mixed pair becomes: from 2.0 on scalars keep theirs (NEP 50)")(
        lambda: [
            np.float32(3) + 1.1,
            np.float32(3) + np.float64(1.1),
            np.array([3], "f4") + np.float64(1.1),
            np.array([1, 2], "i1") * 3,
            np.array([1, 2], "f2") * np.float32(1.1),
            np.where([True, False], np.float32(1), 2.5),
        ]
    )
    probe("numpy.cast.wrap_around", "nothing but a mistake: integers wrap around")(
        lambda: [np.array([200, 100], "u1") * np.array([3, 3], "u1"), np.arange(40) ** 12, -np.array([-128], "i1")]
    )
    probe("numpy.cast.integer_division", "SIMD division of integers, by version; what division by zero gives")(
        lambda: [whole(999, below=2000) // -7, (whole(999) - 500) % 9, np.array([5, -5, 0]) // np.array([0, 0, 0])]
    )
    probe("numpy.text.print", "NumPy's shortest digits: nothing but a mistake")(
        lambda: lines(np.format_float_scientific(each) for each in list(f8[:300] / 7) + list(f8[:300].astype("f4")))
    )
    probe("numpy.text.print_array", "how arrays are laid out as text, by version")(
        lambda: lines(
            [np.array2string(f8[:60].reshape(6, 10) / 7, precision=6), str(odd[:9]), str(f8[:9].astype("f4"))]
        )
    )
    probe("numpy.text.parse", "libc's or Python's way from text to number")(
        lambda: [
            np.array(["{:d}.{:d}e-3".format(each, 10 * each + 1) for each in range(300)]).astype(kind)
            for kind in ("f8", "f4")
        ]
    )
