"""Times one forward pass of a GGUF language model in `transformers`, whenever a line arrives on standard input.

    python Tools/bench/language_model.py MODEL.gguf THREADS BATCH LENGTH

Prints "ready" and the versions once the model is loaded and warm, then the seconds of one pass for each
line read. `condense bench lm --python PYTHON` starts it and takes turns with it, so that both are measured
under the same conditions. Needs torch, transformers, accelerate and gguf.
"""

import sys
import time
from pathlib import Path

import torch
import transformers

model_path, threads, batch, length = Path(sys.argv[1]), *map(int, sys.argv[2:5])
torch.set_num_threads(threads)
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
model = transformers.AutoModelForCausalLM.from_pretrained(model_path.parent, gguf_file=model_path.name, dtype=torch.float32).eval()
tokens = torch.randint(0, model.config.vocab_size, (batch, length), generator=torch.Generator().manual_seed(0))


def forward() -> float:
    start = time.perf_counter()
    with torch.inference_mode():
        model(tokens, use_cache=False)
    return time.perf_counter() - start


forward()
print(f"ready transformers {transformers.__version__}, torch {torch.__version__}", flush=True)
for _ in sys.stdin:
    print(forward(), flush=True)
