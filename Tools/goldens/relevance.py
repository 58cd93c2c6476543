"""Golden values for Tests/ModelCompressionTests: relevances by the rules of zennit on a small network with random weights.

    python Tools/goldens/relevance.py

Made with zennit 0.5.1, torch 2.13.0+cpu and safetensors, seed 7. Writes one small safetensors file.
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

# torchvision from PyPI is built for CUDA and asks for operators that a CPU build of PyTorch lacks.
if not torch.cuda.is_available():
    _library = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _library.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from zennit.attribution import Gradient  # noqa: E402
from zennit.composites import LayerMapComposite, SpecialFirstLayerMapComposite  # noqa: E402
from zennit.rules import AlphaBeta, Epsilon, Flat, Gamma, Norm, Pass, WSquare, ZBox, ZPlus  # noqa: E402
from zennit.types import Activation, AvgPool, Convolution, Linear  # noqa: E402

FIXTURE = Path(__file__).resolve().parents[2] / "Tests" / "ModelCompressionTests" / "Fixtures" / "relevance.safetensors"
LOW, HIGH = -1.0, 1.0

torch.manual_seed(7)
model = nn.Sequential(OrderedDict([
    ("first", nn.Conv2d(2, 6, 3, padding=1)), ("relu1", nn.ReLU()), ("pool", nn.MaxPool2d(2)),
    ("second", nn.Conv2d(6, 8, 3, stride=1, padding=1, groups=2)), ("relu2", nn.ReLU()), ("mean", nn.AvgPool2d(2)),
    ("flatten", nn.Flatten()), ("hidden", nn.Linear(32, 10)), ("relu3", nn.ReLU()), ("classes", nn.Linear(10, 3)),
])).double()
image = torch.rand(2, 2, 8, 8, dtype=torch.float64) * 2 - 1
classes = torch.tensor([2, 0])

always = [(Activation, Pass()), (AvgPool, Norm())]
rules = {
    "epsilon": lambda: LayerMapComposite(always + [(Convolution, Epsilon()), (Linear, Epsilon())]),
    "alphaBeta10": lambda: LayerMapComposite(always + [(Convolution, ZPlus()), (Linear, Epsilon())]),
    "alphaBeta21": lambda: LayerMapComposite(always + [(Convolution, AlphaBeta(2, 1)), (Linear, Epsilon())]),
    "zPlus": lambda: LayerMapComposite(always + [(Convolution, ZPlus(zero_params="bias")), (Linear, ZPlus(zero_params="bias"))]),
    "gammaBox": lambda: SpecialFirstLayerMapComposite(
        always + [(Convolution, Gamma(0.25)), (Linear, Epsilon())], [(Convolution, ZBox(LOW, HIGH))]),
    "gamma": lambda: LayerMapComposite(always + [(Convolution, Gamma(0.25)), (Linear, Gamma(0.25))]),
    "squaredWeights": lambda: SpecialFirstLayerMapComposite(always + [(Convolution, Epsilon()), (Linear, Epsilon())], [(Convolution, WSquare())]),
    "flat": lambda: SpecialFirstLayerMapComposite(always + [(Convolution, Epsilon()), (Linear, Epsilon())], [(Convolution, Flat())]),
}

tensors = {f"weights/{name}": value for name, value in model.state_dict().items()}
tensors |= {"image": image, "classes": classes}
for name, composite in rules.items():
    with Gradient(model=model, composite=composite()) as attributor:
        one_hot = lambda output: output * torch.nn.functional.one_hot(classes, 3)  # noqa: E731
        _, relevance = attributor(image, one_hot)
    tensors[f"relevance/{name}"] = relevance
FIXTURE.parent.mkdir(parents=True, exist_ok=True)
save_file({name: value.contiguous() for name, value in tensors.items()}, FIXTURE)
