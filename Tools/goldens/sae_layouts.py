"""Fixtures for the layouts of other libraries: autoencoders as their own code writes them, inputs, and their reconstructions.

Made with sae-lens 6.54.12, dictionary-learning 0.1.0, eai-sparsify 1.3.3, torch 2.13.0+cpu, safetensors 0.8.0; seed 7.
OpenAI's library is not on PyPI: its file is written here as its `state_dict` is laid out, and x̂ follows its formula.
Usage: python sae_layouts.py   (writes to Tests/SparseAutoencodersTests/Fixtures/Layouts)
"""

import json
import shutil
from pathlib import Path

import torch
from dictionary_learning.dictionary import AutoEncoderNew
from dictionary_learning.trainers import BatchTopKTrainer, GatedSAETrainer, JumpReluTrainer, StandardTrainer, TopKTrainer
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer
from dictionary_learning.trainers.standard import StandardTrainerAprilUpdate
from sae_lens import (
    AbsTopKSAE, AbsTopKSAEConfig, BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, GatedSAE, GatedSAEConfig, JumpReLUSAE, JumpReLUSAEConfig,
    JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig, MatchingPursuitSAE, MatchingPursuitSAEConfig, StandardSAE, StandardSAEConfig, TopKSAE,
    TopKSAEConfig,
)
from sae_lens.saes.sae import SAEMetadata
from safetensors.torch import load_file, save_file
from sparsify import SparseCoder, SparseCoderConfig

FOLDER = Path(__file__).resolve().parents[2] / "Tests/SparseAutoencodersTests/Fixtures/Layouts"
D, F, K = 6, 12, 3
HOOK, MODEL = "blocks.2.hook_resid_post", "pythia-70m"

values: dict[str, torch.Tensor] = {}


@torch.no_grad()
def randomize(module: torch.nn.Module) -> None:
    for name, parameter in module.named_parameters():
        small = "threshold" in name or "bias" in name or name.startswith("b_") or name == "r_mag"
        parameter.copy_(torch.randn_like(parameter) * (0.3 if small else 0.6))
        if name == "threshold":
            parameter.abs_()
        if name == "log_threshold":
            parameter.sub_(0.5)


@torch.no_grad()
def record(name: str, reconstruct, scale: float = 1.5) -> None:
    x = torch.randn(16, D) * scale
    values[f"{name}.input"], values[f"{name}.output"] = x, reconstruct(x).detach().clone()


def saelens(name: str, sae_class, config, **settings):
    metadata = SAEMetadata(model_name=MODEL, hook_name=HOOK, context_size=128, prepend_bos=True, dataset_path="pile")
    sae = sae_class(config(d_in=D, d_sae=F, metadata=metadata, **settings))
    randomize(sae)
    sae.save_model(FOLDER / f"saelens-{name}")
    record(f"saelens-{name}", sae)
    return sae


def make_saelens() -> None:
    saelens("standard", StandardSAE, StandardSAEConfig)
    saelens("standard-whole", StandardSAE, StandardSAEConfig, apply_b_dec_to_input=False, normalize_activations="constant_norm_rescale")
    saelens("topk", TopKSAE, TopKSAEConfig, k=K)
    saelens("topk-norms", TopKSAE, TopKSAEConfig, k=K, rescale_acts_by_decoder_norm=True, normalize_activations="layer_norm")
    saelens("abstopk", AbsTopKSAE, AbsTopKSAEConfig, k=K)
    saelens("jumprelu", JumpReLUSAE, JumpReLUSAEConfig)
    saelens("gated", GatedSAE, GatedSAEConfig)
    for name, stops in [("pursuit", False), ("pursuit-support", True)]:
        sae = MatchingPursuitSAE(
            MatchingPursuitSAEConfig(d_in=D, d_sae=F, max_iterations=5, residual_threshold=0.2, stop_on_duplicate_support=stops))
        randomize(sae)
        sae.W_dec.data /= sae.W_dec.data.norm(dim=1, keepdim=True)
        sae.save_model(FOLDER / f"saelens-{name}")
        record(f"saelens-{name}", sae)
    saelens("training-jumprelu", JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig)
    # A training model selects k·B; what it is used as has one threshold.
    sae = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(d_in=D, d_sae=F, k=K))
    randomize(sae)
    sae.topk_threshold.fill_(0.4)
    sae.save_model(FOLDER / "saelens-training-batchtopk")
    sae.save_inference_model(FOLDER / "saelens-batchtopk")
    used = JumpReLUSAE.load_from_disk(FOLDER / "saelens-batchtopk")
    for name in ["saelens-training-batchtopk", "saelens-batchtopk"]:
        record(name, used)
    # Version 3 had flat configurations, and TopK as an activation of standard models.
    shutil.copytree(FOLDER / "saelens-topk", FOLDER / "saelens-old-topk")
    (FOLDER / "saelens-old-topk/cfg.json").write_text(json.dumps({
        "architecture": "standard", "d_in": D, "d_sae": F, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": K}, "dtype": "torch.float32",
        "apply_b_dec_to_input": True, "finetuning_scaling_factor": False, "model_name": MODEL, "hook_name": HOOK, "hook_layer": 2,
        "context_size": 128, "prepend_bos": True, "normalize_activations": "none", "sae_lens_training_version": "3.11.0"}))
    record("saelens-old-topk", TopKSAE.load_from_disk(FOLDER / "saelens-topk"))


def make_dictionary_learning() -> None:
    common = dict(steps=100, activation_dim=D, dict_size=F, layer=2, lm_name=MODEL, device="cpu", seed=7, warmup_steps=1)
    plain = dict(common, lr=1e-3, sparsity_warmup_steps=1)
    trainers = {
        "standard": StandardTrainer(**plain), "standard-new": StandardTrainerAprilUpdate(**plain, dict_class=AutoEncoderNew),
        "gated": GatedSAETrainer(**plain), "jumprelu": JumpReluTrainer(**plain), "topk": TopKTrainer(**common, k=K), "batchtopk": BatchTopKTrainer(**common, k=K),
        "matryoshka": MatryoshkaBatchTopKTrainer(**common, k=K, group_fractions=[0.25, 0.75]),
    }
    for name, trainer in trainers.items():
        dictionary = trainer.ae
        randomize(dictionary)
        if name in ["batchtopk", "matryoshka"]:
            dictionary.threshold.fill_(0.4)
        folder = FOLDER / f"dictionary-learning-{name}"
        folder.mkdir(parents=True)
        torch.save({key: value.cpu() for key, value in dictionary.state_dict().items()}, folder / "ae.pt")
        # The April trainer names AutoEncoder whatever its class is.
        config = trainer.config | {"dict_class": type(dictionary).__name__}
        (folder / "config.json").write_text(json.dumps({"trainer": config, "buffer": {"d_submodule": D, "ctx_len": 128}}, indent=4))
        record(folder.name, dictionary)


def make_sparsify() -> None:
    coder = SparseCoder(D, SparseCoderConfig(num_latents=F, k=K))
    randomize(coder)
    coder.save_to_disk(FOLDER / "sparsify-topk")
    record("sparsify-topk", lambda x: coder(x).sae_out)
    skipping = SparseCoder(D, SparseCoderConfig(num_latents=F, k=K, skip_connection=True))
    skipping.save_to_disk(FOLDER / "sparsify-skip")


def make_openai() -> None:
    for name in ["relu", "topk"]:
        state = {
            "pre_bias": torch.randn(D) * 0.3, "latent_bias": torch.randn(F) * 0.3, "encoder.weight": torch.randn(F, D) * 0.6,
            "decoder.weight": torch.randn(D, F) * 0.6, "stats_last_nonzero": torch.zeros(F, dtype=torch.long),
            "latents_activation_frequency": torch.ones(F), "latents_mean_square": torch.zeros(F),
        }
        activation = {"activation": "ReLU"} if name == "relu" else {
            "activation": "TopK", "activation_state_dict": {"k": K, "postact_fn": "ReLU"}}
        folder = FOLDER / f"openai-{name}"
        folder.mkdir(parents=True)
        torch.save(state | activation, folder / "autoencoder.pt")

        def reconstruct(x: torch.Tensor) -> torch.Tensor:
            mean, deviation = torch.zeros(1), torch.ones(1)
            if name == "topk":
                mean = x.mean(-1, keepdim=True)
                deviation = (x - mean).std(-1, keepdim=True)
                x = (x - mean) / (deviation + 1e-5)
            pre = (x - state["pre_bias"]) @ state["encoder.weight"].T + state["latent_bias"]
            codes = pre.relu()
            if name == "topk":
                top = pre.topk(K, dim=-1)
                codes = torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())
            return (codes @ state["decoder.weight"].T + state["pre_bias"]) * deviation + mean

        record(folder.name, reconstruct)


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    torch.manual_seed(7)
    make_saelens()
    make_dictionary_learning()
    make_sparsify()
    make_openai()
    save_file({name: value.contiguous() for name, value in values.items()}, FOLDER / "expected.safetensors")
    for path in FOLDER.glob("saelens-*"):
        assert load_file(path / "sae_weights.safetensors")


if __name__ == "__main__":
    main()
