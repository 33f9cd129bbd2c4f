# ruff: noqa
# mypy: ignore-errors
# The probes of scikit-learn 0.24 and up, a script for Python 3.6 and up; data/in_target/probe.py runs it and gives it
# `probe`. A probe whose estimator a version lacks is not defined there, and what versions call otherwise is left to its
# default. Names and lines are literals: docs/probes.md is made of them.
#
# Its own OpenMP loops share samples in chunks of 256 among threads. With 400 samples there are two: two threads add up
# otherwise than one does, and more than two have nothing to add in an order that chance decides. The inertia of k-means is
# a sum whose order more than two threads do leave to chance: it is not asked for, and no best of several starts either.
import os
import warnings

np = sklearn = None  # load() imports them
SEED = 20210514
SAMPLES, FEATURES = 400, 8


def load(threads, canonical, device):
    """Import scikit-learn, whose libraries read the number of threads as they are loaded; return its version."""
    global np, sklearn
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
            os.environ[name] = str(threads)
    import numpy
    import sklearn as imported

    np, sklearn = numpy, imported
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    return sklearn.__version__


# --- inputs: integer arithmetic, exact in every type


def whole(*shape, **how):
    """Return scattered integers from 0 to below - 1: the finaliser of MurmurHash3 over 0, 1, 2, ...."""
    bits = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(1 + how.get("salt", 0) * 1000003)
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        bits ^= bits >> np.uint64(33)
        bits *= np.uint64(multiplier)
    bits ^= bits >> np.uint64(33)
    return (bits >> np.uint64(11)).astype(np.int64).reshape(shape) % how.get("below", 1000)


class Samples(object):
    """What estimators learn: targets are whole sums of features and noise, so that there is something to be found."""

    def __init__(self):
        numbers = whole(SAMPLES, FEATURES, below=1 << 52)
        self.x = numbers * (2.0 / (1 << 52)) - 1.0
        self.single = self.x.astype("f4")
        self.above = numbers * (1.0 / (1 << 52))
        levels = numbers >> 40
        total = (
            3 * levels[:, 0]
            - 2 * levels[:, 1]
            + levels[:, 2] * levels[:, 3] // 2048
            + whole(SAMPLES, below=1500, salt=1)
        )
        self.levels = numbers >> 48
        self.y = total / 4096.0
        self.counts = np.maximum(total // 2048, 0)
        self.two = (total > 4500).astype("i8")
        self.three = np.digitize(total, [2500, 6500])
        self.clumps = self.x[:, :3] / 3 + whole(SAMPLES, 3, below=2, salt=2)
        self.holes = np.where(whole(SAMPLES, FEATURES, below=11, salt=3) == 0, float("nan"), self.x)
        words = ["w%d" % each for each in whole(60 * 20, below=90, salt=4)]
        self.texts = [" ".join(words[20 * at : 20 * at + 8 + at % 12]) for at in range(60)]


data = None  # define() makes it


def fitted(estimator, targets, *asked, **how):
    """Return what was asked of an estimator once it is fitted: attributes, which end in _, and results of methods."""
    inputs = how.get("inputs", data.x)
    estimator.fit(inputs) if targets is None else estimator.fit(inputs, targets)
    return [
        getattr(estimator, name) if name.endswith("_") else dense(getattr(estimator, name)(inputs)) for name in asked
    ]


def dense(found):
    """Return a result as an array that was sparse."""
    return found.toarray() if hasattr(found, "toarray") else found


def define():
    """Define every probe that this version of scikit-learn can answer."""
    global data
    data = Samples()
    for part in (linear, vectors, trees, boosting, clusters, neighbours, likelihoods, networks, components, manifolds):
        part()
    for part in (columns, texts, selections, measures, made):
        part()


def linear():
    from sklearn import linear_model as models

    probe("scikit-learn.linear.linear_regression", "LAPACK's least squares by SciPy: version, CPU")(
        lambda: fitted(models.LinearRegression(), data.y, "coef_", "intercept_", "predict")
    )
    probe("scikit-learn.linear.ridge", "Cholesky decomposition by SciPy's LAPACK")(
        lambda: fitted(models.Ridge(alpha=0.5), data.y, "coef_", "predict")
    )
    probe("scikit-learn.linear.ridge_f4", "Cholesky decomposition by SciPy's LAPACK, in single precision")(
        lambda: fitted(models.Ridge(alpha=0.5), data.y.astype("f4"), "coef_", inputs=data.single)
    )
    probe("scikit-learn.linear.ridge_sag", "stochastic average gradient: order of samples, library's own loops")(
        lambda: fitted(models.Ridge(solver="sag", random_state=SEED, max_iter=50), data.y, "coef_")
    )
    probe("scikit-learn.linear.ridge_cv", "which penalty wins, eigenvalues by LAPACK")(
        lambda: fitted(models.RidgeCV(alphas=(0.1, 1.0, 10.0)), data.y, "alpha_", "coef_")
    )
    probe("scikit-learn.linear.lasso", "coordinate descent: library's own loops, BLAS")(
        lambda: fitted(models.Lasso(alpha=0.01), data.y, "coef_", "n_iter_", "predict")
    )
    probe("scikit-learn.linear.lasso_cv", "folds, path of penalties, coordinate descent")(
        lambda: fitted(models.LassoCV(cv=3), data.y, "alpha_", "coef_")
    )
    probe("scikit-learn.linear.elastic_net", "coordinate descent: library's own loops, BLAS")(
        lambda: fitted(models.ElasticNet(alpha=0.01), data.y, "coef_", "n_iter_")
    )
    probe("scikit-learn.linear.lars", "Cholesky decomposition that grows by a column")(
        lambda: fitted(models.Lars(), data.y, "coef_")
    )
    probe("scikit-learn.linear.bayesian_ridge", "singular values by SciPy's LAPACK, an iteration")(
        lambda: fitted(models.BayesianRidge(), data.y, "coef_", "alpha_")
    )
    probe("scikit-learn.linear.huber", "SciPy's L-BFGS, dot products by BLAS")(
        lambda: fitted(models.HuberRegressor(), data.y, "coef_", "scale_")
    )
    probe("scikit-learn.linear.poisson", "SciPy's L-BFGS, exp by NumPy or the library's own loops, by version")(
        lambda: fitted(models.PoissonRegressor(), data.counts, "coef_", "predict")
    )
    probe("scikit-learn.linear.logistic_lbfgs", "SciPy's L-BFGS: how far it goes amplifies every bit")(
        lambda: fitted(models.LogisticRegression(), data.three, "coef_", "n_iter_", "predict_proba")
    )
    probe("scikit-learn.linear.logistic_f4", "SciPy's L-BFGS, in single precision from 1.1 on")(
        lambda: fitted(models.LogisticRegression(), data.two, "coef_", inputs=data.single)
    )
    probe("scikit-learn.linear.logistic_liblinear", "LIBLINEAR, whose order of coordinates is random")(
        lambda: fitted(
            models.LogisticRegression(solver="liblinear", random_state=SEED), data.two, "coef_", "predict_proba"
        )
    )
    probe("scikit-learn.linear.logistic_saga", "stochastic average gradient: order of samples, library's own loops")(
        lambda: fitted(models.LogisticRegression(solver="saga", random_state=SEED, max_iter=30), data.three, "coef_")
    )
    probe("scikit-learn.linear.sgd_classifier", "order of samples, library's own loops")(
        lambda: fitted(models.SGDClassifier(random_state=SEED, max_iter=20), data.two, "coef_", "n_iter_", "predict")
    )
    probe("scikit-learn.linear.sgd_regressor", "order of samples, library's own loops")(
        lambda: fitted(models.SGDRegressor(random_state=SEED, max_iter=20), data.y, "coef_", "predict")
    )


def vectors():
    from sklearn import svm

    probe("scikit-learn.svm.svc", "LIBSVM: kernel values by libm's exp and, from 0.24 on, BLAS")(
        lambda: fitted(svm.SVC(), data.three, "dual_coef_", "support_", "decision_function")
    )
    probe("scikit-learn.svm.svc_polynomial", "LIBSVM: kernel values by powers")(
        lambda: fitted(svm.SVC(kernel="poly", degree=3), data.two, "dual_coef_", "predict")
    )
    probe("scikit-learn.svm.svr", "LIBSVM: kernel values by libm's exp and, from 0.24 on, BLAS")(
        lambda: fitted(svm.SVR(), data.y, "dual_coef_", "predict")
    )
    probe("scikit-learn.svm.linear_svc", "LIBLINEAR, whose order of coordinates is random")(
        lambda: fitted(
            svm.LinearSVC(random_state=SEED, dual=True, max_iter=200), data.two, "coef_", "decision_function"
        )
    )
    probe("scikit-learn.svm.one_class", "LIBSVM: kernel values by libm's exp and, from 0.24 on, BLAS")(
        lambda: fitted(svm.OneClassSVM(nu=0.1), None, "score_samples")
    )


def trees():
    from sklearn import ensemble, tree

    probe("scikit-learn.tree.decision_classifier", "which of equal splits is taken: the stream of features")(
        lambda: fitted(
            tree.DecisionTreeClassifier(random_state=SEED, max_depth=6), data.three, "feature_importances_", "apply"
        )
    )
    probe("scikit-learn.tree.decision_regressor", "which of equal splits is taken, sums of squares")(
        lambda: fitted(
            tree.DecisionTreeRegressor(random_state=SEED, max_depth=6), data.y, "feature_importances_", "predict"
        )
    )
    probe("scikit-learn.tree.extra_classifier", "the stream of split points")(
        lambda: fitted(tree.ExtraTreeClassifier(random_state=SEED, max_depth=8), data.three, "apply")
    )
    if hasattr(tree.DecisionTreeClassifier, "_support_missing_values"):
        probe("scikit-learn.tree.missing", "where trees send what is missing; from 1.3 on")(
            lambda: fitted(tree.DecisionTreeClassifier(random_state=SEED), data.two, "apply", inputs=data.holes)
        )
    probe(
        "scikit-learn.ensemble.forest_classifier", "the streams of samples and features, which of equal splits is taken"
    )(
        lambda: fitted(
            ensemble.RandomForestClassifier(10, random_state=SEED, oob_score=True),
            data.three,
            "oob_score_",
            "predict_proba",
        )
    )
    probe("scikit-learn.ensemble.forest_regressor", "the streams of samples and features, sums of squares")(
        lambda: fitted(ensemble.RandomForestRegressor(8, random_state=SEED), data.y, "feature_importances_", "predict")
    )
    probe("scikit-learn.ensemble.extra_trees", "the streams of features and split points")(
        lambda: fitted(ensemble.ExtraTreesClassifier(10, random_state=SEED), data.three, "predict_proba")
    )
    probe("scikit-learn.ensemble.extra_regressor", "the streams of features and split points")(
        lambda: fitted(ensemble.ExtraTreesRegressor(8, random_state=SEED), data.y, "predict")
    )
    probe("scikit-learn.ensemble.bagging", "the streams of samples and of seeds")(
        lambda: fitted(ensemble.BaggingRegressor(n_estimators=5, random_state=SEED), data.y, "predict")
    )
    probe("scikit-learn.ensemble.isolation_forest", "the streams of samples and split points, logarithms of depths")(
        lambda: fitted(ensemble.IsolationForest(n_estimators=10, random_state=SEED), None, "score_samples")
    )


def boosting():
    from sklearn import ensemble

    classifier, regressor = histogram_classes()
    probe(
        "scikit-learn.boosting.gradient_classifier",
        "losses by NumPy or the library's own loops, by version; equal splits",
    )(
        lambda: fitted(
            ensemble.GradientBoostingClassifier(n_estimators=8, random_state=SEED),
            data.three,
            "train_score_",
            "predict_proba",
        )
    )
    probe(
        "scikit-learn.boosting.gradient_regressor",
        "losses by NumPy or the library's own loops, by version; equal splits",
    )(
        lambda: fitted(
            ensemble.GradientBoostingRegressor(n_estimators=10, subsample=0.5, loss="huber", random_state=SEED),
            data.y,
            "predict",
        )
    )
    probe("scikit-learn.boosting.histogram_classifier", "OpenMP, losses in single precision, bins and equal splits")(
        lambda: fitted(classifier(max_iter=8, random_state=SEED), data.three, "predict_proba")
    )
    probe("scikit-learn.boosting.histogram_regressor", "OpenMP, losses in single precision, bins and equal splits")(
        lambda: fitted(regressor(max_iter=8, random_state=SEED), data.y, "predict", inputs=data.holes)
    )
    probe("scikit-learn.boosting.histogram_stopping", "the split that early stopping watches, and when it stops")(
        lambda: fitted(
            regressor(max_iter=15, early_stopping=True, learning_rate=0.5, n_iter_no_change=2, random_state=SEED),
            data.y,
            "n_iter_",
            "predict",
        )
    )
    probe("scikit-learn.boosting.adaboost_regressor", "the stream of samples, weights by powers")(
        lambda: fitted(
            ensemble.AdaBoostRegressor(n_estimators=8, random_state=SEED), data.y, "estimator_weights_", "predict"
        )
    )


def histogram_classes():
    """Return the classes of histogram-based boosting, which were experimental before 1.0."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    except ImportError:
        from sklearn.experimental import enable_hist_gradient_boosting
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    return HistGradientBoostingClassifier, HistGradientBoostingRegressor


def clusters():
    from sklearn import cluster

    probe("scikit-learn.cluster.kmeans", "OpenMP: sums of two chunks of samples; BLAS; where it starts")(
        lambda: fitted(cluster.KMeans(4, random_state=SEED, n_init=1), None, "cluster_centers_", "labels_", "n_iter_")
    )
    probe("scikit-learn.cluster.kmeans_random", "OpenMP: sums of two chunks of samples; the stream of where it starts")(
        lambda: fitted(
            cluster.KMeans(3, random_state=SEED, n_init=1, init="random"), None, "cluster_centers_", inputs=data.clumps
        )
    )
    probe("scikit-learn.cluster.kmeans_elkan", "OpenMP: sums of two chunks of samples; bounds of distances")(
        lambda: fitted(
            cluster.KMeans(4, random_state=SEED, n_init=1, algorithm="elkan"),
            None,
            "cluster_centers_",
            inputs=data.single,
        )
    )
    probe("scikit-learn.cluster.minibatch_kmeans", "the stream of batches, its own loops by version")(
        lambda: fitted(
            cluster.MiniBatchKMeans(4, random_state=SEED, n_init=1, batch_size=64, max_iter=10),
            None,
            "cluster_centers_",
            "labels_",
        )
    )
    probe("scikit-learn.cluster.dbscan", "distances to neighbours, at the edge of a radius")(
        lambda: fitted(cluster.DBSCAN(eps=0.25), None, "labels_", "core_sample_indices_", inputs=data.clumps)
    )
    probe("scikit-learn.cluster.agglomerative", "distances, and which of equal ones is merged first")(
        lambda: fitted(cluster.AgglomerativeClustering(5), None, "labels_", "children_")
    )
    probe("scikit-learn.cluster.mean_shift", "neighbours, means, an iteration")(
        lambda: fitted(cluster.MeanShift(bandwidth=0.5, max_iter=20), None, "cluster_centers_", inputs=data.clumps[:30])
    )
    probe("scikit-learn.cluster.birch", "in which order sums of squares grow")(
        lambda: fitted(
            cluster.Birch(threshold=0.25, n_clusters=8), None, "subcluster_centers_", "labels_", inputs=data.clumps
        )
    )
    probe("scikit-learn.cluster.spectral", "eigenvectors by SciPy's ARPACK, then k-means")(
        lambda: fitted(
            cluster.SpectralClustering(4, random_state=SEED, n_init=1, gamma=4.0),
            None,
            "labels_",
            inputs=data.clumps[:150],
        )
    )


def neighbours():
    from sklearn import neighbors

    probe("scikit-learn.neighbors.classifier", "which of equally far ones are near")(
        lambda: fitted(neighbors.KNeighborsClassifier(), data.three, "predict_proba")
    )
    probe("scikit-learn.neighbors.regressor", "distances as weights")(
        lambda: fitted(neighbors.KNeighborsRegressor(weights="distance"), data.y, "predict", inputs=data.above)
    )
    probe(
        "scikit-learn.neighbors.brute", "distances by BLAS, or the library's own loops with BLAS inside, from 1.1 on"
    )(lambda: fitted(neighbors.NearestNeighbors(n_neighbors=4, algorithm="brute"), None, "kneighbors"))
    probe("scikit-learn.neighbors.brute_f4", "distances by BLAS in single precision, or the library's own loops")(
        lambda: fitted(
            neighbors.NearestNeighbors(n_neighbors=4, algorithm="brute"), None, "kneighbors", inputs=data.single
        )
    )
    probe("scikit-learn.neighbors.local_outliers", "distances to neighbours, their ratios")(
        lambda: fitted(neighbors.LocalOutlierFactor(), None, "negative_outlier_factor_")
    )
    probe("scikit-learn.neighbors.kernel_density", "libm's exp and log, sums over a tree")(
        lambda: fitted(neighbors.KernelDensity(bandwidth=0.25), None, "score_samples", inputs=data.clumps)
    )


def likelihoods():
    from sklearn import discriminant_analysis, gaussian_process, mixture, naive_bayes

    probe("scikit-learn.bayes.gaussian", "sums, exp and log by NumPy")(
        lambda: fitted(naive_bayes.GaussianNB(), data.three, "theta_", "predict_proba")
    )
    probe("scikit-learn.bayes.multinomial", "sums, exp and log by NumPy, BLAS")(
        lambda: fitted(naive_bayes.MultinomialNB(), data.three, "feature_log_prob_", "predict_proba", inputs=data.above)
    )
    probe(
        "scikit-learn.mixture.gaussian", "k-means, Cholesky decomposition by SciPy's LAPACK, exp by NumPy: an iteration"
    )(
        lambda: fitted(
            mixture.GaussianMixture(3, random_state=SEED),
            None,
            "means_",
            "covariances_",
            "n_iter_",
            "predict_proba",
            inputs=data.clumps,
        )
    )
    probe("scikit-learn.mixture.bayesian", "k-means, Cholesky decomposition by SciPy's LAPACK, SciPy's digamma")(
        lambda: fitted(
            mixture.BayesianGaussianMixture(n_components=3, random_state=SEED),
            None,
            "means_",
            "predict_proba",
            inputs=data.clumps,
        )
    )
    probe("scikit-learn.gaussian_process.regressor", "distances, exp, Cholesky decomposition, SciPy's L-BFGS")(
        lambda: process(gaussian_process.GaussianProcessRegressor, data.y)
    )
    probe(
        "scikit-learn.gaussian_process.classifier", "an iteration to the mode of a posterior, SciPy's L-BFGS and erf"
    )(lambda: process(gaussian_process.GaussianProcessClassifier, data.two))
    probe("scikit-learn.discriminant.linear", "singular values by SciPy's LAPACK")(
        lambda: fitted(
            discriminant_analysis.LinearDiscriminantAnalysis(), data.three, "coef_", "transform", "predict_proba"
        )
    )
    probe("scikit-learn.discriminant.quadratic", "singular values by LAPACK")(
        lambda: fitted(discriminant_analysis.QuadraticDiscriminantAnalysis(), data.three, "predict_proba")
    )


def process(estimator, targets):
    """Return what a Gaussian process learns from few samples."""
    few = data.x[:60, :3]
    found = estimator(random_state=SEED).fit(few, targets[:60])
    asked = data.x[60:120, :3]
    return found.predict(asked, return_std=True) if hasattr(found, "alpha_") else found.predict_proba(asked)


def networks():
    from sklearn import neural_network as networks

    probe("scikit-learn.network.classifier", "the streams of weights and batches, BLAS, exp: Adam amplifies every bit")(
        lambda: fitted(
            networks.MLPClassifier(hidden_layer_sizes=(24,), random_state=SEED, max_iter=5, batch_size=64),
            data.three,
            "coefs_",
            "loss_curve_",
            "predict_proba",
        )
    )
    probe("scikit-learn.network.regressor", "the stream of weights, BLAS, tanh, SciPy's L-BFGS")(
        lambda: fitted(
            networks.MLPRegressor(
                hidden_layer_sizes=(16,), activation="tanh", solver="lbfgs", random_state=SEED, max_iter=15
            ),
            data.y,
            "coefs_",
            "predict",
        )
    )
    probe("scikit-learn.network.regressor_f4", "the streams of weights and batches, BLAS in single precision")(
        lambda: fitted(
            networks.MLPRegressor(hidden_layer_sizes=(24,), solver="sgd", random_state=SEED, max_iter=5, batch_size=64),
            data.y.astype("f4"),
            "coefs_",
            inputs=data.single,
        )
    )
    probe("scikit-learn.network.boltzmann", "the stream of samples, BLAS, SciPy's expit")(
        lambda: fitted(networks.BernoulliRBM(6, random_state=SEED, n_iter=3), None, "components_", inputs=data.above)
    )


def components():
    from sklearn import covariance, cross_decomposition, decomposition

    probe(
        "scikit-learn.decomposition.pca",
        "singular values by SciPy's LAPACK, or by version eigenvalues; which sign wins",
    )(lambda: fitted(decomposition.PCA(4), None, "components_", "explained_variance_", "transform"))
    probe("scikit-learn.decomposition.pca_full", "singular values by SciPy's LAPACK; which sign wins")(
        lambda: fitted(decomposition.PCA(4, svd_solver="full"), None, "components_", "transform")
    )
    probe("scikit-learn.decomposition.pca_f4", "singular values by SciPy's LAPACK in single precision")(
        lambda: fitted(decomposition.PCA(3, svd_solver="full"), None, "components_", inputs=data.single)
    )
    probe("scikit-learn.decomposition.pca_randomized", "the stream of a projection, QR and LU decompositions, BLAS")(
        lambda: fitted(
            decomposition.PCA(3, svd_solver="randomized", random_state=SEED), None, "components_", "transform"
        )
    )
    probe("scikit-learn.decomposition.incremental_pca", "singular values by SciPy's LAPACK, batch by batch")(
        lambda: fitted(decomposition.IncrementalPCA(3, batch_size=100), None, "components_")
    )
    probe("scikit-learn.decomposition.kernel_pca", "distances, exp, eigenvalues by SciPy's LAPACK")(
        lambda: fitted(
            decomposition.KernelPCA(3, kernel="rbf", eigen_solver="dense"), None, "transform", inputs=data.x[:120]
        )
    )
    probe("scikit-learn.decomposition.truncated_svd", "the stream of a projection, LU and QR decompositions, BLAS")(
        lambda: fitted(decomposition.TruncatedSVD(3, random_state=SEED), None, "components_", "transform")
    )
    probe("scikit-learn.decomposition.nmf", "coordinate descent, singular values where it starts")(
        lambda: fitted(
            decomposition.NMF(4, random_state=SEED, init="nndsvda", max_iter=40),
            None,
            "components_",
            "n_iter_",
            inputs=data.above,
        )
    )
    probe("scikit-learn.decomposition.nmf_multiplicative", "BLAS, the stream where it starts")(
        lambda: fitted(
            decomposition.NMF(4, random_state=SEED, init="random", solver="mu", max_iter=20),
            None,
            "components_",
            inputs=data.above,
        )
    )
    probe(
        "scikit-learn.decomposition.fast_ica",
        "the stream where it starts, tanh by NumPy: an iteration; whitening by version",
    )(lambda: fitted(decomposition.FastICA(3, random_state=SEED, max_iter=60), None, "components_", inputs=data.clumps))
    probe("scikit-learn.decomposition.factors", "singular values by LAPACK, an iteration")(
        lambda: fitted(
            decomposition.FactorAnalysis(3, random_state=SEED, max_iter=30), None, "components_", "noise_variance_"
        )
    )
    probe("scikit-learn.decomposition.dirichlet", "the stream of gammas, SciPy's digamma, exp")(
        lambda: fitted(
            decomposition.LatentDirichletAllocation(3, random_state=SEED, max_iter=3),
            None,
            "components_",
            inputs=data.levels[:40],
        )
    )
    probe("scikit-learn.decomposition.dictionary", "least angle regression, the stream of batches")(
        lambda: fitted(
            decomposition.DictionaryLearning(4, random_state=SEED, max_iter=4, transform_algorithm="omp"),
            None,
            "components_",
            inputs=data.x[:80],
        )
    )
    probe("scikit-learn.cross_decomposition.pls", "a power iteration, BLAS, which sign wins")(
        lambda: fitted(cross_decomposition.PLSRegression(3), data.y, "coef_", "x_scores_")
    )
    probe("scikit-learn.cross_decomposition.cca", "a power iteration, pseudo-inverses by LAPACK")(
        lambda: fitted(cross_decomposition.CCA(2), data.clumps[:, :2] + data.x[:, :2], "x_rotations_")
    )
    probe("scikit-learn.covariance.ledoit_wolf", "BLAS, sums of squares")(
        lambda: fitted(covariance.LedoitWolf(), None, "covariance_", "shrinkage_")
    )
    probe("scikit-learn.covariance.robust", "the stream of subsets, determinants by LAPACK")(
        lambda: fitted(covariance.MinCovDet(random_state=SEED), None, "covariance_", "support_", inputs=data.clumps)
    )
    probe("scikit-learn.covariance.graphical_lasso", "coordinate descent, inverses by LAPACK")(
        lambda: fitted(covariance.GraphicalLasso(alpha=0.05), None, "precision_", inputs=data.x[:, :5])
    )


def manifolds():
    from sklearn import manifold

    probe(
        "scikit-learn.manifold.tsne",
        "exp and log by NumPy, hundreds of steps that amplify every bit; defaults by version",
    )(lambda: manifold.TSNE(2, random_state=SEED, perplexity=10.0, method="exact").fit_transform(data.clumps[:32]))
    probe("scikit-learn.manifold.isomap", "shortest paths, eigenvalues by SciPy's LAPACK or ARPACK")(
        lambda: fitted(manifold.Isomap(n_neighbors=8, n_components=2), None, "embedding_", inputs=data.clumps[:120])
    )
    probe("scikit-learn.manifold.locally_linear", "solving by LAPACK, eigenvalues by SciPy's ARPACK")(
        lambda: fitted(
            manifold.LocallyLinearEmbedding(n_neighbors=8, random_state=SEED, eigen_solver="dense"),
            None,
            "embedding_",
            inputs=data.clumps[:80],
        )
    )
    probe("scikit-learn.manifold.mds", "the stream where it starts, BLAS, isotonic steps; defaults by version")(
        lambda: fitted(
            manifold.MDS(2, random_state=SEED, n_init=1, max_iter=20), None, "embedding_", inputs=data.clumps[:50]
        )
    )
    probe("scikit-learn.manifold.spectral", "eigenvectors by SciPy's ARPACK")(
        lambda: fitted(
            manifold.SpectralEmbedding(2, random_state=SEED, affinity="rbf"),
            None,
            "embedding_",
            inputs=data.clumps[:80],
        )
    )


def columns():
    from sklearn import impute, kernel_approximation, preprocessing, random_projection

    probe("scikit-learn.preprocessing.standard", "sums in single and double precision, by version")(
        lambda: (
            fitted(preprocessing.StandardScaler(), None, "mean_", "var_", "transform")
            + fitted(preprocessing.StandardScaler(), None, "mean_", "transform", inputs=data.single)
        )
    )
    probe("scikit-learn.preprocessing.robust", "quantiles by NumPy")(
        lambda: fitted(preprocessing.RobustScaler(), None, "center_", "scale_", "transform")
    )
    probe("scikit-learn.preprocessing.min_max", "nothing but a mistake")(
        lambda: fitted(preprocessing.MinMaxScaler(), None, "scale_", "transform", inputs=data.holes)
    )
    probe("scikit-learn.preprocessing.normalizer", "sums of squares, by NumPy or the library's own loops")(
        lambda: fitted(preprocessing.Normalizer(), None, "transform")
    )
    probe("scikit-learn.preprocessing.polynomial", "in which order factors are multiplied, by version")(
        lambda: fitted(preprocessing.PolynomialFeatures(3), None, "transform", inputs=data.x[:, :5])
    )
    if hasattr(preprocessing, "SplineTransformer"):
        probe("scikit-learn.preprocessing.spline", "SciPy's B-splines")(
            lambda: fitted(preprocessing.SplineTransformer(), None, "transform", inputs=data.x[:, :3])
        )
    probe("scikit-learn.preprocessing.quantile", "the stream of a subset, quantiles by NumPy, SciPy's inverse normal")(
        lambda: fitted(
            preprocessing.QuantileTransformer(
                n_quantiles=50, output_distribution="normal", subsample=200, random_state=SEED
            ),
            None,
            "quantiles_",
            "transform",
        )
    )
    probe("scikit-learn.preprocessing.power", "SciPy's search along a line, powers and logarithms")(
        lambda: fitted(preprocessing.PowerTransformer(), None, "lambdas_", "transform", inputs=data.x[:, :2])
    )
    probe(
        "scikit-learn.preprocessing.bins",
        "quantiles by NumPy, on which side of an edge values fall; defaults by version",
    )(lambda: fitted(preprocessing.KBinsDiscretizer(5, encode="ordinal", strategy="quantile"), None, "transform"))
    probe("scikit-learn.preprocessing.one_hot", "nothing but a mistake")(
        lambda: fitted(preprocessing.OneHotEncoder(), None, "transform", inputs=data.counts[:, np.newaxis])
    )
    probe("scikit-learn.impute.neighbours", "distances with missing values, BLAS")(
        lambda: fitted(impute.KNNImputer(n_neighbors=3), None, "transform", inputs=data.holes[:120])
    )
    probe("scikit-learn.kernel.fourier", "the stream of a projection, BLAS, cos by NumPy")(
        lambda: fitted(kernel_approximation.RBFSampler(n_components=30, random_state=SEED), None, "transform")
    )
    probe("scikit-learn.kernel.nystroem", "the stream of samples, exp, singular values by LAPACK")(
        lambda: fitted(kernel_approximation.Nystroem(n_components=20, random_state=SEED), None, "transform")
    )
    probe("scikit-learn.kernel.projection", "the streams of a dense and a sparse projection, BLAS")(
        lambda: (
            fitted(random_projection.GaussianRandomProjection(4, random_state=SEED), None, "transform")
            + fitted(random_projection.SparseRandomProjection(4, random_state=SEED), None, "transform")
        )
    )


def texts():
    from sklearn.feature_extraction import text

    probe("scikit-learn.text.tfidf", "order of the vocabulary, log by NumPy, sums of squares")(
        lambda: fitted(text.TfidfVectorizer(ngram_range=(1, 2)), None, "idf_", "transform", inputs=data.texts)
    )
    probe("scikit-learn.text.count", "nothing but a mistake: order of the vocabulary")(
        lambda: fitted(
            text.CountVectorizer(analyzer="char_wb", ngram_range=(2, 3)), None, "transform", inputs=data.texts
        )
    )
    probe("scikit-learn.text.hashing", "MurmurHash3, and the sign it gives")(
        lambda: dense(text.HashingVectorizer(n_features=64).transform(data.texts))
    )


def selections():
    from sklearn import (
        calibration,
        feature_selection,
        inspection,
        isotonic,
        linear_model,
        model_selection,
        naive_bayes,
        tree,
    )

    split = model_selection.train_test_split
    probe("scikit-learn.selection.train_test_split", "the stream of a permutation, rounding of sizes")(
        lambda: [split(np.arange(SAMPLES), random_state=SEED), split(np.arange(99), test_size=0.3, random_state=1)]
    )
    probe("scikit-learn.selection.stratified_split", "the stream of permutations, which class gets what is over")(
        lambda: split(np.arange(SAMPLES), stratify=data.three, random_state=SEED)
    )
    probe("scikit-learn.selection.folds", "the streams of permutations, which fold gets what is over")(
        lambda: [
            list(folds.split(data.x, data.three))
            for folds in (
                model_selection.KFold(7, shuffle=True, random_state=SEED),
                model_selection.StratifiedKFold(3, shuffle=True, random_state=SEED),
                model_selection.ShuffleSplit(3, random_state=SEED),
            )
        ]
    )
    probe("scikit-learn.selection.cross_validation", "which fold gets what is over, then a linear model")(
        lambda: model_selection.cross_val_score(linear_model.Ridge(), data.x, data.y, cv=4)
    )
    probe("scikit-learn.selection.randomized_search", "the stream of parameters, which of equal ones wins")(
        lambda: fitted(
            model_selection.RandomizedSearchCV(
                tree.DecisionTreeClassifier(random_state=SEED),
                {"max_depth": list(range(1, 9)), "min_samples_leaf": [1, 2, 4]},
                n_iter=5,
                cv=3,
                random_state=SEED,
            ),
            data.two,
            "best_params_",
            "best_score_",
        )
    )
    probe("scikit-learn.selection.univariate", "sums of squares, SciPy's distributions")(
        lambda: [feature_selection.f_classif(data.x, data.three), feature_selection.chi2(data.above, data.three)]
    )
    probe("scikit-learn.selection.mutual_information", "the stream of a little noise, neighbours, SciPy's digamma")(
        lambda: feature_selection.mutual_info_regression(data.x, data.y, random_state=SEED)
    )
    probe("scikit-learn.inspection.permutation_importance", "the streams of permutations, one a column")(
        lambda: (
            inspection.permutation_importance(
                linear_model.Ridge().fit(data.x, data.y), data.x, data.y, n_repeats=3, random_state=SEED
            ).importances
        )
    )
    probe("scikit-learn.calibration.sigmoid", "which fold gets what is over, SciPy's BFGS or, from 1.3 on, L-BFGS")(
        lambda: fitted(calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), cv=3), data.two, "predict_proba")
    )
    probe("scikit-learn.calibration.isotonic", "in which order neighbours are pooled, by SciPy or by version")(
        lambda: isotonic.IsotonicRegression(out_of_bounds="clip").fit_transform(data.x[:, 0], data.y)
    )


def measures():
    from sklearn import metrics

    guess = lambda: np.where(whole(SAMPLES, below=4, salt=8) == 0, data.three[::-1], data.three)
    probe("scikit-learn.metrics.classification", "sums, and what division by zero gives")(
        lambda: [
            metrics.f1_score(data.three, guess(), average="macro"),
            metrics.confusion_matrix(data.three, guess()),
            metrics.matthews_corrcoef(data.three, guess()),
            metrics.cohen_kappa_score(data.three, guess()),
        ]
    )
    probe("scikit-learn.metrics.ranking", "which of equal scores come first, sums by trapezoids")(
        lambda: [
            metrics.roc_auc_score(data.two, data.x[:, 0] // 0.125),
            metrics.average_precision_score(data.two, data.x[:, 0]),
            metrics.log_loss(data.two, data.above[:, 0]),
        ]
    )
    probe("scikit-learn.metrics.regression", "sums of squares by NumPy")(
        lambda: [
            measure(data.y, data.x[:, 0])
            for measure in (metrics.r2_score, metrics.mean_squared_error, metrics.median_absolute_error)
        ]
    )
    probe("scikit-learn.metrics.distances", "distances by BLAS, in single precision too; SciPy's loops")(
        lambda: [
            metrics.pairwise.euclidean_distances(data.x[:150], data.x[150:]),
            metrics.pairwise.euclidean_distances(data.single[:90]),
            metrics.pairwise.cosine_similarity(data.x[:90]),
            metrics.pairwise.manhattan_distances(data.x[:60]),
        ]
    )
    probe("scikit-learn.metrics.kernels", "distances by BLAS, exp, tanh and powers by NumPy")(
        lambda: [
            metrics.pairwise.rbf_kernel(data.x[:90]),
            metrics.pairwise.polynomial_kernel(data.x[:90]),
            metrics.pairwise.laplacian_kernel(data.x[:60]),
        ]
    )
    probe("scikit-learn.metrics.clusters", "distances by BLAS, logarithms of counts")(
        lambda: [
            metrics.silhouette_score(data.clumps, data.three),
            metrics.adjusted_mutual_info_score(data.three, guess()),
            metrics.davies_bouldin_score(data.clumps, data.three),
        ]
    )


def made():
    from sklearn import datasets, utils

    probe("scikit-learn.datasets.classification", "the streams of samples, weights and labels, BLAS")(
        lambda: datasets.make_classification(100, random_state=SEED)
    )
    probe("scikit-learn.datasets.blobs", "the streams of centres and samples")(
        lambda: datasets.make_blobs(100, random_state=SEED)
    )
    probe("scikit-learn.datasets.regression", "the streams of samples and weights, BLAS")(
        lambda: datasets.make_regression(60, 10, noise=0.5, random_state=SEED)
    )
    probe("scikit-learn.datasets.moons", "sin and cos by NumPy, the stream of noise")(
        lambda: [datasets.make_moons(60, noise=0.1, random_state=SEED), datasets.make_swiss_roll(60, random_state=SEED)]
    )
    probe("scikit-learn.utils.resample", "the streams of samples, with and without putting back")(
        lambda: [
            utils.resample(np.arange(200), random_state=SEED),
            utils.shuffle(np.arange(200), random_state=SEED),
        ]
    )
