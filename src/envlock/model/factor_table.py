"""The table of environment variables that change numbers or code."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["threads", "kernels", "accelerator", "semantics", "devices", "code", "library"]


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that programs read from their environment, by all the names that it has."""

    names: tuple[str, ...]
    kind: Kind
    """`accelerator` is moot on a machine without one; values of `code` and `library` are paths."""
    what: str
    """What it does, one sentence."""
    source: str
    impact: Literal["results", "security", "compat"] = "results"
    readers: tuple[str, ...] = ()
    """Normalised names of the packages that read it, or begin of such names with a *; Python itself where empty."""
    ambient: bool = False
    """Whether schedulers and test runners set it as a matter of course, so that it is never more than information."""


TENSORFLOW = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-gpu",
    "tensorflow-intel",
    "tensorflow-rocm",
    "tensorflow-aarch64",
    "tensorflow-macos",
    "intel-tensorflow*",
    "tf-nightly*",
)
_JAX = ("jax", "jaxlib")
_XLA = (*_JAX, *TENSORFLOW)
_KERAS = ("keras", "keras-nightly", "tf-keras", *TENSORFLOW)
_OPENBLAS = ("numpy", "scipy", "scipy-openblas*", "openblas*", "faiss-*")
_MKL = ("mkl", "mkl-*", "torch", "numpy", "scipy", "daal4py", "scikit-learn-intelex", "intel-tensorflow*")
_ONEDNN = (*TENSORFLOW, "torch", "onednn*", "intel-extension-for-*", "ctranslate2", "paddlepaddle*", "openvino")
_OPENMP = (
    *TENSORFLOW,
    "torch",
    "numpy",
    "scipy",
    "mkl",
    "scikit-learn",
    "xgboost*",
    "lightgbm",
    "catboost",
    "faiss-*",
    "numba",
    "implicit",
    "paddlepaddle*",
    "ctranslate2",
    "opencv-*",
    "onnxruntime*",
    "scikit-image",
)
_CUDA = (*TENSORFLOW, *_JAX, "torch", "cupy*", "nvidia-*", "paddlepaddle-gpu", "mxnet*", "onnxruntime-gpu", "xgboost*")
_FACTS = "measured by envlock, see data/changes"

FACTORS: tuple[Factor, ...] = (
    Factor(
        names=("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC"),
        kind="threads",
        what="The number of OpenMP threads: sums are split among them and added up in another order.",
        readers=_OPENMP,
        source="OpenMP 5.2, chapter 21; " + _FACTS,
    ),
    Factor(
        names=("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_DEFAULT_NUM_THREADS"),
        kind="threads",
        what="The number of OpenBLAS threads: matrix products and decompositions are blocked by it.",
        readers=_OPENBLAS,
        source="OpenBLAS, runtime variables; " + _FACTS,
    ),
    Factor(
        names=("MKL_NUM_THREADS", "MKL_DOMAIN_NUM_THREADS", "MKL_DYNAMIC"),
        kind="threads",
        what="The number of MKL threads, or whether MKL may take fewer: matrix products are blocked by it.",
        readers=_MKL,
        source="oneMKL developer guide, environment variables for threading control",
    ),
    Factor(
        names=("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_OVERRIDE_GLOBAL_THREADPOOL"),
        kind="threads",
        what="The number of threads of TensorFlow's kernels and of its executor.",
        readers=TENSORFLOW,
        source="tensorflow/core/common_runtime/process_util.cc; " + _FACTS,
    ),
    Factor(
        names=("BLIS_NUM_THREADS", "BLIS_JC_NT", "BLIS_IC_NT", "BLIS_JR_NT", "BLIS_IR_NT"),
        kind="threads",
        what="The number of BLIS threads.",
        readers=("blis", "cython-blis", "numpy", "spacy", "thinc"),
        source="BLIS, docs/Multithreading.md",
    ),
    Factor(
        names=("VECLIB_MAXIMUM_THREADS",),
        kind="threads",
        what="The number of threads of Apple's Accelerate.",
        readers=("numpy", "scipy", "torch", *TENSORFLOW),
        source="Accelerate, man 7 Accelerate",
    ),
    Factor(
        names=("NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS"),
        kind="threads",
        what="The number of NumExpr threads, each of which computes elements of its own.",
        impact="compat",
        readers=("numexpr",),
        source="NumExpr user guide, threadpool configuration",
    ),
    Factor(
        names=("NUMBA_NUM_THREADS",),
        kind="threads",
        what="The number of threads of Numba's parallel loops, whose reductions are added up in another order.",
        readers=("numba",),
        source="Numba reference, environment variables",
    ),
    Factor(
        names=("POLARS_MAX_THREADS",),
        kind="threads",
        what="The number of Polars threads: aggregations of floats are added up in another order.",
        readers=("polars*",),
        source="Polars API, thread_pool_size",
    ),
    Factor(
        names=("OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY", "KMP_HW_SUBSET"),
        kind="threads",
        what="Which CPUs OpenMP's threads run on, and with that how many libraries of the process start.",
        readers=_OPENMP,
        source="OpenMP 5.2, chapter 21; libgomp and Intel OpenMP run-time",
        ambient=True,
    ),
    Factor(
        names=("OPENBLAS_CORETYPE",),
        kind="kernels",
        what="OpenBLAS takes the kernels of another CPU: matrix products and decompositions change.",
        readers=_OPENBLAS,
        source="OpenBLAS, runtime variables; " + _FACTS,
    ),
    Factor(
        names=("NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES"),
        kind="kernels",
        what="NumPy takes other loops: exp, sin and their like change in the last bits.",
        readers=("numpy",),
        source="NumPy, CPU build options, runtime dispatch; " + _FACTS,
    ),
    Factor(
        names=("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS", "DNNL_CPU_ISA_HINTS"),
        kind="kernels",
        what="oneDNN takes kernels of a lower instruction set.",
        readers=_ONEDNN,
        source="oneDNN developer guide, CPU dispatcher control",
    ),
    Factor(
        names=("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE", "TF_SET_ONEDNN_FPMATH_MODE"),
        kind="kernels",
        what="oneDNN may compute float32 in bfloat16, float16 or TF32.",
        readers=_ONEDNN,
        source="oneDNN developer guide, floating-point math mode",
    ),
    Factor(
        names=("ATEN_CPU_CAPABILITY",),
        kind="kernels",
        what="PyTorch takes the kernels of another instruction set.",
        readers=("torch",),
        source="aten/src/ATen/native/DispatchStub.cpp",
    ),
    Factor(
        names=("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE"),
        kind="kernels",
        what="MKL takes another code path: its conditional numerical reproducibility, or another instruction set.",
        readers=_MKL,
        source="oneMKL developer guide, conditional numerical reproducibility",
    ),
    Factor(
        names=("MKL_THREADING_LAYER", "NUMBA_THREADING_LAYER"),
        kind="kernels",
        what="Another threading runtime splits the work.",
        readers=(*_MKL, "numba"),
        source="oneMKL developer guide, dynamically selecting the threading layer",
    ),
    Factor(
        names=("KMP_DETERMINISTIC_REDUCTION", "KMP_FORCE_REDUCTION", "OMP_SCHEDULE", "OMP_MAX_ACTIVE_LEVELS"),
        kind="kernels",
        what="OpenMP's loops and reductions are split and added up in another way.",
        readers=_OPENMP,
        source="OpenMP 5.2, chapter 21; Intel OpenMP run-time",
    ),
    Factor(
        names=("BLIS_ARCH_TYPE",),
        kind="kernels",
        what="BLIS takes the kernels of another CPU.",
        readers=("blis", "cython-blis", "numpy"),
        source="BLIS, docs/HardwareSupport.md",
    ),
    Factor(
        names=("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DISABLE_JIT", "NUMBA_OPT", "NUMBA_ENABLE_AVX"),
        kind="kernels",
        what="Numba compiles for another CPU, in another way, or not at all.",
        readers=("numba",),
        source="Numba reference, environment variables",
    ),
    Factor(
        names=("GLIBC_TUNABLES", "LD_HWCAP_MASK"),
        kind="kernels",
        what="glibc takes other variants of exp, sin and pow, and of memory functions.",
        source="glibc manual, hardware capability tunables",
    ),
    Factor(
        names=("TF_ENABLE_ONEDNN_OPTS", "TF_ENABLE_MKL_NATIVE_FORMAT", "TF_USE_DEEP_CONV2D"),
        kind="kernels",
        what="Convolutions and gradients are computed by other kernels: oneDNN's or TensorFlow's own.",
        readers=TENSORFLOW,
        source="tensorflow/core/util/util.cc; " + _FACTS,
    ),
    Factor(
        names=("XLA_FLAGS", "TF_XLA_FLAGS"),
        kind="kernels",
        what="XLA compiles in another way: fusion, fast math, autotuning, the number of host devices.",
        readers=_XLA,
        source="xla/debug_options_flags.cc; tensorflow/compiler/jit/flags.cc",
    ),
    Factor(
        names=("PYTORCH_JIT", "TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE", "TORCHINDUCTOR_MAX_AUTOTUNE"),
        kind="kernels",
        what="PyTorch compiles and fuses operations, or runs them one by one.",
        readers=("torch",),
        source="torch/jit/_state.py; torch/_dynamo/config.py",
    ),
    Factor(
        names=("TF_DETERMINISTIC_OPS", "TF_ENABLE_MAXPOOL_NANPROP"),
        kind="semantics",
        what="TensorFlow takes deterministic kernels, or pools NaN in another way.",
        readers=TENSORFLOW,
        source="tf.config.experimental.enable_op_determinism",
    ),
    Factor(
        names=("PYTHONHASHSEED",),
        kind="semantics",
        what="The order of sets, and of whatever follows from hash(): without it every run has another one.",
        source="Python command line, PYTHONHASHSEED",
        ambient=True,
    ),
    Factor(
        names=("NPY_PROMOTION_STATE",),
        kind="semantics",
        what="NumPy promotes scalars by other rules: results have another precision.",
        readers=("numpy",),
        source="NEP 50",
    ),
    Factor(
        names=("KERAS_BACKEND", "TF_USE_LEGACY_KERAS"),
        kind="semantics",
        what="Another framework, or another Keras, computes.",
        readers=_KERAS,
        source="Keras 3, configuring your backend",
    ),
    Factor(
        names=(
            "JAX_ENABLE_X64",
            "JAX_DEFAULT_MATMUL_PRECISION",
            "JAX_DEFAULT_DTYPE_BITS",
            "JAX_NUMPY_DTYPE_PROMOTION",
            "JAX_DISABLE_JIT",
        ),
        kind="semantics",
        what="JAX computes in another precision, or without compiling.",
        readers=_JAX,
        source="JAX, configuration options",
    ),
    Factor(
        names=(
            "JAX_DEFAULT_PRNG_IMPL",
            "JAX_ENABLE_CUSTOM_PRNG",
            "JAX_THREEFRY_PARTITIONABLE",
            "JAX_RANDOM_SEED_OFFSET",
        ),
        kind="semantics",
        what="JAX draws other random numbers from the same key.",
        readers=_JAX,
        source="JAX, pseudorandom numbers",
    ),
    Factor(
        names=("JAX_PLATFORMS", "JAX_PLATFORM_NAME"),
        kind="semantics",
        what="JAX computes on another kind of device.",
        readers=_JAX,
        source="JAX, configuration options",
    ),
    Factor(
        names=(
            "TF_ENABLE_AUTO_MIXED_PRECISION",
            "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LEVEL",
            "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_IGNORE_PERFORMANCE",
        ),
        kind="semantics",
        what="TensorFlow computes a part of the graph in half precision.",
        readers=TENSORFLOW,
        source="tf.train.experimental.enable_mixed_precision_graph_rewrite; NVIDIA's TensorFlow user guide",
    ),
    Factor(
        names=("PYTORCH_ENABLE_MPS_FALLBACK", "PYTORCH_MPS_FAST_MATH"),
        kind="semantics",
        what="Operations that the GPU lacks run on the CPU, or the GPU computes with less precision.",
        readers=("torch",),
        source="PyTorch, MPS environment variables",
    ),
    Factor(
        names=("PYTHONOPTIMIZE",),
        kind="semantics",
        what="assert statements and docstrings are left out.",
        impact="compat",
        source="Python command line, PYTHONOPTIMIZE",
    ),
    Factor(
        names=("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
        kind="accelerator",
        what="float32 is computed with a mantissa of 10 bits (TF32), or is not.",
        readers=_CUDA,
        source="cuBLAS; PyTorch, TensorFloat-32",
    ),
    Factor(
        names=("CUBLAS_WORKSPACE_CONFIG", "CUBLASLT_WORKSPACE_SIZE"),
        kind="accelerator",
        what="cuBLAS chooses algorithms by its workspace; without a fixed one two streams may differ from run to run.",
        readers=_CUDA,
        source="cuBLAS, results reproducibility",
    ),
    Factor(
        names=(
            "TF_AUTOTUNE_THRESHOLD",
            "TF_CUDNN_DETERMINISTIC",
            "TF_CUDNN_DISABLE_CONV_1X1_OPTIMIZATION",
            "TF_CUDNN_RESET_RND_GEN_STATE",
            "TF_CUDNN_RNN_USE_AUTOTUNE",
            "TF_CUDNN_USE_AUTOTUNE",
            "TF_CUDNN_USE_FRONTEND",
            "TF_CUDNN_USE_RUNTIME_FUSION",
            "TF_CUDNN_WORKSPACE_LIMIT_IN_MB",
            "TF_ENABLE_WINOGRAD_NONFUSED",
            "TF_FP16_CONV_USE_FP32_COMPUTE",
            "TF_FP16_MATMUL_USE_FP32_COMPUTE",
            "TF_FP16_RNN_USE_FP32_COMPUTE",
            "TF_MATMUL_AUTOTUNE_ENABLE",
            "TF_TRT_FIXED_ALGORITHM_ID",
            "TF_USE_CUDNN_BATCHNORM_SPATIAL_PERSISTENT",
        ),
        kind="accelerator",
        what="TensorFlow lets cuDNN, cuBLAS and TensorRT choose other algorithms or another precision.",
        readers=TENSORFLOW,
        source="tensorflow/stream_executor/cuda/cuda_dnn.cc, tensorflow/core/util/use_cudnn.cc; read in the wheel of "
        "2.5.0, TF_CUDNN_USE_RUNTIME_FUSION in later ones",
    ),
    Factor(
        names=("TORCH_CUDNN_V8_API_DISABLED", "TORCH_BLAS_PREFER_CUBLASLT", "PYTORCH_TUNABLEOP_ENABLED"),
        kind="accelerator",
        what="PyTorch takes other algorithms of cuDNN or cuBLAS.",
        readers=("torch",),
        source="PyTorch, CUDA environment variables",
    ),
    Factor(
        names=("NCCL_ALGO", "NCCL_PROTO", "NCCL_NTHREADS", "NCCL_MIN_NCHANNELS", "NCCL_MAX_NCHANNELS"),
        kind="accelerator",
        what="Sums over several GPUs are added up in another order.",
        readers=_CUDA,
        source="NCCL, environment variables",
    ),
    Factor(
        names=("MIOPEN_FIND_MODE", "MIOPEN_FIND_ENFORCE", "HSA_OVERRIDE_GFX_VERSION"),
        kind="accelerator",
        what="ROCm's libraries choose other algorithms, or kernels of another GPU.",
        readers=(*TENSORFLOW, "torch", "jax-rocm*", "cupy-rocm*"),
        source="MIOpen, find modes; ROCm environment variables",
    ),
    Factor(
        names=(
            "CUDA_VISIBLE_DEVICES",
            "CUDA_DEVICE_ORDER",
            "HIP_VISIBLE_DEVICES",
            "ROCR_VISIBLE_DEVICES",
            "GPU_DEVICE_ORDINAL",
        ),
        kind="devices",
        what="Which GPUs programs see, and in which order.",
        readers=(*_CUDA, "jax-rocm*", "cupy-rocm*"),
        source="CUDA programming guide, environment variables",
        ambient=True,
    ),
    Factor(
        names=("PYTHONPATH",),
        kind="code",
        what="Folders that Python imports from before the environment's own.",
        impact="security",
        source="Python command line, PYTHONPATH",
    ),
    Factor(
        names=("PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE"),
        kind="code",
        what="Where Python finds its standard library.",
        impact="security",
        source="Python command line, PYTHONHOME",
    ),
    Factor(
        names=("PYTHONPYCACHEPREFIX",),
        kind="code",
        what="Where Python takes bytecode from instead of the environment's own.",
        impact="security",
        source="Python command line, PYTHONPYCACHEPREFIX; PEP 552: a .pyc is not compared with its source's text",
    ),
    Factor(
        names=("PYTHONUSERBASE",),
        kind="code",
        what="Where a user's own packages are; a virtual environment without the system's packages ignores them.",
        impact="compat",
        source="Python, the site module",
        ambient=True,
    ),
    Factor(
        names=("PYTHONSTARTUP",),
        kind="code",
        what="A file that interactive sessions execute first; programs don't.",
        impact="compat",
        source="Python command line, PYTHONSTARTUP",
        ambient=True,
    ),
    Factor(
        names=("LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "CUDA_INJECTION64_PATH"),
        kind="library",
        what="Libraries that are loaded into every program first, and can replace any function.",
        impact="security",
        source="ld.so(8); dyld(1); CUDA driver",
    ),
    Factor(
        names=(
            "LD_LIBRARY_PATH",
            "DYLD_LIBRARY_PATH",
            "DYLD_FRAMEWORK_PATH",
            "DYLD_FALLBACK_LIBRARY_PATH",
            "DYLD_FALLBACK_FRAMEWORK_PATH",
        ),
        kind="library",
        what="Folders in which shared libraries are looked for first: another CUDA, BLAS or libm may be found there.",
        impact="security",
        source="ld.so(8); dyld(1)",
    ),
)
