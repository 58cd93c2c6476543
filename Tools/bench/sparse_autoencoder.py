"""Times one training step of a sparse autoencoder in a Python library, whenever the line "go" arrives on standard input.

    python Tools/bench/sparse_autoencoder.py LIBRARY THREADS ROWS WIDTH FEATURES K

LIBRARY is saelens, saelens-mp (its matching pursuit), sparsify or dictionary_learning. Prints "ready" and the version once a
first step is done, then the seconds of a step for each "go", and the most memory the process has held, in megabytes, for
"peak". `condense bench sae --python PYTHON` starts it and takes turns with it. Needs sae-lens, eai-sparsify and
dictionary-learning.
"""

import os
import resource
import sys
import time
from importlib.metadata import version

os.environ.setdefault("WANDB_MODE", "disabled")
os.environ.setdefault("SPARSIFY_DISABLE_TRITON", "1")
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print does not belong among the answers

import torch

library = sys.argv[1]
threads, rows, width, features, k = map(int, sys.argv[2:7])
torch.set_num_threads(threads)
torch.manual_seed(0)
x = torch.randn(rows, width)


def saelens(architecture: str):
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    if architecture == "topk":
        from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig

        sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=width, d_sae=features, k=k))
    else:
        from sae_lens.saes.matching_pursuit_sae import MatchingPursuitTrainingSAE, MatchingPursuitTrainingSAEConfig

        sae = MatchingPursuitTrainingSAE(MatchingPursuitTrainingSAEConfig(d_in=width, d_sae=features, max_iterations=k))
    config = SAETrainerConfig(
        n_checkpoints=0, checkpoint_path=None, save_final_checkpoint=False, total_training_samples=1000 * rows, device="cpu", autocast=False,
        lr=2e-4, lr_end=2e-5, lr_scheduler_name="constant", lr_warm_up_steps=10, adam_beta1=0.9, adam_beta2=0.999, lr_decay_steps=0,
        n_restart_cycles=1, train_batch_size_samples=rows, dead_feature_window=1000, feature_sampling_window=2000,
        logger=LoggingConfig(log_to_wandb=False))
    trainer = SAETrainer(config, sae, iter(lambda: x, None))
    return lambda: trainer._train_step(sae, x), "sae-lens"


def dictionary_learning():
    from dictionary_learning.trainers.top_k import TopKTrainer

    trainer = TopKTrainer(
        steps=100_000, activation_dim=width, dict_size=features, k=k, layer=0, lm_name="none", device="cpu", warmup_steps=10)
    steps = iter(range(1, 10**9))  # step 0 also computes a geometric median
    return lambda: trainer.update(next(steps), x), "dictionary-learning"


def sparsify():
    from sparsify import SparseCoder
    from sparsify.config import SparseCoderConfig

    torch.cuda.is_bf16_supported = lambda *_, **__: False
    coder = SparseCoder(width, SparseCoderConfig(num_latents=features, k=k), "cpu", dtype=torch.float32)
    optimizer = torch.optim.Adam(coder.parameters(), lr=2e-4)
    fired = torch.zeros(features, dtype=torch.long)

    def step():
        # The order of sparsify's own trainer, which cannot be had without a language model around it.
        coder.set_decoder_norm_to_unit_norm()
        out = coder(x, dead_mask=fired > 10_000_000)
        (out.fvu + out.auxk_loss / 32).backward()
        coder.remove_gradient_parallel_to_decoder_directions()
        optimizer.step()
        optimizer.zero_grad()
        fired.add_(rows)
        fired[out.latent_indices.flatten().unique()] = 0

    return step, "eai-sparsify"


step, package = {
    "saelens": lambda: saelens("topk"),
    "saelens-mp": lambda: saelens("matching-pursuit"),
    "dictionary_learning": dictionary_learning,
    "sparsify": sparsify,
}[library]()


def seconds() -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def peak_megabytes() -> int:
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_000_000
    # Linux counts the memory of the process that started this one among its own resources, but not here.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 // 1_000_000 for line in status if line.startswith("VmHWM:"))


def answer(value) -> None:
    print(value, file=answers, flush=True)


seconds()
answer(f"ready {package} {version(package)}, torch {torch.__version__}")
for line in sys.stdin:
    answer(peak_megabytes() if line.strip() == "peak" else seconds())
