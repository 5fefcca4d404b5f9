"""What is refused, with the reason, and that nothing is left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.checkpoints import conversion
from models.checkpoints.conversion import convert
from models.errors import CheckpointError
from tests.models.checkpoints.originals import ORIGINALS, write_weights

pytestmark = pytest.mark.slow

GLM = ORIGINALS["chatglm3-6b"]
BAICHUAN = ORIGINALS["Baichuan2-7B-Chat"]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def refused(folder: Path, out: Path, **options: Any) -> CheckpointError:
    before = sorted(out.parent.iterdir())
    with pytest.raises(CheckpointError) as caught:
        convert(folder, out, **options)
    assert sorted(out.parent.iterdir()) == before
    return caught.value


@pytest.mark.parametrize(
    ("key", "value", "finding"),
    [
        ("quantization_bit", 4, "foreign_quantisation"),
        ("original_rope", False, "unsupported_flag"),
        ("add_bias_linear", True, "unsupported_flag"),
        ("rmsnorm", False, "unsupported_flag"),
        ("apply_residual_connection_post_layernorm", True, "unsupported_flag"),
        ("pre_seq_len", 128, "unknown_flag"),
        ("new_attention", True, "unknown_flag"),
        ("num_layers", 3, "missing_tensor"),
        ("num_layers", 1, "unexpected_tensor"),
        ("num_layers", "2", "unsupported_flag"),
        ("ffn_hidden_size", 44, "wrong_shape"),
        ("model_type", "llama", "not_original"),
    ],
)
def test_configurations_that_are_refused(key: str, value: Any, finding: str, tmp_path: Path) -> None:
    folder = GLM.write(tmp_path)
    (folder / "config.json").write_text(json.dumps({**GLM.config, key: value}))
    assert refused(folder, tmp_path / "out").finding == finding


def _without(weights: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in weights.items() if key != name}


@pytest.mark.parametrize(
    ("change", "finding", "tensor"),
    [
        (lambda w: _without(w, "lm_head.weight"), "missing_tensor", "lm_head.weight"),
        (lambda w: w | {"model.layers.0.extra": torch.zeros(1)}, "unexpected_tensor", "model.layers.0.extra"),
        (lambda w: w | {"model.norm.weight": torch.zeros(7)}, "wrong_shape", "model.norm.weight"),
        (
            lambda w: w | {"lm_head.weight": torch.zeros(704, 96, dtype=torch.int8)},
            "foreign_quantisation",
            None,
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_weights_that_are_refused(
    change: Callable[[Any], Any], finding: str, tensor: str | None, suffix: str, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    folder = BAICHUAN.write(tmp_path, suffix=suffix)
    weights = change(dict(BAICHUAN.weights))
    if suffix == ".bin":
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors")
    error = refused(folder, tmp_path / "out")
    assert error.finding == finding
    assert tensor is None or error.details["tensor"] == tensor


def _damaged(folder: Path, how: str) -> None:
    shard = sorted(folder.glob("*-00002-of-*"))[0]
    if how == "missing":
        shard.unlink()
    elif how == "pointer":
        shard.write_bytes(POINTER)
    elif how == "truncated":
        shard.write_bytes(shard.read_bytes()[:-100])
    elif how == "headless":
        shard.write_bytes(b"\0" * 20)
    elif how == "swapped":
        shutil.copyfile(sorted(folder.glob("*-00001-of-*"))[0], shard)
    elif how == "index":
        path = next(folder.glob("*.index.json"))
        index = json.loads(path.read_text())
        index["weight_map"]["model.norm.weight"] = sorted(set(index["weight_map"].values()))[0]
        path.write_text(json.dumps(index))
    elif how == "outside":
        path = next(folder.glob("*.index.json"))
        path.write_text(path.read_text().replace("-00002-of", "/../../-00002-of"))
    elif how == "no index":
        next(folder.glob("*.index.json")).unlink()


@pytest.mark.parametrize(
    ("how", "suffix", "finding"),
    [
        ("missing", ".bin", "shard_missing"),
        ("pointer", ".bin", "lfs_pointer"),
        ("pointer", ".safetensors", "lfs_pointer"),
        ("truncated", ".bin", "damaged_weights"),
        ("truncated", ".safetensors", "truncated"),
        ("headless", ".bin", "damaged_weights"),
        ("headless", ".safetensors", "damaged_weights"),
        ("swapped", ".safetensors", "index_disagrees"),
        ("index", ".bin", "index_disagrees"),
        ("outside", ".safetensors", "bad_json"),
        ("no index", ".bin", "no_weights"),
    ],
)
def test_damaged_folders(how: str, suffix: str, finding: str, tmp_path: Path) -> None:
    folder = BAICHUAN.write(tmp_path, files=3, suffix=suffix)
    _damaged(folder, how)
    assert refused(folder, tmp_path / "out").finding == finding


def test_pickles_that_run_code_are_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    folder = BAICHUAN.write(tmp_path)
    torch.save({"model.norm.weight": Evil()}, folder / "pytorch_model.bin")
    assert refused(folder, tmp_path / "out").finding == "damaged_weights"
    assert not (tmp_path / "ran").exists()


def test_output_that_exists_and_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GLM.write(tmp_path)
    (tmp_path / "out").mkdir()
    assert refused(folder, tmp_path / "out").finding == "out_exists"
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert refused(folder, tmp_path / "new").finding == "disk_full"


def test_a_failure_half_way_leaves_nothing_and_leftovers_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = GLM.write(tmp_path, files=2)
    left_over = tmp_path / ".out-converting-killed"
    left_over.mkdir()
    with monkeypatch.context() as patched:

        def fail(*_: Any) -> None:
            raise OSError("the disk is gone")

        patched.setattr(conversion, "_write_json", fail)
        with pytest.raises(OSError, match="the disk is gone"):
            convert(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["chatglm3-6b"]
    assert convert(folder, tmp_path / "out").files == 2


def test_versions_are_told_apart(tmp_path: Path) -> None:
    unnamed = replace(GLM, name="model", config={**GLM.config, "rope_ratio": 50})
    folder = unnamed.write(tmp_path)
    assert refused(folder, tmp_path / "out").finding == "ambiguous_family"
    rope = {}
    for family in ("chatglm2-6b", "chatglm3-6b"):
        assert convert(folder, tmp_path / family, family=family).family.name == family
        rope[family] = json.loads((tmp_path / family / "config.json").read_text())["rope_parameters"]
    assert rope["chatglm2-6b"] == {
        "rope_type": "linear",
        "factor": 50.0,
        "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5,
    }
    assert rope["chatglm3-6b"]["rope_theta"] == 500000.0
    assert refused(folder, tmp_path / "out", family="baichuan-7b").finding == "unknown_family"
    (folder / "tokenization_chatglm.py").write_text("# build_prompt")
    assert convert(folder, tmp_path / "by_code").family.name == "chatglm2-6b"


@pytest.mark.parametrize("name", ["chatglm3-6b", "Baichuan2-13B-Chat", "chatglm-6b"])
def test_safetensors_give_what_pytorch_files_give(
    name: str, tmp_path: Path, converted: Callable[[str], Path]
) -> None:
    from safetensors.torch import load_file

    folder = ORIGINALS[name].write(tmp_path, suffix=".safetensors", dtype=torch.bfloat16)
    made = convert(folder, tmp_path / "out")
    assert (made.files, made.folder) == (1, tmp_path / "out")
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    whole = {k: v for path in converted(name).glob("*.safetensors") for k, v in load_file(path).items()}
    assert tensors.keys() == whole.keys()
    assert all(tensor.dtype == torch.bfloat16 for tensor in tensors.values())
    assert all(float((tensors[key].float() - whole[key]).abs().max()) < 0.05 for key in whole)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"


def test_old_pytorch_files(tmp_path: Path, converted: Callable[[str], Path]) -> None:
    folder = GLM.write(tmp_path)
    torch.save(GLM.weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    assert convert(folder, tmp_path / "out").parameters > 100_000


def test_what_a_converted_folder_holds(converted: Callable[[str], Path]) -> None:
    folder = converted("Baichuan2-7B-Chat")
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert json.loads((folder / "generation_config.json").read_text()) == {
        "do_sample": True,
        "temperature": 0.3,
        "top_k": 5,
        "top_p": 0.85,
        "repetition_penalty": 1.05,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    assert json.loads((folder / "tokenizer_config.json").read_text())["user_token_id"] == 195


def test_weights_stay_in_their_files(tmp_path: Path) -> None:
    folder = GLM.write(tmp_path, files=1)
    (folder / "pytorch_model.bin").unlink()
    write_weights(folder, GLM.weights, files=5)
    made = convert(folder, tmp_path / "out")
    assert made.files == len(list((tmp_path / "out").glob("*.safetensors"))) == 5


MEASURE = """
import sys, threading
from pathlib import Path
import psutil
from models.checkpoints.conversion import convert
small, large, out = map(Path, sys.argv[1:])
convert(small, out / "small")  # everything is imported now
process, peak, done = psutil.Process(), [0], threading.Event()
base = process.memory_info().rss
def watch():
    while not done.wait(0.002):
        peak[0] = max(peak[0], process.memory_info().rss)
watcher = threading.Thread(target=watch)
watcher.start()
convert(large, out / "large")
done.set()
watcher.join()
print(peak[0] - base)
"""


def test_memory_stays_under_twice_the_largest_file(tmp_path: Path) -> None:
    sizes = {"hidden_size": 1024, "kv_channels": 64, "num_attention_heads": 16, "ffn_hidden_size": 4096}
    large = replace(GLM, config={**GLM.config, **sizes, "num_layers": 3})
    folder = large.write(tmp_path / "large", files=3)
    small = GLM.write(tmp_path / "small")
    (tmp_path / "out").mkdir()
    arguments = [sys.executable, "-c", MEASURE, *map(str, (small, folder, tmp_path / "out"))]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)  # noqa: S603
    largest = max(path.stat().st_size for path in folder.glob("*.bin"))
    assert largest > 50 << 20
    assert 0 < int(done.stdout) < 2 * largest
