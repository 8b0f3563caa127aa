"""The losses: formulas, the loss network, and the objectives made of them.

    from impasto.losses import LossNetwork, StyleTransferObjective, gram_matrix

This is the public door for training loops of one's own, and the only `__init__` of the package
that re-exports. Inside the package, import from the modules:

- `loss_network`: VGG-16 by named layers, and what may stand in its place
- `perceptual`: the losses of the paper, each as a function and as a module
- `spectrum`: losses that compare power spectra
- `style_objective`, `super_resolution_objective`: weighted sums of named terms, as trained
"""

from impasto.losses.any_painting_objective import (
    AnyPaintingObjective,
    StyleTargets,
    relative_consistency,
)
from impasto.losses.loss_network import (
    LAYER_NAMES,
    FeatureExtractor,
    LossNetwork,
    Padding,
    Pooling,
    weights_sha256,
)
from impasto.losses.perceptual import (
    FeatureReconstructionLoss,
    GridLoss,
    PixelLoss,
    Reduction,
    StyleReconstructionLoss,
    TotalVariationLoss,
    feature_reconstruction_loss,
    gram_matrix,
    grid_loss,
    named_features,
    pixel_loss,
    style_reconstruction_loss,
    total_variation_loss,
)
from impasto.losses.spectrum import (
    GridSpectrumLoss,
    SpectrumLoss,
    grid_spectrum_loss,
    spectrum_loss,
)
from impasto.losses.style_objective import (
    PRESETS,
    LossNormalisers,
    LossTerms,
    ObjectiveSettings,
    StylePreset,
    StyleTransferObjective,
    StyleWeights,
    find_preset,
    layers_of,
    objective_settings,
)
from impasto.losses.super_resolution_objective import (
    SUPER_RESOLUTION_PRESETS,
    SuperResolutionLoss,
    SuperResolutionObjective,
    SuperResolutionPreset,
    build_super_resolution_objective,
)
from impasto.tensors import (
    Features,
    GramMatrices,
    LayerFeatures,
    PaintingPictures,
    Pictures,
    Scalar,
    TargetFeatures,
    TargetGramMatrices,
    TargetPictures,
)

__all__ = [
    "LAYER_NAMES",
    "PRESETS",
    "SUPER_RESOLUTION_PRESETS",
    "AnyPaintingObjective",
    "FeatureExtractor",
    "FeatureReconstructionLoss",
    "Features",
    "GramMatrices",
    "GridLoss",
    "GridSpectrumLoss",
    "LayerFeatures",
    "LossNetwork",
    "LossNormalisers",
    "LossTerms",
    "ObjectiveSettings",
    "Padding",
    "PaintingPictures",
    "Pictures",
    "PixelLoss",
    "Pooling",
    "Reduction",
    "Scalar",
    "SpectrumLoss",
    "StylePreset",
    "StyleReconstructionLoss",
    "StyleTargets",
    "StyleTransferObjective",
    "StyleWeights",
    "SuperResolutionLoss",
    "SuperResolutionObjective",
    "SuperResolutionPreset",
    "TargetFeatures",
    "TargetGramMatrices",
    "TargetPictures",
    "TotalVariationLoss",
    "build_super_resolution_objective",
    "feature_reconstruction_loss",
    "find_preset",
    "gram_matrix",
    "grid_loss",
    "grid_spectrum_loss",
    "layers_of",
    "named_features",
    "objective_settings",
    "pixel_loss",
    "relative_consistency",
    "spectrum_loss",
    "style_reconstruction_loss",
    "total_variation_loss",
    "weights_sha256",
]
