"""Models by name: those that ship with the package, and the user's own.

A model's name is its file's name without `.onnx`. Released models lie in the package, the user's
own in `$IMPASTO_HOME/models` or the place the system keeps for such data.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import platformdirs

from impasto.errors import ModelFileError, OutputExistsError, UnknownModelError
from impasto.files import reason_of, write_whole
from impasto.zoo.card import MODEL_NAME_PATTERN, ModelCard, Task
from impasto.zoo.download import download_model, forget_model, is_address
from impasto.zoo.model_file import ModelFile, read_model_file

MODEL_SUFFIX = ".onnx"

QUANTIZED_SUFFIX = ".int8.onnx"
"""Of the second, quantized form of a model, which lies beside it and has no name of its own."""

RELEASED_MODELS_FOLDER = Path(__file__).parent / "released"
"""Where the models are that ship with the package."""

_DEVICE_NAME = re.compile(r"con|prn|aux|nul|com\d|lpt\d")  # Windows keeps these, with any suffix


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be called by name.

    Attributes:
        name: what to call it.
        path: where its file is.
        released: it ships with the package.
        card: what it says about itself; None where the file cannot be used.
        problem: why the file cannot be used, in one line; None where it can.
    """

    name: str
    path: Path
    released: bool
    card: ModelCard | None = None
    problem: str | None = None


def user_models_folder() -> Path:
    """The folder of the user's own models, which need not exist yet."""
    if home := os.environ.get("IMPASTO_HOME"):
        return Path(home).expanduser() / "models"
    return platformdirs.user_data_path("impasto", appauthor=False) / "models"


def list_models(*, task: Task | None = None) -> list[ModelEntry]:
    """All models, released ones first, each group by name; files that cannot be used say why.

    Args:
        task: leave out models whose card names another task.
    """
    entries = []
    for name, (path, released) in _paths_by_name().items():
        entry = _read_entry(name, path, released=released)
        if task is None or entry.card is None or entry.card.task == task:
            entries.append(entry)
    return entries


def resolve_model(
    name_or_file: str | os.PathLike[str] | ModelFile,
    *,
    task: Task | None = None,
    quantized: bool = False,
) -> ModelFile:
    """The verified model of that name, in that file or at that address.

    A text that begins with `https://` or `hf://` is an address, whose model is downloaded once
    (`impasto.zoo.download`). A path object, or a text with a folder or `.onnx` in it, is a file;
    a known name is that model; any other text is a file if there is one.

    Args:
        name_or_file: what to look for; a model that was verified already is taken as it is.
        task: what the model must be for.
        quantized: its second form, `NAME.int8.onnx` beside it or among the user's own models;
            a quantized file that was given is taken as it is.

    Raises:
        UnknownModelError: neither a name nor a file.
        ModelFileError: the file cannot be used, the model is for another task, or a second form
            is asked for and there is none, or one of another file.
        DownloadError: the model cannot be had from its address.
    """
    model = name_or_file if isinstance(name_or_file, ModelFile) else _read(name_or_file)
    if task is not None and model.card.task != task:
        raise ModelFileError(
            f"{name_or_file} is a model for {model.card.task}, expected one for {task}; "
            f"'impasto models' lists what there is"
        )
    return _quantized_form(model) if quantized and model.card.quantization is None else model


def is_released(model: ModelFile) -> bool:
    """Whether a model is, byte for byte, the one of its name that ships with the package."""
    suffix = MODEL_SUFFIX if model.card.quantization is None else QUANTIZED_SUFFIX
    path = RELEASED_MODELS_FOLDER / f"{model.card.name}{suffix}"
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256
    except OSError:
        return False


def told_name(model: ModelFile) -> str:
    """How results call a model: the name on its card, and whose it is where that may mislead.

    Anyone can write `great_wave` on a card.
    """
    name = model.card.name
    released = RELEASED_MODELS_FOLDER / f"{name}{MODEL_SUFFIX}"
    if not released.exists() or is_released(model):
        return name
    return f"{name} ({model.path or 'in memory'}, not the one that ships with Impasto)"


def place_of_quantized(model: ModelFile) -> Path:
    """Where to write a model's quantized form: beside it, or among one's own if it ships."""
    path = model.path or Path(f"{model.card.name}{MODEL_SUFFIX}")
    if path.parent == RELEASED_MODELS_FOLDER:
        path = user_models_folder() / path.name
    return quantized_path(path)


def quantized_path(path: Path) -> Path:
    """Where the quantized form of a model file is looked for: beside it, as `NAME.int8.onnx`."""
    return path.with_name(path.name.removesuffix(MODEL_SUFFIX) + QUANTIZED_SUFFIX)


def add_model(
    path: str | os.PathLike[str], *, name: str | None = None, overwrite: bool = False
) -> ModelEntry:
    """Verify a model file and copy it to the user's own models.

    Args:
        path: the file, or an address it is downloaded from.
        name: what to call it; the name on its card by default.
        overwrite: replace a model of that name.

    Raises:
        ModelFileError: the file cannot be used, or the name is unfit or that of a released model
            (a quantized form has the name of its model).
        OutputExistsError: there is such a model already.
        DownloadError: the model cannot be had from its address.
    """
    model = download_model(path) if is_address(path) else read_model_file(path)
    is_quantized = model.card.quantization is not None
    name = _checked_name(name if name is not None else model.card.name, may_ship=is_quantized)
    target = user_models_folder() / f"{name}{QUANTIZED_SUFFIX if is_quantized else MODEL_SUFFIX}"
    if target.exists() and not overwrite:
        raise OutputExistsError(
            f"there is a model {name!r} already ({target}); choose another name or overwrite it"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, model.data, replace=overwrite)
    except OutputExistsError:
        raise
    except OSError as error:
        raise ModelFileError(f"{target}: cannot be written ({reason_of(error)})") from None
    return ModelEntry(name=name, path=target, released=False, card=model.card)


def remove_model(name: str) -> Path:
    """Delete one of the user's own models and its quantized form, or what an address has left.

    Returns where its file was.

    Raises:
        UnknownModelError: no such model.
        ModelFileError: a released model, or a file that cannot be deleted.
        DownloadError: an address of which nothing was kept.
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
        quantized_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be deleted ({error.strerror})") from None
    return path


def _quantized_form(model: ModelFile) -> ModelFile:
    """The quantized form beside a model, or among the user's own; it must be of this very file."""
    places = []
    if model.path is not None:
        beside = quantized_path(model.path)
        places = [beside, user_models_folder() / beside.name]
    for path in places:
        if path.is_file():
            found = read_model_file(path)
            record = found.card.quantization
            if record is None or record.made_from != model.sha256:
                raise ModelFileError(
                    f"{path} is not the quantized form of {model}, which was changed since; "
                    f"make it anew with 'impasto models quantize'"
                )
            return found
    raise ModelFileError(
        f"{model} has no quantized form ({Path(places[0]).name if places else 'no file'} is not "
        f"there); make one with 'impasto models quantize', or use another precision"
    )


def _paths_by_name() -> dict[str, tuple[Path, bool]]:
    """Name to file and whether it is released; a released model hides one of the user's."""
    paths: dict[str, tuple[Path, bool]] = {}
    for folder, released in ((RELEASED_MODELS_FOLDER, True), (user_models_folder(), False)):
        for path in sorted(folder.glob(f"*{MODEL_SUFFIX}")):
            if not path.name.startswith(".") and not path.name.endswith(QUANTIZED_SUFFIX):
                paths.setdefault(path.stem, (path, released))
    return paths


def _read_entry(name: str, path: Path, *, released: bool) -> ModelEntry:
    try:
        card = read_model_file(path).card
    except ModelFileError as error:
        return ModelEntry(name=name, path=path, released=released, problem=str(error))
    return ModelEntry(name=name, path=path, released=released, card=card)


def _read(name_or_file: str | os.PathLike[str]) -> ModelFile:
    if is_address(name_or_file):
        return download_model(name_or_file)
    return read_model_file(_locate(name_or_file))


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
    nearest = get_close_matches(name.lower().replace(" ", "_"), paths, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise UnknownModelError(
        f"there is no model {name[:80]!r}; {hint}'impasto models' lists the known ones, which are "
        f"the released ones and those in {user_models_folder()}; a file's name ends in .onnx"
    )


def _checked_name(name: str, *, may_ship: bool = False) -> str:
    if not re.fullmatch(MODEL_NAME_PATTERN, name) or _DEVICE_NAME.fullmatch(name):
        raise ModelFileError(
            f"{name[:80]!r} cannot be a model's name; expected 1 to 64 small letters, digits, "
            f"'_' or '-', with a letter or digit first and last"
        )
    if not may_ship and (RELEASED_MODELS_FOLDER / f"{name}{MODEL_SUFFIX}").exists():
        raise ModelFileError(
            f"{name!r} is the name of a model that ships with Impasto; choose another name"
        )
    return name
