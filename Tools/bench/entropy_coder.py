"""Times CompressAI's entropy coder, whenever the word "encode" or "decode" arrives on standard input.

    python Tools/bench/entropy_coder.py COUNT

Prints "ready" and the version, then seconds. Symbols and rows are lists, as the coder takes them; making them does not count.
`condense bench coder --python PYTHON` starts it. Needs compressai.
"""

import sys
import time

import torch

if not torch.cuda.is_available():
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import compressai
from compressai.ans import RansDecoder, RansEncoder
from compressai.entropy_models import GaussianConditional
from compressai.models.google import get_scale_table

count = int(sys.argv[1])
torch.manual_seed(1)
model = GaussianConditional(get_scale_table().tolist())
model.update()
scales = torch.exp(torch.rand(count) ** 2 * 6 - 2.2)
rows = model.build_indexes(scales).tolist()
symbols = torch.round(torch.randn(count) * scales).int().tolist()
tables = model.quantized_cdf.tolist(), model.cdf_length.tolist(), model.offset.tolist()
stream = RansEncoder().encode_with_indexes(symbols, rows, *tables)
print(f"ready compressai {compressai.__version__}", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    if line.strip() == "encode":
        RansEncoder().encode_with_indexes(symbols, rows, *tables)
    else:
        RansDecoder().decode_with_indexes(stream, rows, *tables)
    print(time.perf_counter() - start, flush=True)
