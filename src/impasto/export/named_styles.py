"""Named styles of a network for any painting: put into its file from add-on files."""

from collections.abc import Sequence
from pathlib import Path

import onnx

from impasto.export.model_export import write_model
from impasto.zoo.model_file import ModelFile
from impasto.zoo.style_file import StyleFile
from impasto.zoo.style_table import STYLES_KEY, NamedStyle
from impasto.zoo.style_vectors import StyleNetwork, encoded


def name_styles(
    network: StyleNetwork,
    styles: Sequence[StyleFile],
    path: Path,
    *,
    drop_others: bool = False,
    replace: bool = True,
) -> ModelFile:
    """Write a network's file with more named styles, and return it as read back.

    Every other style of the network, and the style of any painting, stays as it is, bit for bit.

    Args:
        network: that the add-ons were tuned on.
        styles: add-ons; one with the name of a style that the file holds takes its place.
        path: of the file to write.
        drop_others: hold these styles alone.
        replace: a file that is there; otherwise the network goes beside it.

    Raises:
        ModelFileError: an add-on is for another network.
        OutputAppearedError: a file is there and is not to be replaced.
        ExportError: the file cannot be written.
    """
    named = {} if drop_others else dict(network.table.styles)
    for style in styles:
        named[style.name] = NamedStyle(
            title=style.title,
            vector=encoded(style.style_vector.astype("<f4")),
            constants=encoded(style.constants_for(network).astype("<f2")),
            painting=style.painting,
        )
    table = network.table.model_copy(update={"styles": named})
    # A file by itself is in the style of its first name.
    first = next(iter(named))
    changed = StyleNetwork(network.model, table, network.offset, network.slope, network.encoder)
    data = network.in_style(changed.named_constants(first), name=first, title=first).data
    graph = onnx.load_model_from_string(data)
    for entry in graph.metadata_props:
        if entry.key == STYLES_KEY:
            entry.value = table.model_dump_json()
    return write_model(graph.SerializeToString(deterministic=True), path, replace=replace)
