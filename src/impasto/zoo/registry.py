"""Models by name: those released with the package, and the user's own.

A model's name is its file's name without `.onnx`. Released models lie in the package, the user's
own in `$IMPASTO_HOME/models` or the system's folder for application data. An int8 model lies beside
the model that it was quantized from and has no name of its own.
"""

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from impasto.errors import ModelFileError, OutputExistsError, UnknownModelError
from impasto.files import reason_of, write_whole
from impasto.networks.architecture import AnyPaintingArchitecture
from impasto.zoo.card import MODEL_NAME_PATTERN, ModelCard, Task
from impasto.zoo.download import download_model, forget_model, is_address
from impasto.zoo.model_file import ModelFile, read_model_file

if TYPE_CHECKING:
    from impasto.zoo.style_table import NamedStyle

MODEL_SUFFIX = ".onnx"

QUANTIZED_SUFFIX = ".int8.onnx"
"""Of int8 models."""

RELEASED_MODELS_FOLDER = Path(__file__).parent / "released"
"""The folder of the models that ship with the package."""

_DEVICE_NAME = re.compile(r"con|prn|aux|nul|com\d|lpt\d")  # Windows keeps these, with any suffix


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that has a name.

    Attributes:
        name: of the model.
        path: of its file.
        released: whether it ships with the package.
        card: its model card; None where the file cannot be used.
        problem: why the file cannot be used, in one line; None where it can.
        styles: that a network for any painting holds, by name; none for other models.
    """

    name: str
    path: Path
    released: bool
    card: ModelCard | None = None
    problem: str | None = None
    styles: "Mapping[str, NamedStyle]" = field(default_factory=dict)


def user_models_folder() -> Path:
    """The folder of the user's own models, which need not exist yet."""
    if home := os.environ.get("IMPASTO_HOME"):
        return Path(home).expanduser() / "models"
    return platformdirs.user_data_path("impasto", appauthor=False) / "models"


def list_models(*, task: Task | None = None) -> list[ModelEntry]:
    """All models, released ones first, each group sorted by name.

    Args:
        task: leave out models whose card names another task.

    Returns:
        Entries; that of a file that cannot be used has the `problem` instead of a card.
    """
    entries = []
    for name, (path, released) in _paths_by_name().items():
        try:
            model = read_model_file(path)
            styles = _styles_in(model)
        except ModelFileError as error:
            entries.append(ModelEntry(name, path, released, problem=str(error)))
            continue
        if task is None or model.card.task == task:
            entries.append(ModelEntry(name, path, released, model.card, styles=styles))
    return entries


def resolve_model(
    name_or_file: str | os.PathLike[str] | ModelFile,
    *,
    task: Task | None = None,
    quantized: bool = False,
) -> ModelFile:
    """The verified model with this name, in this file or at this URL.

    A text that begins with `https://` or `hf://` is a URL, whose model is downloaded once
    (`impasto.zoo.download`). A path object, or a text with a folder or `.onnx` in it, is a file. A
    text that is the name of a model is that model; any other text is a file if it exists.

    Args:
        name_or_file: name, file or URL; a verified model is returned as it is.
        task: the task that the model must have.
        quantized: return the int8 model, `NAME.int8.onnx` beside it or among the user's own; an
            int8 model is returned as it is.

    Raises:
        UnknownModelError: neither a name nor a file.
        ModelFileError: the file cannot be used, the model has another task, or there is no int8
            model of this very file.
        DownloadError: the model cannot be downloaded.
    """
    if isinstance(name_or_file, ModelFile):
        model = name_or_file
    elif is_address(name_or_file):
        model = download_model(name_or_file)
    else:
        model = read_model_file(_locate(name_or_file))
    if task is not None and model.card.task != task:
        raise ModelFileError(
            f"{name_or_file} is a model for {model.card.task}, expected one for {task}; "
            f"'impasto models' lists what there is"
        )
    return _int8_model_of(model) if quantized and model.card.quantization is None else model


def is_model_name(name: str) -> bool:
    """Whether a model has this name."""
    return name in _paths_by_name()


def unknown_model(name: str, *, styles: Collection[str] = ()) -> UnknownModelError:
    """The error for a name that no model has.

    Args:
        name: as it was given.
        styles: names that are known besides those of models: of a network's styles.
    """
    known = [*_paths_by_name(), *styles]
    nearest = get_close_matches(name.lower().replace(" ", "_"), known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    more = f"; styles of the network for any painting: {', '.join(styles)}" if styles else ""
    return UnknownModelError(
        f"there is no model {name[:80]!r}; {hint}'impasto models' lists the known ones, which are "
        f"the released ones and those in {user_models_folder()}; a file's name ends in .onnx{more}"
    )


def is_released(model: ModelFile) -> bool:
    """Whether a model is, byte for byte, the released model with the name on its card."""
    suffix = MODEL_SUFFIX if model.card.quantization is None else QUANTIZED_SUFFIX
    path = RELEASED_MODELS_FOLDER / f"{model.card.name}{suffix}"
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256
    except OSError:
        return False


def display_name(model: ModelFile) -> str:
    """The name on a model's card, with its file where a released model has the same name.

    Anyone can write `great_wave` on a card.
    """
    name = model.card.name
    released = RELEASED_MODELS_FOLDER / f"{name}{MODEL_SUFFIX}"
    if not released.exists() or is_released(model):
        return name
    return f"{name} ({model.path or 'in memory'}, not the one that ships with Impasto)"


def int8_output_path(model: ModelFile) -> Path:
    """The path to write an int8 model to: beside its model, or among the user's own."""
    path = model.path or Path(f"{model.card.name}{MODEL_SUFFIX}")
    if path.parent == RELEASED_MODELS_FOLDER:
        path = user_models_folder() / path.name
    return int8_path(path)


def int8_path(path: Path) -> Path:
    """The path of the int8 model beside a model file: `NAME.int8.onnx`."""
    return path.with_name(path.name.removesuffix(MODEL_SUFFIX) + QUANTIZED_SUFFIX)


def add_model(
    path: str | os.PathLike[str], *, name: str | None = None, overwrite: bool = False
) -> ModelEntry:
    """Verify a model file and copy it to the user's own models.

    Args:
        path: the file, or a URL to download it from.
        name: of the model; the name on its card by default.
        overwrite: replace a model with this name.

    Raises:
        ModelFileError: the file cannot be used, or the name is unfit or that of a released model
            (which an int8 model may have).
        OutputExistsError: there is a model with this name already.
        DownloadError: the model cannot be downloaded.
    """
    model = download_model(path) if is_address(path) else read_model_file(path)
    is_quantized = model.card.quantization is not None
    name = name if name is not None else model.card.name
    if not re.fullmatch(MODEL_NAME_PATTERN, name) or _DEVICE_NAME.fullmatch(name):
        raise ModelFileError(
            f"{name[:80]!r} cannot be a model's name; expected 1 to 64 small letters, digits, "
            f"'_' or '-', with a letter or digit first and last"
        )
    if not is_quantized and (RELEASED_MODELS_FOLDER / f"{name}{MODEL_SUFFIX}").exists():
        raise ModelFileError(
            f"{name!r} is the name of a model that ships with Impasto; choose another name"
        )
    target = user_models_folder() / f"{name}{QUANTIZED_SUFFIX if is_quantized else MODEL_SUFFIX}"
    if target.exists() and not overwrite:
        raise OutputExistsError(
            f"there is a model {name!r} already ({target}); choose another name or overwrite it"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Looked at again when it is renamed: the name may have been taken since.
        write_whole(target, model.data, replace=overwrite)
    except OutputExistsError:
        raise
    except OSError as error:
        raise ModelFileError(f"{target}: cannot be written ({reason_of(error)})") from None
    return ModelEntry(name=name, path=target, released=False, card=model.card)


def remove_model(name: str) -> Path:
    """Delete one of the user's own models with its int8 model, or the download of a URL.

    Returns:
        The path of the deleted file.

    Raises:
        UnknownModelError: no such model.
        ModelFileError: a released model, or a file that cannot be deleted.
        DownloadError: a URL of which no download is kept.
    """
    if is_address(name):
        return forget_model(name)
    path, released = _path_of(name)
    if released:
        raise ModelFileError(
            f"{name!r} ships with Impasto and cannot be removed; "
            f"only models in {user_models_folder()} can"
        )
    try:
        path.unlink()
        # Useless by itself: it is bound to the bytes of this very file.
        int8_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be deleted ({error.strerror})") from None
    return path


def _styles_in(model: ModelFile) -> "Mapping[str, NamedStyle]":
    is_network = isinstance(model.card.architecture, AnyPaintingArchitecture)
    if not is_network or model.card.quantization is not None:  # an int8 model has one style
        return {}
    # Here: it imports numpy, which other models need not wait for.
    from impasto.zoo.style_table import read_style_table

    return read_style_table(model).styles


def _int8_model_of(model: ModelFile) -> ModelFile:
    """The int8 model beside a model or among the user's own, made from this very file."""
    paths = []
    if model.path is not None:
        beside = int8_path(model.path)
        paths = [beside, user_models_folder() / beside.name]
    for path in paths:
        if path.is_file():
            int8_model = read_model_file(path)
            record = int8_model.card.quantization
            if record is None or record.made_from != model.sha256:
                raise ModelFileError(
                    f"{path} is not the quantized form of {model}, which was changed since; "
                    f"make it anew with 'impasto models quantize'"
                )
            return int8_model
    raise ModelFileError(
        f"{model} has no quantized form "
        f"({f'{paths[0].name} is not there' if paths else 'it is a model in memory'}); "
        f"make one with 'impasto models quantize', or use another precision"
    )


def _paths_by_name() -> dict[str, tuple[Path, bool]]:
    """File of each name, and whether it is released; a released model hides one of the user's."""
    paths: dict[str, tuple[Path, bool]] = {}
    for folder, released in ((RELEASED_MODELS_FOLDER, True), (user_models_folder(), False)):
        for path in sorted(folder.glob(f"*{MODEL_SUFFIX}")):
            if not path.name.startswith(".") and not path.name.endswith(QUANTIZED_SUFFIX):
                paths.setdefault(path.stem, (path, released))
    return paths


def _locate(name_or_file: str | os.PathLike[str]) -> Path:
    text = os.fspath(name_or_file)
    separators = {os.sep, os.altsep or os.sep, "/"}
    if (
        not isinstance(name_or_file, str)
        or text.endswith(MODEL_SUFFIX)
        or any(separator in text for separator in separators)
    ):
        return Path(text)
    try:
        return _path_of(text)[0]
    except UnknownModelError:
        if os.path.isfile(text):  # noqa: PTH113  (false, not an error, for unfit names)
            return Path(text)
        raise


def _path_of(name: str) -> tuple[Path, bool]:
    paths = _paths_by_name()
    if name in paths:
        return paths[name]
    raise unknown_model(name)
